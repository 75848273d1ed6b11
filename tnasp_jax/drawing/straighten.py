"""Horizontal coordinates: edges as straight as the order within layers allows.

Gansner, Koutsofios, North and Vo, "A Technique for Drawing Directed Graphs", 1993, with
a linear program in place of their network simplex. It leaves nodes anywhere between
their neighbours; at the end they are moved to the middle.
"""

import itertools
from collections.abc import Sequence

import numpy as np
import scipy.optimize
import scipy.sparse

APART = 0.1
"""Between two boxes of a layer, or a box and an edge that passes it, inches."""

_SWEEPS = 20
# A bend in the middle of an edge is worse than one at its end.
_WEIGHTS = (1.0, 2.0, 8.0)
_FIXED = 1e9


def coordinates(
    rows: Sequence[Sequence[int]],
    segments: Sequence[tuple[int, int]],
    widths: Sequence[float],
    num_nodes: int,
) -> list[float]:
    """Centres x of the slots: small weighted horizontal distances along segments.

    Args:
      rows: slots of each layer from left to right.
      segments: pairs of slots in neighbouring layers.
      widths: of the slots, inches.
      num_nodes: slots below are nodes, the others places where edges pass.
    """
    x = _straight(rows, segments, widths, num_nodes)
    near: list[list[int]] = [[] for _ in widths]
    for i, j in segments:
        near[i].append(j)
        near[j].append(i)
    for sweep in range(_SWEEPS):
        for row in rows if sweep % 2 else rows[::-1]:
            free = [bool(near[slot]) and slot < num_nodes for slot in row]
            wanted = np.array(
                [
                    np.mean(x[near[slot]]) if moves else x[slot]
                    for slot, moves in zip(row, free, strict=True)
                ]
            )
            weights = np.where(free, 1.0, _FIXED)
            x[row] = _spread(wanted, weights, _packed(row, widths))
    return x.tolist()


def _straight(rows, segments, widths, num_nodes) -> np.ndarray:
    """The linear program: unknowns are the x of slots, then the length of segments."""
    slots, limits = len(widths), []
    entries: list[tuple[int, int, int]] = []  # Row, column and coefficient.
    for row in rows:
        for left, right in itertools.pairwise(row):
            entries += [(len(limits), left, 1), (len(limits), right, -1)]
            limits.append(-(widths[left] + widths[right]) / 2 - APART)
    # Whatever nothing pulls stands as far left as it may.
    cost = [1e-3] * slots
    for at, (i, j) in enumerate(segments, start=slots):
        cost.append(_WEIGHTS[(i >= num_nodes) + (j >= num_nodes)])
        for sign in (1, -1):
            new = len(limits)
            entries += [(new, i, sign), (new, j, -sign), (new, at, -1)]
            limits.append(0.0)
    if not limits:
        return np.zeros(slots)
    at_row, at_column, values = zip(*entries, strict=True)
    bounds = scipy.sparse.csr_array(
        (values, (at_row, at_column)), shape=(len(limits), len(cost)), dtype=float
    )
    found = scipy.optimize.linprog(cost, bounds, limits, method="highs")
    if found.x is None:
        raise RuntimeError(f"the layout of a drawing failed: {found.message}")
    return found.x[:slots]


def _packed(row: Sequence[int], widths: Sequence[float]) -> np.ndarray:
    """The coordinates of a row that is packed as closely as it may be."""
    half = np.array([widths[slot] / 2 for slot in row])
    return np.concatenate([[0.0], np.cumsum(half[:-1] + half[1:] + APART)])


def _spread(wanted: np.ndarray, weights: np.ndarray, least: np.ndarray) -> np.ndarray:
    """Nearest to `wanted` in weighted squares, in order and no closer than `least`.

    With what lies between taken off this is isotonic regression.
    """
    found = scipy.optimize.isotonic_regression(wanted - least, weights=weights)
    return found.x + least
