"""Cells of NAS-Bench-101: reading, checking, sorting and pruning them."""

import dataclasses
import difflib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from tnasp_jax.graphs import live_nodes
from tnasp_jax.spaces.reading import (
    check_matrix,
    plain,
    short,
    topological_order,
)

INPUT, OUTPUT = "input", "output"
OPERATIONS = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")
MAX_VERTICES, MAX_EDGES = 7, 9

_EXAMPLE = '{"matrix": [[0, 1], [0, 0]], "ops": ["input", "output"]}'


@dataclasses.dataclass(frozen=True)
class Cell:
    """One cell, unpruned; `NASBench101.cell` makes a checked one.

    Attributes:
      matrix: [V, V] rows of 0 and 1, strictly upper triangular.
      ops: V names, "input" first, "output" last.
    """

    matrix: tuple[tuple[int, ...], ...]
    ops: tuple[str, ...]


def make_cell(matrix: np.ndarray, ops: Sequence[str]) -> Cell:
    """A cell of an integer matrix and its names, unchecked."""
    return Cell(tuple(map(tuple, matrix.tolist())), tuple(ops))


def edge_bit(source: int, target: int) -> int:
    """The bit that holds the edge source -> target in the table's `edge_bits`."""
    return source + target * (target - 1) // 2


def within_limits(matrix: np.ndarray) -> bool:
    """Whether a path exists, and at most 7 vertices and 9 edges are on paths."""
    live = live_nodes(matrix)
    edges = int(matrix[np.ix_(live, live)].sum())
    return 0 < int(live.sum()) <= MAX_VERTICES and edges <= MAX_EDGES


def prune(cell: Cell) -> Cell:
    """Drops the vertices that are on no path from input to output.

    Raises:
      ValueError: if the output is unreachable, or if more than 7 vertices or 9 edges
        are left.
    """
    matrix = np.array(cell.matrix, int)
    live = live_nodes(matrix)
    kept = matrix[np.ix_(live, live)]
    if not len(kept):
        raise error("matrix: no path leads from the input to the output; connect them")
    for count, limit, what in (
        (len(kept), MAX_VERTICES, "vertices"),
        (int(kept.sum()), MAX_EDGES, "edges"),
    ):
        if count > limit:
            raise error(
                f"matrix: {count} {what} are on paths from input to output, expected "
                f"at most {limit}; remove {count - limit}"
            )
    if live.all():
        return cell
    return make_cell(
        kept, [op for op, alive in zip(cell.ops, live, strict=True) if alive]
    )


def read_object(text: str) -> dict[str, Any]:
    """The JSON object of one cell, with exactly the keys `matrix` and `ops`.

    Raises:
      ValueError: one sentence.
    """
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise error(f"expected one line of JSON like {_EXAMPLE}, got {short(text)}")
    for key in ("matrix", "ops"):
        if key not in fields:
            raise error(f'key "{key}" is missing; expected JSON like {_EXAMPLE}')
    for key in fields:
        if key not in ("matrix", "ops"):
            raise error(f'unknown key {short(key)}; expected only "matrix" and "ops"')
    return fields


def read_cell(matrix: Any, ops: Any) -> Cell:
    """Checks form and names, and sorts topologically; does not check the limits.

    Raises:
      ValueError: one sentence; see `NASBench101.cell`.
    """
    edges = _read_matrix(plain(matrix))
    names = _read_ops(plain(ops), len(edges))
    order = _topological_order(edges, names.index(INPUT), names.index(OUTPUT))
    return make_cell(edges[np.ix_(order, order)], [names[v] for v in order])


def error(sentence: str) -> ValueError:
    """The ValueError of a cell: the space's name, then the sentence."""
    return ValueError(f"nasbench101: {sentence}")


def _read_matrix(matrix: Any) -> np.ndarray:
    """[V, V] int of nested sequences."""
    check_matrix("matrix", matrix, error)
    return np.array(matrix, int).reshape(len(matrix), len(matrix))


def _read_ops(names: Any, size: int) -> list[str]:
    """V known names, one of them the input and one the output."""
    if not isinstance(names, list | tuple) or len(names) != size:
        raise error(
            f"ops: expected a list of {size} names, one for each row of the matrix, "
            f"got {len(names) if isinstance(names, list | tuple) else short(names)}"
        )
    known = (INPUT, *OPERATIONS, OUTPUT)
    for vertex, name in enumerate(names):
        if name not in known:
            near = difflib.get_close_matches(str(name), known, 1, 0.5)
            hint = f'did you mean "{near[0]}"?' if near else f"expected one of {known}"
            raise error(f"ops: unknown operation {short(name)} at {vertex}; {hint}")
    for name in (INPUT, OUTPUT):
        if names.count(name) != 1:
            raise error(f'ops: expected exactly one "{name}", got {names.count(name)}')
    return list(names)


def _topological_order(edges: np.ndarray, source: int, sink: int) -> list[int]:
    """Input, then the others, the earliest possible first, then the output."""
    size = len(edges)
    order, cycle = topological_order(
        [(int(u), int(v)) for u, v in np.argwhere(edges)], size
    )
    if cycle:
        raise error(f"matrix: the edges {' -> '.join(map(str, cycle))} form a cycle")
    for vertex in range(size):
        if edges[vertex, source]:
            raise error(f"matrix: edge {vertex} -> {source} leads into the input")
        if edges[sink, vertex]:
            raise error(f"matrix: edge {sink} -> {vertex} leads out of the output")
    inner = [v for v in order if v not in (source, sink)]
    return [source, *inner, sink]
