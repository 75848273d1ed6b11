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

from tnasp_jax.graphs import Graphs, check_learnable, check_shapes, is_valid
from tnasp_jax.invariants import invariants, kinds
from tnasp_jax.names import unknown
from tnasp_jax.predictors import stacking
from tnasp_jax.predictors.base import Params, Predictor
from tnasp_jax.predictors.dagnet import DagnetConfig, networks
from tnasp_jax.predictors.forest import ForestConfig, each_forest, forests, grow_each
from tnasp_jax.predictors.gp import GpConfig, processes
from tnasp_jax.predictors.layers import FLOAT32
from tnasp_jax.predictors.on_invariants import Regression, on_invariants
from tnasp_jax.spaces.base import CostedSpace

PARTS = ("processes", "forest", "networks")


def _prior() -> dict[str, float]:
    return dict(zip(PARTS, (0.42, 0.3, 0.28), strict=True))


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
      networks_from: training cells from which on there are networks beside other
        parts. With fewer they would take most of the time and add nothing.

    Raises:
      ValueError: for a part that is unknown, and for none.
    """

    prior: Mapping[str, float] = dataclasses.field(default_factory=_prior)
    stacked: bool = True
    folds: int = 4
    processes: GpConfig = GpConfig(priors=((1.0, 0.0), (0.5, 1.0), (0.05, 0.0)))
    forest: ForestConfig = ForestConfig()
    networks: DagnetConfig = DagnetConfig()
    networks_from: int = 300

    def __post_init__(self) -> None:
        if not self.prior:
            raise ValueError(f"BestConfig: expected a share of some of {PARTS}")
        for name in self.prior:
            if name not in PARTS:
                raise ValueError(unknown("part of best", name, PARTS))


def best(space: CostedSpace, config: BestConfig = BestConfig()) -> Predictor:
    """The recipe for the graphs of a space; it reads no name of a space.

    Fitted at once (`Predictor.fit`), on labels in normal ranks. Which parts there are
    follows from the number of training cells, which `init` takes from its graphs.

    Returns:
      A `Predictor` whose `deviation` and `covariance` are those of the processes.
    """
    num_ops, kind_of = len(space.ops), kinds(space)
    regression = processes(kind_of, config.processes)
    every = _parts(num_ops, regression, config)

    def init(key: jax.Array, graphs: Graphs) -> Params:
        check_shapes(graphs)
        names, prior = _taking_part(len(graphs), config)
        keys = jax.random.split(key, len(names))
        x = jnp.zeros((len(graphs), len(kind_of)))
        found = {
            name: every[name].init(key, graphs, x)
            for name, key in zip(names, keys, strict=True)
        }
        return {**found, "shares": prior}

    def apply(params, graphs: Graphs, *, dropout_key=None) -> jax.Array:
        del dropout_key  # It is not trained by the recipe's steps.
        check_shapes(graphs)
        x = invariants(graphs, space)
        said = [
            every[name].mean(params[name], graphs, x)
            for name in PARTS
            if name in params
        ]
        scores = jnp.matmul(params["shares"], jnp.stack(said), precision=FLOAT32)
        return jnp.where(is_valid(graphs, num_ops), scores, jnp.nan)

    def fit(key: jax.Array, graphs: Graphs, labels: jax.Array) -> Params:
        check_learnable(graphs, labels, num_ops)
        graphs, labels = jax.tree.map(jnp.asarray, (graphs, labels))
        live = is_valid(graphs, num_ops)
        cells = _Cells(graphs, invariants(graphs, space), labels, live)
        rows = jnp.asarray(stacking.fold_rows(len(labels), config.folds))
        names, shares = _taking_part(len(labels), config)
        found, said = {}, []
        keys = jax.random.split(key, len(names))
        for name, key in zip(names, keys, strict=True):
            found[name], of_folds = every[name].fit(key, cells, rows)
            said.append(stacking.left_out(of_folds))
        if config.stacked:
            shares = stacking.shares(jnp.stack(said), labels, live, shares)
        return {**found, "shares": shares}

    predictor = Predictor(init, apply, fit=fit)
    if "processes" not in config.prior:
        return predictor
    alone = on_invariants(space, regression)
    return predictor._replace(
        deviation=_of_processes(alone.deviation),
        covariance=_of_processes(alone.covariance),
    )


def _taking_part(num_cells: int, config: BestConfig) -> tuple[list[str], jax.Array]:
    """The parts that so many training cells have, and their shares before stacking."""
    names = [name for name in PARTS if name in config.prior]
    if num_cells < config.networks_from and len(names) > 1:
        names = [name for name in names if name != "networks"]
    shares = jnp.array([config.prior[name] for name in names], jnp.float32)
    return names, shares / jnp.sum(shares)


def _of_processes(function: Callable | None) -> Callable:
    """`Predictor.deviation` or `covariance` of the processes, given all parts."""
    assert function is not None
    return lambda params, graphs: function(params["processes"], graphs)


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


def _parts(
    num_ops: int, regression: Regression, config: BestConfig
) -> dict[str, _Part]:
    """Every part by name; forests and networks have a member for each fold."""
    forest = dataclasses.replace(config.forest, forests=config.folds)
    members = dataclasses.replace(config.networks, members=config.folds)
    every = _processes(regression), _forest(forest), _networks(num_ops, members)
    return dict(zip(PARTS, every, strict=True))


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
