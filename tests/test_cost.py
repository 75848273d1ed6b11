"""Layer counts by hand, on numbers, numpy and JAX."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tnasp_jax import cost


@pytest.mark.parametrize(
    ("channels", "rounded"),
    [
        (1, 8),
        (11, 16),
        (12, 16),
        (19.2, 24),
        (28.8, 32),
        (52, 56),
        (134.4, 136),
        (96, 96),
    ],
)
def test_widths_are_multiples_of_8(channels, rounded):
    assert cost.divisible(channels) == rounded


def test_halved_counts_the_odd_point():
    assert [cost.halved(225, times) for times in range(6)] == [225, 113, 57, 29, 15, 8]


def test_a_bottleneck_by_hand():
    # 8 -> 48 channels on 10 x 10, depthwise 5 x 5 to 5 x 5, 48 -> 2 -> 48, 48 -> 16.
    flops = 8 * 48 * 100 + 25 * 48 * 25 + 2 * 48 * 2 + 48 * 16 * 25
    parameters = 8 * 48 + 25 * 48 + 48 * 16 + 2 * (48 + 48 + 16)
    gate = 48 * 2 + 2 + 2 * 48 + 48
    assert cost.mbconv_flops(5, 6, 8, 16, 10, 5, 2) == flops
    assert cost.mbconv_parameters(5, 6, 8, 16, 2) == parameters + gate
    assert cost.mbconv_parameters(5, 6, 8, 16) == parameters


def test_expansion_1_has_no_first_convolution():
    assert cost.mbconv_flops(3, 1, 8, 16, 10, 10) == (9 * 8 + 8 * 16) * 100
    assert cost.mbconv_parameters(3, 1, 8, 16) == 9 * 8 + 8 * 16 + 2 * (8 + 16)


def test_a_layer_that_is_left_out_costs_nothing():
    assert cost.mbconv_flops(0, 0, 8, 8, 10, 10) == 0
    assert cost.mbconv_parameters(0, 0, 8, 8) == 0


def test_arrays_of_numpy_and_jax_agree_with_numbers():
    expansion = np.array([0, 1, 6])
    alone = [cost.mbconv_flops(3, int(e), 16, 24, 28, 14, 4) for e in expansion]
    assert cost.mbconv_flops(3, expansion, 16, 24, 28, 14, 4).tolist() == alone
    jitted = jax.jit(lambda e: cost.mbconv_flops(3, e, 16, 24, 28, 14, 4))
    np.testing.assert_allclose(jitted(jnp.asarray(expansion, jnp.float32)), alone)


def test_ends_by_hand():
    assert cost.conv_flops(3, 3, 32, 112) == 9 * 3 * 32 * 112**2
    assert cost.conv_parameters(3, 3, 32) == 9 * 3 * 32 + 64
    assert cost.dense_parameters(1280, 1000) == 1_281_000
