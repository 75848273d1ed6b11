"""The supernet's operations against stock ones."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from tnasp_jax.spaces.nasbench201 import EDGE_OPS
from tnasp_jax.supernets import operations

NONE, SKIP, CONV_1X1, CONV_3X3, POOL = range(5)


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def close(result, expected, tolerance=1e-5):
    np.testing.assert_allclose(result, expected, rtol=tolerance, atol=tolerance)


def reference_convolution(x, kernel, stride=1):
    padding = kernel.shape[-1] // 2
    return lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        [(padding, padding)] * 2,
        dimension_numbers=("CHWN", "OIHW", "CHWN"),
        precision="highest",
    )


# 150 images: more than one batch, and no multiple of it.
@pytest.mark.parametrize("batch", [5, 64, 150])
@pytest.mark.parametrize("stride", [1, 2])
def test_convolution_equals_that_of_lax(batch, stride):
    x, kernel = normal(0, 3, 8, 8, batch), normal(1, 4, 3, 3, 3)
    close(
        operations.convolve(x, kernel, stride),
        reference_convolution(x, kernel, stride),
        1e-4,
    )


def test_pooling_leaves_out_the_padding():
    x = normal(0, 2, 4, 6, 3)
    expected = np.empty_like(x)
    for i, j in np.ndindex(4, 6):
        window = x[:, max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2]
        expected[:, i, j] = window.mean((1, 2))
    close(operations.average_pool(x), expected)


def reference_edge(op, x, kernel_1x1, kernel_3x3):
    """The edge by stock operations, differentiated by JAX."""

    def unit(y):
        variance = y.var((1, 2, 3), keepdims=True)
        return (y - y.mean((1, 2, 3), keepdims=True)) / jnp.sqrt(variance + 1e-5)

    if op == NONE:
        return 0 * x
    if op == SKIP:
        return x
    if op == POOL:
        window = (1, 3, 3, 1)
        total, size = (
            lax.reduce_window(y, 0.0, lax.add, window, (1, 1, 1, 1), "SAME")
            for y in (x, jnp.ones_like(x))
        )
        return total / size
    kernel = kernel_1x1[..., None, None] if op == CONV_1X1 else kernel_3x3
    return unit(reference_convolution(jax.nn.relu(x), kernel))


@pytest.mark.parametrize("op", range(5), ids=EDGE_OPS)
def test_an_edge_and_its_gradients_equal_stock_operations(op):
    x, weight = normal(0, 4, 8, 8, 6), normal(1, 4, 8, 8, 6)
    kernels = normal(2, 4, 4), normal(3, 4, 4, 3, 3)

    def ours(*args):
        return operations.edge(jnp.int32(op), *args, x.shape[3])

    def stock(*args):
        return reference_edge(op, *args)

    close(ours(x, *kernels), stock(x, *kernels), 1e-4)
    grads, expected = (
        jax.grad(lambda *args, f=f: (weight * f(*args)).mean(), (0, 1, 2))(x, *kernels)
        for f in (ours, stock)
    )
    for grad, other in zip(grads, expected, strict=True):
        close(grad, other, 1e-5)


def test_statistics_of_the_first_images_serve_all():
    x = normal(0, 3, 4, 4, 20)
    out, _ = operations.normalize(x, 12)
    close(out[..., :12].mean((1, 2, 3)), np.zeros(3))
    close(out[..., :12].std((1, 2, 3)), np.ones(3), 1e-4)
    changed = x.copy()
    changed[..., -1] += 100
    close(operations.normalize(changed, 12)[0][..., :-1], out[..., :-1])
