"""Elites by a model: what is random, what is asked first, and that the model helps."""

import jax
import numpy as np
import pytest

from tnasp_jax import search


def test_random_until_the_population_is_known_then_children(made):
    state, _ = made.run(search.sail(made.space, population=9, born=20), 12)
    assert (state.parents < 0).tolist() == [True] * 9 + [False] * 3


def test_failures_count_neither_as_known_nor_as_parents(made):
    method = search.sail(made.space, population=3, born=20)
    cells = [(n, n, n, n, n, n) for n in range(4)]
    state = method.tell(method.init(), cells, [1.0, np.nan, 2.0, np.nan])
    asked, state = method.ask(jax.random.key(0), state, 2)
    assert (state.parents < 0).all()
    state = method.tell(state, asked, [3.0, np.nan])
    _, state = method.ask(jax.random.key(1), state, 20)
    assert set(state.parents[6:].tolist()) <= {0, 2, 4}


def test_who_would_better_an_elite_most_comes_first(made):
    cells = [tuple(map(int, f"{n:06b}")) for n in range(64)]
    method = search.sail(made.space, population=10)
    state = method.tell(method.init(), cells, [float(sum(cell)) for cell in cells])
    asked, _ = method.ask(jax.random.key(0), state, 5)
    # A choice that nobody made is filled by the lowest value, so that it is tried first.
    assert all(max(cell) > 1 for cell in asked)
    assert np.mean([sum(cell) for cell in asked]) > 5


def test_it_beats_random_search_and_elites(made):
    def mean_best(method):
        found = [made.run(method, 12, batch=10, seed=seed)[0] for seed in range(5)]
        return np.mean([search.best(state)[1] for state in found])

    expected = mean_best(search.sail(made.space, population=20, born=200))
    assert expected > mean_best(search.random_search(made.space))
    assert expected >= mean_best(search.elites(made.space, population=20))


@pytest.mark.parametrize(
    "options", [{"population": 0}, {"born": 0}, {"crossover": 1.5}]
)
def test_sizes_that_make_no_sense(made, options):
    with pytest.raises(ValueError, match="expected"):
        search.sail(made.space, **options)
