"""Gradient-boosted trees on graph invariants.

Ke et al., "LightGBM: A Highly Efficient Gradient Boosting Decision Tree" (NeurIPS
2017). LightGBM grows the trees on the host; after that they are plain arrays, and
scores are pure JAX. Axis letters: B architectures, n training cells, F invariants,
T trees, M splits of a tree, L = M + 1 leaves.

A tree is a list of M splits. Split m parts one leaf of those that there are: what lies
over its threshold moves to the new leaf m + 1.
"""

import dataclasses
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tnasp_jax.graphs import Graphs, check_learnable, check_shapes, is_valid
from tnasp_jax.invariants import invariants, rounded
from tnasp_jax.predictors.base import Params, Predictor
from tnasp_jax.spaces.base import CostedSpace, host_rng


@dataclasses.dataclass(frozen=True, kw_only=True)
class TreesConfig:
    """How the trees are grown; one recipe for any number of training cells.

    Attributes:
      forests: boosted one apart from the other, by their own random choices; the score
        is their mean.
      rounds: of boosting, each of which adds a tree to a forest.
      num_leaves: L of a tree, at most.
      learning_rate: share of a tree's correction that is taken.
      min_leaf: training cells in a leaf, at least.
      features: share of the invariants that a split may choose from.
      cells: share of the training cells that a tree is grown on.
      l2: penalty on the square of a leaf's value.
    """

    forests: int = 5
    rounds: int = 800
    num_leaves: int = 8
    learning_rate: float = 0.1
    min_leaf: int = 3
    features: float = 0.5
    cells: float = 0.7
    l2: float = 1.0

    @property
    def num_trees(self) -> int:
        """T, of all forests."""
        return self.forests * self.rounds


def trees(space: CostedSpace, config: TreesConfig = TreesConfig()) -> Predictor:
    """Boosted trees over the architectures of a space.

    They are fitted on the host (`Predictor.on_host`) by LightGBM, which the extra
    `trees` installs; scoring needs JAX alone. The shapes of the parameters depend on
    the config alone:

      feature: [T, M] int32, the invariant that a split reads,
      threshold: [T, M] float32, infinite for a split that was not made,
      leaf: [T, M] int32, the leaf that it parts,
      value: [T, L] float32, what a leaf adds to the score.

    Returns:
      A `Predictor` whose `fit` and `check` raise ValueError where LightGBM is missing.
    """

    @jax.jit
    def features(graphs: Graphs) -> jax.Array:
        return rounded(invariants(graphs, space))

    def init(key: jax.Array, graphs: Graphs) -> Params:
        """Random trees, until `fit`."""
        check_shapes(graphs)
        size = jax.eval_shape(features, graphs).shape[1]
        splits = (config.num_trees, config.num_leaves - 1)
        leaves = (config.num_trees, config.num_leaves)
        feature_key, threshold_key, leaf_key, value_key = jax.random.split(key, 4)
        made = jnp.broadcast_to(jnp.arange(1, config.num_leaves)[None], splits)
        return {
            "feature": jax.random.randint(feature_key, splits, 0, size),
            "threshold": jax.random.uniform(threshold_key, splits, maxval=4.0),
            "leaf": jax.random.randint(leaf_key, splits, 0, made),
            "value": jax.random.normal(value_key, leaves) / config.num_trees**0.5,
        }

    def apply(params, graphs: Graphs, *, dropout_key=None) -> jax.Array:
        del dropout_key  # Nothing here is dropped.
        check_shapes(graphs)
        scores = evaluate(params, features(graphs))
        return jnp.where(is_valid(graphs, len(space.ops)), scores, jnp.nan)

    def fit(key: jax.Array, graphs: Graphs, labels: jax.Array) -> Params:
        check_learnable(graphs, labels, len(space.ops))
        return grow(key, np.asarray(features(graphs)), np.asarray(labels), config)

    return Predictor(init, apply, fit=fit, on_host=True, check=_lightgbm)


def evaluate(params: Params, features: jax.Array) -> jax.Array:
    """The sum of the leaves that each row falls into.

    Args:
      params: feature, threshold, leaf [T, M] and value [T, L].
      features: [B, F] float32.

    Returns:
      [B] float32.
    """
    columns_FB = features.T  # A split reads whole rows of it.
    value_TL = params["value"]

    def part(leaf_TB, split):
        new, feature_T, threshold_T, parted_T = split
        over = columns_FB[feature_T] > threshold_T[:, None]
        moves = over & (leaf_TB == parted_T[:, None])
        return jnp.where(moves, new, leaf_TB), None

    splits = [params[name].T for name in ("feature", "threshold", "leaf")]
    new = jnp.arange(1, value_TL.shape[1])
    start = jnp.zeros((value_TL.shape[0], features.shape[0]), jnp.int32)
    leaf_TB, _ = jax.lax.scan(part, start, (new, *splits))
    return jnp.sum(jnp.take_along_axis(value_TL, leaf_TB, axis=1), axis=0)


def grow(
    key: jax.Array, features: np.ndarray, labels: np.ndarray, config: TreesConfig
) -> dict[str, np.ndarray]:
    """Grows forests by LightGBM; equal arguments give equal trees.

    Args:
      key: typed key of the random choices.
      features: [n, F] float32.
      labels: [n] in training units.
      config: how.

    Raises:
      ValueError: if LightGBM is not installed.
    """
    lightgbm = _lightgbm()
    settings = {
        "objective": "l2",
        "num_leaves": config.num_leaves,
        "learning_rate": config.learning_rate,
        "min_data_in_leaf": config.min_leaf,
        "feature_fraction_bynode": config.features,
        "bagging_fraction": config.cells,
        "bagging_freq": 1,
        "lambda_l2": config.l2,
        "extra_trees": True,  # A random threshold for each invariant, the best kept.
        "deterministic": True,
        "num_threads": 1,
        "verbosity": -1,
    }
    rng = host_rng(key)
    forests = []
    for seed in rng.integers(2**31, size=config.forests):
        booster = lightgbm.train(
            settings | {"seed": int(seed)},
            lightgbm.Dataset(features, labels),
            config.rounds,
        )
        forests.append(flatten(booster.dump_model(), config.rounds, config.num_leaves))
    params = {name: np.concatenate([f[name] for f in forests]) for name in forests[0]}
    return params | {"value": params["value"] / np.float32(config.forests)}


def flatten(
    model: dict[str, Any], num_trees: int, num_leaves: int
) -> dict[str, np.ndarray]:
    """The arrays of a model as `lightgbm.Booster.dump_model` gives it.

    Args:
      model: of one output, numerical features without missing values.
      num_trees: T; trees that the model lacks add nothing.
      num_leaves: L.
    """
    splits = (num_trees, num_leaves - 1)
    params = {
        "feature": np.zeros(splits, np.int32),
        "threshold": np.full(splits, np.inf, np.float32),
        "leaf": np.zeros(splits, np.int32),
        "value": np.zeros((num_trees, num_leaves), np.float32),
    }

    def visit(tree: int, node: dict[str, Any], leaf: int) -> None:
        """Writes the splits under a node, all of which part `leaf`."""
        if "split_index" not in node:
            params["value"][tree, leaf] = node["leaf_value"]
            return
        at = node["split_index"]  # In the order in which they were made.
        params["feature"][tree, at] = node["split_feature"]
        params["threshold"][tree, at] = float32_below(node["threshold"])
        params["leaf"][tree, at] = leaf
        visit(tree, node["left_child"], leaf)
        visit(tree, node["right_child"], at + 1)

    for tree, about in enumerate(model["tree_info"]):
        visit(tree, about["tree_structure"], 0)
    return params


def float32_below(threshold: float) -> np.float32:
    """The largest float32 that is not over a float64: x <= either is the same for every
    float32 x."""
    near = np.float32(threshold)
    over = float(near) > threshold  # In float64.
    return np.nextafter(near, np.float32(-np.inf)) if over else near


def _lightgbm() -> ModuleType:
    try:
        import lightgbm  # Scoring must not need it.
    except ImportError:
        raise ValueError(
            "the predictor trees is fitted by LightGBM, which is not installed: "
            "pip install '.[trees]' in a clone"
        ) from None
    return lightgbm
