"""The order of slots within layers, with few crossings of edges.

Barycentres swept down and up from several starts, then neighbours exchanged as long as
that helps; no promise of the fewest.
"""

from collections.abc import Sequence

import numpy as np

_STARTS, _SWEEPS = 8, 12

Rows = list[list[int]]


def ordered(levels: Sequence[int], segments: Sequence[tuple[int, int]]) -> Rows:
    """The slots of each layer from left to right.

    Args:
      levels: the layer of each slot.
      segments: pairs of slots in neighbouring layers, the upper one first.
    """
    start: Rows = [[] for _ in range(max(levels) + 1)]
    for slot, level in enumerate(levels):
        start[level].append(slot)
    above: list[list[int]] = [[] for _ in levels]
    below: list[list[int]] = [[] for _ in levels]
    for i, j in segments:
        below[i].append(j)
        above[j].append(i)
    rng = np.random.default_rng(0)
    best, least = start, _cost(start, below)
    for attempt in range(_STARTS):
        rows = [list(row) for row in start]
        if attempt:
            rows = [[row[at] for at in rng.permutation(len(row))] for row in rows]
        for sweep in range(_SWEEPS):
            neighbours = below if sweep % 2 else above
            _sweep(rows, neighbours, upward=bool(sweep % 2))
            _exchange(rows, above, below)
            cost = _cost(rows, below)
            if cost < least:
                best, least = [list(row) for row in rows], cost
    return best


def count(rows: Sequence[Sequence[int]], segments: Sequence[tuple[int, int]]) -> int:
    """Pairs of segments that cross."""
    below: dict[int, list[int]] = {slot: [] for row in rows for slot in row}
    for i, j in segments:
        below[i].append(j)
    return _cost(rows, below)[0]


def _sweep(rows: Rows, neighbours: list[list[int]], upward: bool) -> None:
    levels = range(len(rows) - 2, -1, -1) if upward else range(1, len(rows))
    for level in levels:
        fixed = rows[level + 1 if upward else level - 1]
        place = {slot: at - (len(fixed) - 1) / 2 for at, slot in enumerate(fixed)}
        row = rows[level]
        own = {slot: at - (len(row) - 1) / 2 for at, slot in enumerate(row)}

        def centre(slot: int, place=place, own=own) -> float:
            near = [place[each] for each in neighbours[slot]]
            return sum(near) / len(near) if near else own[slot]

        rows[level] = sorted(row, key=centre)


def _exchange(rows: Rows, above: list[list[int]], below: list[list[int]]) -> None:
    """Exchanges neighbours in a layer where that takes crossings away."""
    place = {slot: at for row in rows for at, slot in enumerate(row)}
    for row in rows:
        for _ in row:
            better = False
            for at in range(len(row) - 1):
                left, right = row[at : at + 2]
                gain = sum(
                    _between(links[left], links[right], place)
                    - _between(links[right], links[left], place)
                    for links in (above, below)
                )
                if gain > 0:
                    row[at : at + 2] = right, left
                    place[left], place[right] = at + 1, at
                    better = True
            if not better:
                break


def _between(left: list[int], right: list[int], place: dict[int, int]) -> int:
    """Crossings of the links of a slot with those of one to its right."""
    return sum(place[i] > place[j] for i in left for j in right)


def _cost(rows: Sequence[Sequence[int]], below) -> tuple[int, float]:
    """Crossings, then the length of all segments in places."""
    place = {slot: at - (len(r) - 1) / 2 for r in rows for at, slot in enumerate(r)}
    crossed, length = 0, 0.0
    for row in rows:
        ends = [[place[j] for j in below[slot]] for slot in row]
        for at, of_left in enumerate(ends):
            length += sum(abs(place[row[at]] - end) for end in of_left)
            for of_right in ends[at + 1 :]:
                crossed += sum(i > j for i in of_left for j in of_right)
    return crossed, length
