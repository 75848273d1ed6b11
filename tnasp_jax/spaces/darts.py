"""DARTS: a normal and a reduction cell of four nodes, two operations on each.

Liu, Simonyan and Yang, "DARTS: Differentiable Architecture Search", ICLR 2019, the space
of NAS-Bench-301 and of Table 3. Operations stand on edges; here, once and nowhere else,
each becomes a node of a graph. Letters: B architectures, N = 30 slots.
"""

import collections
import dataclasses
import functools
import itertools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from tnasp_jax import graphs as graphs_lib
from tnasp_jax.graphs import Graphs
from tnasp_jax.spaces import base, darts_network
from tnasp_jax.spaces import darts_genotypes as genotypes
from tnasp_jax.spaces.darts_genotypes import (
    CELLS,
    NONE,
    NUM_EDGES,
    NUM_INPUTS,
    NUM_NODES,
    OPERATIONS,
    Cell,
    Genotype,
)
from tnasp_jax.spaces.darts_network import RETRAINED, Layer, Network

INPUTS, SUM = ("input_0", "input_1"), "add"
CELL_OPS = (*INPUTS, *OPERATIONS, SUM)
CELL_SLOTS = NUM_INPUTS + 3 * NUM_NODES  # Of a node: two operations and their sum.
NUM_SLOTS = 1 + 2 * CELL_SLOTS + 1


@dataclasses.dataclass(frozen=True)
class Darts:
    """The space of the DARTS genotypes; see `tnasp_jax.spaces.base.Space`.

    In `Graphs` slot 0 is the input and slot 29 the output. Slots 1 to 14 are the normal
    cell and 15 to 28 the reduction cell, one after the other as a network stacks them:
    input 0, input 1, then for each node its two operations and their sum. An operation
    has a name of its own in either cell, since the same one does not weigh the same in
    both. Only `none` leaves dead slots.
    """

    name: str = "darts"
    ops: tuple[str, ...] = (
        "input",
        *(f"{cell}_{op}" for cell in CELLS for op in CELL_OPS),
        "output",
    )
    num_nodes: int = NUM_SLOTS
    identity_ops: tuple[str, ...] = ("normal_skip_connect", "normal_add", "reduce_add")

    def parse(self, text: str) -> Genotype:
        """Reads `Genotype(...)`, or 16 edges `operation:input` or `input:number`.

        Raises:
          ValueError: one sentence that names cell, edge and node: an unknown operation,
            an input that is not before its node or that the node has twice, a wrong
            number of edges, a concatenation of other than the four nodes.
        """
        return genotypes.read(text)

    def format(self, architecture: Genotype) -> str:
        """`Genotype(normal=[('sep_conv_3x3', 0), ...], ...)`, as DARTS prints it."""
        return genotypes.write(architecture)

    def to_graphs(self, architectures: Sequence[Genotype]) -> Graphs:
        """The normal cell, then the reduction cell: [B, 30].

        The two operations of a node stand in the order of their inputs, however the
        text has them; the nodes stand as they are numbered. A genotype without any
        path keeps its input and output.
        """
        ops = np.tile(_TEMPLATE_OPS, (len(architectures), 1))
        adjacency = np.tile(_TEMPLATE_EDGES, (len(architectures), 1, 1))
        for row, genotype in enumerate(architectures):
            for cell, edges in enumerate(genotype.cells):
                first = 1 + cell * CELL_SLOTS
                for edge, (op, source) in enumerate(_sorted_inputs(edges)):
                    if op != NONE:
                        slot = first + _op_slot(edge)
                        ops[row, slot] = self.ops.index(f"{CELLS[cell]}_{op}")
                        adjacency[row, first + _value_slot(source), slot] = True
        mask = graphs_lib.live_nodes(adjacency)
        mask[:, [0, -1]] = True
        return Graphs(
            ops=np.where(mask, ops, 0),
            adjacency=adjacency & mask[:, :, None] & mask[:, None, :],
            mask=mask,
        )

    def canonical(self, architecture: Genotype) -> Genotype:
        """The genotype that stands for all that differ in the order of a node's edges
        or in the numbers of the nodes only."""
        return genotypes.canonical(architecture)

    def canonical_hash(self, architecture: Genotype) -> str:
        """Hash of the live graph: equal where `canonical` is equal, and where only
        edges differ that compute nothing."""
        return graphs_lib.row_hash(self.to_graphs([architecture]), 0)

    def sample(self, key: jax.Array, count: int) -> list[Genotype]:
        """Draws uniformly among the (180 x 7^8)^2 genotypes with sorted inputs.

        Each node gets one of its pairs of inputs and two of the seven operations, not
        `none`, all uniform and independent. A `canonical` form is drawn the more often
        the more ways there are to number its nodes.
        """
        rng = base.host_rng(key)
        return [Genotype(_random_cell(rng), _random_cell(rng)) for _ in range(count)]

    def mutate(self, key: jax.Array, architecture: Genotype) -> Genotype:
        """Changes the operation of one edge or its input, each with probability 1/2.

        The edge is uniform among those that have another choice (the first node of a
        cell has no other input), and so is the choice, which never is `none`.
        """
        rng = base.host_rng(key)
        cells = [list(cell) for cell in architecture.cells]
        cell = cells[rng.integers(len(cells))]
        if rng.integers(2):
            edge = int(rng.integers(NUM_EDGES))
            op, source = cell[edge]
            op = _another(rng, OPERATIONS, {op})
        else:
            edge = int(rng.integers(2, NUM_EDGES))
            op, _ = cell[edge]
            taken = {cell[edge][1], cell[edge ^ 1][1]}  # Of both edges of the node.
            source = _another(rng, range(genotypes.node_of(edge)), taken)
        cell[edge] = (op, source)
        return Genotype(*map(tuple, cells))

    def cross(self, key: jax.Array, first: Genotype, second: Genotype) -> Genotype:
        """Takes each node, with both its edges, from either parent with probability
        1/2; always valid, and possibly one of the parents."""
        rng = base.host_rng(key)
        cells = []
        for pair in zip(first.cells, second.cells, strict=True):
            parents = [genotypes.nodes(cell) for cell in pair]
            chosen = rng.integers(0, 2, NUM_NODES).tolist()
            cells.append(sum((parents[p][n] for n, p in enumerate(chosen)), ()))
        return Genotype(*cells)

    def parameters(self, architecture: Genotype, network: Network = RETRAINED) -> int:
        """Trainable parameters of the network that a genotype is retrained as.

        Args:
          architecture: the genotype.
          network: channels, layers, classes, and whether the auxiliary head counts; by
            default 36, 20, 10, and not.
        """
        return darts_network.network_cost(architecture, network).parameters

    def flops(self, architecture: Genotype, network: Network = RETRAINED) -> int:
        """Multiply-adds of convolutions and classifier for one image."""
        return darts_network.network_cost(architecture, network).flops

    def costs(self, graphs: Graphs) -> tuple[jax.Array, jax.Array]:
        """FLOPs (multiply-adds) and parameters of each network; jittable.

        Those of `flops` and `parameters`, but for genotypes with `none`: what reads
        only nothing is dead and costs nothing here.

        Returns:
          Two arrays, [B] float32, NaN for invalid graphs.
        """
        valid = graphs_lib.is_valid(graphs, len(self.ops))
        times = jnp.asarray(_differing_layers()[1], jnp.float32)
        fixed = darts_network.fixed_cost(RETRAINED)
        flops, parameters = (
            jnp.einsum("m,bmn->b", times, per_node, precision=jax.lax.Precision.HIGHEST)
            for per_node in self.node_costs(graphs)
        )
        return (
            jnp.where(valid, flops + fixed.flops, jnp.nan),
            jnp.where(valid, parameters + fixed.parameters, jnp.nan),
        )

    def node_costs(self, graphs: Graphs) -> tuple[jax.Array, jax.Array]:
        """FLOPs and parameters of each node in each of the 9 layers that differ.

        Of the 20 layers of the network that `parameters` counts; jittable. The nodes of
        the normal cell cost nothing in layers of the reduction cell, and the other way
        round. An input of a cell has the cost of its preprocessing.

        Returns:
          Two arrays, [B, 9, 30] float32; see `base.CostedSpace`.
        """
        edges = graphs_lib.live_adjacency(graphs)
        ops = jnp.clip(jnp.asarray(graphs.ops), 0, len(self.ops) - 1)
        inputs = jnp.array([op.startswith("reduce_input") for op in self.ops])
        strides = jnp.any(edges & inputs[ops][:, :, None], axis=1).astype(int)
        flops, parameters = (
            jnp.asarray(table)[:, ops, strides] * jnp.asarray(graphs.mask)[None]
            for table in _cost_tables()
        )
        return jnp.swapaxes(flops, 0, 1), jnp.swapaxes(parameters, 0, 1)


DARTS = Darts()


def edges_of(graphs: Graphs) -> tuple[jax.Array, jax.Array]:
    """The genotypes that graphs were made of; jittable.

    Args:
      graphs: [B, 30] of `Darts.to_graphs`.

    Returns:
      Two arrays [B, 2, 8] int32, normal cell first, the two edges of a node in the
      order of their inputs: indices in OPERATIONS, -1 for a dead slot, and inputs.
    """
    first = 1 + CELL_SLOTS * np.arange(len(CELLS))[:, None]
    slots = first + np.array([_op_slot(edge) for edge in range(NUM_EDGES)])
    values = first + np.array(
        [_value_slot(source) for source in range(NUM_INPUTS + NUM_NODES)]
    )
    named = 1 + len(CELL_OPS) * np.arange(len(CELLS))[:, None] + len(INPUTS)
    ops = jnp.asarray(graphs.ops)[:, slots] - named[None]
    live = jnp.asarray(graphs.mask)[:, slots]
    edges = jnp.asarray(graphs.adjacency)
    wired = jnp.stack(
        [edges[:, values[cell]][:, :, slots[cell]] for cell in range(len(CELLS))], 1
    )
    sources = jnp.argmax(wired, axis=2)
    return jnp.where(live, ops, -1).astype(jnp.int32), sources.astype(jnp.int32)


def _op_slot(edge: int) -> int:
    """Slot of an edge's operation, counted from the cell's first."""
    return NUM_INPUTS + 3 * (edge // 2) + edge % 2


def _value_slot(source: int) -> int:
    """Slot of an input or of a node's sum, counted from the cell's first."""
    return source if source < NUM_INPUTS else 3 * (source - NUM_INPUTS) + 4


def _sorted_inputs(cell: Cell) -> list[tuple[str, int]]:
    """The edges with the two of each node in the order of their inputs."""
    pairs = (sorted(pair, key=lambda edge: edge[1]) for pair in genotypes.nodes(cell))
    return list(itertools.chain.from_iterable(pairs))


def _template() -> tuple[np.ndarray, np.ndarray]:
    """[30] ops and [30, 30] edges that all genotypes share, without the operations."""
    ops = np.zeros(NUM_SLOTS, np.int32)
    edges = np.zeros((NUM_SLOTS, NUM_SLOTS), bool)
    before = [0]  # Slots whose concatenation a cell reads.
    for cell in range(len(CELLS)):
        slot, op = 1 + cell * CELL_SLOTS, 1 + cell * len(CELL_OPS)
        for source in range(NUM_INPUTS):
            ops[slot + source] = op + source
            edges[before, slot + source] = True
        before = [slot + _value_slot(NUM_INPUTS + node) for node in range(NUM_NODES)]
        for at in before:
            ops[at] = op + CELL_OPS.index(SUM)
            edges[at - 2 : at, at] = True
    edges[before, -1] = True
    ops[-1] = 2 * len(CELL_OPS) + 1
    return ops, edges


_TEMPLATE_OPS, _TEMPLATE_EDGES = _template()


def _random_cell(rng: np.random.Generator) -> Cell:
    edges = []
    for node in range(NUM_INPUTS, NUM_INPUTS + NUM_NODES):
        sources = np.sort(rng.choice(node, 2, replace=False)).tolist()
        drawn = rng.integers(0, len(OPERATIONS), 2).tolist()
        edges += [(OPERATIONS[op], at) for op, at in zip(drawn, sources, strict=True)]
    return tuple(edges)


def _another(rng: np.random.Generator, choices, taken: set):
    """One of the choices that is not taken, uniformly."""
    free = [choice for choice in choices if choice not in taken]
    return free[rng.integers(len(free))]


@functools.cache
def _differing_layers() -> tuple[list[Layer], list[int]]:
    """The 9 kinds of layers of the network, and how many it has of each."""
    kinds = collections.Counter(darts_network.layers(RETRAINED))
    return list(kinds), list(kinds.values())


@functools.cache
def _cost_tables() -> tuple[np.ndarray, np.ndarray]:
    """FLOPs and parameters, [9, P, 2] float32 each: layer, operation of a node, whether
    it stands on an input of a reduction cell."""
    layers, _ = _differing_layers()
    tables = np.zeros((2, len(layers), len(DARTS.ops), 2), np.float32)
    for row, layer in enumerate(layers):
        first = 1 + layer.reduces * len(CELL_OPS)
        for strides in (False, True):
            found = [darts_network.preprocess_cost(layer, at) for at in (0, 1)]
            found += [
                darts_network.operation_cost(op, layer, strides) for op in OPERATIONS
            ]
            columns = slice(first, first + len(found))
            tables[0, row, columns, int(strides)] = [cost.flops for cost in found]
            tables[1, row, columns, int(strides)] = [cost.parameters for cost in found]
    return tables[0], tables[1]
