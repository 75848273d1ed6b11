"""What every method promises; a new one joins by a line in METHODS."""

import jax
import numpy as np
import pytest

from tnasp_jax import search
from tnasp_jax.spaces import NASBENCH201

PAIRS = [(a, b) for a in range(4) for b in range(4)][:12]


def test_nothing_is_asked_twice_nor_an_isomorphic_copy(make, made):
    state, asked = made.run(make(made.space), 15, batch=4)
    assert len(asked) == len(state) == 60
    hashes = [made.space.canonical_hash(one) for one in asked]
    assert len(set(hashes)) == 60
    assert state.texts.tolist() == [made.space.format(one) for one in asked]
    assert state.hashes.tolist() == hashes


def test_the_same_key_asks_the_same(make, made):
    first, _ = made.run(make(made.space), 8, batch=5)
    again, _ = made.run(make(made.space), 8, batch=5)
    other, _ = made.run(make(made.space), 2, batch=5, seed=1)
    jax.tree.map(np.testing.assert_array_equal, first, again)
    assert first.texts[:10].tolist() != other.texts.tolist()


def test_limits_hold(make, made):
    limit = search.AtMost(made.space.parameters, 8)
    _, asked = made.run(make(made.space, allowed=[limit]), 12, batch=5)
    assert len(asked) == 60
    assert max(map(made.space.parameters, asked)) <= 8


def test_a_cost_that_nobody_knows_is_within_no_limit(make, made, monkeypatch):
    monkeypatch.setattr("tnasp_jax.search.state.TRIES", 50)
    method = make(made.space, allowed=[search.AtMost(lambda one: float("nan"), 8)])
    with pytest.raises(ValueError, match="limit too tight"):
        method.ask(jax.random.key(0), method.init())


def test_asking_leaves_its_arguments_alone(make, made):
    method = make(made.space)
    state, _ = made.run(method, 7, batch=5)
    before = jax.tree.map(np.copy, state)
    first, after = method.ask(jax.random.key(9), state, 3)
    again, _ = method.ask(jax.random.key(9), state, 3)
    jax.tree.map(np.testing.assert_array_equal, state, before)
    assert first == again
    method.tell(after, first, [1.0, 2.0, 3.0])
    assert not after.told[-3:].any()


def test_many_may_be_under_way_at_once(make, made):
    method = make(made.space)
    state, asked = made.run(method, 7, batch=5)
    for at in range(4):  # None of these is told before the next is asked.
        more, state = method.ask(jax.random.key(100 + at), state, 2)
        asked += more
    assert len({made.space.canonical_hash(one) for one in asked}) == 43
    late = asked[:-9:-1]
    state = method.tell(state, late, [made.value(one) for one in late])
    assert state.told.all()
    np.testing.assert_allclose(state.values[:, 0], list(map(made.value, asked)))


def test_failures_are_remembered_and_nobodys_parents(make, made):
    def measure(one):
        return np.nan if one[0] == 3 or one[1] == 3 else made.value(one)

    state, asked = made.run(make(made.space), 15, batch=4, measure=measure)
    failed = np.isnan(state.values[:, 0])
    assert 0 < failed.sum() < 60 and state.told.all()
    assert not failed[state.parents[state.parents >= 0]].any()
    assert len({made.space.canonical_hash(one) for one in asked}) == 60
    text, value = search.best(state)
    assert "3" not in text[:2] and np.isfinite(value)


def test_if_all_fail_the_search_goes_on(make, made):
    state, _ = made.run(make(made.space), 12, batch=4, measure=lambda one: np.nan)
    assert len(state) == 48 and not search.known(state).any()
    with pytest.raises(ValueError, match="no architecture of this search has a value"):
        search.best(state)


def test_equal_values_are_no_trouble(make, made):
    state, _ = made.run(make(made.space), 12, batch=4, measure=lambda one: 0.5)
    assert search.best(state) == (state.texts[0], 0.5)


def test_a_space_that_is_searched_says_so(make, made, monkeypatch):
    monkeypatch.setattr("tnasp_jax.search.state.TRIES", 200)
    method = make(made.small)
    asked, state = method.ask(jax.random.key(0), method.init(), 10)
    assert len(asked) == 4  # Fewer than asked for.
    state = method.tell(state, asked, [made.value(one) for one in asked])
    with pytest.raises(ValueError, match="of the 4 asked before"):
        method.ask(jax.random.key(1), state)


def test_a_search_goes_on_from_a_saved_state(make, made, tmp_path):
    method = make(made.space)
    whole, _ = made.run(method, 9, batch=5)
    part, _ = made.run(method, 7, batch=5)
    np.savez(tmp_path / "state.npz", **vars(part))
    with np.load(tmp_path / "state.npz", allow_pickle=False) as file:
        restored = search.State(**file)
    jax.tree.map(np.testing.assert_array_equal, restored, part)
    resumed, _ = made.run(method, 2, batch=5, state=restored)
    jax.tree.map(np.testing.assert_array_equal, resumed, whole)


def test_labels_from_elsewhere_are_where_a_search_starts(make, made):
    method = make(made.space)
    cells = [(a, b, 1, 1, c, d) for a in (0, 1) for b in (1, 2) for c, d in PAIRS]
    state = method.tell(method.init(), cells, [made.value(one) for one in cells])
    assert len(state) == len({made.space.canonical_hash(one) for one in cells}) == 48
    state, asked = made.run(method, 2, batch=5, state=state)
    known = {made.space.canonical_hash(one) for one in cells}
    assert not known & {made.space.canonical_hash(one) for one in asked}
    assert len(state) == 58


def test_the_state_is_a_pytree(make, made):
    state, _ = made.run(make(made.space), 12)
    leaves, structure = jax.tree.flatten(state)
    assert len(leaves) == 5
    assert all(isinstance(leaf, np.ndarray) for leaf in leaves)
    again = jax.tree.unflatten(structure, leaves)
    jax.tree.map(np.testing.assert_array_equal, again, state)


@pytest.mark.parametrize("count", [0, -1])
def test_counts_below_one_are_refused(make, made, count):
    method = make(made.space)
    with pytest.raises(ValueError, match="expected count >= 1"):
        method.ask(jax.random.key(0), method.init(), count)


def test_names():
    assert search.get_method("random", NASBENCH201)
    with pytest.raises(ValueError, match="unknown method 'anneal'; expected one of"):
        search.get_method("anneal", NASBENCH201)
