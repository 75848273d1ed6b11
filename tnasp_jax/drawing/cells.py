"""Cells as pictures: operations on nodes, or as labels on edges between nodes."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tnasp_jax import graphs
from tnasp_jax.drawing import colours, layered
from tnasp_jax.drawing.picture import (
    MARGIN,
    Box,
    Curve,
    Kind,
    Picture,
    beside,
    size_of,
    titled,
    wrapped,
)
from tnasp_jax.spaces import custom_cells, darts_genotypes, nasbench101_cells
from tnasp_jax.spaces import nasbench201 as nb201

_DOT = 0.24  # Least width of a node between operations.


class Part(NamedTuple):
    """A node of a diagram before it has a place; fields as of `Box`."""

    name: str
    kind: Kind = "box"
    colour: str = "white"
    live: bool = True


def of_nasbench101(cell: nasbench101_cells.Cell) -> Picture:
    """A cell of NAS-Bench-101; vertices on no path are pale."""
    edges = [(int(i), int(j)) for i, j in np.argwhere(np.array(cell.matrix))]
    live = graphs.live_nodes(np.array(cell.matrix))
    return _of_nodes(cell.ops, edges, live, cell.ops[1:-1])


def of_custom(cell: custom_cells.Cell) -> Picture:
    """A graph of a user's own space; nodes on no path are pale."""
    found = custom_cells.live_nodes(cell)
    live = [node in found for node in range(len(cell.ops))]
    return _of_nodes(cell.ops, list(cell.edges), live, cell.ops[1:-1])


def of_nasbench201(architecture: nb201.Architecture) -> Picture:
    """A cell of NAS-Bench-201: six labelled edges between four nodes.

    Edges that compute nothing, `none` and those beside it on dead paths, are pale.
    """
    live = nb201.live_edges(np.array([architecture]))[0]
    labelled = [
        (nb201.EDGE_OPS[op], edge, bool(alive))
        for op, edge, alive in zip(architecture, nb201.EDGES, live, strict=True)
    ]
    return of_edges(("input", "1", "2", "output"), labelled)


def of_darts(genotype: darts_genotypes.Genotype) -> Picture:
    """The normal and the reduction cell of a genotype, side by side."""
    count = darts_genotypes.NUM_INPUTS + darts_genotypes.NUM_NODES
    names = ("c_{k-2}", "c_{k-1}", "0", "1", "2", "3", "c_{k}")
    joined = [(node, count) for node in range(darts_genotypes.NUM_INPUTS, count)]
    pictures = []
    for title, cell in zip(("normal", "reduction"), genotype.cells, strict=True):
        live = _live_edges(cell)
        labelled = [
            (op, (source, darts_genotypes.node_of(at)), live[at])
            for at, (op, source) in enumerate(cell)
        ]
        pictures.append(titled(of_edges(names, labelled, joined), f"{title} cell"))
    return beside(pictures)


def _live_edges(cell: darts_genotypes.Cell) -> list[bool]:
    """Which edges of a cell compute something: not `none`, nor of a node without any."""
    live: list[bool] = []
    for op, source in cell:
        first = 2 * (source - darts_genotypes.NUM_INPUTS)  # Edges into the source.
        fed = first < 0 or any(live[first : first + 2])
        live.append(op != darts_genotypes.NONE and fed)
    return live


def of_edges(
    names: Sequence[str],
    labelled: Sequence[tuple[str, tuple[int, int], bool]],
    plain: Sequence[tuple[int, int]] = (),
) -> Picture:
    """Nodes with operations on the edges between them.

    Args:
      names: of the nodes.
      labelled: operation, edge, and whether it computes anything.
      plain: edges without operation.
    """
    parts = [Part(name, "dot", colours.ENDS) for name in names]
    edges: list[tuple[int, int]] = []
    for op, (source, target), live in labelled:
        tint = colours.of_operation(op)
        edges += [(source, len(parts)), (len(parts), target)]
        parts.append(Part(op, "label", tint, live))
    entered = {target for _, target in (*(edge for _, edge, _ in labelled), *plain)}
    top = [node for node in range(len(names)) if node not in entered]
    return diagram(parts, [*edges, *plain], top, len(names) - 1)


def _of_nodes(ops, edges, live, inner) -> Picture:
    known = tuple(sorted(set(inner)))
    parts = [
        Part(
            op,
            colour=colours.of_operation(op, known)
            if 0 < at < len(ops) - 1
            else colours.ENDS,
            live=bool(live[at]),
        )
        for at, op in enumerate(ops)
    ]
    return diagram(parts, edges, last=len(parts) - 1)


def diagram(
    parts: Sequence[Part],
    edges: Sequence[tuple[int, int]],
    top: Sequence[int] = (0,),
    last: int | None = None,
) -> Picture:
    """A picture of parts in layers; an edge of a pale part is pale.

    Args:
      parts: V nodes.
      edges: pairs of nodes.
      top: nodes of the first layer.
      last: node of the last layer.
    """
    lines = [wrapped(part.name) for part in parts]
    sizes = [size_of(each) for each in lines]
    for at, part in enumerate(parts):
        if part.kind == "dot":
            sizes[at] = max(sizes[at][0], _DOT), sizes[at][1]
    floating = [at for at, part in enumerate(parts) if part.kind == "label"]
    found = layered.layout(sizes, edges, floating, top, last)
    boxes = [
        Box(part.name, text, x + MARGIN, y + MARGIN, *size, *part[1:])
        for part, text, (x, y), size in zip(
            parts, lines, found.centres, sizes, strict=True
        )
    ]
    curves = [
        Curve(
            *edge,
            tuple((x + MARGIN, y + MARGIN) for x, y in route),
            arrow=parts[edge[1]].kind != "label",
            live=parts[edge[0]].live and parts[edge[1]].live,
        )
        for edge, route in zip(edges, found.routes, strict=True)
    ]
    width, height = found.width + 2 * MARGIN, found.height + 2 * MARGIN
    return Picture(width, height, tuple(boxes), tuple(curves))
