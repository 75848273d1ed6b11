"""The library's own recipe: Gaussian processes and a forest on invariants beside
direction-aware networks, stacked.

The processes are three, with different priors on what matters, since one maximum of the
posterior is far too sure of it when labels are few. The forest errs where thresholds
matter less than distances. The networks see the graph itself, which no list of
invariants exhausts. Which of them to trust differs from space to space: their shares in
the score follow from cells that were left out. Axis letters: B architectures, n training
cells, F invariants, K folds, m cells that the model of a fold sees.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp

from tnasp_jax.graphs import Graphs, check_labels, check_shapes, is_valid
from tnasp_jax.invariants import invariants, kinds
from tnasp_jax.predictors import stacking
from tnasp_jax.predictors.base import Params, Predictor
from tnasp_jax.predictors.dagnet import DagnetConfig, networks
from tnasp_jax.predictors.forest import ForestConfig, each_forest, forests, grow_each
from tnasp_jax.predictors.gp import GpConfig, processes
from tnasp_jax.predictors.layers import FLOAT32
from tnasp_jax.predictors.on_invariants import Regression, on_invariants
from tnasp_jax.spaces.base import CostedSpace


def _prior() -> dict[str, float]:
    return {"processes": 0.42, "forest": 0.3, "networks": 0.28}


@dataclasses.dataclass(frozen=True, kw_only=True)
class BestConfig:
    """What is stacked.

    Attributes:
      prior: the parts, and their shares before the cells left out have spoken.
      stacked: whether they speak.
      folds: K.
      processes: the Gaussian processes, fitted to all cells; without each fold only for
        their share.
      forest: the trees of a fold; the forests of all folds are averaged.
      networks: the network of a fold; likewise.
      networks_from: training cells from which on there are networks. With fewer they
        would take most of the time and add nothing.
    """

    prior: Mapping[str, float] = dataclasses.field(default_factory=_prior)
    stacked: bool = True
    folds: int = 4
    processes: GpConfig = GpConfig(priors=((1.0, 0.0), (0.5, 1.0), (0.05, 0.0)))
    forest: ForestConfig = ForestConfig()
    networks: DagnetConfig = DagnetConfig()
    networks_from: int = 300


def best(space: CostedSpace, config: BestConfig = BestConfig()) -> Predictor:
    """The recipe for the graphs of a space; it reads no name of a space.

    Fitted at once (`Predictor.fit`), on labels in normal ranks. Which parts there are
    follows from the number of training cells, which `init` takes from its graphs.

    Returns:
      A `Predictor` whose `deviation` and `covariance` are those of the processes.
    """
    num_ops, kind_of = len(space.ops), kinds(space)
    regression = processes(kind_of, config.processes)
    every = {
        "processes": _processes(regression),
        "forest": _forest(dataclasses.replace(config.forest, forests=config.folds)),
        "networks": _networks(
            num_ops, dataclasses.replace(config.networks, members=config.folds)
        ),
    }

    def parts_of(num_cells: int) -> dict[str, _Part]:
        few = num_cells < config.networks_from
        return {
            name: part
            for name, part in every.items()
            if name in config.prior and not (few and name == "networks")
        }

    def prior_of(parts) -> jax.Array:
        found = jnp.array([config.prior[name] for name in parts], jnp.float32)
        return found / jnp.sum(found)

    def init(key: jax.Array, graphs: Graphs) -> Params:
        check_shapes(graphs)
        parts, x = parts_of(len(graphs)), jnp.zeros((len(graphs), len(kind_of)))
        keys = jax.random.split(key, len(parts))
        found = {
            name: part.init(key, graphs, x)
            for key, (name, part) in zip(keys, parts.items(), strict=True)
        }
        return {**found, "shares": prior_of(parts)}

    def apply(params, graphs: Graphs, *, dropout_key=None) -> jax.Array:
        del dropout_key  # It is not trained by the recipe's steps.
        check_shapes(graphs)
        x = invariants(graphs, space)
        said = [
            part.mean(params[name], graphs, x)
            for name, part in every.items()
            if name in params
        ]
        scores = jnp.matmul(params["shares"], jnp.stack(said), precision=FLOAT32)
        return jnp.where(is_valid(graphs, num_ops), scores, jnp.nan)

    def fit(key: jax.Array, graphs: Graphs, labels: jax.Array) -> Params:
        check_labels(graphs, labels)
        graphs, labels = jax.tree.map(jnp.asarray, (graphs, labels))
        live = is_valid(graphs, num_ops)
        cells = _Cells(graphs, invariants(graphs, space), labels, live)
        rows = jnp.asarray(stacking.fold_rows(len(labels), config.folds))
        parts, found, said = parts_of(len(labels)), {}, []
        keys = jax.random.split(key, len(parts))
        for key, (name, part) in zip(keys, parts.items(), strict=True):
            found[name], of_folds = part.fit(key, cells, rows)
            said.append(stacking.left_out(of_folds))
        shares = prior_of(parts)
        if config.stacked:
            shares = stacking.shares(jnp.stack(said), labels, live, shares)
        return {**found, "shares": shares}

    # What the processes do not know.
    alone = on_invariants(space, regression)

    def deviation(params, graphs: Graphs) -> jax.Array:
        assert alone.deviation is not None
        return alone.deviation(params["processes"], graphs)

    def covariance(params, graphs: Graphs) -> jax.Array:
        assert alone.covariance is not None
        return alone.covariance(params["processes"], graphs)

    if "processes" not in config.prior:
        return Predictor(init, apply, fit=fit)
    return Predictor(init, apply, fit=fit, deviation=deviation, covariance=covariance)


class _Cells(NamedTuple):
    """Training cells: graphs [n], invariants x [n, F], labels [n], live [n]."""

    graphs: Graphs
    x: jax.Array
    labels: jax.Array
    live: jax.Array


class _Part(NamedTuple):
    """A model of the mean.

    Attributes:
      init: `init(key, graphs [n], x [n, F]) -> params`.
      mean: `mean(params, graphs [B], x [B, F]) -> [B]`.
      fit: `fit(key, cells, rows [K, m]) -> params, [K, n]`, what the model of each fold
        says of all cells.
    """

    init: Callable[[jax.Array, Graphs, jax.Array], Params]
    mean: Callable[[Params, Graphs, jax.Array], jax.Array]
    fit: Callable[[jax.Array, _Cells, jax.Array], tuple[Params, jax.Array]]


def _processes(regression: Regression) -> _Part:
    def fit(key: jax.Array, cells: _Cells, rows: jax.Array):
        whole_key, key = jax.random.split(key)

        def of_fold(each):
            key, seen = each
            x, labels, live = cells.x[seen], cells.labels[seen], cells.live[seen]
            return regression.mean(regression.fit(key, x, labels, live), cells.x)

        of_folds = jax.lax.map(of_fold, (jax.random.split(key, len(rows)), rows))
        return regression.fit(whole_key, cells.x, cells.labels, cells.live), of_folds

    return _Part(
        lambda key, graphs, x: regression.init(key, x),
        lambda params, graphs, x: regression.mean(params, x),
        fit,
    )


def _forest(config: ForestConfig) -> _Part:
    regression = forests(config)

    def fit(key: jax.Array, cells: _Cells, rows: jax.Array):
        params = grow_each(key, cells.x, cells.labels, rows, config)
        return params, each_forest(params, cells.x, config)

    return _Part(
        lambda key, graphs, x: regression.init(key, x),
        lambda params, graphs, x: regression.mean(params, x),
        fit,
    )


def _networks(num_ops: int, config: DagnetConfig) -> _Part:
    members = networks(num_ops, config)

    def mean(params, graphs: Graphs, x: jax.Array) -> jax.Array:
        return jnp.mean(members.scores(params, graphs, x), axis=0)

    def fit(key: jax.Array, cells: _Cells, rows: jax.Array):
        params = members.fit(key, cells.graphs, cells.x, cells.labels, rows)
        return params, members.scores(params, cells.graphs, cells.x)

    return _Part(members.init, mean, fit)


def _without(*left_out: str) -> BestConfig:
    prior = {name: share for name, share in _prior().items() if name not in left_out}
    return BestConfig(prior=prior)


ABLATIONS: dict[str, Callable[[CostedSpace], Predictor]] = {
    "best_no_processes": lambda space: best(space, _without("processes")),
    "best_no_forest": lambda space: best(space, _without("forest")),
    "best_no_networks": lambda space: best(space, _without("networks")),
    "best_no_stacking": lambda space: best(space, BestConfig(stacked=False)),
    "best_one_prior": lambda space: best(space, BestConfig(processes=GpConfig())),
    "best_graph_networks": lambda space: best(
        space, BestConfig(networks=DagnetConfig(invariant_width=0))
    ),
}
"""The recipe with one ingredient taken out: a part, the shares by cells left out, two of
three priors, the networks' invariants."""
