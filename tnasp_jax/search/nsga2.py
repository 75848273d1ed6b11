"""NSGA-II: evolution towards a Pareto front.

Deb, Pratap, Agarwal and Meyarivan, "A Fast and Elitist Multiobjective Genetic Algorithm:
NSGA-II", IEEE Transactions on Evolutionary Computation 2002.
"""

from collections.abc import Iterator, Sequence

import jax
import numpy as np

from tnasp_jax.search.constraints import Allowed
from tnasp_jax.search.moves import children, randoms, then_randoms
from tnasp_jax.search.pareto import crowding_distance, non_dominated_sort
from tnasp_jax.search.state import (
    Method,
    Proposal,
    State,
    architecture_of,
    known,
    method_of,
)
from tnasp_jax.spaces.base import Space


def nsga2(
    space: Space,
    *,
    population: int = 40,
    crossover: float = 0.9,
    allowed: Sequence[Allowed] = (),
) -> Method:
    """Asks children of a population that is chosen by front, then by crowding.

    The population is a function of the record: the first `population` known rows, then
    generation after generation the best of it and of the next `population` known rows.
    So a generation may be asked at once or one by one. A child is a mutation of a
    crossing of two parents, or of one where the space has no `cross`.

    Args:
      space: where to search.
      population: rows of a generation.
      crossover: how likely a child has two parents.
      allowed: what an architecture must pass to be asked.

    Raises:
      ValueError: if `population` is less than 2 or `crossover` no probability.
    """
    if population < 2 or not 0 <= crossover <= 1:
        raise ValueError(
            "nsga2: expected population >= 2 and crossover in 0 .. 1, "
            f"got {population} and {crossover}"
        )

    def propose(key: jax.Array, state: State, count: int) -> Iterator[Proposal]:
        child_key, random_key = jax.random.split(key)
        rows = np.flatnonzero(known(state))
        if len(rows) < population:
            return randoms(random_key, space)
        living = survivors(state.values, rows, population)
        best_first = living[_order(state.values[living])]

        def winner(rng: np.random.Generator) -> Proposal:
            row = int(best_first[rng.integers(population, size=2).min()])
            return architecture_of(space, state, row), row

        born = children(child_key, space, winner, crossover)
        return then_randoms(random_key, space, born, count)

    return method_of(space, propose, allowed)


def survivors(values: np.ndarray, rows: np.ndarray, size: int) -> np.ndarray:
    """The population after all whole generations.

    Args:
      values: [n, K].
      rows: without NaN, in the order of birth; at least `size`.
      size: of a generation.

    Returns:
      [size] of the rows.
    """
    living = rows[:size]
    for start in range(size, len(rows) - size + 1, size):
        pool = np.concatenate([living, rows[start : start + size]])
        living = pool[_order(values[pool])[:size]]
    return living


def _order(values: np.ndarray) -> np.ndarray:
    """Rows [n, K], first front first, the least crowded first within a front."""
    ranks = non_dominated_sort(values)
    distances = np.zeros(len(values))
    for rank in np.unique(ranks):
        distances[ranks == rank] = crowding_distance(values[ranks == rank])
    return np.lexsort((-distances, ranks))
