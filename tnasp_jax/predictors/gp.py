"""A Gaussian process on graph invariants, with one length-scale for each of them.

Rasmussen and Williams, "Gaussian Processes for Machine Learning" (2006), chapters 2, 4
and 5: exact regression, automatic relevance determination, hyper-parameters at the
maximum of their posterior. Axis letters: B architectures, n training cells, F
invariants.
"""

import dataclasses
import math

import jax
import jax.numpy as jnp
import optax

from tnasp_jax.graphs import Graphs, check_shapes, is_valid
from tnasp_jax.invariants import invariants
from tnasp_jax.predictors.base import Params, Predictor
from tnasp_jax.predictors.layers import FLOAT32
from tnasp_jax.spaces.base import CostedSpace


@dataclasses.dataclass(frozen=True, kw_only=True)
class GpConfig:
    """Priors and the search for their maximum.

    Attributes:
      tuned_on: training cells that the hyper-parameters see, at most; the posterior
        mean uses all.
      steps: of Adam.
      learning_rate: of Adam.
      relevance_spread: standard deviation of the log of an invariant's weight around
        the common one.
      limit: of standardised invariants, in standard deviations: a trait that one
        training cell has cannot rule the distances.
    """

    tuned_on: int = 700
    steps: int = 100
    learning_rate: float = 0.1
    relevance_spread: float = 1.0
    limit: float = 5.0


def gp(space: CostedSpace, config: GpConfig = GpConfig()) -> Predictor:
    """The Gaussian process over the architectures of a space.

    Its parameters hold the training cells' invariants, so their number is fixed by the
    graphs that `init` is given. It is fitted, not trained by steps: `Predictor.fit`.
    Labels in normal ranks suit its noise of one size.

    Returns:
      A `Predictor` whose `apply` is the posterior mean; `deviation` gives its spread.
    """

    def init(key: jax.Array, graphs: Graphs) -> Params:
        """A random function over the graphs' slots, until `fit`."""
        check_shapes(graphs)
        count = graphs.ops.shape[0]
        size = jax.eval_shape(lambda g: invariants(g, space), graphs).shape[1]
        point_key, weight_key = jax.random.split(key)
        return {
            "mean": jnp.zeros(size),
            "scale": jnp.ones(size),
            "cells": jax.random.normal(point_key, (count, size)),
            "weights": jax.random.normal(weight_key, (count,)),
            "factor": jnp.eye(count),
            "hyper": _start(size),
        }

    def features(params, graphs: Graphs) -> jax.Array:
        standard = (invariants(graphs, space) - params["mean"][None]) * params["scale"][
            None
        ]
        return jnp.clip(standard, -config.limit, config.limit)

    def apply(params, graphs: Graphs, *, dropout_key=None) -> jax.Array:
        del dropout_key  # Nothing here is dropped.
        check_shapes(graphs)
        cross = kernel(params["hyper"], features(params, graphs), params["cells"])
        mean = jnp.matmul(cross, params["weights"], precision=FLOAT32)
        return jnp.where(is_valid(graphs, len(space.ops)), mean, jnp.nan)

    def fit(key: jax.Array, graphs: Graphs, labels: jax.Array) -> Params:
        graphs, labels = jax.tree.map(jnp.asarray, (graphs, labels))
        raw = invariants(graphs, space)
        mean, spread = jnp.mean(raw, axis=0), jnp.std(raw, axis=0)
        # What no training cell varies says nothing of the labels.
        scale = jnp.where(spread > 1e-4, 1 / jnp.maximum(spread, 1e-4), 0.0)
        params = {"mean": mean, "scale": scale}
        cells = features(params, graphs)
        taken = min(config.tuned_on, len(graphs))
        rows = jax.random.permutation(key, len(graphs))[:taken]
        hyper = tune(cells[rows], labels[rows], config)
        factor = jnp.linalg.cholesky(covariance(hyper, cells))
        weights = jax.scipy.linalg.cho_solve((factor, True), labels)
        return {
            **params,
            "cells": cells,
            "weights": weights,
            "factor": factor,
            "hyper": hyper,
        }

    def deviation(params, graphs: Graphs) -> jax.Array:
        cross = kernel(params["hyper"], features(params, graphs), params["cells"])
        solved = jax.scipy.linalg.solve_triangular(
            params["factor"], cross.T, lower=True
        )
        hyper = params["hyper"]
        prior = jnp.exp(hyper["smooth"]) + jnp.exp(hyper["rough"])
        prior += jnp.exp(hyper["constant"])
        variance = prior - jnp.sum(solved**2, axis=0)
        return jnp.sqrt(jnp.maximum(variance, 0.0))

    return Predictor(init, apply, fit=fit, deviation=deviation)


def _start(size: int) -> dict[str, jax.Array]:
    """Logs: of variances (smooth, rough, constant, noise) and of the weights."""
    return {
        "smooth": jnp.array(math.log(0.7)),
        "rough": jnp.array(math.log(0.2)),
        "constant": jnp.array(math.log(0.3)),
        "noise": jnp.array(math.log(0.1)),
        "common": jnp.array(-math.log(2.0 * size) / 2),
        "relevance": jnp.zeros(size),
    }


def kernel(hyper: dict[str, jax.Array], left: jax.Array, right: jax.Array) -> jax.Array:
    """Matern-5/2 plus a Matern-3/2 of a third of its length-scales plus a constant.

    Args:
      hyper: logs of variances and weights.
      left: [B, F] and
      right: [n, F] standardised invariants.

    Returns:
      [B, n].
    """
    weights = jnp.exp(hyper["common"] + hyper["relevance"])[None]
    left, right = left * weights, right * weights
    squares = jnp.sum(left**2, axis=1)[:, None] + jnp.sum(right**2, axis=1)[None]
    squares -= 2 * jnp.matmul(left, right.T, precision=FLOAT32)
    distance = jnp.sqrt(jnp.maximum(squares, 0.0) + 1e-6)
    near = math.sqrt(5.0) * distance
    smooth = (1 + near + near**2 / 3) * jnp.exp(-near)
    far = 3 * math.sqrt(3.0) * distance
    rough = (1 + far) * jnp.exp(-far)
    return (
        jnp.exp(hyper["smooth"]) * smooth
        + jnp.exp(hyper["rough"]) * rough
        + jnp.exp(hyper["constant"])
    )


def covariance(hyper: dict[str, jax.Array], cells: jax.Array) -> jax.Array:
    """[n, n] of the labels: the kernel and their noise."""
    noise = jnp.exp(hyper["noise"]) + 1e-3
    return kernel(hyper, cells, cells) + noise * jnp.eye(len(cells))


def tune(cells: jax.Array, labels: jax.Array, config: GpConfig) -> Params:
    """Hyper-parameters at the maximum of their posterior, by Adam.

    Args:
      cells: [n, F] standardised invariants.
      labels: [n] in training units.
      config: priors and steps.
    """
    start = _start(cells.shape[1])
    optimizer = optax.adam(
        optax.cosine_decay_schedule(config.learning_rate, config.steps)
    )

    def loss(hyper):
        factor = jnp.linalg.cholesky(covariance(hyper, cells))
        white = jax.scipy.linalg.solve_triangular(factor, labels, lower=True)
        likelihood = -jnp.sum(white**2) / 2 - jnp.sum(jnp.log(jnp.diag(factor)))
        prior = -jnp.sum((hyper["relevance"] / config.relevance_spread) ** 2) / 2
        for name in ("smooth", "rough", "constant", "noise", "common"):
            prior -= (hyper[name] - start[name]) ** 2 / (2 * 1.5**2)
        return -(likelihood + prior)

    def step(carry, _):
        hyper, state = carry
        updates, state = optimizer.update(jax.grad(loss)(hyper), state)
        return (optax.apply_updates(hyper, updates), state), None

    (hyper, _), _ = jax.lax.scan(
        step, (start, optimizer.init(start)), length=config.steps
    )
    return hyper
