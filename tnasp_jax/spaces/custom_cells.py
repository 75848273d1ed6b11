"""Graphs of a user's own space: reading, checking, sorting and pruning them."""

import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from tnasp_jax.spaces.reading import (
    check_matrix,
    plain,
    short,
    topological_order,
)

NAME = "custom"
INPUT, OUTPUT = "input", "output"
KEYS = ("ops", "edges", "adjacency")

_EXAMPLE = '{"ops": ["input", "conv", "output"], "edges": [[0, 1], [1, 2]]}'

_BETWEEN = ",;|'\"["
_SEPARATED = r"[,;|]|->"

Edge = tuple[int, int]


@dataclasses.dataclass(frozen=True)
class Cell:
    """One graph, unpruned; `read_cell` makes a checked one.

    Attributes:
      ops: V names in topological order, the input first, the output last.
      edges: pairs (i, j) of nodes 0 .. V - 1, i < j, ascending.
    """

    ops: tuple[str, ...]
    edges: tuple[Edge, ...]


def read_text(text: str) -> Cell:
    """The graph of one line of JSON with `ops` and `edges`, or `ops` and `adjacency`.

    Raises:
      ValueError: one sentence; see `read_cell`.
    """
    fields = read_object(text)
    for key in fields:
        if key not in KEYS:
            raise error(f'unknown key {short(key)}; expected "ops" and "edges"')
    return read_cell(fields)


def read_object(text: str) -> dict[str, Any]:
    """A JSON object.

    Raises:
      ValueError: one sentence.
    """
    fields, wrong = None, ""
    try:
        fields = json.loads(text)
    except json.JSONDecodeError as found:
        if text.lstrip().startswith("{"):
            wrong = f"; at character {found.pos + 1}: {found.msg}"
    except (ValueError, RecursionError):
        pass
    if not isinstance(fields, dict):
        raise error(
            f"expected one line of JSON like {_EXAMPLE}, got {short(text)}{wrong}"
        )
    return fields


def read_cell(fields: Mapping[str, Any]) -> Cell:
    """Checks a graph, and sorts it where an edge leads back.

    The first node stays first and the last one last; the others keep their order
    wherever the edges allow it. Nodes that are on no path from input to output may be
    there: they are dead, unless the output can be reached from them.

    Args:
      fields: `ops`, a list of V names; and either `edges`, a list of pairs of nodes
        0 .. V - 1, or `adjacency`, [V, V] rows of 0 and 1, entry (i, j) is i -> j; or
        arrays of these. Other keys are not read.

    Raises:
      ValueError: one sentence that names the field: a wrong length, no name, a matrix
        that is not square, an entry other than 0 and 1, an unknown node, an edge twice,
        a self-loop, a cycle, an edge into the input or out of the output, an
        unreachable output, two inputs.
    """
    ops = _read_ops(plain(fields.get("ops")))
    given = [key for key in ("edges", "adjacency") if fields.get(key) is not None]
    if len(given) != 1:
        found = "both" if given else "neither"
        raise error(f'edges: expected either "edges" or "adjacency", got {found}')
    read = _read_edges if given == ["edges"] else _read_adjacency
    edges = read(plain(fields[given[0]]), len(ops))
    order = _topological_order(given[0], edges, len(ops))
    place = {node: at for at, node in enumerate(order)}
    edges = sorted((place[i], place[j]) for i, j in edges)
    cell = Cell(tuple(ops[node] for node in order), tuple(edges))
    _check_paths(given[0], cell, order)
    return cell


def split_ops(text: str) -> list[str]:
    """Names that are joined by blanks, the form of a csv column.

    Raises:
      ValueError: one sentence, where something else seems to stand between them.
    """
    names = text.split()
    for name in names:
        if name[0] in _BETWEEN or name[-1] in _BETWEEN:
            raise error(f"ops: expected names with blanks between, got {short(name)}")
    if len(names) == 1 and len(re.split(_SEPARATED, text)) > 1:
        raise error(f"ops: expected names with blanks between, got {short(names[0])}")
    return names


def split_edges(text: str) -> list[list[int]]:
    """Edges such as `0>1 0>2 1>3`, the form of a csv column.

    Raises:
      ValueError: one sentence.
    """
    edges = []
    for word in text.split():
        found = re.fullmatch(r"(-?\d{1,9})>(-?\d{1,9})", word)
        if not found:
            raise error(f"edges: expected edges like 0>1 and blanks, got {short(word)}")
        edges.append([int(found[1]), int(found[2])])
    return edges


def live_nodes(cell: Cell) -> list[int]:
    """Nodes on some path from the input to the output, ascending."""
    ahead, behind = _reached(cell)
    return sorted(ahead & behind)


def prune(cell: Cell) -> Cell:
    """The graph of its live nodes alone."""
    live = live_nodes(cell)
    if len(live) == len(cell.ops):
        return cell
    place = {node: at for at, node in enumerate(live)}
    edges = [(place[i], place[j]) for i, j in cell.edges if i in place and j in place]
    return Cell(tuple(cell.ops[node] for node in live), tuple(edges))


def error(sentence: str) -> ValueError:
    """The ValueError of a graph: the space's name, then the sentence."""
    return ValueError(f"{NAME}: {sentence}")


def _read_ops(names: Any) -> list[str]:
    if not isinstance(names, list | tuple):
        raise error(f"ops: expected a list of names, got {short(names)}")
    if len(names) < 2:
        raise error(
            f"ops: expected at least 2 names, the first of the input and the last of "
            f"the output, got {len(names)}"
        )
    for node, name in enumerate(names):
        if not isinstance(name, str) or not name.strip():
            raise error(f"ops: expected a name at {node}, got {short(name)}")
    return list(names)


def _read_edges(edges: Any, size: int) -> list[Edge]:
    if not isinstance(edges, list | tuple):
        raise error(f"edges: expected a list of pairs, got {short(edges)}")
    found: set[Edge] = set()
    for edge in edges:
        pair = isinstance(edge, list | tuple) and len(edge) == 2
        if not pair or not all(type(node) is int for node in edge):
            raise error(
                f"edges: expected pairs of nodes like [0, 1], got {short(edge)}"
            )
        for node in edge:
            if not 0 <= node < size:
                raise error(
                    f"edges: {edge[0]}>{edge[1]}: there is no node {node}; the "
                    f"{size} names of ops are nodes 0 .. {size - 1}"
                )
        if tuple(edge) in found:
            raise error(f"edges: {edge[0]}>{edge[1]} stands twice")
        found.add((edge[0], edge[1]))
    return sorted(found)


def _read_adjacency(rows: Any, size: int) -> list[Edge]:
    check_matrix("adjacency", rows, error)
    if len(rows) != size:
        raise error(
            f"adjacency: expected {size} rows, one for each name of ops, "
            f"got {len(rows)}"
        )
    return [(i, j) for i, row in enumerate(rows) for j in range(size) if row[j]]


def _topological_order(field: str, edges: Sequence[Edge], size: int) -> list[int]:
    """Input, then the others, the earliest possible first, then the output."""
    for i, j in edges:
        if i == j:
            raise error(f"{field}: {i}>{j} is a self-loop")
    order, cycle = topological_order(edges, size)
    if cycle:
        raise error(f"{field}: the edges {'>'.join(map(str, cycle))} form a cycle")
    inner = [node for node in order if 0 < node < size - 1]
    order = [0, *inner, size - 1]
    place = {node: at for at, node in enumerate(order)}
    for i, j in edges:
        if place[i] > place[j]:
            end = "into the input" if j == 0 else "out of the output"
            raise error(f"{field}: {i}>{j} leads {end}")
    return order


def _reached(cell: Cell) -> tuple[set[int], set[int]]:
    """Nodes that the input reaches, and nodes that reach the output."""
    ahead, behind = {0}, {len(cell.ops) - 1}
    for i, j in cell.edges:  # Ascending, and every edge leads forward.
        if i in ahead:
            ahead.add(j)
    for i, j in reversed(cell.edges):
        if j in behind:
            behind.add(i)
    return ahead, behind


def _check_paths(field: str, cell: Cell, order: Sequence[int]) -> None:
    ahead, behind = _reached(cell)
    if len(cell.ops) - 1 not in ahead:
        raise error(
            f"{field}: no path leads from the input, node 0, to the output, node "
            f"{len(cell.ops) - 1}"
        )
    if second := min(behind - ahead, default=None):
        raise error(
            f"{field}: node {order[second]} ({short(cell.ops[second])}) is a second "
            "input: it reaches the output, and nothing leads to it from node 0; "
            "connect it or leave it out"
        )
