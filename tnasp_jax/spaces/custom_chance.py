"""Chance in a user's own space: random graphs, and changes of a graph."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from tnasp_jax.spaces.custom_cells import Cell, Edge

Draft = tuple[list[str], set[Edge]]
"""Operations and edges of a graph that may not be valid."""


class Choices(Protocol):
    """What chance may choose from; see `custom.CustomSpace`."""

    @property
    def inputs(self) -> tuple[str, ...]: ...

    @property
    def inner(self) -> tuple[str, ...]: ...

    @property
    def outputs(self) -> tuple[str, ...]: ...

    @property
    def num_nodes(self) -> int: ...


def random_cell(rng: np.random.Generator, space: Choices) -> Cell:
    """A graph whose nodes are all live; see `custom.CustomSpace.sample`."""
    size = int(rng.integers(2, space.num_nodes + 1)) if space.inner else 2
    inner = [_any(rng, space.inner) for _ in range(size - 2)]
    matrix = np.triu(rng.random((size, size)) < min(0.5, 2 / size), 1)
    for node in range(1, size):
        if not matrix[:node, node].any():
            matrix[rng.integers(node), node] = True
    for node in range(size - 1):
        if not matrix[node, node + 1 :].any():
            matrix[node, rng.integers(node + 1, size)] = True
    edges = tuple((int(i), int(j)) for i, j in np.argwhere(matrix))
    return Cell((_any(rng, space.inputs), *inner, _any(rng, space.outputs)), edges)


def change(rng: np.random.Generator, space: Choices, cell: Cell) -> Draft:
    """One change of a pruned graph; what comes of it may not be valid."""
    changes = (_other_op, _flip_edge, _insert_node, _remove_node)
    chosen = changes[int(rng.integers(len(changes)))]
    return chosen(rng, space, list(cell.ops), set(cell.edges))


def _any(rng: np.random.Generator, names: Sequence[str]) -> str:
    return names[int(rng.integers(len(names)))]


def _other_op(rng, space: Choices, ops: list[str], edges: set[Edge]) -> Draft:
    if len(ops) > 2:
        ops[rng.integers(1, len(ops) - 1)] = _any(rng, space.inner)
    return ops, edges


def _flip_edge(rng, space: Choices, ops: list[str], edges: set[Edge]) -> Draft:
    i, j = sorted(rng.choice(len(ops), 2, replace=False).tolist())
    return ops, edges ^ {(i, j)}


def _insert_node(rng, space: Choices, ops: list[str], edges: set[Edge]) -> Draft:
    """On an edge, which it replaces."""
    if not space.inner:
        return ops, edges
    i, j = sorted(edges)[rng.integers(len(edges))]
    moved = {(a + (a > i), b + (b > i)) for a, b in edges - {(i, j)}}
    ops = [*ops[: i + 1], _any(rng, space.inner), *ops[i + 1 :]]
    return ops, moved | {(i, i + 1), (i + 1, j + 1)}


def _remove_node(rng, space: Choices, ops: list[str], edges: set[Edge]) -> Draft:
    """Its predecessors then lead to its successors."""
    if len(ops) == 2:
        return ops, edges
    node = int(rng.integers(1, len(ops) - 1))
    before = {i for i, j in edges if j == node}
    after = {j for i, j in edges if i == node}
    around = {(i, j) for i, j in edges if node not in (i, j)}
    around |= {(i, j) for i in before for j in after}
    place = {(i - (i > node), j - (j > node)) for i, j in around}
    return [*ops[:node], *ops[node + 1 :]], place
