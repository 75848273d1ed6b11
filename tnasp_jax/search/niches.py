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


def beside(chosen: np.ndarray, slot: int, size: int) -> np.ndarray:
    """Choices that differ, too, where the choice of one slot differs, [n, N] int: niches
    of pairs.

    Args:
      chosen: [n, N] int, below `size`.
      slot: which slot.
      size: the number of choices.
    """
    return chosen * size + chosen[:, slot, None]


def best_of_choices(chosen: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Who is the best of a choice, ascending and distinct, [F] int.

    The last among equals; who is the best of many choices counts once.

    Args:
      chosen: [n, N] int, the choices.
      values: [n].
    """
    best = _best(chosen, values, 1 + int(chosen.max()))
    return np.unique(best[best >= 0])


def gains(
    chosen: np.ndarray, values: np.ndarray, candidates: np.ndarray, expected: np.ndarray
) -> np.ndarray:
    """By how much candidates would better the best of one of their choices, [C].

    The largest difference over the slots, negative where all its choices are better
    filled; a choice that nobody made counts as filled by the lowest value.

    Args:
      chosen: [n, N] int, the choices that are known.
      values: [n].
      candidates: [C, N] int, other choices.
      expected: [C], in the units of the values.
    """
    size = 1 + int(max(chosen.max(), candidates.max()))
    best = _best(chosen, values, size)
    filled = np.where(best >= 0, values[best], values.min())
    return expected - filled[np.arange(chosen.shape[1]), candidates].min(axis=1)


def _best(chosen: np.ndarray, values: np.ndarray, size: int) -> np.ndarray:
    """The row that is the best of each choice in each slot, [N, size]; -1 for none."""
    order = np.argsort(values, kind="stable")
    slots = chosen.shape[1]
    best = np.full((slots, size), -1)
    # Of an index that stands there more than once the last value stays: the highest.
    best[np.tile(np.arange(slots), len(order)), chosen[order].ravel()] = np.repeat(
        order, slots
    )
    return best
