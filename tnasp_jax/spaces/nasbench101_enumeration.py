"""Every cell of NAS-Bench-101, from its definition alone.

The benchmark hashes each labelled graph of its definition with MD5 and keeps the first
of each hash (hours of work). Here a graph is first told apart by 64-bit integers that
refine just as that hash does, over arrays of graphs, and in two steps:

1. matrices without labels: the first of each isomorphism class, in ascending order of
   the bits. A labelled graph on another matrix of the class is a relabelling of one on
   the first, so no other matrix can hold the first graph of its hash;
2. the labelings of those matrices, again the first of each.

Only the 423,624 graphs that remain are hashed with MD5, in half a minute.
"""

import functools
import hashlib
import itertools
from typing import NamedTuple

import numpy as np

from tnasp_jax.graphs import mixed
from tnasp_jax.spaces.nasbench101_cells import (
    MAX_EDGES,
    MAX_VERTICES,
    OPERATIONS,
    edge_bit,
)

_UNUSED = 255


class Cells(NamedTuple):
    """All distinct cells, in ascending order of their hash.

    Attributes:
      hash: [M, 16] uint8, the official hash.
      num_vertices: [M] uint8, V, 2 to 7, counting input and output.
      edge_bits: [M] uint32, bit `edge_bit(x, y)` is the edge x -> y.
      ops: [M, 5] uint8, index into `OPERATIONS` of vertices 1 .. V - 2, 255 unused.
    """

    hash: np.ndarray
    num_vertices: np.ndarray
    edge_bits: np.ndarray
    ops: np.ndarray


def enumerate_cells(max_vertices: int = MAX_VERTICES) -> Cells:
    """Enumerates the distinct cells; 30 s and 0.3 GB for all 423,624 of them.

    The graph that stands for its isomorphism class is the official one: the first in
    the benchmark's order (V, bits of the matrix, product of the labels).

    Args:
      max_vertices: leave out larger cells; 6 gives 64,542 cells in a few seconds.

    Raises:
      RuntimeError: if two of the cells have one MD5 hash; that cannot happen unless
        the refinement is wrong.
    """
    parts = [_cells_of_size(size) for size in range(2, max_vertices + 1)]
    cells = Cells(*map(np.concatenate, zip(*parts, strict=True)))
    keys = cells.hash.view(">u8").reshape(-1, 2)
    order = np.lexsort((keys[:, 1], keys[:, 0]))
    keys = keys[order]
    if (keys[1:] == keys[:-1]).all(1).any():
        raise RuntimeError("nasbench101: two enumerated cells share one hash")
    return Cells(*(column[order] for column in cells))


def _cells_of_size(size: int) -> Cells:
    """The distinct cells of exactly V = `size` vertices, in the official order."""
    bits, matrix, labelings, labeling = distinct_graphs(size)
    ops = np.full((len(matrix), MAX_VERTICES - 2), _UNUSED, np.uint8)
    ops[:, : size - 2] = labelings[labeling, 1:-1]
    return Cells(
        hash=official_hashes(bits, matrix, labelings, labeling),
        num_vertices=np.full(len(matrix), size, np.uint8),
        edge_bits=bits[matrix],
        ops=ops,
    )


def distinct_graphs(
    size: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The graphs of `_cells_of_size` without their hashes, which take longest.

    Returns:
      [R] uint32 edge bits of the matrices; [M] ascending, the matrix of each graph;
      [L, V] labelings; [M], the labeling of each graph.
    """
    bits = _full_matrices(size)
    adjacency = _adjacency(bits, size)
    blank = np.zeros((1, size), np.int64)
    blank[0, 0], blank[0, -1] = -1, -2
    first = np.sort(np.unique(_refine(adjacency, blank)[:, 0], return_index=True)[1])
    bits, adjacency = bits[first], adjacency[first]
    labelings = np.array(
        [
            (-1, *inner, -2)
            for inner in itertools.product(range(len(OPERATIONS)), repeat=size - 2)
        ]
    )
    codes = _refine(adjacency, labelings).ravel()
    first = np.sort(np.unique(codes, return_index=True)[1])
    matrix, labeling = np.divmod(first, len(labelings))
    return bits, matrix, labelings, labeling


def _full_matrices(size: int) -> np.ndarray:
    """[R] uint32 ascending: at most 9 edges, and no vertex that hangs loose."""
    bits = np.arange(2 ** edge_bit(0, size), dtype=np.uint32)
    bits = bits[np.bitwise_count(bits) <= MAX_EDGES]
    for vertex in range(size):
        entering = sum(1 << edge_bit(source, vertex) for source in range(vertex))
        leaving = sum(1 << edge_bit(vertex, t) for t in range(vertex + 1, size))
        for edges in (entering, leaving):
            if edges:  # the input has none that enter, the output none that leave
                bits = bits[bits & np.uint32(edges) > 0]
    return bits


def _adjacency(bits: np.ndarray, size: int) -> np.ndarray:
    """[R, V, V] bool from [R] edge bits."""
    adjacency = np.zeros((len(bits), size, size), bool)
    for target in range(size):
        for source in range(target):
            adjacency[:, source, target] = bits >> edge_bit(source, target) & 1
    return adjacency


def _refine(adjacency: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """[R, L] uint64, equal for graphs that the official hash cannot tell apart.

    The same refinement with sums of mixed integers for sorted digests: a colour starts
    from degrees and label and absorbs those of both neighbourhoods V times.

    Args:
      adjacency: [R, V, V] bool.
      labels: [L, V] int, each combined with each matrix.
    """
    size = labels.shape[1]
    degrees = adjacency.sum(1) * 8 + adjacency.sum(2)
    colours = [
        mixed((degrees[:, None, v] * 8 + labels[None, :, v] + 2).astype(np.uint64))
        for v in range(size)
    ]
    for _ in range(size):
        incoming = [np.zeros_like(colours[0]) for _ in range(size)]
        outgoing = [np.zeros_like(colours[0]) for _ in range(size)]
        for source, target in itertools.combinations(range(size), 2):
            edge = adjacency[:, source, target, None].astype(np.uint64)
            incoming[target] += edge * colours[source]
            outgoing[source] += edge * colours[target]
        colours = [
            mixed(mixed(mixed(a) + b) + c)
            for a, b, c in zip(incoming, outgoing, colours, strict=True)
        ]
    return np.add.reduce(colours, axis=0)


def official_hashes(
    bits: np.ndarray,
    matrix: np.ndarray,
    labelings: np.ndarray,
    labeling: np.ndarray,
) -> np.ndarray:
    """[M, 16] uint8: `graphs.graph_hash` of many graphs, each matrix prepared once.

    Args:
      bits: [R] uint32, edges of the matrices.
      matrix: [M] ascending, row of `bits` and
      labelings: [L, V] int.
      labeling: [M], row of `labelings` of each graph.
    """
    digests, adjacency = [], _adjacency(bits, labelings.shape[1])
    starts = np.flatnonzero(np.diff(matrix, prepend=-1)).tolist()
    for start, end in itertools.pairwise([*starts, len(matrix)]):
        edges = adjacency[matrix[start]]
        sources = [np.flatnonzero(column).tolist() for column in edges.T]
        targets = [np.flatnonzero(row).tolist() for row in edges]
        for labels in labelings[labeling[start:end]].tolist():
            digests.append(_md5_of_graph(sources, targets, labels))
    return np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 16)


def _md5_of_graph(
    sources: list[list[int]], targets: list[list[int]], labels: list[int]
) -> bytes:
    """16 bytes: the official hash of one graph of which the neighbours are known."""
    md5 = functools.partial(hashlib.md5, usedforsecurity=False)
    neighbours = list(zip(sources, targets, strict=True))
    digests = [
        md5(str((len(out), len(into), label)).encode()).hexdigest()
        for (into, out), label in zip(neighbours, labels, strict=True)
    ]
    for _ in labels:
        digests = [
            md5(
                "".join(
                    (
                        *sorted([digests[u] for u in into]),
                        "|",
                        *sorted([digests[w] for w in out]),
                        "|",
                        own,
                    )
                ).encode()
            ).hexdigest()
            for (into, out), own in zip(neighbours, digests, strict=True)
        ]
    return md5(str(sorted(digests)).encode()).digest()
