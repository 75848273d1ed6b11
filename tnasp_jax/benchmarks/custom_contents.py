"""What graphs a user's own file holds: sizes, operations, and graphs that recur."""

import difflib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from tnasp_jax.benchmarks.custom_rows import Row
from tnasp_jax.spaces.custom_cells import Cell


class Operation(NamedTuple):
    """One name.

    Attributes:
      name: as the file has it.
      count: graphs in which it stands.
      row: the first of these, counted from 0.
      line: where that row ends, counted from 1.
    """

    name: str
    count: int
    row: int
    line: int


class Quarrel(NamedTuple):
    """Two rows of one graph with different labels.

    Attributes:
      rows: their numbers, the lower first.
      name: of the label.
      labels: of the rows, in the unit of the file's accuracies as they are read.
    """

    rows: tuple[int, int]
    name: str
    labels: tuple[float, float]

    def __str__(self) -> str:
        (first, second), (one, other) = self.rows, self.labels
        return (
            f"rows {first} and {second} have one graph, but {self.name} {one:.6g} and "
            f"{other:.6g}, the largest difference"
        )


class Contents(NamedTuple):
    """The graphs of a file, as written: dead nodes count.

    Attributes:
      graphs: how many there are.
      nodes: of the smallest and of the largest, input and output among them.
      edges: the fewest and the most.
      operations: the most used first; of input and output too.
    """

    graphs: int
    nodes: tuple[int, int]
    edges: tuple[int, int]
    operations: list[Operation]


def contents_of(cells: Mapping[int, Cell], rows: Sequence[Row]) -> Contents | None:
    """What graphs there are; None if there is none.

    Args:
      cells: graphs by their row, ascending.
      rows: of the file.
    """
    if not cells:
        return None
    count: Counter[str] = Counter()
    first: dict[str, int] = {}
    for row, cell in cells.items():
        for name in set(cell.ops):
            count[name] += 1
            first.setdefault(name, row)
    nodes = [len(cell.ops) for cell in cells.values()]
    edges = [len(cell.edges) for cell in cells.values()]
    return Contents(
        len(cells),
        (min(nodes), max(nodes)),
        (min(edges), max(edges)),
        [
            Operation(name, count[name], first[name], rows[first[name]].line)
            for name in sorted(count, key=lambda name: (-count[name], name))
        ],
    )


def nearest(name: str, operations: Sequence[Operation]) -> str | None:
    """The name most like another one, of those in several graphs; None if none is."""
    known = [each.name for each in operations if each.count > 1 and each.name != name]
    return next(iter(difflib.get_close_matches(name, known, 1)), None)


def quarrel_of(
    groups: np.ndarray, labels: np.ndarray, name: str, rows: np.ndarray
) -> Quarrel | None:
    """Of all pairs of rows with one graph the one whose labels differ most.

    Args:
      groups: [G] a number for each graph, equal for isomorphic ones.
      labels: [G] NaN for none.
      name: of the label.
      rows: [G] where the graphs stand in the file.

    Returns:
      None where equal graphs have equal labels.
    """
    worst, found = 0.0, None
    order = np.lexsort((labels, groups))
    starts = np.flatnonzero(np.diff(groups[order], prepend=np.nan))
    for group in np.split(order, starts[1:]):
        group = group[~np.isnan(labels[group])]
        if len(group) > 1 and np.ptp(labels[group]) > worst:
            worst = float(np.ptp(labels[group]))
            low, high = sorted((int(group[0]), int(group[-1])))
            pair = float(labels[low]), float(labels[high])
            found = Quarrel((int(rows[low]), int(rows[high])), name, pair)
    return found
