"""Boosted oblivious trees with random thresholds on graph invariants, grown in JAX.

Gradient boosting of the squared error (Friedman, "Greedy Function Approximation", 2001)
by trees whose nodes of one depth share their split, as in CatBoost (Prokhorenkova et al.,
NeurIPS 2018), chosen among thresholds drawn at random, as in extremely randomised trees
(Geurts et al., 2006). So a tree is a few comparisons, and growing one is a few matrix
products of fixed shape: it jits, vmaps, and leaves no array but the forest. Axis letters:
B architectures, n training cells, F invariants, T trees of all forests, D depth, L = 2^D
leaves, K candidates.
"""

import dataclasses

import jax
import jax.numpy as jnp

from tnasp_jax.invariants import rounded
from tnasp_jax.predictors.base import Params, Predictor
from tnasp_jax.predictors.layers import FLOAT32
from tnasp_jax.predictors.on_invariants import Regression, on_invariants
from tnasp_jax.spaces.base import CostedSpace


@dataclasses.dataclass(frozen=True, kw_only=True)
class ForestConfig:
    """How a forest grows.

    Attributes:
      forests: grown independently; their scores are averaged.
      rounds: trees of a forest.
      depth: D.
      candidates: K splits that a depth of a tree chooses from.
      learning_rate: share of a tree's answer that is added.
      l2: added to the cells of a leaf: shrinks the answers of small leaves.
      cells: share of the training cells that a tree sees.
      least: cells on either side of a split, in each node, for the split to count there.
    """

    forests: int = 4
    rounds: int = 1000
    depth: int = 3
    candidates: int = 100
    learning_rate: float = 0.05
    l2: float = 1.0
    cells: float = 0.7
    least: int = 3


def forest(space: CostedSpace, config: ForestConfig = ForestConfig()) -> Predictor:
    """The forests over the architectures of a space, fitted at once (`Predictor.fit`).

    Returns:
      A `Predictor`; its parameters are the splits, the leaves' answers and the mean.
    """
    return on_invariants(space, forests(config))


def forests(config: ForestConfig) -> Regression:
    """Forests whose scores are averaged, each grown on all training cells.

    Args:
      config: how they grow.

    Returns:
      A `Regression`; its parameters are those of `forest`.
    """
    trees = config.forests * config.rounds

    def init(key: jax.Array, x: jax.Array) -> Params:
        """Trees at random, until `fit`."""
        which, where, what = jax.random.split(key, 3)
        return {
            "feature": jax.random.randint(which, (trees, config.depth), 0, x.shape[1]),
            "threshold": jax.random.normal(where, (trees, config.depth)),
            "answer": jax.random.normal(what, (trees, 2**config.depth))
            / config.rounds**0.5,
            "mean": jnp.zeros(()),
        }

    def mean(params, x: jax.Array) -> jax.Array:
        return jnp.mean(each_forest(params, x, config), axis=0)

    def fit(key: jax.Array, x: jax.Array, labels: jax.Array, live: jax.Array) -> Params:
        del live
        rows = jnp.broadcast_to(jnp.arange(len(x))[None], (config.forests, len(x)))
        return grow_each(key, x, labels, rows, config)

    return Regression(init, mean, fit, leaves_out=False)


def each_forest(params: Params, x: jax.Array, config: ForestConfig) -> jax.Array:
    """Scores [forests, B] of invariants [B, F]."""
    x_FB = rounded(x).T  # Rows are read whole.
    over_TDB = x_FB[params["feature"]] > params["threshold"][:, :, None]
    places_D = 2 ** jnp.arange(config.depth)
    leaf_TB = jnp.sum(over_TDB * places_D[None, :, None], axis=1)
    answers_TB = jnp.take_along_axis(params["answer"], leaf_TB, axis=1)
    answers = answers_TB.reshape(config.forests, config.rounds, x.shape[0])
    return params["mean"] + jnp.sum(answers, axis=1)


def grow_each(
    key: jax.Array,
    x: jax.Array,
    labels: jax.Array,
    rows: jax.Array,
    config: ForestConfig,
) -> Params:
    """Grows every forest on training cells of its own.

    Args:
      key: of all forests.
      x: [n, F] invariants.
      labels: [n] in training units.
      rows: [forests, m], which cells a forest sees.
      config: how.
    """
    x_Fn, mean = rounded(x).T, jnp.mean(labels)

    def one(each):
        key, rows = each
        return grow(x_Fn[:, rows], labels[rows] - mean, key, config)

    grown = jax.lax.map(one, (jax.random.split(key, config.forests), rows))
    flat = jax.tree.map(lambda leaf: leaf.reshape(-1, leaf.shape[-1]), grown)
    return {**flat, "mean": mean}


def grow(
    x_Fn: jax.Array, labels: jax.Array, key: jax.Array, config: ForestConfig
) -> dict[str, jax.Array]:
    """One forest.

    Args:
      x_Fn: invariants of the training cells.
      labels: [n], of mean zero.
      key: of the cells and the candidates of all trees.
      config: how.

    Returns:
      feature [rounds, D] int32, threshold [rounds, D], answer [rounds, L].
    """

    def tree(residual, key):
        seen_key, split_key = jax.random.split(key)
        seen = jax.random.uniform(seen_key, residual.shape) < config.cells
        seen = seen.astype(jnp.float32)
        node_nL = jnp.ones((len(labels), 1))
        # In a loop: each place where chance is drawn is compiled by itself, for long.
        feature_DK, threshold_DK = jax.lax.map(
            lambda depth: _candidates(
                x_Fn, jax.random.fold_in(split_key, depth), config.candidates
            ),
            jnp.arange(config.depth),
        )
        splits = []
        for depth in range(config.depth):
            candidates = feature_DK[depth], threshold_DK[depth]
            inside_nL = node_nL * seen[:, None]
            splits.append(_split(x_Fn, inside_nL, residual, candidates, config))
            feature, threshold = splits[-1]
            over = (x_Fn[feature] > threshold).astype(jnp.float32)[:, None]
            node_nL = jnp.concatenate([node_nL * (1 - over), node_nL * over], axis=1)
        inside_nL = node_nL * seen[:, None]
        total = jnp.sum(inside_nL * residual[:, None], axis=0)
        answer = config.learning_rate * total / (jnp.sum(inside_nL, 0) + config.l2)
        residual -= jnp.matmul(node_nL, answer, precision=FLOAT32)
        features, thresholds = zip(*splits, strict=True)
        grown = {
            "feature": jnp.stack(features),
            "threshold": jnp.stack(thresholds),
            "answer": answer,
        }
        return residual, grown

    return jax.lax.scan(tree, labels, jax.random.split(key, config.rounds))[1]


def _candidates(x_Fn, key, number: int) -> tuple[jax.Array, jax.Array]:
    """Features and thresholds at random, [K] each: a threshold lies somewhere between
    the feature's values in two cells."""
    size, count = x_Fn.shape
    which, pair_key, between_key = jax.random.split(key, 3)
    feature_K = jax.random.randint(which, (number,), 0, size)
    first, second = jax.random.randint(pair_key, (2, number), 0, count)
    share = jax.random.uniform(between_key, (number,))
    return feature_K, (
        x_Fn[feature_K, first] * share + x_Fn[feature_K, second] * (1 - share)
    )


def _split(
    x_Fn, inside_nL, residual, candidates, config
) -> tuple[jax.Array, jax.Array]:
    """The candidate, of features and thresholds [K], that explains most of the residuals."""
    feature_K, threshold_K = candidates
    over_Kn = (x_Fn[feature_K] > threshold_K[:, None]).astype(jnp.float32)
    weighted_nL = inside_nL * residual[:, None]
    right_LK = jnp.matmul(weighted_nL.T, over_Kn.T, precision=FLOAT32)
    cells_LK = jnp.matmul(inside_nL.T, over_Kn.T, precision=FLOAT32)
    both_L1 = jnp.sum(weighted_nL, axis=0)[:, None]
    all_L1 = jnp.sum(inside_nL, axis=0)[:, None]

    def explained(total, cells):
        return total**2 / (cells + config.l2)

    gain_LK = explained(right_LK, cells_LK)
    gain_LK += explained(both_L1 - right_LK, all_L1 - cells_LK)
    enough = jnp.minimum(cells_LK, all_L1 - cells_LK) >= config.least
    gain_LK = jnp.where(enough, gain_LK, explained(both_L1, all_L1))
    best = jnp.argmax(jnp.sum(gain_LK, axis=0))
    return feature_K[best], threshold_K[best]
