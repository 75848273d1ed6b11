"""Elites: who is a parent."""

import numpy as np
import pytest

from tnasp_jax import search
from tnasp_jax.search.elites import best_of_choices


def test_parents_are_the_best_of_a_choice(made):
    method = search.elites(made.space, population=2)
    cells = [(0, 0, 0, 0, 0, 0), (1, 1, 1, 1, 1, 1), (1, 1, 1, 1, 1, 2), (2,) * 6]
    state = method.tell(method.init(), cells, [4.0, 1.0, 3.0, np.nan])
    # The second is still the best with a 1 in the last place; failures never are.
    assert best_of_choices(made.space, state).tolist() == [0, 1, 2]
    state = method.tell(state, [(1, 1, 1, 1, 1, 3)], [5.0])
    assert best_of_choices(made.space, state).tolist() == [0, 1, 2, 4]
    state = method.tell(state, [(0, 0, 0, 0, 0, 1)], [9.0])
    # The first is the best of its last digit alone, the second of nothing any more.
    assert best_of_choices(made.space, state).tolist() == [0, 2, 4, 5]


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
