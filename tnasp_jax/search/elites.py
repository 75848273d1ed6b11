"""Elites: evolution whose parents are the best known architecture of every choice.

Mouret and Clune, "Illuminating Search Spaces by Mapping Elites", 2015; see
`search.niches`. Whatever a slot may hold stays among the parents, and a search cannot lose
a size of image or a kernel for good, as a population does whose members are all
descendants of one.
"""

from collections.abc import Iterator, Sequence

import jax
import numpy as np

from tnasp_jax.search.constraints import Allowed
from tnasp_jax.search.moves import children, randoms, then_randoms
from tnasp_jax.search.niches import best_of_choices, recorded_choices
from tnasp_jax.search.state import (
    Method,
    Proposal,
    State,
    architecture_of,
    known,
    method_of,
)
from tnasp_jax.spaces.base import Space


def elites(
    space: Space,
    *,
    population: int = 100,
    crossover: float = 0.9,
    allowed: Sequence[Allowed] = (),
) -> Method:
    """Asks mutations of crossings of elites, drawn uniformly.

    Until `population` values are known, architectures are random. Afterwards the parents
    are a function of all that is known: for each slot and each operation in it, or none,
    the architecture of the highest value, the newest among equals; one that is the best
    of many choices counts once. The population has no other size.

    Args:
      space: where to search; without a `cross`, children have one parent.
      population: random architectures in the beginning.
      crossover: how likely a child has two parents.
      allowed: what an architecture must pass to be asked.

    Raises:
      ValueError: if `population` is less than 1 or `crossover` no probability.
    """
    if population < 1 or not 0 <= crossover <= 1:
        raise ValueError(
            "elites: expected population >= 1 and crossover in 0 .. 1, "
            f"got {population} and {crossover}"
        )

    def propose(key: jax.Array, state: State, count: int) -> Iterator[Proposal]:
        child_key, random_key = jax.random.split(key)
        if known(state).sum() < population:
            return randoms(random_key, space)
        rows = np.flatnonzero(known(state))
        chosen = recorded_choices(space, state, rows)
        parents = rows[best_of_choices(chosen, state.values[rows, 0])]

        def parent(rng: np.random.Generator) -> Proposal:
            row = int(rng.choice(parents))
            return architecture_of(space, state, row), row

        born = children(child_key, space, parent, crossover)
        return then_randoms(random_key, space, born, count)

    return method_of(space, propose, allowed)
