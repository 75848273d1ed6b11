"""Elites of a model: starts, what is asked first, and that the model helps."""

import jax
import numpy as np
import pytest

from tnasp_jax import search
from tnasp_jax.search.sail import by_turns, without_gain


def starts(state) -> list[bool]:
    return (state.parents < 0).tolist()


def test_a_start_is_random_and_children_follow(made):
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


def test_failures_count_as_asked_without_gain(made):
    method = search.sail(made.space)
    cells = [(0,) * 6, (1,) * 6, (2,) * 6, (3,) * 6]
    state = method.tell(method.init(), cells, [1.0, 3.0, np.nan, 2.0])
    assert without_gain(state, np.array([0, 1, 3])) == 2


def test_a_small_gain_is_none(made):
    method = search.sail(made.space)
    cells = [(0,) * 6, (1,) * 6, (2,) * 6, (3,) * 6]
    state = method.tell(method.init(), cells, [0.0, 99.0, 50.0, 100.0])
    rows = np.arange(4)
    assert without_gain(state, rows) == 0  # Their deviation is 41, a fiftieth .82.
    state = method.tell(state, cells[1:2], [99.5])
    assert without_gain(state, rows) == 2


def test_highest_and_elite_take_turns():
    values = np.array([9.0, 1.0, 5.0, 3.0, 4.0])
    assert by_turns(values, np.array([0, 1, 3]), 1) == [2, 3, 4, 1]


def test_it_beats_random_search_and_elites(made):
    def mean_best(method):
        found = [made.run(method, 12, batch=10, seed=seed)[0] for seed in range(5)]
        return np.mean([search.best(state)[1] for state in found])

    expected = mean_best(search.sail(made.space, population=20, born=40))
    assert expected > mean_best(search.random_search(made.space))
    assert expected >= mean_best(search.elites(made.space, population=20))


@pytest.mark.parametrize(
    "options", [{"population": 0}, {"patience": 0}, {"born": 0}, {"crossover": 1.5}]
)
def test_sizes_that_make_no_sense(made, options):
    with pytest.raises(ValueError, match="expected"):
        search.sail(made.space, **options)
