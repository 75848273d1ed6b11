"""Elites: evolution whose parents are the best known architecture of every choice.

Mouret and Clune, "Illuminating Search Spaces by Mapping Elites", 2015: the archive keeps
the best of each niche, however good those of others are. Here a niche is a choice: one
operation, or none, in one slot of the graph. So whatever a slot may hold stays among the
parents, and a search cannot lose a size of image or a kernel for good, as a population
does whose members are all descendants of one.
"""

import functools
from collections.abc import Iterator, Sequence

import jax
import numpy as np

from tnasp_jax.search.constraints import Allowed
from tnasp_jax.search.moves import keys, randoms, then_randoms
from tnasp_jax.search.state import (
    Method,
    Proposal,
    State,
    architecture_of,
    known,
    method_of,
    parsed,
)
from tnasp_jax.spaces.base import Space, host_rng


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
    crossing = crossover if hasattr(space, "cross") else 0.0

    def propose(key: jax.Array, state: State, count: int) -> Iterator[Proposal]:
        child_key, random_key = jax.random.split(key)
        if known(state).sum() < population:
            return randoms(random_key, space)
        children = _children(child_key, space, state, best_of_choices(space, state))
        return then_randoms(random_key, space, children, count)

    def _children(key, space, state, parents) -> Iterator[Proposal]:
        draw_key, child_key = jax.random.split(key)
        rng, child_keys = host_rng(draw_key), keys(child_key)
        while True:
            row, other = (int(each) for each in rng.choice(parents, 2))
            child = architecture_of(space, state, row)
            if rng.random() < crossing:
                cross = getattr(space, "cross")  # noqa: B009 - not of every space
                mate = architecture_of(space, state, other)
                child = cross(next(child_keys), child, mate)
            yield space.mutate(next(child_keys), child), row

    return method_of(space, propose, allowed)


def best_of_choices(space: Space, state: State) -> np.ndarray:
    """Rows that are the best of a choice, ascending and distinct, [F] int."""
    rows = np.flatnonzero(known(state))
    rows = rows[np.argsort(state.values[rows, 0], kind="stable")]
    choices = np.stack([_choices(space, text) for text in state.texts[rows].tolist()])
    best = np.full(space.num_nodes * (len(space.ops) + 1), -1)
    # Of an index that stands there more than once the last value stays: the highest.
    best[choices.reshape(-1)] = np.repeat(rows, choices.shape[1])
    return np.unique(best[best >= 0])


@functools.lru_cache(maxsize=1 << 18)
def _choices(space: Space, text: str) -> np.ndarray:
    """[N] int32: what stands in each slot, as one number for a slot and an operation."""
    graphs = space.to_graphs([parsed(space, text)])
    ops = np.where(graphs.mask[0], graphs.ops[0], len(space.ops))
    return (np.arange(space.num_nodes) * (len(space.ops) + 1) + ops).astype(np.int32)
