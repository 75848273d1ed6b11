"""ReNAS: planes by hand, the network in numpy, batch norms, and what nodes cost."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tnasp_jax.graphs import Graphs
from tnasp_jax.predictors.renas import RenasConfig, planes, renas
from tnasp_jax.spaces import NASBENCH101, NASBENCH201
from tnasp_jax.training import supervised

SMALL = RenasConfig(channels=(4, 6), hidden=(8, 5))
KEY = jax.random.key(0)
PLANES = jax.jit(planes, static_argnums=0)
STEM_AND_HEAD_101 = 27 * 128 + 2 * 128 + 513 * 10


def _graphs(space, count, seed=0):
    return space.to_graphs(space.sample(jax.random.key(seed), count))


def _started(predictor, graphs):
    rng = np.random.default_rng(1)
    shapes = jax.eval_shape(predictor.init, KEY, graphs)
    return jax.tree.map(
        lambda leaf: rng.normal(0, 0.4, leaf.shape).astype(np.float32), shapes
    )


def _totals(costs_BMN):
    return np.asarray(costs_BMN, float).sum((1, 2))


def test_costs_add_up_to_the_parameters_of_nasbench101():
    cells = NASBENCH101.sample(jax.random.key(1), 60)
    cells += [NASBENCH101.mutate(jax.random.key(i), c) for i, c in enumerate(cells)]
    graphs = NASBENCH101.to_graphs(cells)
    flops, parameters = jax.jit(NASBENCH101.node_costs)(graphs)
    assert flops.shape == parameters.shape == (120, 9, 7)
    expected = [NASBENCH101.parameters(cell) for cell in cells]
    np.testing.assert_array_equal(_totals(parameters) + STEM_AND_HEAD_101, expected)


def test_costs_add_up_to_the_parameters_of_live_nasbench201_cells():
    cells = [NASBENCH201.prune(c) for c in NASBENCH201.sample(jax.random.key(1), 100)]
    graphs = NASBENCH201.to_graphs(cells)
    flops, parameters = jax.jit(NASBENCH201.node_costs)(graphs)
    assert flops.shape == parameters.shape == (100, 3, 8)
    empty = NASBENCH201.parameters((0,) * 6)
    expected = [NASBENCH201.parameters(cell) for cell in cells]
    np.testing.assert_array_equal(5 * _totals(parameters) + empty, expected)


def test_costs_of_relabelled_rows_and_garbage():
    graphs, costs = _graphs(NASBENCH101, 30), jax.jit(NASBENCH101.node_costs)
    dead = ~graphs.mask
    edges = dead[:, :, None] | dead[:, None, :]
    dirty = graphs.replace(
        ops=np.where(dead, 99, graphs.ops), adjacency=graphs.adjacency | edges
    )
    jax.tree.map(np.testing.assert_array_equal, costs(dirty), costs(graphs))


def test_the_planes_of_one_cell_by_hand():
    # input -> 3x3 -> pool -> output, input -> output, 3x3 -> output.
    matrix = [[0, 1, 0, 1], [0, 0, 1, 1], [0, 0, 0, 1], [0, 0, 0, 0]]
    ops = ["input", "conv3x3-bn-relu", "maxpool3x3", "output"]
    graphs = NASBENCH101.to_graphs([NASBENCH101.cell(matrix, ops)])
    image = np.asarray(PLANES(NASBENCH101, graphs))[0]
    assert image.shape == (7, 7, 19)
    flops = np.zeros((9, 4))
    parameters = np.zeros((9, 4))
    entering = [128, 128, 128, 128, 256, 256, 256, 512, 512]
    leaving = [128] * 3 + [256] * 3 + [512] * 3
    for module, (wide_in, wide) in enumerate(zip(entering, leaving, strict=True)):
        half, pixels = wide // 2, (1024, 256, 64)[module // 3]
        into_conv, into_output = wide_in * half, wide_in * wide
        flops[module, 1] = pixels * (9 * half * half + into_conv)
        flops[module, 2] = pixels * 9 * half
        flops[module, 3] = pixels * into_output
        parameters[module, 1] = 9 * half * half + 2 * half + into_conv + 2 * half
        parameters[module, 3] = into_output + 2 * wide
    expected = np.zeros((7, 7, 19))
    place = [0, 1, 2, 6]  # Three slots are padding, before the output's.
    for i in range(4):
        for j in range(4):
            if matrix[i][j]:
                op = NASBENCH101.ops.index(ops[j])
                point = expected[place[i], place[j]]
                point[0] = (op + 1) / 5
                point[1:10] = flops[:, j] / 1e9
                point[10:] = parameters[:, j] / 1e6
    np.testing.assert_allclose(image, expected, rtol=1e-5)


def test_an_even_window_is_refused():
    with pytest.raises(ValueError, match="expected an odd kernel, got 2"):
        RenasConfig(kernel=2)


def test_the_output_has_the_last_place_wherever_it_stands():
    matrix = [[0, 1, 0, 0, 0], [0, 0, 0, 1, 0], [0] * 5, [0, 0, 0, 0, 1], [0] * 5]
    ops = np.array([[0, 1, 0, 3, 4]])
    mask = np.array([[True, True, False, True, True]])
    full = np.zeros((1, 7, 7), bool)
    full[0, :5, :5] = matrix
    graphs = Graphs(
        ops=np.pad(ops, ((0, 0), (0, 2))),
        adjacency=full,
        mask=np.pad(mask, ((0, 0), (0, 2))),
    )
    image = np.asarray(PLANES(NASBENCH101, graphs))[0]
    points = np.argwhere(image[:, :, 0])
    np.testing.assert_array_equal(points, [[0, 1], [1, 3], [3, 6]])


def _convolved(image, kernel, side):
    """[B, N, N, C] by loops; the rows of the kernel are down, right, channel."""
    batch, slots, _, inner = image.shape
    edge = side // 2
    taps = kernel.reshape(side, side, inner, -1)
    out = np.zeros((batch, slots, slots, kernel.shape[1]))
    for row in range(slots):
        for column in range(slots):
            for down in range(side):
                for right in range(side):
                    at, beside = row + down - edge, column + right - edge
                    if 0 <= at < slots and 0 <= beside < slots:
                        out[:, row, column] += image[:, at, beside] @ taps[down, right]
    return out


def _statistics_of(values, axes, epsilon):
    mean = values.mean(axes)
    return mean, ((values - mean) ** 2).mean(axes) + epsilon


def _scores(image, p, statistics=None):
    """Scores and the statistics of each layer; those of the batch unless given."""
    found = statistics or {"image": _statistics_of(image, 0, 0.0)}
    mean, variance = found["image"]
    spread = np.sqrt(np.where(variance > 1e-12, variance, np.inf))
    x = (image - mean) / spread
    for layer in range(2):
        name = f"norm_{layer}"
        x = _convolved(x, p[f"convolution_{layer}"]["kernel"], 3)
        if statistics is None:
            found[name] = _statistics_of(x, (0, 1, 2), 1e-5)
        mean, variance = found[name]
        scaled = (x - mean) / np.sqrt(variance) * p[name]["scale"]
        x = np.maximum(scaled + p[name]["bias"], 0)
    x = x.reshape(len(x), -1)
    for layer in range(2):
        weights = p[f"dense_{layer}"]
        x = np.maximum(x @ weights["kernel"] + weights["bias"], 0)
    return (x @ p["score"]["kernel"] + p["score"]["bias"])[:, 0], found


def _exact(params):
    return jax.tree.map(lambda leaf: np.asarray(leaf, float), params)


@pytest.mark.parametrize("space", [NASBENCH101, NASBENCH201], ids=lambda s: s.name)
def test_finish_stores_the_statistics_by_which_apply_scores(space):
    predictor = renas(space, SMALL)
    assert predictor.finish is not None
    graphs, cells = _graphs(space, 6), _graphs(space, 20, seed=4)
    params = _started(predictor, graphs)
    done = jax.jit(predictor.finish)(params, cells, jnp.zeros(20))
    assert jax.tree.structure(done) == jax.tree.structure(params)
    image = np.asarray(PLANES(space, cells), float)
    _, statistics = _scores(image, _exact(params))
    for name, (mean, variance) in statistics.items():
        np.testing.assert_allclose(done[name]["mean"], mean, atol=1e-5)
        varies = variance > 1e-12
        log_variance = np.log(variance, where=varies, out=np.full(varies.shape, 100.0))
        np.testing.assert_allclose(done[name]["log_variance"], log_variance, atol=1e-4)
    for name in ("norm_0", "norm_1"):
        np.testing.assert_array_equal(done[name]["scale"], params[name]["scale"])
    image = np.asarray(PLANES(space, graphs), float)
    expected, _ = _scores(image, _exact(params), statistics)
    actual = jax.jit(predictor.apply)(done, graphs)
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4)


def test_the_objective_normalises_by_the_batch_without_its_padding():
    predictor = renas(NASBENCH101, SMALL)
    assert predictor.objective is not None
    graphs = _graphs(NASBENCH101, 6)
    params = _started(predictor, graphs)
    labels = np.array([0.0, 1.0, 0.0, 3.0, -1.0, 9.0], np.float32)
    weights = np.array([1, 1, 1, 1, 1, 0], np.float32)
    image = np.asarray(PLANES(NASBENCH101, graphs), float)
    scores, _ = _scores(image[:5], _exact(params))
    losses = [
        np.log(1 + np.exp(-(scores[i] - scores[j]) * np.sign(labels[i] - labels[j])))
        for i in range(5)
        for j in range(5)
        if labels[i] != labels[j]
    ]
    loss = jax.jit(predictor.objective)(
        params, graphs, labels, weights, dropout_key=KEY
    )
    np.testing.assert_allclose(loss, np.mean(losses), rtol=1e-4)


def test_training_leaves_the_statistics_to_finish():
    predictor = renas(NASBENCH101, SMALL)
    graphs = _graphs(NASBENCH101, 20)
    labels = jnp.linspace(-1, 1, 20)
    recipe = supervised.FitConfig(
        epochs=5, batch_size=8, weight_decay=0.1, learning_rate=0.01
    )

    @jax.jit
    def trained(graphs, labels):
        state = supervised.start(predictor, graphs, jax.random.key(2), recipe)
        return supervised.train_epochs(predictor, graphs, labels, state, recipe, 5)

    state, loss = trained(graphs, labels)
    assert np.isfinite(loss).all() and loss[-1] < loss[0]
    for name in ("image", "norm_0", "norm_1"):
        assert not np.any(state.params[name]["mean"])
        assert not np.any(state.params[name]["log_variance"])
    assert np.any(state.params["norm_0"]["bias"])


def test_a_point_that_no_training_cell_fills_says_nothing():
    predictor = renas(NASBENCH101, SMALL)
    assert predictor.finish is not None
    graphs = _graphs(NASBENCH101, 20)
    matrix, ops = [[0, 1, 0], [0, 0, 1], [0, 0, 0]], ["input", "maxpool3x3", "output"]
    chain = NASBENCH101.cell(matrix, ops)
    other = NASBENCH101.cell(matrix, ["input", "conv3x3-bn-relu", "output"])
    chains = NASBENCH101.to_graphs([chain] * 20)
    params = _started(predictor, graphs)
    done = jax.jit(predictor.finish)(params, chains, jnp.zeros(20))
    scores = jax.jit(predictor.apply)(done, NASBENCH101.to_graphs([chain, other]))
    np.testing.assert_array_equal(scores[0], scores[1])


def test_the_published_sizes():
    graphs = _graphs(NASBENCH101, 2)
    params = jax.eval_shape(renas(NASBENCH101).init, KEY, graphs)
    assert params["convolution_0"]["kernel"].shape == (9 * 19, 38)
    assert params["convolution_1"]["kernel"].shape == (9 * 38, 128)
    assert params["dense_0"]["kernel"].shape == (7 * 7 * 128, 120)
    assert params["dense_1"]["kernel"].shape == (120, 84)
    assert params["score"]["kernel"].shape == (84, 1)
