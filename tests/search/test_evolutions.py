"""Regularized evolution, local search and NSGA-II: who becomes a parent."""

import jax
import numpy as np
import pytest

from tnasp_jax import search
from tnasp_jax.search import local
from tnasp_jax.search.nsga2 import survivors
from tnasp_jax.spaces.nasbench201 import NASBENCH201


def told(method, cells, values, objectives=1):
    return method.tell(method.init(objectives), cells, values)


@pytest.mark.parametrize("name", ["evolution", "local"])
def test_they_beat_random_search(made, name):
    def mean_best(method):
        found = [made.run(method, 30, batch=5, seed=seed)[0] for seed in range(5)]
        return np.mean([search.best(state)[1] for state in found])

    random = mean_best(search.random_search(made.space))
    assert mean_best(made.methods[name](made.space)) > random


def line(count):
    """Different cells, none an isomorphic copy of another."""
    return [
        (0, 0, at // 64 % 4, at // 16 % 4, at // 4 % 4, at % 4) for at in range(count)
    ]


# Regularized evolution.


def test_the_oldest_die_however_good(made):
    method = search.regularized_evolution(made.space, population=5, sample=50)
    values = [9.0, 8, 1, 2, 3, 5, 4]  # The first two are too old.
    state = told(method, line(7), values)
    asked, state = method.ask(jax.random.key(0), state, 8)
    assert state.parents[7:].tolist() == [5] * 8
    for child in asked:
        assert np.sum(np.array(child) != np.array(line(7)[5])) == 1


def test_failures_displace_nobody(made):
    method = search.regularized_evolution(made.space, population=3, sample=50)
    state = told(method, line(6), [3.0, 2, 1, np.nan, np.nan, np.nan])
    _, state = method.ask(jax.random.key(0), state)
    assert state.parents[6] == 0


def test_a_tournament_of_one_is_chance(made):
    method = search.regularized_evolution(made.space, population=8, sample=1)
    state = told(method, line(8), list(range(8)))
    _, state = method.ask(jax.random.key(0), state, 40)
    assert len(set(state.parents[8:].tolist())) > 4


def test_the_first_population_is_random(made):
    state, _ = made.run(search.regularized_evolution(made.space, population=9), 12)
    assert (state.parents >= 0).tolist() == [False] * 9 + [True] * 3


# Local search.


def test_neighbours_of_the_best_until_one_is_better(made):
    state, _ = made.run(search.local_search(made.space, patience=500), 60)
    starts = np.flatnonzero(state.parents < 0)
    best, end = 0, starts[1] if len(starts) > 1 else len(state)
    for row in range(1, end):  # Until all neighbours of the best have been asked.
        assert state.parents[row] == best
        best = row if state.values[row, 0] > state.values[best, 0] else best
    assert end > 10 and state.values[best, 0] > state.values[0, 0]


def test_a_new_start_after_enough_asks_without_gain(made):
    state, _ = made.run(
        search.local_search(made.space, patience=5), 18, measure=lambda one: 0.5
    )
    starts = np.flatnonzero(state.parents < 0)
    assert starts.tolist() == [0, 6, 12]
    climbs = [[-1, *[start] * 5] for start in starts]
    assert state.parents.tolist() == np.concatenate(climbs).tolist()


def test_a_climb_starts_at_the_last_rows_that_came_from_none(made):
    method = search.local_search(made.space)
    assert local.climb(method.init()) == (None, 0)
    state = told(method, line(3), [0.1, 0.9, 0.5])
    assert local.climb(state) == (1, 0)
    assert local.climb(told(method, line(2), [np.nan, np.nan])) == (None, 0)


# NSGA-II.


def test_survivors_by_hand():
    values = np.array([[0, 9], [9, 0], [5, 5], [1, 1], [6, 5], [0, 0]], float)
    # The second generation of three beats (5, 5) by (6, 5).
    assert sorted(survivors(values, np.arange(6), 3).tolist()) == [0, 1, 4]
    # An unfinished generation waits.
    assert survivors(values, np.arange(5), 3).tolist() == [0, 1, 2]


def test_of_one_front_the_crowded_go():
    values = np.array([[0, 10], [10, 0], [5, 5], [5.2, 4.9], [5.1, 4.95], [2, 8]])
    kept = survivors(values, np.arange(6), 3)
    assert sorted(kept.tolist()) == [0, 1, 5]


def test_it_finds_a_front(made):
    """High value and few parameters pull apart; the front is spread over both."""
    method = search.nsga2(made.space, population=20)
    state = method.init(2)
    for step in range(15):
        asked, state = method.ask(
            jax.random.fold_in(jax.random.key(0), step), state, 20
        )
        values = [[made.value(one), -made.space.parameters(one)] for one in asked]
        state = method.tell(state, asked, values)
    front = state.values[search.front(state.values)]
    random = made.methods["random"](made.space)
    chance, _ = made.run(random, 300)
    weights = [made.space.parameters(made.space.parse(t)) for t in chance.texts]
    by_chance = np.stack([chance.values[:, 0], -np.array(weights)], axis=1)
    both = np.concatenate([front, by_chance])
    on_it = search.front(both)
    assert np.sum(on_it < len(front)) > np.sum(on_it >= len(front))
    assert len(np.unique(front[:, 1])) > 8


def test_a_space_without_crossing_is_mutated_alone():
    method = search.nsga2(NASBENCH201, population=4)
    state = method.init()
    for step in range(3):
        asked, state = method.ask(jax.random.key(step), state, 4)
        state = method.tell(state, asked, [sum(one) for one in asked])
    for row in range(4, 12):
        parent = NASBENCH201.parse(str(state.texts[state.parents[row]]))
        child = NASBENCH201.parse(str(state.texts[row]))
        assert np.sum(np.array(parent) != np.array(child)) == 1


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (search.regularized_evolution, {"population": 0}),
        (search.regularized_evolution, {"sample": 0}),
        (search.local_search, {"patience": 0}),
        (search.nsga2, {"population": 1}),
        (search.nsga2, {"crossover": 1.5}),
    ],
)
def test_sizes_that_make_no_sense(made, make, options):
    with pytest.raises(ValueError, match="expected"):
        make(made.space, **options)
