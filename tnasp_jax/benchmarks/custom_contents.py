"""What graphs a user's own file holds: their sizes, and who uses which operation."""

import difflib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

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
