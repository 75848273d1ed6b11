"""The library's own recipe: Gaussian processes on invariants beside direction-aware
networks.

Their scores are averaged in label units. The processes are three, with different priors
on what matters, since one maximum of the posterior is far too sure of it when labels are
few. The networks see the graph itself, which no list of invariants exhausts.
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp

from tnasp_jax.graphs import Graphs
from tnasp_jax.predictors.base import Params, Predictor
from tnasp_jax.predictors.dagnet import DagnetConfig, dagnet
from tnasp_jax.predictors.gp import GpConfig, gp
from tnasp_jax.spaces.base import CostedSpace


@dataclasses.dataclass(frozen=True, kw_only=True)
class BestConfig:
    """What is averaged.

    Attributes:
      processes: the Gaussian processes.
      networks: the networks.
      share: of the networks in the score.
    """

    processes: GpConfig = GpConfig(priors=((1.0, 0.0), (0.5, 1.0), (0.05, 0.0)))
    networks: DagnetConfig = DagnetConfig(members=4)
    share: float = 0.4


def best(space: CostedSpace, config: BestConfig = BestConfig()) -> Predictor:
    """The recipe for the graphs of a space; it reads no name of a space.

    Fitted at once (`Predictor.fit`), on labels in normal ranks.

    Returns:
      A `Predictor` whose `deviation` is that of the processes.
    """
    processes, networks = gp(space, config.processes), dagnet(space, config.networks)

    def init(key: jax.Array, graphs: Graphs) -> Params:
        first, second = jax.random.split(key)
        return {
            "processes": processes.init(first, graphs),
            "networks": networks.init(second, graphs),
        }

    def apply(params, graphs: Graphs, *, dropout_key=None) -> jax.Array:
        del dropout_key  # It is not trained by the recipe's steps.
        by_process = processes.apply(params["processes"], graphs)
        by_network = networks.apply(params["networks"], graphs)
        return (1 - config.share) * by_process + config.share * by_network

    def fit(key: jax.Array, graphs: Graphs, labels: jax.Array) -> Params:
        assert processes.fit is not None and networks.fit is not None
        first, second = jax.random.split(key)
        return {
            "processes": processes.fit(first, graphs, labels),
            "networks": networks.fit(second, graphs, labels),
        }

    def deviation(params, graphs: Graphs) -> jax.Array:
        assert processes.deviation is not None
        return jnp.asarray(processes.deviation(params["processes"], graphs))

    return Predictor(init, apply, fit=fit, deviation=deviation)


_WHOLE = BestConfig()

ABLATIONS: dict[str, Callable[[CostedSpace], Predictor]] = {
    "best_processes": lambda space: gp(space, _WHOLE.processes),
    "best_networks": lambda space: dagnet(space, _WHOLE.networks),
    "best_one_prior": lambda space: best(space, BestConfig(processes=GpConfig())),
    "best_one_network": lambda space: best(
        space, BestConfig(networks=DagnetConfig(members=1))
    ),
    "best_graph_networks": lambda space: best(
        space, BestConfig(networks=DagnetConfig(members=4, invariant_width=0))
    ),
}
"""The recipe with one ingredient taken out: the networks, the processes, two of three
priors, three of four networks, the networks' invariants."""
