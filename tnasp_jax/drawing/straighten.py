"""Horizontal coordinates: edges as straight as the order within layers allows."""

from collections.abc import Sequence

import numpy as np

APART = 0.1
"""Between two boxes of a layer, or a box and an edge that passes it, inches."""

_SWEEPS = 60
# A bend in the middle of an edge is worse than one at its end.
_WEIGHTS = (1.0, 2.0, 8.0)


def coordinates(
    rows: Sequence[Sequence[int]],
    segments: Sequence[tuple[int, int]],
    widths: Sequence[float],
    num_nodes: int,
) -> list[float]:
    """Centres x of the slots: small squares of horizontal distances along segments.

    Each layer in turn is moved to where its neighbours pull it, at the least weighted
    square distance that keeps its order and what lies between.

    Args:
      rows: slots of each layer from left to right.
      segments: pairs of slots in neighbouring layers.
      widths: of the slots.
      num_nodes: slots below are nodes, the others places where edges pass.
    """
    pulls: list[list[tuple[int, float]]] = [[] for _ in widths]
    for i, j in segments:
        weight = _WEIGHTS[(i >= num_nodes) + (j >= num_nodes)]
        pulls[i].append((j, weight))
        pulls[j].append((i, weight))
    x = np.zeros(len(widths))
    apart = [_apart(row, widths) for row in rows]
    for row, least in zip(rows, apart, strict=True):
        x[row] = least - least.mean()
    for sweep in range(_SWEEPS):
        order = range(len(rows)) if sweep % 2 else reversed(range(len(rows)))
        for level in order:
            row = rows[level]
            wanted, weights = np.array(
                [_wanted(x, slot, pulls[slot]) for slot in row]
            ).T
            x[row] = _spread(wanted, weights, apart[level])
    return x.tolist()


def _apart(row: Sequence[int], widths: Sequence[float]) -> np.ndarray:
    """The coordinates of a row that is packed as closely as it may be."""
    half = np.array([widths[slot] / 2 for slot in row])
    return np.concatenate([[0.0], np.cumsum(half[:-1] + half[1:] + APART)])


def _wanted(x, slot: int, pulls: Sequence[tuple[int, float]]) -> tuple[float, float]:
    total = sum(weight for _, weight in pulls)
    if not total:
        return float(x[slot]), 0.1
    return sum(weight * x[other] for other, weight in pulls) / total, total


def _spread(wanted: np.ndarray, weights: np.ndarray, least: np.ndarray) -> np.ndarray:
    """Nearest to `wanted` in weighted squares, in order and no closer than `least`.

    With what lies between taken off this is isotonic regression, which is solved by
    pooling neighbours that are in the wrong order.
    """
    pools: list[list[float]] = []  # Mean, weight, size.
    for value, weight in zip(wanted - least, weights, strict=True):
        pools.append([value, weight, 1])
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            mean, total, size = pools.pop()
            before = pools[-1]
            both = before[1] + total
            before[0] = (before[0] * before[1] + mean * total) / both
            before[1:] = both, before[2] + size
    means = [mean for mean, _, _ in pools]
    return np.repeat(means, [int(size) for _, _, size in pools]) + least
