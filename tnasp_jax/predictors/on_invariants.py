"""Regressions on a graph's invariants, and the predictors that they make.

Axis letters: B architectures, n training cells, F invariants.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from tnasp_jax.graphs import (
    Graphs,
    check_labels,
    check_learnable,
    check_shapes,
    is_valid,
)
from tnasp_jax.invariants import invariants, kinds
from tnasp_jax.predictors.base import Params, Predictor
from tnasp_jax.spaces.base import CostedSpace


class Regression(NamedTuple):
    """A `Predictor` that reads the invariants alone.

    Attributes:
      init: `init(key, x [n, F]) -> params`, a random function until `fit`.
      mean: `mean(params, x [B, F]) -> [B]`.
      fit: `fit(key, x [n, F], labels [n], live [n]) -> params`; rows that are not live
        are no graphs.
      deviation: `deviation(params, x) -> [B]`, as in `Predictor`.
      covariance: `covariance(params, x) -> [B, B]`, as in `Predictor`.
      leaves_out: whether `fit` leaves out rows that are not live; else it learns from
        their labels too, and they are refused where they can be seen.
    """

    init: Callable[[jax.Array, jax.Array], Params]
    mean: Callable[[Params, jax.Array], jax.Array]
    fit: Callable[[jax.Array, jax.Array, jax.Array, jax.Array], Params]
    deviation: Callable[[Params, jax.Array], jax.Array] | None = None
    covariance: Callable[[Params, jax.Array], jax.Array] | None = None
    leaves_out: bool = True


def on_invariants(space: CostedSpace, regression: Regression) -> Predictor:
    """The predictor over the graphs of a space; what is no graph scores NaN."""
    num_ops, size = len(space.ops), len(kinds(space))

    def init(key: jax.Array, graphs: Graphs) -> Params:
        check_shapes(graphs)
        return regression.init(key, jnp.zeros((len(graphs), size)))

    def apply(params, graphs: Graphs, *, dropout_key=None) -> jax.Array:
        del dropout_key  # Nothing here is dropped.
        check_shapes(graphs)
        scores = regression.mean(params, invariants(graphs, space))
        return jnp.where(is_valid(graphs, num_ops), scores, jnp.nan)

    def fit(key: jax.Array, graphs: Graphs, labels: jax.Array) -> Params:
        if regression.leaves_out:
            check_labels(graphs, labels)
        else:
            check_learnable(graphs, labels, num_ops)
        graphs, labels = jax.tree.map(jnp.asarray, (graphs, labels))
        x = invariants(graphs, space)
        return regression.fit(key, x, labels, is_valid(graphs, num_ops))

    def deviation(params, graphs: Graphs) -> jax.Array:
        assert regression.deviation is not None
        check_shapes(graphs)
        found = regression.deviation(params, invariants(graphs, space))
        return jnp.where(is_valid(graphs, num_ops), found, jnp.nan)

    def covariance(params, graphs: Graphs) -> jax.Array:
        assert regression.covariance is not None
        check_shapes(graphs)
        valid = is_valid(graphs, num_ops)
        found = regression.covariance(params, invariants(graphs, space))
        return jnp.where(valid[:, None] & valid[None], found, jnp.nan)

    return Predictor(
        init,
        apply,
        fit=fit,
        deviation=deviation if regression.deviation else None,
        covariance=covariance if regression.covariance else None,
    )
