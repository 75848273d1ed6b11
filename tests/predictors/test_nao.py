"""NAO: sequences by hand, the networks in numpy, and the climb in the latent space."""

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tnasp_jax.graphs import Graphs, live_adjacency
from tnasp_jax.predictors.nao import (
    NaoConfig,
    allowed_tokens,
    from_tokens,
    nao,
    nao_ascend,
    to_tokens,
)
from tnasp_jax.spaces import NASBENCH101, NASBENCH201
from tnasp_jax.training import supervised

SMALL = NaoConfig(width=6, hidden=5, dropout=0.0)
SPACES = pytest.mark.parametrize(
    "space", [NASBENCH101, NASBENCH201], ids=lambda s: s.name
)
DEAD, NO, YES = 5, 6, 7  # Tokens of a space with five operations.


def _graphs(space, count, seed=0):
    return space.to_graphs(space.sample(jax.random.key(seed), count))


def _small_graph():
    """Four slots, the third dead: 0 -> 1 -> 3 and 0 -> 3, operations 0, 2, -, 4."""
    adjacency = np.zeros((1, 4, 4), bool)
    adjacency[0, [0, 1, 0], [1, 3, 3]] = True
    return Graphs(
        ops=np.array([[0, 2, 0, 4]]),
        adjacency=adjacency,
        mask=np.array([[True, True, False, True]]),
    )


def _started(predictor, graphs):
    """Parameters of which all count, biases too."""
    rng = np.random.default_rng(1)
    shapes = jax.eval_shape(predictor.init, jax.random.key(0), graphs)
    return jax.tree.map(
        lambda leaf: rng.normal(0, 0.5, leaf.shape).astype(np.float32), shapes
    )


# Sequences.


def test_the_sequence_of_a_small_graph():
    by_hand = [[YES, 2, NO, NO, DEAD, YES, YES, NO, 4]]
    np.testing.assert_array_equal(to_tokens(_small_graph(), 5), by_hand)


def test_garbage_in_a_dead_slot_is_not_written():
    clean = _small_graph()
    dirty = clean.replace(
        ops=np.array([[0, 2, 99, 4]]), adjacency=clean.adjacency.copy()
    )
    dirty.adjacency[0, [0, 2], [2, 3]] = True
    np.testing.assert_array_equal(to_tokens(dirty, 5), to_tokens(clean, 5))


@SPACES
def test_from_tokens_is_the_inverse(space):
    num_ops = len(space.ops)
    graphs = _graphs(space, 20)
    tokens = to_tokens(graphs, num_ops)
    assert tokens.shape[1] == {7: 27, 8: 35}[space.num_nodes]
    again = from_tokens(tokens, graphs, num_ops)
    np.testing.assert_array_equal(again.mask, graphs.mask)
    np.testing.assert_array_equal(again.adjacency, live_adjacency(graphs))
    live = graphs.mask
    np.testing.assert_array_equal(np.asarray(again.ops)[live], graphs.ops[live])
    may = allowed_tokens(space.num_nodes, num_ops)
    assert may[np.arange(len(may))[None], tokens].all()


def test_which_tokens_may_stand_where():
    edge, op = [*6 * [False], True, True], [*6 * [True], False, False]
    expected = [edge, op, edge, edge, op, edge, edge, edge, op]
    np.testing.assert_array_equal(allowed_tokens(4, 5), expected)


# The networks in numpy, one graph and one step at a time.


def _affine(x, p):
    return x @ p["kernel"] + p.get("bias", 0)


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _unit(x):
    return x / np.sqrt((x**2).sum())


def _lstm(tokens, output, cell, p):
    embedded, outputs, width = [], [], len(output)
    for token in tokens:
        x = p["token"]["embedding"][token]
        gates = _affine(x, p["input"]) + output @ p["recurrent"]
        enter, keep, new, leave = (gates[k * width : (k + 1) * width] for k in range(4))
        cell = _sigmoid(keep) * cell + _sigmoid(enter) * np.tanh(new)
        output = _sigmoid(leave) * np.tanh(cell)
        embedded.append(x)
        outputs.append(output)
    return np.array(embedded), np.array(outputs)


def _read(tokens, p):
    zero = np.zeros(SMALL.width)
    embedded, outputs = _lstm(tokens, zero, zero, p["encoder"]["lstm"])
    projected = _affine(outputs, p["encoder"]["project"])
    return np.array([_unit(row) for row in embedded + projected])


def _score(states, p):
    hidden = _affine(_unit(states.mean(0)), p["regressor"]["hidden"])
    return _affine(np.maximum(hidden, 0), p["regressor"]["score"])[0]


def _surprise(tokens, states, start, p):
    """Mean NLL of the tokens of one sequence."""
    vector, p = _unit(states.mean(0)), p["decoder"]
    _, outputs = _lstm([start, *tokens[:-1]], vector, vector, p["lstm"])
    total = 0.0
    for token, output in zip(tokens, outputs, strict=True):
        attention = np.exp(states @ _affine(output, p["query"]))
        seen = attention / attention.sum() @ states
        out = np.tanh(_affine(np.concatenate([output, seen]), p["combine"]))
        odds = np.exp(_affine(out, p["token"]))
        total -= np.log(odds[token] / odds.sum())
    return total / len(tokens)


def _by_hand(space, graphs, params):
    """Scores and NLLs."""
    exact = jax.tree.map(lambda leaf: np.asarray(leaf, float), params)
    num_ops, scores, surprises = len(space.ops), [], []
    for tokens in np.asarray(to_tokens(graphs, num_ops)):
        states = _read(tokens, exact)
        scores.append(_score(states, exact))
        surprises.append(_surprise(tokens, states, num_ops + 3, exact))
    return np.array(scores), np.array(surprises)


@SPACES
def test_the_score_against_numpy(space):
    predictor = nao(len(space.ops), SMALL)
    graphs = _graphs(space, 8)
    params = _started(predictor, graphs)
    expected, _ = _by_hand(space, graphs, params)
    np.testing.assert_allclose(
        jax.jit(predictor.apply)(params, graphs), expected, atol=1e-5
    )


@SPACES
def test_the_objective_against_numpy(space):
    predictor = nao(len(space.ops), SMALL)
    assert predictor.objective is not None
    graphs = _graphs(space, 4)
    params = _started(predictor, graphs)
    labels = np.array([0.5, -1.0, 2.0, 7.0], np.float32)
    weights = np.array([1.0, 1.0, 0.5, 0.0], np.float32)
    scores, surprises = _by_hand(space, graphs, params)
    rows = 0.8 * (scores - labels) ** 2 + 0.2 * surprises
    actual = predictor.objective(
        params, graphs, labels, weights, dropout_key=jax.random.key(3)
    )
    np.testing.assert_allclose(actual, (rows * weights).sum() / 2.5, rtol=1e-5)


def test_scoring_does_not_decode():
    graphs = _graphs(NASBENCH101, 2)
    predictor = nao(5, SMALL)
    params = _started(predictor, graphs)
    encoder_alone = {name: params[name] for name in ("encoder", "regressor")}
    np.testing.assert_array_equal(
        predictor.apply(encoder_alone, graphs), predictor.apply(params, graphs)
    )


def test_the_published_sizes():
    params = jax.eval_shape(nao(5).init, jax.random.key(0), _graphs(NASBENCH101, 2))
    assert params["encoder"]["lstm"]["token"]["embedding"].shape == (8, 64)
    assert params["encoder"]["lstm"]["recurrent"].shape == (64, 256)
    assert params["decoder"]["lstm"]["recurrent"].shape == (64, 256)
    assert params["decoder"]["token"]["kernel"].shape == (64, 8)


# The climb.


@pytest.fixture(scope="module")
def trained():
    """Parameters after some epochs on 60 cells, labelled by their edges, and the cells."""
    graphs = _graphs(NASBENCH101, 60)
    edges = live_adjacency(graphs).sum((1, 2)).astype(jnp.float32)
    labels = (edges - edges.mean()) / edges.std()
    recipe = supervised.FitConfig(
        epochs=150, batch_size=60, learning_rate=1e-2, weight_decay=0.0, cosine=False
    )
    predictor = nao(5, NaoConfig(reconstruction=0.8, dropout=0.0))
    fit = jax.jit(lambda key: supervised.fit(predictor, graphs, labels, key, recipe)[0])
    return fit(jax.random.key(0)), graphs


_climb = jax.jit(jax.vmap(nao_ascend, in_axes=(None, None, 0, 0)))
NOWHERE, NEAR, ON, FAR = range(4)


@pytest.fixture(scope="module")
def arrived(trained):
    sizes, steps = jnp.array([0.0, 1.0, 1.0, 3.0]), jnp.array([1, 1, 5, 1])
    return jax.tree.map(np.asarray, _climb(*trained, sizes, steps))


def test_the_score_rises_with_the_climb(trained, arrived):
    before = nao(5).apply(*trained)
    np.testing.assert_allclose(arrived.scores[NOWHERE], before, atol=1e-5)
    assert (np.diff(arrived.scores[[NOWHERE, NEAR, ON]], axis=0) > 0).all()


def test_the_decoder_writes_the_start_again(trained, arrived):
    _, graphs = trained
    again = jax.tree.map(lambda leaf: leaf[NOWHERE], arrived.graphs)
    same = np.all(again.adjacency == live_adjacency(graphs), axis=(1, 2))
    same &= np.all(again.ops == np.where(graphs.mask, graphs.ops, 0), axis=1)
    assert same.mean() > 0.3  # All 27 tokens right.
    assert arrived.whole[NOWHERE][same].all()


def test_what_is_whole_is_a_cell(arrived):
    assert arrived.whole[:FAR].any(axis=1).all()
    cells = jax.tree.map(lambda leaf: leaf[arrived.whole], arrived.graphs)
    for ops, edges, mask in zip(cells.ops, cells.adjacency, cells.mask, strict=True):
        live = np.flatnonzero(mask)
        assert not np.tril(edges).any()
        # All but the input are fed, all but the output feed, the dead do neither.
        np.testing.assert_array_equal(np.flatnonzero(edges.any(0)), live[1:])
        np.testing.assert_array_equal(np.flatnonzero(edges.any(1)), live[:-1])
        assert ops[live[0]] == 0 and ops[live[-1]] == 4
        assert ((ops[live[1:-1]] > 0) & (ops[live[1:-1]] < 4)).all()


def test_a_start_that_is_not_a_graph_is_marked(trained, arrived):
    params, graphs = trained
    bad = graphs.replace(ops=graphs.ops.copy())
    bad.ops[1, 0] = 99
    found = _climb(params, bad, jnp.zeros(4), jnp.ones(4, int))
    assert np.isnan(found.scores[:, 1]).all() and not found.whole[:, 1].any()
    others = np.arange(len(graphs)) != 1
    expected = arrived.scores[NOWHERE][others]
    np.testing.assert_allclose(found.scores[NOWHERE][others], expected, atol=1e-6)


def test_wrong_shapes_are_refused():
    graphs = _graphs(NASBENCH101, 2)
    params = jax.eval_shape(nao(5).init, jax.random.key(0), graphs)
    with pytest.raises(ValueError, match=r"Graphs.mask: expected"):
        nao_ascend(params, graphs.replace(mask=graphs.mask[:, 1:]), 1.0)


def test_the_lines_of_its_page_run():
    page = (Path(__file__).resolve().parents[2] / "docs/nao.md").read_text()
    (lines,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    cells = _graphs(NASBENCH201, 3)
    predictor = nao(len(NASBENCH201.ops))
    names = {"jax": jax, "predictor": predictor, "best_cells": cells}
    names["params"] = predictor.init(jax.random.key(0), cells)
    exec(lines, names)
    found = names["found"]
    assert found.scores.shape == found.whole.shape == (3,)
    assert found.graphs.ops.shape == cells.ops.shape
