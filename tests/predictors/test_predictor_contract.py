"""What every predictor promises; a new predictor joins by a line in PREDICTORS."""

import functools
import inspect
import io
from typing import NamedTuple

import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tnasp_jax import graphs as graphs_lib
from tnasp_jax.graphs import Graphs
from tnasp_jax.predictors import PREDICTORS as REGISTRY
from tnasp_jax.predictors import Predictor, get_predictor
from tnasp_jax.spaces import DARTS, MNASNET, NASBENCH101, NASBENCH201, base

EXACT = 1e-5
BATCH = 8


class Entry(NamedTuple):
    """A predictor on a space, and how far relabelling may move a score.

    The tolerance is in units of untrained scores, which spread by about 0.1: EXACT for
    a predictor that does not see the order of the nodes, more for one that depends on
    it (the Laplacian's columns are positions), None where a slot has a meaning of its
    own, so that other slots are another architecture.
    """

    name: str
    space: base.Space
    relabelling: float | None


PREDICTORS = [
    Entry("tnasp", NASBENCH101, 0.5),
    Entry("tnasp", NASBENCH201, 0.5),
    Entry("tnasp", DARTS, 0.5),
    Entry("tnasp", MNASNET, 0.5),
    Entry("tnasp_nopos", NASBENCH101, EXACT),
    Entry("tnasp_unmasked", NASBENCH101, 0.5),
    Entry("tnasp_edges", NASBENCH201, None),
    Entry("neural_predictor", NASBENCH101, EXACT),
    Entry("neural_predictor", NASBENCH201, EXACT),
    Entry("nao", NASBENCH101, 0.5),
    Entry("nao", NASBENCH201, 0.5),
    Entry("ctnas", NASBENCH101, EXACT),
    Entry("ctnas", NASBENCH201, EXACT),
    Entry("regression_nas", NASBENCH101, EXACT),
    Entry("regression_nas", NASBENCH201, EXACT),
    Entry("renas", NASBENCH101, 0.5),
    Entry("renas", NASBENCH201, 0.5),
    Entry("gp", NASBENCH101, EXACT),
    Entry("gp", NASBENCH201, EXACT),
    Entry("gp", MNASNET, EXACT),
    Entry("trees", NASBENCH101, EXACT),
    Entry("trees", NASBENCH201, EXACT),
    Entry("forest", NASBENCH101, EXACT),
    Entry("dagnet", NASBENCH101, EXACT),
    Entry("dagnet", NASBENCH201, EXACT),
    Entry("dagnet_graph", NASBENCH101, EXACT),
    Entry("best", NASBENCH101, EXACT),
    Entry("best", NASBENCH201, EXACT),
    Entry("pinat", NASBENCH101, 0.5),
    Entry("pinat", NASBENCH201, 0.5),
    Entry("pinat_rank", NASBENCH101, 0.5),
]
WITHOUT_DROPOUT = {"renas"}  # Of those trained by steps.
every_predictor = pytest.mark.parametrize(
    "entry",
    PREDICTORS,
    ids=[f"{entry.name}-{entry.space.name}" for entry in PREDICTORS],
)


@functools.cache
def _graphs(space, count=BATCH, seed=0) -> Graphs:
    return space.to_graphs(space.sample(jax.random.key(seed), count))


@functools.cache
def _compiled(entry):
    """The predictor, and its init and apply, compiled: most of these tests' time."""
    predictor = get_predictor(entry.name, entry.space)
    return predictor, jax.jit(predictor.init), jax.jit(predictor.apply)


@functools.cache
def _ready(entry) -> tuple[Predictor, dict, np.ndarray]:
    """Predictor, parameters, and its scores of the graphs."""
    predictor, init, apply = _compiled(entry)
    graphs = _graphs(entry.space)
    params = init(jax.random.key(1), graphs)
    return predictor, params, np.asarray(apply(params, graphs))


def _jitted(entry):
    return _compiled(entry)[2]


def _assert_close(actual, expected, tolerance=EXACT):
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance)


def _edited(graphs: Graphs, **leaves) -> Graphs:
    """A copy with some entries replaced: field=(index, value)."""
    copies = {
        name: np.array(getattr(graphs, name)) for name in ("ops", "adjacency", "mask")
    }
    for name, (index, value) in leaves.items():
        copies[name][index] = value
    return Graphs(**copies)


def _relabelled(graphs: Graphs, seed: int) -> Graphs:
    """Each graph in another topological order, dead slots anywhere."""
    rng = np.random.default_rng(seed)
    edges = np.asarray(graphs_lib.live_adjacency(graphs))
    orders = []
    for matrix in edges:
        order, waiting = [], set(range(len(matrix)))
        while waiting:
            free = [v for v in waiting if not any(matrix[u, v] for u in waiting)]
            order.append(int(rng.choice(free)))
            waiting.remove(order[-1])
        orders.append(order)
    rows, order = np.arange(len(orders))[:, None], np.array(orders)
    return Graphs(
        ops=graphs.ops[rows, order],
        adjacency=edges[rows[:, :, None], order[:, :, None], order[:, None, :]],
        mask=graphs.mask[rows, order],
    )


def test_every_registered_predictor_is_in_the_list():
    assert {entry.name for entry in PREDICTORS} == set(REGISTRY)


def test_an_unknown_name_gets_a_suggestion():
    with pytest.raises(ValueError, match="did you mean 'tnasp'.*tnasp_nopos"):
        get_predictor("tnsap", NASBENCH101)


def test_a_space_that_a_predictor_cannot_read_is_refused():
    with pytest.raises(ValueError, match="nasbench201 cells.*'nasbench101'"):
        get_predictor("tnasp_edges", NASBENCH101)


@every_predictor
def test_scores_are_one_finite_float_a_row_that_tells_rows_apart(entry):
    _, _, scores = _ready(entry)
    assert scores.shape == (BATCH,) and scores.dtype == np.float32
    assert np.isfinite(scores).all()
    assert len(np.unique(scores.round(6))) > BATCH // 2


@every_predictor
def test_init_reads_the_shape_alone_and_the_key(entry):
    _, init, _ = _compiled(entry)
    _, params, _ = _ready(entry)
    again = init(jax.random.key(1), _graphs(entry.space, seed=5))
    assert jax.tree.all(jax.tree.map(np.array_equal, params, again))
    other = init(jax.random.key(2), _graphs(entry.space))
    assert not jax.tree.all(jax.tree.map(np.array_equal, params, other))


@every_predictor
def test_jit_changes_nothing(entry):
    predictor, params, scores = _ready(entry)
    _assert_close(predictor.apply(params, _graphs(entry.space)), scores)


@every_predictor
def test_every_matrix_product_is_in_float32(entry):
    _, params, _ = _ready(entry)
    program = _jitted(entry).lower(params, _graphs(entry.space)).as_text()
    products = [line for line in program.splitlines() if "dot_general" in line]
    assert products
    assert all("precision = [HIGHEST, HIGHEST]" in line for line in products)


@every_predictor
def test_vmap_is_a_loop_and_a_score_does_not_depend_on_its_batch(entry):
    predictor, params, scores = _ready(entry)
    singles = jax.tree.map(lambda leaf: leaf[:, None], _graphs(entry.space))
    mapped = jax.jit(jax.vmap(predictor.apply, in_axes=(None, 0)))(params, singles)
    _assert_close(mapped[:, 0], scores)
    # The same program with other rows beside each.
    others = _graphs(entry.space, seed=6)
    for kept in (np.arange(BATCH) < 3, np.arange(BATCH) % 2 == 0):
        mixed = jax.tree.map(
            lambda own, other, kept=kept: np.where(
                kept.reshape(-1, *[1] * (own.ndim - 1)), own, other
            ),
            _graphs(entry.space),
            others,
        )
        _assert_close(_jitted(entry)(params, mixed)[kept], scores[kept])


@every_predictor
def test_padding_of_the_batch_changes_nothing(entry):
    _, params, scores = _ready(entry)
    padded = graphs_lib.pad_batch(_graphs(entry.space)[:3], BATCH)
    _assert_close(_jitted(entry)(params, padded)[:3], scores[:3])


@every_predictor
@pytest.mark.parametrize("garbage", [-1, 99])
def test_what_stands_in_dead_slots_changes_nothing(entry, garbage):
    _, params, _ = _ready(entry)
    graphs = _graphs(entry.space)
    dead = ~graphs.mask
    if not dead.any():
        pytest.skip("every slot of the space is live")
    edges = dead[:, :, None] | dead[:, None, :]
    dirty = _edited(graphs, ops=(dead, garbage), adjacency=(edges, True))
    clean = np.asarray(_jitted(entry)(params, graphs))
    np.testing.assert_array_equal(_jitted(entry)(params, dirty), clean)


@pytest.mark.parametrize(
    "entry",
    [entry for entry in PREDICTORS if entry.relabelling],
    ids=lambda entry: f"{entry.name}-{entry.space.name}",
)
def test_relabelling_moves_scores_within_the_stated_tolerance(entry):
    _, params, scores = _ready(entry)
    moved = []
    for seed in range(5):
        other = _relabelled(_graphs(entry.space), seed)
        assert (other.ops != _graphs(entry.space).ops).any()
        moved.append(np.abs(_jitted(entry)(params, other) - scores))
    assert np.max(moved) <= entry.relabelling
    # A predictor that is exactly invariant must say so.
    assert entry.relabelling == EXACT or np.max(moved) > EXACT


@every_predictor
def test_gradients_are_finite_beside_invalid_rows(entry):
    predictor, params, _ = _ready(entry)
    graphs = _graphs(entry.space)
    graphs = _edited(graphs, mask=(0, False), ops=(1, 99))

    def total(params):
        scores = predictor.apply(params, graphs)
        return jnp.sum(jnp.where(jnp.isnan(scores), 0.0, scores) ** 2)

    # Whole numbers, such as indices, have no gradient.
    gradients = jax.jit(jax.grad(total, allow_int=True))(params)
    leaves = [g for g in jax.tree.leaves(gradients) if g.dtype != jax.dtypes.float0]
    assert all(np.isfinite(leaf).all() for leaf in leaves)
    assert any(np.any(leaf != 0) for leaf in leaves)


@every_predictor
def test_dropout_happens_with_a_key_alone(entry):
    predictor, params, scores = _ready(entry)
    graphs = _graphs(entry.space)
    np.testing.assert_array_equal(_jitted(entry)(params, graphs), scores)
    if predictor.fit is not None or entry.name in WITHOUT_DROPOUT:
        program = jax.make_jaxpr(
            lambda key: predictor.apply(params, graphs, dropout_key=key)
        )(jax.random.key(3)).jaxpr
        (key,) = program.invars
        assert not any(read is key for step in program.eqns for read in step.invars)
        return
    dropping = jax.jit(lambda key: predictor.apply(params, graphs, dropout_key=key))
    draws = [np.asarray(dropping(jax.random.key(seed))) for seed in (3, 3, 4)]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert (draws[0] != draws[2]).any() and (draws[0] != scores).any()
    assert np.isfinite(draws[0]).all()


@every_predictor
def test_equal_shapes_compile_once(entry):
    predictor, params, _ = _ready(entry)
    traces = []

    def traced(params, graphs):
        traces.append(graphs.ops.shape)
        return predictor.apply(params, graphs)

    jitted = jax.jit(traced)
    for seed in range(3):
        graphs = _graphs(entry.space, seed=seed)
        jitted.trace(jax.tree.map(lambda leaf: leaf * 1, params), graphs)
    assert len(traces) == 1


@every_predictor
def test_parameters_survive_a_file_of_plain_arrays(entry):
    _, params, scores = _ready(entry)
    flat = flax.traverse_util.flatten_dict(params, sep="/")
    file = io.BytesIO()
    np.savez(file, **{name: np.asarray(leaf) for name, leaf in flat.items()})
    file.seek(0)
    with np.load(file, allow_pickle=False) as arrays:
        arrays = {name: jnp.asarray(leaf) for name, leaf in arrays.items()}
    loaded = flax.traverse_util.unflatten_dict(arrays, sep="/")
    assert jax.tree.structure(loaded) == jax.tree.structure(params)
    compiled = _jitted(entry)._cache_size()
    np.testing.assert_array_equal(_jitted(entry)(loaded, _graphs(entry.space)), scores)
    assert _jitted(entry)._cache_size() == compiled  # Not for arrays of another kind.


@every_predictor
def test_invalid_rows_score_nan_and_leave_the_others_alone(entry):
    _, params, _ = _ready(entry)
    graphs = _graphs(entry.space)
    clean = np.asarray(_jitted(entry)(params, graphs))
    # The first edge of each graph, turned round; slots that are live.
    edges = np.asarray(graphs_lib.live_adjacency(graphs))
    row, source, target = (int(axis[0]) for axis in np.nonzero(edges))
    assert row == 0
    for edit in (
        {"ops": ((0, target), 99)},
        {"ops": ((0, target), -1)},
        {"mask": (0, False)},
        {"adjacency": ((0, target, source), True)},
        {"adjacency": ((0, source, source), True)},
    ):
        actual = np.asarray(_jitted(entry)(params, _edited(graphs, **edit)))
        assert np.isnan(actual[0]), edit
        np.testing.assert_array_equal(actual[1:], clean[1:])


@every_predictor
@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("ops", lambda leaf: leaf[0]),
        ("ops", lambda leaf: leaf.astype(np.float32)),
        ("adjacency", lambda leaf: leaf[:, 1:]),
        ("adjacency", lambda leaf: leaf[1:]),
        ("adjacency", lambda leaf: leaf.astype(np.int32)),
        ("mask", lambda leaf: leaf[:, 1:]),
        ("mask", lambda leaf: leaf.astype(np.float32)),
    ],
)
def test_wrong_shapes_and_dtypes_are_refused_at_trace_time(entry, field, change):
    predictor, params, _ = _ready(entry)
    graphs = _graphs(entry.space)
    bad = graphs.replace(**{field: change(getattr(graphs, field))})
    with pytest.raises(ValueError, match=f"Graphs.{field}: expected"):
        jax.eval_shape(predictor.apply, params, bad)
    with pytest.raises(ValueError, match=f"Graphs.{field}: expected"):
        jax.eval_shape(predictor.init, jax.random.key(0), bad)


@every_predictor
def test_the_signatures_are_those_of_the_seam(entry):
    predictor, _, _ = _ready(entry)
    assert list(inspect.signature(predictor.init).parameters) == ["key", "graphs"]
    apply = inspect.signature(predictor.apply).parameters
    assert list(apply) == ["params", "graphs", "dropout_key"]
    assert apply["dropout_key"].kind is inspect.Parameter.KEYWORD_ONLY
