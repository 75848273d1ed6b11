"""Elites: evolution whose parents are the best known architecture of every choice.

Mouret and Clune, "Illuminating Search Spaces by Mapping Elites", 2015: the archive keeps
the best of each niche, however good those of others are. Here a niche is a choice: one
operation, or none, in one slot of the graph. So whatever a slot may hold stays among the
parents, and a search cannot lose a size of image or a kernel for good, as a population
does whose members are all descendants of one.
"""

import functools
import itertools
from collections.abc import Iterator, Sequence

import jax
import numpy as np

from tnasp_jax.search import screening
from tnasp_jax.search.constraints import Allowed
from tnasp_jax.search.moves import children, randoms, then_randoms
from tnasp_jax.search.state import (
    Method,
    Proposal,
    State,
    fresh,
    known,
    method_of,
    parsed,
)
from tnasp_jax.spaces.base import Space, host_rng

PATIENCE = 20
"""Children made for each one that may be asked, at most: few may be within a limit."""


def elites(
    space: Space,
    *,
    population: int = 100,
    crossover: float = 0.9,
    screened: int = 2,
    allowed: Sequence[Allowed] = (),
) -> Method:
    """Asks mutations of crossings of elites, those of which the most is expected.

    Until `population` values are known, architectures are random. Afterwards the parents
    are a function of all that is known: for each slot and each operation in it, or none,
    the architecture of the highest value, the newest among equals; one that is the best
    of many choices counts once. The population has no other size. Parents are drawn
    uniformly, and of their children `search.screening` chooses.

    Args:
      space: where to search; without a `cross`, children have one parent.
      population: random architectures in the beginning.
      crossover: how likely a child has two parents.
      screened: children made for each one that is asked; with 1 all are asked.
      allowed: what an architecture must pass to be asked.

    Raises:
      ValueError: if `population` or `screened` is less than 1 or `crossover` no
        probability.
    """
    if min(population, screened) < 1 or not 0 <= crossover <= 1:
        raise ValueError(
            "elites: expected population >= 1, screened >= 1 and crossover in 0 .. 1, "
            f"got {population}, {screened} and {crossover}"
        )

    def propose(key: jax.Array, state: State, count: int) -> Iterator[Proposal]:
        draw_key, child_key, random_key = jax.random.split(key, 3)
        if known(state).sum() < population:
            return randoms(random_key, space)
        parents = best_of_choices(space, state)
        rng = host_rng(draw_key)
        pairs = iter(lambda: tuple(rng.choice(parents, 2).tolist()), None)
        born = children(child_key, space, state, pairs, crossover)
        if screened > 1:
            born = _promising(space, state, born, screened * count, allowed)
        return then_randoms(random_key, space, born, count)

    return method_of(space, propose, allowed)


def best_of_choices(space: Space, state: State) -> np.ndarray:
    """Rows that are the best of a choice, ascending and distinct, [F] int."""
    rows = np.flatnonzero(known(state))
    rows = rows[np.argsort(state.values[rows, 0], kind="stable")]
    held = _choices(space, state, rows)
    best = np.full((space.num_nodes, len(space.ops) + 1), -1)
    # Of an index that stands there more than once the last value stays: the highest.
    best[np.arange(space.num_nodes), held] = rows[:, None]
    return np.unique(best[best >= 0])


def _promising(
    space: Space,
    state: State,
    proposals: Iterator[Proposal],
    wanted: int,
    allowed: Sequence[Allowed],
) -> Iterator[Proposal]:
    """Those of the next `wanted` that may be asked, the most promising first."""
    some = itertools.islice(proposals, PATIENCE * wanted)
    found = fresh(space, state, some, wanted, allowed)
    if not found:
        return iter(())
    rows = np.flatnonzero(known(state))
    graphs = space.to_graphs([architecture for architecture, _ in found])
    worth = screening.expected(
        _choices(space, state, rows),
        state.values[rows, 0],
        screening.choices(graphs, len(space.ops)),
    )
    return (found[at] for at in np.argsort(-worth, kind="stable").tolist())


def _choices(space: Space, state: State, rows: np.ndarray) -> np.ndarray:
    """[F, N] int: what stands in the slots of rows of the record."""
    return np.stack([_choices_of(space, str(text)) for text in state.texts[rows]])


@functools.lru_cache(maxsize=1 << 18)
def _choices_of(space: Space, text: str) -> np.ndarray:
    graphs = space.to_graphs([parsed(space, text)])
    return screening.choices(graphs, len(space.ops))[0]
