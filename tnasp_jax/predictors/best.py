"""The library's own recipe: Gaussian processes and a forest on invariants beside
direction-aware networks.

Their scores are averaged in label units. The processes are three, with different priors
on what matters, since one maximum of the posterior is far too sure of it when labels are
few. The forest errs where thresholds matter less than distances. The networks see the
graph itself, which no list of invariants exhausts.
"""

import dataclasses
from collections.abc import Callable

import jax

from tnasp_jax.graphs import Graphs
from tnasp_jax.predictors.base import Params, Predictor
from tnasp_jax.predictors.dagnet import DagnetConfig, dagnet
from tnasp_jax.predictors.forest import ForestConfig, forest
from tnasp_jax.predictors.gp import GpConfig, gp
from tnasp_jax.spaces.base import CostedSpace


@dataclasses.dataclass(frozen=True, kw_only=True)
class BestConfig:
    """What is averaged.

    Attributes:
      processes: the Gaussian processes.
      networks: the networks.
      forest: the trees.
      shares: of the processes, the networks and the forest in the score. A part of
        share 0 is left out.
    """

    processes: GpConfig = GpConfig(priors=((1.0, 0.0), (0.5, 1.0), (0.05, 0.0)))
    networks: DagnetConfig = DagnetConfig(members=4)
    forest: ForestConfig = ForestConfig()
    shares: tuple[float, float, float] = (0.42, 0.28, 0.3)


def best(space: CostedSpace, config: BestConfig = BestConfig()) -> Predictor:
    """The recipe for the graphs of a space; it reads no name of a space.

    Fitted at once (`Predictor.fit`), on labels in normal ranks.

    Returns:
      A `Predictor` whose `deviation` and `covariance` are those of the processes.
    """
    processes = gp(space, config.processes)
    every = {
        "processes": processes,
        "networks": dagnet(space, config.networks),
        "forest": forest(space, config.forest),
    }
    shares = dict(zip(every, config.shares, strict=True))
    parts = {name: part for name, part in every.items() if shares[name]}
    total = sum(shares.values())

    def init(key: jax.Array, graphs: Graphs) -> Params:
        keys = jax.random.split(key, len(parts))
        return {
            name: part.init(key, graphs)
            for key, (name, part) in zip(keys, parts.items(), strict=True)
        }

    def apply(params, graphs: Graphs, *, dropout_key=None) -> jax.Array:
        del dropout_key  # It is not trained by the recipe's steps.
        scores = [
            shares[name] / total * part.apply(params[name], graphs)
            for name, part in parts.items()
        ]
        return sum(scores[1:], scores[0])

    def fit(key: jax.Array, graphs: Graphs, labels: jax.Array) -> Params:
        found = {}
        keys = jax.random.split(key, len(parts))
        for key, (name, part) in zip(keys, parts.items(), strict=True):
            assert part.fit is not None
            found[name] = part.fit(key, graphs, labels)
        return found

    def deviation(params, graphs: Graphs) -> jax.Array:
        assert processes.deviation is not None
        return processes.deviation(params["processes"], graphs)

    def covariance(params, graphs: Graphs) -> jax.Array:
        assert processes.covariance is not None
        return processes.covariance(params["processes"], graphs)

    if "processes" not in parts:
        return Predictor(init, apply, fit=fit)
    return Predictor(init, apply, fit=fit, deviation=deviation, covariance=covariance)


ABLATIONS: dict[str, Callable[[CostedSpace], Predictor]] = {
    "best_no_processes": lambda space: best(space, BestConfig(shares=(0.0, 0.28, 0.3))),
    "best_no_networks": lambda space: best(space, BestConfig(shares=(0.42, 0.0, 0.3))),
    "best_no_forest": lambda space: best(space, BestConfig(shares=(0.42, 0.28, 0.0))),
    "best_one_prior": lambda space: best(space, BestConfig(processes=GpConfig())),
    "best_one_network": lambda space: best(
        space, BestConfig(networks=DagnetConfig(members=1))
    ),
    "best_graph_networks": lambda space: best(
        space, BestConfig(networks=DagnetConfig(members=4, invariant_width=0))
    ),
}
"""The recipe with one ingredient taken out: a part, two of three priors, three of four
networks, the networks' invariants."""
