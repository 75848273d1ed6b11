"""Fronts and crowding by hand, and what must not change them."""

import numpy as np
import pytest

from tnasp_jax import search

POINTS = np.array(
    [[1, 5], [2, 4], [4, 1], [1, 4], [3, 3], [2, 2], [1, 1], [4, 1]], float
)
RANKS = [0, 0, 0, 1, 0, 1, 2, 0]


def test_fronts_by_hand():
    assert search.non_dominated_sort(POINTS).tolist() == RANKS
    assert search.front(POINTS).tolist() == [0, 1, 2, 4, 7]


def test_crowding_by_hand():
    # Ranges 3 and 4. The row (2, 4) stands between (1, 5) and (3, 3).
    found = search.crowding_distance(POINTS[[0, 1, 2, 4]])
    assert found[[0, 2]].tolist() == [np.inf, np.inf]
    np.testing.assert_allclose(found[[1, 3]], [2 / 3 + 2 / 4, 2 / 3 + 3 / 4])


def test_one_objective_is_sorted_by_value():
    values = np.array([[2.0], [3], [3], [1]])
    assert search.non_dominated_sort(values).tolist() == [1, 0, 0, 2]
    assert search.front(values).tolist() == [1, 2]


def test_an_objective_without_differences_does_not_crowd():
    values = np.array([[1.0, 7], [2, 7], [4, 7]])
    np.testing.assert_allclose(search.crowding_distance(values), [np.inf, 1, np.inf])
    assert search.crowding_distance(np.ones((3, 2))).tolist() == [0, 0, 0]
    assert search.crowding_distance(np.zeros((0, 2))).tolist() == []


def test_failed_rows_are_behind_all_others():
    values = np.array([[1, np.nan], [0, 0], [np.nan, np.nan], [1, 1]])
    assert search.non_dominated_sort(values).tolist() == [2, 1, 2, 0]
    assert search.front(values).tolist() == [3]
    assert search.front(np.full((2, 2), np.nan)).tolist() == []
    assert search.front(np.zeros((0, 2))).tolist() == []


@pytest.fixture(params=[2, 3, 4])
def cloud(request):
    """Points with ties among them."""
    rng = np.random.default_rng(request.param)
    return rng.integers(0, 12, (120, request.param)).astype(float)


def brute(values):
    """The front by its definition."""
    return [
        row
        for row, own in enumerate(values)
        if not any((other >= own).all() and (other > own).any() for other in values)
    ]


def test_fronts_by_their_definition(cloud):
    assert search.front(cloud).tolist() == brute(cloud)
    ranks, left, rank = search.non_dominated_sort(cloud), np.arange(len(cloud)), 0
    while len(left):
        on_it = brute(cloud[left])
        assert left[on_it].tolist() == np.flatnonzero(ranks == rank).tolist()
        left, rank = np.delete(left, on_it), rank + 1
    assert ranks.max() == rank - 1


def test_order_and_units_of_rows_and_objectives_change_nothing(cloud):
    rng = np.random.default_rng(0)
    order, columns = rng.permutation(len(cloud)), rng.permutation(cloud.shape[1])
    ranks = search.non_dominated_sort(cloud)
    moved = 3 * cloud[order][:, columns] - 7
    np.testing.assert_array_equal(search.non_dominated_sort(moved), ranks[order])
    assert sorted(order[search.front(moved)]) == search.front(cloud).tolist()
    np.testing.assert_array_equal(
        search.non_dominated_sort(np.exp(cloud)), ranks
    )  # Any monotone map.


def test_order_and_units_do_not_crowd():
    rng = np.random.default_rng(0)
    values, order = rng.random((30, 3)), rng.permutation(30)
    np.testing.assert_allclose(
        search.crowding_distance(10 * values[order][:, [2, 0, 1]] + 1),
        search.crowding_distance(values)[order],
    )


@pytest.mark.parametrize(
    "function", [search.front, search.non_dominated_sort, search.crowding_distance]
)
def test_shapes(function):
    with pytest.raises(ValueError, match=r"expected values of shape \[n, K\]"):
        function(np.zeros(3))
