"""The seam that every predictor fits behind."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import jax

from tnasp_jax.graphs import Graphs
from tnasp_jax.predictors.recipe import FitConfig

Params = Any
"""A nested dict of arrays."""


class Apply(Protocol):
    """Scores a batch; deterministic unless a dropout key is given."""

    def __call__(
        self,
        params: Params,
        graphs: Graphs,
        *,
        dropout_key: jax.Array | None = None,
    ) -> jax.Array: ...


class Objective(Protocol):
    """The training loss of a batch, for a predictor that learns more than scores."""

    def __call__(
        self,
        params: Params,
        graphs: Graphs,
        labels: jax.Array,
        weights: jax.Array,
        *,
        dropout_key: jax.Array,
    ) -> jax.Array: ...


class Predictor(NamedTuple):
    """Two pure functions; `jax.jit`, `jax.vmap` and `jax.grad` apply to both.

    Parameters may hold whole numbers, such as which invariant a tree splits by; then
    `jax.grad` takes `allow_int=True`.

    What a predictor needs beyond a regression stands in the optional fields, so that
    training names no predictor.

    Attributes:
      init: `init(key, graphs) -> params`; of `graphs` only the shape is used.
      apply: `apply(params, graphs, *, dropout_key=None) -> scores [B] float32`, higher
        is better, in the units of the labels trained on. A row that is not a graph
        (see `graphs.is_valid`) scores NaN.
      objective: `objective(params, graphs [B], labels [B], weights [B], *,
        dropout_key) -> []`, trained instead of the recipe's loss of the scores, such
        as a reconstruction beside them or pairs of a comparator.
      finish: `finish(params, graphs [n], labels [n]) -> params` of the same structure,
        called after training with the training cells, such as the embeddings of a
        comparator's references, and again after each round of self-evolution;
        jittable. What it stores is no variable: `apply` stops gradients there, and the
        objective does not read it.
      fit: `fit(key, graphs [n], labels [n]) -> params`, for a predictor that is not
        trained by gradient steps over batches; it replaces the recipe; jittable unless
        `on_host`.
      deviation: `deviation(params, graphs) -> [B]`, the standard deviation of a label
        around what `apply` says, in the same units, the label's noise included; NaN
        where `apply` says NaN.
      covariance: `covariance(params, graphs) -> [B, B]`, of the function behind the
        labels, without their noise: what a predictor with `fit` does not know about
        some cells together; NaN in the rows and columns of what is no graph. Its
        self-evolution asks along it.
      on_host: whether `fit` leaves JAX, such as for a library that grows trees. It is
        then called with the arrays of one draw, never traced, and gives arrays.
      check: raises ValueError if something that `fit` needs is not installed; commands
        call it before they write anything.
      orders_only: whether scores only say which of two architectures is better, and are
        no labels. Self-evolution trains them by the objective or the recipe's loss, and
        maps them to labels by a line before it compares values.
      recipe: how it is trained by steps unless its user says otherwise; says nothing
        of a predictor with `fit`.
    """

    init: Callable[[jax.Array, Graphs], Params]
    apply: Apply
    objective: Objective | None = None
    finish: Callable[[Params, Graphs, jax.Array], Params] | None = None
    fit: Callable[[jax.Array, Graphs, jax.Array], Params] | None = None
    deviation: Callable[[Params, Graphs], jax.Array] | None = None
    covariance: Callable[[Params, Graphs], jax.Array] | None = None
    on_host: bool = False
    check: Callable[[], object] | None = None
    orders_only: bool = False
    recipe: FitConfig = FitConfig()
