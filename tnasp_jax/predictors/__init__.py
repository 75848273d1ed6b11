"""Predictors by name."""

from collections.abc import Callable
from typing import cast

from tnasp_jax.names import unknown
from tnasp_jax.predictors.base import Predictor
from tnasp_jax.predictors.best import ABLATIONS, best
from tnasp_jax.predictors.ctnas import ctnas
from tnasp_jax.predictors.dagnet import DagnetConfig, dagnet
from tnasp_jax.predictors.forest import forest
from tnasp_jax.predictors.gp import gp
from tnasp_jax.predictors.nao import nao
from tnasp_jax.predictors.neural_predictor import neural_predictor
from tnasp_jax.predictors.pinat import PinatConfig, pinat
from tnasp_jax.predictors.regression_nas import regression_nas
from tnasp_jax.predictors.renas import renas
from tnasp_jax.predictors.tnasp import TnaspConfig, tnasp
from tnasp_jax.predictors.tnasp_edges import tnasp_edges
from tnasp_jax.predictors.trees import trees
from tnasp_jax.spaces.base import CostedSpace, Space

__all__ = ["PREDICTORS", "Predictor", "TnaspConfig", "get_predictor", "tnasp"]


def _tnasp(**variant) -> Callable[[Space], Predictor]:
    return lambda space: tnasp(len(space.ops), TnaspConfig(**variant))


def _tnasp_edges(space: Space) -> Predictor:
    if space.name != "nasbench201":
        raise ValueError(
            "tnasp_edges reads the six edges of nasbench201 cells, "
            f"got the space {space.name!r}; choose 'tnasp' for it"
        )
    return tnasp_edges()


def _costed(
    name: str, make: Callable[[CostedSpace], Predictor]
) -> Callable[[Space], Predictor]:
    """A predictor that reads what each node of its space costs."""

    def of_space(space: Space) -> Predictor:
        if not hasattr(space, "node_costs"):
            raise ValueError(
                f"{name} reads what each node costs, which the space {space.name!r} "
                "does not tell; choose 'pinat' for it"
            )
        return make(cast(CostedSpace, space))

    return of_space


def _dagnet_graph(space: Space) -> Predictor:
    return dagnet(cast(CostedSpace, space), DagnetConfig(invariant_width=0))


PREDICTORS: dict[str, Callable[[Space], Predictor]] = {
    "tnasp": _tnasp(),
    "tnasp_nopos": _tnasp(position="none"),
    "tnasp_unmasked": _tnasp(masked=False),
    "tnasp_edges": _tnasp_edges,
    "neural_predictor": lambda space: neural_predictor(len(space.ops)),
    "nao": lambda space: nao(len(space.ops)),
    "ctnas": lambda space: ctnas(len(space.ops)),
    "regression_nas": lambda space: regression_nas(len(space.ops)),
    "renas": _costed("renas", renas),
    "gp": _costed("gp", gp),
    "trees": _costed("trees", trees),
    "forest": _costed("forest", forest),
    "dagnet": _costed("dagnet", dagnet),
    "dagnet_graph": _dagnet_graph,
    "best": _costed("best", best),
    "pinat": lambda space: pinat(len(space.ops)),
    "pinat_rank": lambda space: pinat(len(space.ops), PinatConfig(ranking=True)),
}
"""Every predictor in its published sizes, by its name on the command line."""


def _known() -> dict[str, Callable[[Space], Predictor]]:
    ablations = {name: _costed(name, make) for name, make in ABLATIONS.items()}
    return {**ablations, **PREDICTORS}


def get_predictor(name: str, space: Space) -> Predictor:
    """The predictor of a name, for the graphs of a space.

    The names are those of `PREDICTORS`, and of `best` with an ingredient taken out
    (`best.ABLATIONS`).

    Raises:
      ValueError: if there is none, listing those there are, or if it cannot read that
        space's graphs.
    """
    known = _known()
    if name not in known:
        raise ValueError(unknown("predictor", name, sorted(PREDICTORS), known))
    return known[name](space)
