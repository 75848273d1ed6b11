"""The seam that every predictor fits behind."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import jax

from tnasp_jax.graphs import Graphs

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


class Predictor(NamedTuple):
    """Two pure functions; `jax.jit`, `jax.vmap` and `jax.grad` apply to both.

    Attributes:
      init: `init(key, graphs) -> params`; of `graphs` only the shape is used.
      apply: `apply(params, graphs, *, dropout_key=None) -> scores [B] float32`, higher
        is better, in the units of the labels trained on. A row that is not a graph
        (see `graphs.is_valid`) scores NaN.
    """

    init: Callable[[jax.Array, Graphs], Params]
    apply: Apply
