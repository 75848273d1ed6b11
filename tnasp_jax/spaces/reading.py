"""What spaces share when they read architectures: matrices, orders of nodes, messages."""

import heapq
from collections.abc import Callable, Sequence
from typing import Any

LONGEST = 60
"""Characters of a value in a message."""


def plain(value: Any, depth: int = 2) -> Any:
    """Arrays and numbers of numpy or JAX as lists and numbers, also in lists.

    Args:
      value: what was given.
      depth: how many lists deep they are looked for.
    """
    if hasattr(value, "tolist"):
        return value.tolist()
    if depth and isinstance(value, list | tuple):
        kind = tuple if isinstance(value, tuple) else list
        return kind(plain(each, depth - 1) for each in value)
    return value


def short(value: Any) -> str:
    """A value in a message, as Python writes it, cut where it is long."""
    return shortened(repr(value))


def shortened(text: str) -> str:
    """A text in a message, cut where it is long."""
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


def check_matrix(field: str, rows: Any, error: Callable[[str], ValueError]) -> None:
    """Checks that something is a square list of rows of 0 and 1.

    Args:
      field: its name, which starts the message.
      rows: what was given.
      error: makes the exception of a sentence.

    Raises:
      ValueError: of `error`, naming row and column.
    """
    if not isinstance(rows, list | tuple):
        raise error(f"{field}: expected a list of rows, got {short(rows)}")
    for i, row in enumerate(rows):
        if not isinstance(row, list | tuple):
            raise error(f"{field}: expected a list as row {i}, got {short(row)}")
        if len(row) != len(rows):
            raise error(
                f"{field}: expected {len(rows)} rows of {len(rows)} entries (square), "
                f"got {len(row)} in row {i}"
            )
        for j, entry in enumerate(row):
            if not isinstance(entry, int | float) or entry not in (0, 1):
                raise error(
                    f"{field}: expected 0 or 1 in row {i}, column {j}, "
                    f"got {short(entry)}"
                )


def topological_order(
    edges: Sequence[tuple[int, int]], size: int
) -> tuple[list[int], list[int]]:
    """Sorts nodes so that every edge leads forward, the lowest number first.

    Args:
      edges: pairs (i, j) of nodes 0 .. size - 1, ascending.
      size: number of nodes.

    Returns:
      The order and an empty list; or, where a cycle allows none, the nodes that come
      before any cycle, and a cycle along its edges, whose first node ends it again.
    """
    waiting = [0] * size
    targets: list[list[int]] = [[] for _ in range(size)]
    for i, j in edges:
        waiting[j] += 1
        targets[i].append(j)
    ready = [node for node in range(size) if not waiting[node]]
    order: list[int] = []
    while ready:
        order.append(heapq.heappop(ready))
        for node in targets[order[-1]]:
            waiting[node] -= 1
            if not waiting[node]:
                heapq.heappush(ready, node)
    rest = set(range(size)) - set(order)
    return order, _cycle(edges, rest) if rest else []


def _cycle(edges: Sequence[tuple[int, int]], within: set[int]) -> list[int]:
    """Walks backward among nodes that all have a predecessor among themselves."""
    before = {j: i for i, j in reversed(edges) if i in within and j in within}
    walk = [min(within)]
    while walk[-1] not in walk[:-1]:
        walk.append(before[walk[-1]])
    return walk[walk.index(walk[-1]) :][::-1]
