"""Elites by a model: what is random, what is asked first, and that the model helps."""

import dataclasses

import jax
import numpy as np
import pytest

from tnasp_jax import search
from tnasp_jax.search.sail import bred_from


def starts(state) -> list[bool]:
    return (state.parents < 0).tolist()


def test_random_until_the_population_is_known_then_children(made):
    state, _ = made.run(search.sail(made.space, population=9, born=20), 12)
    assert starts(state) == [True] * 9 + [False] * 3


def test_a_new_start_where_nothing_is_gained(made):
    method = search.sail(made.space, population=3, patience=4, born=20)
    state = method.init()
    for step in range(6):  # The third of the random ones stays the best.
        asked, state = method.ask(jax.random.key(step), state, 2 if step else 3)
        values = [0.0, 0.0, 1.0] if step == 0 else [0.5, 0.4]
        state = method.tell(state, asked, values)
    # Four without gain, then at least three random ones, then children of these.
    assert starts(state) == [True] * 3 + [False] * 4 + [True] * 4 + [False] * 2
    assert min(state.parents[-2:]) >= 7


def told(made, values, random):
    """A record in which the rows `random` were made from none."""
    cells = [tuple(map(int, f"{n:06b}")) for n in range(len(values))]
    method = search.sail(made.space)
    state = method.tell(method.init(), cells, values)
    parents = np.where([n in random for n in range(len(values))], -1, 0)
    return dataclasses.replace(state, parents=parents.astype(np.int32))


def test_who_is_bred_from(made):
    """Population 2, patience 2; random ones deviate by 1, so that .02 is no gain."""
    random, values = {0, 1, 5, 6}, [0.0, 2.0, 3.0, np.nan, 3.01]

    def rows(values):
        return bred_from(told(made, values, random), 2, 2).tolist()

    assert rows(values[:1]) == []  # Too few.
    assert rows(values[:4]) == [0, 1, 2]
    assert rows(values) == []  # Two without gain, one of them a failure.
    values += [1.0, 3.0, 2.0]
    assert rows(values[:6]) == []
    assert rows(values) == [5, 6, 7]
    values += [2.5]  # No gain of its own: all together.
    assert rows(values) == [0, 1, 2, 4, 5, 6, 7, 8]
    assert rows([*values, 3.005]) == [0, 1, 2, *range(4, 10)]
    assert rows([*values, 4.0, 0.0]) == [0, 1, 2, *range(4, 11)]
    assert rows([*values, 4.0, 0.0, 0.0]) == []
    assert rows([*values, 3.005, 0.0]) == []


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
    "options", [{"population": 0}, {"patience": 0}, {"born": 0}, {"crossover": 1.5}]
)
def test_sizes_that_make_no_sense(made, options):
    with pytest.raises(ValueError, match="expected"):
        search.sail(made.space, **options)
