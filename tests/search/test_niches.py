"""Niches: what stands where, and who is the best of it."""

import numpy as np

from tnasp_jax import search
from tnasp_jax.graphs import Graphs
from tnasp_jax.search import niches


def test_the_best_of_a_choice_by_hand(made):
    method = search.elites(made.space, population=2)
    cells = [(0, 0, 0, 0, 0, 0), (1, 1, 1, 1, 1, 1), (1, 1, 1, 1, 1, 2)]
    state = method.tell(method.init(), cells, [4.0, 1.0, 3.0])

    def best(state):
        rows = np.arange(len(state))
        chosen = niches.recorded_choices(made.space, state, rows)
        return niches.best_of_choices(chosen, state.values[:, 0]).tolist()

    # The second is still the best with a 1 in the last place.
    assert best(state) == [0, 1, 2]
    state = method.tell(state, [(1, 1, 1, 1, 1, 3)], [5.0])
    assert best(state) == [0, 1, 2, 3]
    state = method.tell(state, [(0, 0, 0, 0, 0, 1)], [9.0])
    # The first is the best of its last digit alone, the second of nothing any more.
    assert best(state) == [0, 2, 3, 4]


def test_the_last_of_equals_is_the_best():
    chosen = np.array([[0, 1], [0, 1], [0, 2]])
    assert niches.best_of_choices(chosen, np.array([5.0, 5.0, 1.0])).tolist() == [1, 2]


def test_a_dead_slot_is_a_choice_of_its_own(made):
    class Dead(type(made.space)):
        def to_graphs(self, architectures):
            graphs = super().to_graphs(architectures)
            mask = graphs.mask.copy()
            mask[:, 2] = False
            return Graphs(ops=graphs.ops, adjacency=graphs.adjacency, mask=mask)

    found = niches.choices(Dead(), [(0, 1, 2, 3, 0, 1)])
    assert found.tolist() == [[0, 1, 6, 3, 4, 1, 2, 5]]


def test_what_would_better_the_best_of_a_choice_by_hand():
    known, values = np.array([[0, 0], [0, 1], [1, 0]]), np.array([4.0, 2.0, 7.0])
    candidates = np.array([[0, 1], [1, 1], [1, 0], [2, 0]])
    # Filled: 0 of the first slot by 4, 1 by 7, of the second by 7 and 2; 2 by the lowest.
    found = niches.gains(known, values, candidates, np.array([5.0, 5.0, 6.0, 1.0]))
    assert found.tolist() == [3, 3, -1, -1]
