"""The operations of DARTS against stock ones, their gradients too."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from tnasp_jax.supernets import separable as operations

CHANNELS = 3


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def equal_with_gradients(ours, stock, *arguments, tolerance=1e-4):
    weight = normal(9, *jax.eval_shape(stock, *arguments).shape)
    results = []
    for function in (ours, stock):
        value, pullback = jax.vjp(function, *arguments)
        results.append((value, *pullback(jnp.asarray(weight))))
    for found, expected in zip(*results, strict=True):
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size, dilation", [(3, 1), (5, 1), (3, 2), (5, 2)])
def test_depthwise(size, dilation, stride):
    pad = dilation * (size - 1) // 2

    def stock(x, kernel):
        return lax.conv_general_dilated(
            x,
            kernel[:, None],
            (stride, stride),
            [(pad, pad)] * 2,
            rhs_dilation=(dilation, dilation),
            dimension_numbers=("CHWN", "OIHW", "CHWN"),
            feature_group_count=CHANNELS,
            precision="highest",
        )

    def ours(x, kernel):
        return operations.depthwise(x, kernel, stride, dilation)

    x, kernel = normal(0, CHANNELS, 8, 6, 5), normal(1, CHANNELS, size, size)
    equal_with_gradients(ours, stock, x, kernel)


@pytest.mark.parametrize("stride", [1, 2])
def test_pooling(stride):
    window, strides = (1, 3, 3, 1), (1, stride, stride, 1)
    pads = [(0, 0), (1, 1), (1, 1), (0, 0)]

    def highest(x):
        return lax.reduce_window(x, -jnp.inf, lax.max, window, strides, pads)

    def mean(x):
        total, count = (
            lax.reduce_window(y, 0.0, lax.add, window, strides, pads)
            for y in (x, jnp.ones_like(x))
        )
        return total / count

    x = normal(0, CHANNELS, 8, 6, 5)
    equal_with_gradients(lambda x: operations.max_pool(x, stride), highest, x)
    equal_with_gradients(lambda x: operations.average_pool(x, stride), mean, x)


def test_equal_maxima_share_a_gradient():
    grad = jax.grad(lambda x: operations.max_pool(x, 1).sum())(jnp.ones((1, 4, 4, 1)))
    assert float(grad.sum()) == pytest.approx(16)  # One for each window.
    np.testing.assert_allclose(grad, grad[:, ::-1, ::-1])


def test_a_factorized_reduction_sees_even_and_odd_pixels():
    x = jnp.zeros((2, 4, 4, 1)).at[0, 0, 0].set(1.0).at[1, 1, 1].set(2.0)
    out = operations.factorized(x, jnp.array([[1.0, 0], [0, 1.0]]))
    assert out.shape == (2, 2, 2, 1)
    assert float(out[0, 0, 0, 0]) == 1 and float(out[1, 0, 0, 0]) == 2
    assert float(jnp.abs(out).sum()) == 3
