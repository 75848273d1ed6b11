"""Flattened trees against LightGBM's own scores, and against trees made by hand."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import lightgbm
import numpy as np
import pytest
import scipy.stats

from tnasp_jax import runs
from tnasp_jax.invariants import invariants, rounded
from tnasp_jax.predictors.trees import (
    TreesConfig,
    evaluate,
    flatten,
    float32_below,
    trees,
)
from tnasp_jax.spaces import NASBENCH101, NASBENCH201
from tnasp_jax.training.labels import fit_scale

SMALL = TreesConfig(forests=2, rounds=20)


def _cells(space, count=300):
    """Cells, their rounded invariants, and a function of these."""
    graphs = space.to_graphs(space.sample(jax.random.key(0), count))
    features = np.asarray(rounded(invariants(graphs, space)))
    standard = scipy.stats.zscore(features[:, features.std(0) > 0])
    labels = standard[:, 0] + np.sin(2 * standard[:, 1]) + standard[:, 5]
    return graphs, features, labels.astype(np.float32)


@pytest.fixture(scope="module")
def cells():
    return _cells(NASBENCH201)


@pytest.fixture(scope="module")
def fitted(cells):
    graphs, _, labels = cells
    predictor = trees(NASBENCH201, SMALL)
    predictor = predictor._replace(apply=jax.jit(predictor.apply))
    return predictor, predictor.fit(jax.random.key(1), graphs[:200], labels[:200])


@pytest.mark.parametrize("space", [NASBENCH101, NASBENCH201], ids=lambda s: s.name)
def test_scores_are_the_mean_of_lightgbms_own(space, monkeypatch):
    graphs, features, labels = _cells(space)
    boosters = []
    train = lightgbm.train

    def recorded(*arguments):
        boosters.append(train(*arguments))
        return boosters[-1]

    monkeypatch.setattr(lightgbm, "train", recorded)
    predictor = trees(space, SMALL)
    params = predictor.fit(jax.random.key(1), graphs[:200], labels[:200])
    expected = np.mean([booster.predict(features) for booster in boosters], axis=0)
    assert len(boosters) == SMALL.forests and np.ptp(expected) > 1
    actual = jax.jit(predictor.apply)(params, graphs)
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)


def test_shapes_are_those_of_init_even_where_trees_are_smaller(cells, fitted):
    graphs, _, labels = cells
    predictor, _ = fitted
    wanted = jax.eval_shape(predictor.init, jax.random.key(0), graphs)
    for count in (4, 200):  # Four cells are too few for a split.
        params = predictor.fit(jax.random.key(1), graphs[:count], labels[:count])
        found = jax.eval_shape(lambda params=params: params)
        assert jax.tree.all(jax.tree.map(lambda a, b: a == b, found, wanted))
        assert np.isfinite(predictor.apply(params, graphs)).all()


def test_a_tree_made_by_hand():
    stump = {
        "split_index": 0,
        "split_feature": 1,
        "threshold": 0.5,
        "left_child": {"leaf_value": -1.0},
        "right_child": {"leaf_value": 2.0},
    }
    model = {"tree_info": [{"tree_structure": stump}]}
    features = jnp.array([[9.0, 0.4], [9.0, 0.5], [-9.0, 0.6]])
    for num_trees, num_leaves in ((1, 2), (3, 5)):
        params = flatten(model, num_trees, num_leaves)
        np.testing.assert_array_equal(evaluate(params, features), [-1.0, -1.0, 2.0])


def test_splits_part_the_leaf_that_they_name():
    """x <= 1 | 1 < x, its left part at -1 and its right part at 3, written by hand."""
    params = {
        "feature": np.zeros((1, 3), np.int32),
        "threshold": np.array([[1, -1, 3]], np.float32),
        "leaf": np.array([[0, 0, 1]], np.int32),
        "value": np.array([[10, 20, 30, 40]], np.float32),
    }
    scores = evaluate(params, jnp.array([[-2.0], [0.0], [2.0], [4.0]]))
    np.testing.assert_array_equal(scores, [10, 30, 20, 40])


def test_a_threshold_in_float32_parts_float32_as_before():
    rng = np.random.default_rng(0)
    for threshold in [0.1, -0.1, 0.5, 0.0, 1e-35, *rng.normal(size=200)]:
        single = float32_below(threshold)
        assert single.dtype == np.float32
        near = np.float32(threshold)
        around = [np.nextafter(near, np.float32(end)) for end in (-np.inf, np.inf)]
        for x in (near, *around):
            assert (float(x) <= threshold) == bool(x <= single)


def test_a_rounding_error_moves_no_fraction_to_another_step():
    fractions = [a / b for b in range(1, 40) for a in range(4 * b)]
    exact = jnp.array(fractions, jnp.float32)
    for error in (-1e-6, 1e-6):
        np.testing.assert_array_equal(rounded(exact + error), rounded(exact))
    assert np.abs(rounded(exact) - exact).max() < 1 / 1024


def test_equal_keys_grow_equal_trees(cells, fitted):
    graphs, _, labels = cells
    predictor, params = fitted
    again = predictor.fit(jax.random.key(1), graphs[:200], labels[:200])
    other = predictor.fit(jax.random.key(2), graphs[:200], labels[:200])
    assert jax.tree.all(jax.tree.map(np.array_equal, params, again))
    assert not np.array_equal(params["value"], other["value"])


def test_they_learn_labels_with_structure_and_no_others(cells, fitted):
    graphs, _, labels = cells
    predictor, params = fitted
    shuffled = np.random.default_rng(0).permutation(labels[:200])
    blind = predictor.fit(jax.random.key(1), graphs[:200], shuffled)

    def tau(params):
        scores = np.asarray(predictor.apply(params, graphs[200:]))
        return scipy.stats.kendalltau(scores, labels[200:]).statistic

    assert tau(params) > 0.7 > 0.3 > abs(tau(blind))


def test_a_saved_run_scores_without_lightgbm(cells, tmp_path):
    graphs, _, labels = cells
    predictor = trees(NASBENCH201)  # Of the size that the run's name makes again.
    params = predictor.fit(jax.random.key(1), graphs[:200], labels[:200])
    ensemble = {"network": params, "scale": fit_scale(labels[:200], "rank")}
    run = runs.Run(
        space=NASBENCH201,
        predictor_name="trees",
        params=jax.tree.map(lambda leaf: np.asarray(leaf)[None], ensemble),
        target="made_up",
        description="a function of the invariants",
    )
    runs.save(run, tmp_path)
    text = "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|none~2|"
    program = (
        "import sys; sys.modules['lightgbm'] = None; import tnasp_jax; "
        f"print(tnasp_jax.load({str(tmp_path)!r}).predict([{text!r}])[0])"
    )
    printed = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert float(printed.stdout) == pytest.approx(run.predict([text])[0], abs=1e-5)


def test_without_lightgbm_a_fit_says_what_to_install(cells, monkeypatch):
    graphs, _, labels = cells
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    with pytest.raises(ValueError, match=r"pip install '.\[trees\]'"):
        trees(NASBENCH201, SMALL).fit(jax.random.key(0), graphs, labels)
