"""Which operations a step trains: exactly fair, or fair on average."""

import jax
import numpy as np
import pytest
from scipy import stats

from tnasp_jax.supernets import SAMPLERS, fairnas, spos

EDGES, OPS = 6, 5


def draws(sampler, count):
    """[count, P, E] paths of that many steps."""
    keys = jax.random.split(jax.random.key(0), count)
    return np.asarray(jax.vmap(lambda key: sampler(key, EDGES, OPS))(keys))


def uses(paths):
    """[E, m] how often each edge was given each operation."""
    flat = paths.reshape(-1, EDGES)
    return np.stack([np.bincount(column, minlength=OPS) for column in flat.T])


@pytest.mark.parametrize("steps", [1, 7])
def test_fairnas_uses_each_operation_of_each_edge_once_a_step(steps):
    paths = draws(fairnas, steps)
    assert paths.shape == (steps, OPS, EDGES)
    np.testing.assert_array_equal(uses(paths), np.full((EDGES, OPS), steps))


@pytest.mark.parametrize("name", SAMPLERS)
def test_operations_of_an_edge_and_of_two_edges_are_uniform(name):
    paths = draws(SAMPLERS[name], 4000)[:, 0]
    for column in uses(paths):
        assert stats.chisquare(column).pvalue > 1e-3
    for one in range(EDGES - 1):
        pairs = OPS * paths[:, one] + paths[:, one + 1]
        assert stats.chisquare(np.bincount(pairs, minlength=25)).pvalue > 1e-3


def test_spos_draws_one_path():
    assert draws(spos, 3).shape == (3, 1, EDGES)
