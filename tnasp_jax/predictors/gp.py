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
import numpy as np
import optax

from tnasp_jax.invariants import kinds, standard_of, standardised
from tnasp_jax.predictors.base import Params, Predictor
from tnasp_jax.predictors.layers import FLOAT32
from tnasp_jax.predictors.on_invariants import Regression, on_invariants
from tnasp_jax.spaces.base import CostedSpace

ENDLESS = 1e10
"""Variance of the noise of a label that says nothing."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class GpConfig:
    """Priors and the search for their maximum.

    Attributes:
      tuned_on: training cells that the hyper-parameters see, at most; the posterior
        mean uses all.
      deviation_on: training cells that the posterior deviation uses, at most.
      steps: of Adam.
      learning_rate: of Adam.
      priors: one process each, whose means are averaged: the standard deviation of the
        log of an invariant's weight around that of its kind (see `invariants.kinds`),
        and of a kind's around the common one.
      limit: of standardised invariants, in standard deviations: a trait that one
        training cell has cannot rule the distances.
    """

    tuned_on: int = 700
    deviation_on: int = 1000
    steps: int = 100
    learning_rate: float = 0.1
    priors: tuple[tuple[float, float], ...] = ((1.0, 0.0),)
    limit: float = 5.0


def gp(space: CostedSpace, config: GpConfig = GpConfig()) -> Predictor:
    """The Gaussian process over the architectures of a space.

    It is fitted, not trained by steps: `Predictor.fit`. Labels in normal ranks suit its
    noise of one size.

    Returns:
      A `Predictor` whose `apply` is the posterior mean; `deviation` gives the spread of
      a label around it, `covariance` that of the function.
    """
    return on_invariants(space, processes(kinds(space), config))


def processes(kind_of: np.ndarray, config: GpConfig) -> Regression:
    """One process for each of the priors, whose means are averaged.

    Their parameters hold the training cells' invariants, so their number is fixed by
    what `init` is given. Rows that are no graphs say nothing in `fit`, whatever their
    label: a growing set can be padded to sizes that recur.

    Args:
      kind_of: [F], the kind of each invariant.
      config: priors and the search for their maximum.
    """

    def init(key: jax.Array, x: jax.Array) -> Params:
        count, size = x.shape
        point_key, weight_key = jax.random.split(key)
        seen = min(count, config.deviation_on)
        one = {
            "weights": jax.random.normal(weight_key, (count,)),
            "factor": jnp.eye(seen),
            "hyper": _start(size),
        }
        stacked = jax.tree.map(lambda leaf: jnp.stack([leaf] * len(config.priors)), one)
        return {
            "mean": jnp.zeros(size),
            "scale": jnp.ones(size),
            "cells": jax.random.normal(point_key, (count, size)),
            "processes": stacked,
        }

    def mean(params, x: jax.Array) -> jax.Array:
        x = standardised(params, x, config.limit)
        means = jax.lax.map(
            lambda process: posterior_mean(process, params["cells"], x),
            params["processes"],
        )
        return jnp.mean(means, axis=0)

    def fit(key: jax.Array, x: jax.Array, labels: jax.Array, live: jax.Array) -> Params:
        # In random order, so that the first cells stand for all of them.
        order = jax.random.permutation(key, len(x))
        order = order[jnp.argsort(~live[order], stable=True)]
        live = jnp.sort(live, descending=True)
        x, labels = x[order], jnp.where(live, labels[order], 0.0)
        params = standard_of(x, live)
        cells = standardised(params, x, config.limit)
        cells = jnp.where(live[:, None], cells, 0.0)

        def process(prior):
            return condition(cells, labels, live, prior, kind_of, config)

        fitted = jax.lax.map(process, jnp.asarray(config.priors))
        return {**params, "cells": cells, "processes": fitted}

    def moments(params, x: jax.Array, spread):
        """Means [K, B] and spreads [K, ...] of the K processes."""
        x = standardised(params, x, config.limit)
        cells = params["cells"]
        return jax.lax.map(
            lambda process: (
                posterior_mean(process, cells, x),
                spread(process, cells, x),
            ),
            params["processes"],
        )

    def deviation(params, x: jax.Array) -> jax.Array:
        means, variances = moments(params, x, label_variance)
        return jnp.sqrt(jnp.mean(variances, axis=0) + jnp.var(means, axis=0))

    def covariance(params, x: jax.Array) -> jax.Array:
        means, within = moments(params, x, posterior_covariance)
        apart = means - jnp.mean(means, axis=0)[None]
        between = jnp.matmul(apart.T, apart, precision=FLOAT32) / len(means)
        return jnp.mean(within, axis=0) + between

    return Regression(init, mean, fit, deviation, covariance)


def condition(
    cells: jax.Array,
    labels: jax.Array,
    live: jax.Array,
    prior: jax.Array,
    kind_of: np.ndarray,
    config: GpConfig,
) -> Params:
    """A process given its training cells.

    Args:
      cells: [n, F] standardised invariants, in random order, live ones first.
      labels: [n] in training units.
      live: [n] bool, rows that count.
      prior: [2], one of `GpConfig.priors`.
      kind_of: [F], the kind of each invariant.
      config: the search for the hyper-parameters.

    Returns:
      weights [n], the factor [m, m] of the first m cells' covariance, and hyper.
    """
    tuned = slice(None, config.tuned_on)
    hyper = tune(cells[tuned], labels[tuned], config, prior, kind_of, live[tuned])
    factor = jnp.linalg.cholesky(covariance(hyper, cells, live))
    seen = min(len(cells), config.deviation_on)
    return {
        "weights": jax.scipy.linalg.cho_solve((factor, True), labels),
        # That of the first cells is the corner of that of all.
        "factor": factor[:seen, :seen],
        "hyper": hyper,
    }


def posterior_mean(process: Params, cells: jax.Array, x: jax.Array) -> jax.Array:
    """Of the function at x [B, F], given all training cells [n, F] (equation 2.25)."""
    cross = kernel(process["hyper"], x, cells)
    return jnp.matmul(cross, process["weights"], precision=FLOAT32)


def label_variance(process: Params, cells: jax.Array, x: jax.Array) -> jax.Array:
    """Of a label at x [B, F], its noise included, given the cells of the factor
    (equation 2.26)."""
    hyper, factor = process["hyper"], process["factor"]
    cross = kernel(hyper, x, cells[: len(factor)])
    solved = jax.scipy.linalg.solve_triangular(factor, cross.T, lower=True)
    prior = jnp.exp(hyper["smooth"]) + jnp.exp(hyper["rough"])
    prior += jnp.exp(hyper["constant"])
    variance = jnp.maximum(prior - jnp.sum(solved**2, axis=0), 0.0)
    return variance + noise_of(hyper)


def posterior_covariance(process: Params, cells: jax.Array, x: jax.Array) -> jax.Array:
    """Of the function at x [B, F], [B, B], without noise, given the cells of the factor
    (equation 2.24)."""
    hyper, factor = process["hyper"], process["factor"]
    cross = kernel(hyper, x, cells[: len(factor)])
    solved = jax.scipy.linalg.solve_triangular(factor, cross.T, lower=True)
    return kernel(hyper, x, x) - jnp.matmul(solved.T, solved, precision=FLOAT32)


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


def noise_of(hyper: dict[str, jax.Array]) -> jax.Array:
    """Variance of a label around the function."""
    return jnp.exp(hyper["noise"]) + 1e-3


def covariance(
    hyper: dict[str, jax.Array], cells: jax.Array, live: jax.Array | None = None
) -> jax.Array:
    """[n, n] of the labels: the kernel and their noise; rows not live [n] stand alone."""
    found, noise = kernel(hyper, cells, cells), noise_of(hyper)
    if live is None:
        return found + noise * jnp.eye(len(cells))
    found = jnp.where(live[:, None] & live[None], found, 0.0)
    return found + jnp.diag(jnp.where(live, noise, ENDLESS))


def tune(
    cells: jax.Array,
    labels: jax.Array,
    config: GpConfig,
    prior: jax.Array,
    kind_of: np.ndarray,
    live: jax.Array | None = None,
) -> dict[str, jax.Array]:
    """Hyper-parameters at the maximum of their posterior, by Adam.

    Args:
      cells: [n, F] standardised invariants.
      labels: [n] in training units.
      config: steps.
      prior: [2], one of `GpConfig.priors`.
      kind_of: [F], the kind of each invariant.
      live: [n] bool, cells that count; None for all.
    """
    start = _start(cells.shape[1])
    optimizer = optax.adam(
        optax.cosine_decay_schedule(config.learning_rate, config.steps)
    )
    # In units of their priors' deviations.
    found = {
        **start,
        "relevance": jnp.zeros(len(kind_of)),
        "kind": jnp.zeros(int(kind_of.max()) + 1),
    }

    def in_place(found):
        own, kind = prior[0] * found["relevance"], prior[1] * found["kind"]
        hyper = {name: found[name] for name in start}
        return {**hyper, "relevance": own + kind[kind_of]}

    def loss(found):
        factor = jnp.linalg.cholesky(covariance(in_place(found), cells, live))
        white = jax.scipy.linalg.solve_triangular(factor, labels, lower=True)
        likelihood = -jnp.sum(white**2) / 2 - jnp.sum(jnp.log(jnp.diag(factor)))
        log_prior = (
            -jnp.sum(found["relevance"] ** 2) / 2 - jnp.sum(found["kind"] ** 2) / 2
        )
        for name in ("smooth", "rough", "constant", "noise", "common"):
            log_prior -= (found[name] - start[name]) ** 2 / (2 * 1.5**2)
        return -(likelihood + log_prior)

    def step(carry, _):
        found, state = carry
        updates, state = optimizer.update(jax.grad(loss)(found), state)
        return (optax.apply_updates(found, updates), state), None

    (found, _), _ = jax.lax.scan(
        step, (found, optimizer.init(found)), length=config.steps
    )
    return in_place(found)


def _start(size: int) -> dict[str, jax.Array]:
    """Logs: of variances (smooth, rough, constant, noise) and of the weights."""
    logs = {
        "smooth": math.log(0.7),
        "rough": math.log(0.2),
        "constant": math.log(0.3),
        "noise": math.log(0.1),
        "common": -math.log(2.0 * size) / 2,
    }
    # Typed: a weak float in parameters would be compiled for apart from a loaded one.
    start = {name: jnp.array(value, jnp.float32) for name, value in logs.items()}
    return {**start, "relevance": jnp.zeros(size)}
