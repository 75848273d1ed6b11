"""The best known architecture of every choice.

Mouret and Clune, "Illuminating Search Spaces by Mapping Elites", 2015: an archive keeps
the best of each niche, however good those of others are. Here a niche is a choice: one
operation, or none, in one slot of the graph. Axis letters: n architectures, N slots.
"""

import functools
from collections.abc import Sequence

import numpy as np

from tnasp_jax.search.state import State, parsed
from tnasp_jax.spaces.base import Architecture, Space


def choices(space: Space, architectures: Sequence[Architecture]) -> np.ndarray:
    """What stands in each slot, [n, N] int32: an operation, or `len(space.ops)` for none."""
    graphs = space.to_graphs(architectures)
    return np.where(graphs.mask, graphs.ops, len(space.ops)).astype(np.int32)


def recorded_choices(space: Space, state: State, rows: np.ndarray) -> np.ndarray:
    """The choices of rows of a record, [n, N] int32, kept from one question to the next."""
    return np.stack([_choices(space, text) for text in state.texts[rows].tolist()])


@functools.lru_cache(maxsize=1 << 18)
def _choices(space: Space, text: str) -> np.ndarray:
    return choices(space, [parsed(space, text)])[0]


def best_of_choices(chosen: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Who is the best of a choice, ascending and distinct, [F] int.

    The last among equals; who is the best of many choices counts once.

    Args:
      chosen: [n, N] int, the choices.
      values: [n].
    """
    order = np.argsort(values, kind="stable")
    slots, size = chosen.shape[1], 1 + int(chosen.max())
    best = np.full((slots, size), -1)
    # Of an index that stands there more than once the last value stays: the highest.
    best[np.tile(np.arange(slots), len(order)), chosen[order].ravel()] = np.repeat(
        order, slots
    )
    return np.unique(best[best >= 0])
