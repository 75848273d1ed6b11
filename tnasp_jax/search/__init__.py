"""Search for architectures in a loop of one's own: init, ask, tell.

    method = search.get_method("evolution", space)
    state = method.init()
    for step in range(100):
        asked, state = method.ask(jax.random.fold_in(key, step), state, 1)
        state = method.tell(state, asked, [measure(one) for one in asked])
    text, value = search.best(state)

Every method has the same state, the record of what was asked and told.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

from tnasp_jax.names import unknown
from tnasp_jax.search.bayes import BayesConfig, bayesian_optimization
from tnasp_jax.search.constraints import Allowed, AtMost
from tnasp_jax.search.elites import elites
from tnasp_jax.search.evolution import regularized_evolution
from tnasp_jax.search.local import local_search
from tnasp_jax.search.nsga2 import nsga2
from tnasp_jax.search.pareto import crowding_distance, front, non_dominated_sort
from tnasp_jax.search.random_search import random_search
from tnasp_jax.search.sail import sail
from tnasp_jax.search.state import Method, State, best, known, ranking
from tnasp_jax.spaces.base import Space

__all__ = [
    "METHODS",
    "AtMost",
    "BayesConfig",
    "Method",
    "State",
    "bayesian_optimization",
    "best",
    "crowding_distance",
    "elites",
    "front",
    "get_method",
    "known",
    "local_search",
    "non_dominated_sort",
    "nsga2",
    "random_search",
    "ranking",
    "regularized_evolution",
    "sail",
]


def _bayes(acquisition: str, **more: Any) -> Callable[..., Method]:
    config = BayesConfig(acquisition=acquisition, **more)
    return functools.partial(bayesian_optimization, config=config)


METHODS: dict[str, Callable[..., Method]] = {
    "random": random_search,
    "evolution": regularized_evolution,
    "elites": elites,
    "sail": sail,
    "local": local_search,
    "bayes": _bayes("improvement"),
    "bayes_thompson": _bayes("thompson"),
    "bayes_ucb": _bayes("ucb"),
    "npenas_np": _bayes("mean", mutants_only=True, candidates=100),
    "npenas_bo": _bayes("thompson", mutants_only=True, candidates=100),
    "nsga2": nsga2,
}
"""Every method with its defaults, by its name on the command line; each is called as
`make(space, allowed=...)`."""


def get_method(name: str, space: Space, allowed: Sequence[Allowed] = ()) -> Method:
    """The method of a name.

    Args:
      name: one of `METHODS`.
      space: where to search.
      allowed: what an architecture must pass to be asked, such as `AtMost`.

    Raises:
      ValueError: if there is none of that name, or if it cannot search that space.
    """
    if name not in METHODS:
        raise ValueError(unknown("method", name, METHODS))
    return METHODS[name](space, allowed=allowed)
