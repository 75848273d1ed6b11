"""What all spaces share."""

import jax
import numpy as np

from tnasp_jax.spaces.base import host_rng


def test_chance_is_a_function_of_the_key_typed_or_raw():
    key = jax.random.key(7)
    raw = np.asarray(jax.random.key_data(key))
    first, second, other = (
        host_rng(each).integers(1 << 30, size=4).tolist()
        for each in (key, raw, jax.random.key(8))
    )
    assert first == second != other
