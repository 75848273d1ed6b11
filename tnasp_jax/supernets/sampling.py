"""Which paths a step trains: pure functions of a key.

Each takes (key, num_edges E, num_ops m) and returns the step's paths, [P, E] int32.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp


def spos(key: jax.Array, num_edges: int, num_ops: int) -> jax.Array:
    """One path, [1, E], each edge's operation uniform (Guo et al., ECCV 2020)."""
    return jax.random.randint(key, (1, num_edges), 0, num_ops)


def fairnas(key: jax.Array, num_edges: int, num_ops: int) -> jax.Array:
    """m paths, [m, E], that hold each operation of each edge exactly once.

    Strict fairness (Chu et al., ICCV 2021, Algorithm 1): every edge goes through its
    operations in a random order of its own.
    """
    ordered = jnp.tile(jnp.arange(num_ops, dtype=jnp.int32)[:, None], (1, num_edges))
    return jax.random.permutation(key, ordered, axis=0, independent=True)


Sampler = Callable[[jax.Array, int, int], jax.Array]

SAMPLERS: dict[str, Sampler] = {"spos": spos, "fairnas": fairnas}
