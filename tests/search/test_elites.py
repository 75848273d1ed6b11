"""Elites: a random beginning, then children of the best of choices."""

import numpy as np
import pytest

from tnasp_jax import search


def test_the_beginning_is_random(made):
    state, _ = made.run(search.elites(made.space, population=9), 12)
    assert (state.parents >= 0).tolist() == [False] * 9 + [True] * 3


def test_it_beats_random_search(made):
    def mean_best(method):
        found = [made.run(method, 30, batch=5, seed=seed)[0] for seed in range(5)]
        return np.mean([search.best(state)[1] for state in found])

    random = mean_best(search.random_search(made.space))
    assert mean_best(search.elites(made.space, population=20)) > random


@pytest.mark.parametrize("options", [{"population": 0}, {"crossover": 1.5}])
def test_sizes_that_make_no_sense(made, options):
    with pytest.raises(ValueError, match="expected"):
        search.elites(made.space, **options)
