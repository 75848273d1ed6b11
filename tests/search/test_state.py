"""The record: what telling does, and what it refuses."""

import dataclasses

import jax
import numpy as np
import pytest

from tnasp_jax import search


@pytest.fixture
def method(made):
    return search.random_search(made.space)


ZEROS, ONES = (0, 0, 0, 0, 0, 0), (1, 1, 1, 1, 1, 1)


def test_told_again_the_newer_value_holds(method):
    state = method.tell(method.init(), [ZEROS, ONES], [0.1, 0.2])
    state = method.tell(state, [ZEROS], [0.3])
    assert search.best(state) == ("000000", 0.3)
    assert state.values[:, 0].tolist() == [0.3, 0.2]
    state = method.tell(state, [ZEROS], [np.nan])
    assert search.best(state) == ("111111", 0.2)
    assert state.told.all() and search.known(state).tolist() == [False, True]


def test_an_isomorphic_copy_is_the_same_architecture(method):
    state = method.tell(method.init(), [(0, 1, 0, 0, 0, 0)], [0.1])
    state = method.tell(state, [(1, 0, 0, 0, 0, 0)], [0.2])
    assert state.texts.tolist() == ["010000"]
    assert state.values.tolist() == [[0.2]]


def test_ranking_is_by_the_first_objective_and_then_by_age(method):
    state = method.init(2)
    cells = [(0, 0, 0, 0, 0, at % 4) for at in range(4)]
    values = [[1, 9], [2, 0], [np.nan, 5], [2, 7]]
    state = method.tell(state, cells, values)
    assert search.ranking(state).tolist() == [1, 3, 0]
    assert search.best(state) == ("000001", 2.0)
    half = method.tell(state, cells[:1], [[1, np.nan]])  # Failed in one, failed in all.
    assert search.ranking(half).tolist() == [1, 3]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([0.1], r"expected values of shape \(2,\), got \(1,\)"),
        ([[0.1], [0.2]], r"expected values of shape \(2,\), got \(2, 1\)"),
        ([0.1, np.inf], "expected finite values, or NaN for a failure"),
        ([0.1, -np.inf], "expected finite values, or NaN for a failure"),
    ],
)
def test_what_cannot_be_told(method, values, message):
    state = method.init()
    with pytest.raises(ValueError, match=message):
        method.tell(state, [ZEROS, ONES], values)
    assert len(state) == 0


def test_objectives_are_counted(method):
    with pytest.raises(ValueError, match=r"expected values of shape \(1, 3\)"):
        method.tell(method.init(3), [ZEROS], [0.5])
    with pytest.raises(ValueError, match="expected objectives >= 1, got 0"):
        method.init(0)


def test_nothing_told_is_nothing_known(method):
    state = method.tell(method.init(), [], [])
    assert len(state) == 0 and len(search.ranking(state)) == 0


def test_a_proposal_that_comes_again_is_not_hashed_again(made):
    """Near the end of a space nearly all of thousands of proposals are copies."""
    hashed = []

    @dataclasses.dataclass(frozen=True)
    class Counted(type(made.small)):
        name: str = "counted"

        def canonical_hash(self, architecture):
            hashed.append(architecture)
            return super().canonical_hash(architecture)

    method = search.random_search(Counted())
    asked, state = method.ask(jax.random.key(0), method.init(), 10)
    assert len(asked) == 4
    method.tell(state, asked, [0.0] * 4)
    assert len(hashed) == len(set(hashed)) == 4


def test_one_test_of_what_is_allowed_is_no_list_of_them(made):
    with pytest.raises(ValueError, match=r"a list of tests, got one; write \[test\]"):
        search.get_method("random", made.space, search.AtMost(len, 3))  # pyright: ignore
