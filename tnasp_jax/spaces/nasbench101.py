"""NAS-Bench-101: cells of at most 7 vertices, 9 edges and 3 operations.

Ying et al., "NAS-Bench-101: Towards Reproducible Neural Architecture Search", ICML
2019. Operations stand on the vertices already. A cell is kept as it was given; vertices
that are on no path from input to output are pruned before anything is computed, and the
limits on vertices and edges count what is left, as in the benchmark.
"""

import dataclasses
import functools
import json
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tnasp_jax import cost
from tnasp_jax import graphs as graphs_lib
from tnasp_jax.graphs import Graphs
from tnasp_jax.spaces import base
from tnasp_jax.spaces.nasbench101_cells import (
    INPUT,
    MAX_EDGES,
    MAX_VERTICES,
    OPERATIONS,
    OUTPUT,
    Cell,
    edge_bit,
    error,
    make_cell,
    prune,
    read_cell,
    read_object,
    within_limits,
)

STEM_CHANNELS, NUM_STACKS, MODULES_PER_STACK, NUM_CLASSES = 128, 3, 3, 10
IMAGE_SIZE = 32
_LAST_CHANNELS = STEM_CHANNELS * 2 ** (NUM_STACKS - 1)
KERNELS = {"conv3x3-bn-relu": 3, "conv1x1-bn-relu": 1, "maxpool3x3": 0}
EDGE_MUTATION_RATE = 1 / MAX_VERTICES  # of each possible edge, a mutation
OP_MUTATION_RATE = 1 / (MAX_VERTICES - 2)  # of each operation, a mutation


@dataclasses.dataclass(frozen=True)
class NASBench101:
    """The space of the 423,624 cells; see `tnasp_jax.spaces.base.Space`."""

    name: str = "nasbench101"
    ops: tuple[str, ...] = (INPUT, *OPERATIONS, OUTPUT)
    num_nodes: int = MAX_VERTICES
    identity_ops: tuple[str, ...] = ()

    def parse(self, text: str) -> Cell:
        """Reads one line of JSON, `{"matrix": [[...]], "ops": [...]}`.

        Raises:
          ValueError: one sentence that names the field, as `cell` does.
        """
        fields = read_object(text)
        return self.cell(fields["matrix"], fields["ops"])

    def cell(self, matrix: Any, ops: Sequence[str] | np.ndarray) -> Cell:
        """Checks a matrix and its operations.

        A graph whose vertices are not in topological order is sorted: input first,
        output last, the others in the given order wherever the edges allow it.

        Args:
          matrix: [V, V] 0/1, nested sequences or an array; entry (i, j) is i -> j.
          ops: V names out of `NASBench101.ops`.

        Raises:
          ValueError: one sentence: not square, an entry other than 0 and 1, an unknown
            operation, no or two inputs or outputs, a cycle, an edge into the input or
            out of the output, an unreachable output, too many vertices or edges.
        """
        cell = read_cell(matrix, ops)
        prune(cell)
        return cell

    def format(self, architecture: Cell) -> str:
        """One line of JSON with the official operation names."""
        matrix = [list(row) for row in architecture.matrix]
        return json.dumps({"matrix": matrix, "ops": list(architecture.ops)})

    def to_graphs(self, architectures: Sequence[Cell]) -> Graphs:
        """Pruned cells in slots 0 .. V - 1, dead slots at the end: [B, 7].

        Raises:
          ValueError: naming the first row that lies outside the space; see `cell`.
        """
        batch, slots = len(architectures), self.num_nodes
        ops = np.zeros((batch, slots), np.int32)
        adjacency = np.zeros((batch, slots, slots), bool)
        mask = np.zeros((batch, slots), bool)
        for row, architecture in enumerate(architectures):
            try:
                pruned = prune(architecture)
            except ValueError as problem:
                raise ValueError(f"architecture {row}: {problem}") from None
            size = len(pruned.ops)
            ops[row, :size] = [self.ops.index(op) for op in pruned.ops]
            adjacency[row, :size, :size] = pruned.matrix
            mask[row, :size] = True
        return Graphs(ops=ops, adjacency=adjacency, mask=mask)

    def sample(self, key: jax.Array, count: int) -> list[Cell]:
        """Draws cells as the benchmark's example does.

        7 vertices, each of the 21 edges with probability 1/2, operations uniform,
        again until valid. Most cells prune to 3 to 5 vertices, where most of the table
        has 7, and isomorphic ones recur: for a uniform draw take rows of the table.
        """
        rng = base.host_rng(key)
        cells = []
        while len(cells) < count:
            matrix = np.triu(rng.integers(0, 2, (MAX_VERTICES, MAX_VERTICES)), 1)
            ops = rng.choice(OPERATIONS, MAX_VERTICES - 2).tolist()
            if within_limits(matrix):
                cells.append(make_cell(matrix, [INPUT, *ops, OUTPUT]))
        return cells

    def mutate(self, key: jax.Array, architecture: Cell) -> Cell:
        """Mutates as the benchmark's regularized evolution does (rate 1).

        Each of the 21 possible edges flips with probability 1/7, each of the 5
        operations becomes another one with probability 1/5; again until the cell is
        valid and its hash is another one. A cell of fewer than 7 vertices first gets
        unconnected ones with random operations, so that it can grow.
        """
        rng = base.host_rng(key)
        matrix, ops = _widen(architecture, rng)
        old = self.canonical_hash(architecture)
        size = len(ops)
        while True:
            flips = np.triu(rng.random((size, size)) < EDGE_MUTATION_RATE, 1)
            child_matrix, child_ops = matrix ^ flips, list(ops)
            for vertex in np.flatnonzero(rng.random(size - 2) < OP_MUTATION_RATE) + 1:
                others = [op for op in OPERATIONS if op != ops[vertex]]
                child_ops[vertex] = others[rng.integers(len(others))]
            if within_limits(child_matrix):
                child = make_cell(child_matrix, child_ops)
                if self.canonical_hash(child) != old:
                    return child

    def parameters(self, architecture: Cell) -> int:
        """Trainable parameters of the benchmark's CIFAR-10 network.

        A stem of 128 channels, 3 stacks of 3 cells, channels doubled from stack to
        stack, a dense layer to 10 classes; batch norms count 2 per channel.
        """
        convolutions = _convolutions(prune(architecture))
        total = sum(cost.conv_parameters(*shape) for *shape, _ in convolutions)
        return total + cost.dense_parameters(_LAST_CHANNELS, NUM_CLASSES)

    def flops(self, architecture: Cell) -> int:
        """Multiply-adds of convolutions and classifier for one image of CIFAR-10."""
        convolutions = _convolutions(prune(architecture))
        total = sum(cost.conv_flops(*shape) for shape in convolutions)
        return total + _LAST_CHANNELS * NUM_CLASSES

    def node_costs(self, graphs: Graphs) -> tuple[jax.Array, jax.Array]:
        """FLOPs and parameters of each node in each of the 9 cells; jittable.

        FLOPs are the multiplications of convolutions, and the 9 comparisons a point of
        a pool; parameters are those that `parameters` counts. The 1x1 projection of an
        edge out of the input belongs to the node that the edge feeds.

        Returns:
          Two arrays, [B, 9, 7] float32 (slots as many as the graphs have); see
          `base.CostedSpace`.
        """
        # [B, 1, N] each, beside the cells.
        ops, mask = jnp.asarray(graphs.ops)[:, None], jnp.asarray(graphs.mask)[:, None]
        edges = graphs_lib.live_adjacency(graphs)
        from_input = jnp.swapaxes(mask & (ops == 0), 1, 2)
        projected = jnp.any(edges & from_input, axis=1, keepdims=True)
        inner = mask & (ops > 0) & (ops <= len(OPERATIONS))
        places = jnp.clip(ops - 1, 0, len(OPERATIONS) - 1)
        kernel = jnp.array([KERNELS[op] for op in OPERATIONS], jnp.float32)[places]
        convolves, pools = inner & (kernel > 0), inner & (kernel == 0)
        stack = np.repeat(np.arange(NUM_STACKS), MODULES_PER_STACK)
        out_channels = STEM_CHANNELS * 2**stack
        in_channels = np.insert(out_channels[:-1], 0, STEM_CHANNELS)[None, :, None]
        pixels = jnp.asarray((IMAGE_SIZE // 2**stack) ** 2)[None, :, None]
        width = node_channels(graphs, out_channels).astype(jnp.float32)
        area = jnp.where(convolves, (kernel * width) ** 2, 0.0)
        projection = jnp.where(projected, in_channels * width, 0.0)
        comparisons = jnp.where(pools, 9 * width, 0.0)
        flops = pixels * (area + projection + comparisons)
        norms = 2 * width * (convolves.astype(jnp.float32) + projected)
        return flops, area + projection + norms

    def canonical_hash(self, architecture: Cell) -> str:
        """The official hash of the benchmark, 32 hexadecimal digits."""
        return _digest(architecture)


NASBENCH101 = NASBench101()


@functools.lru_cache(maxsize=1 << 14)
def _digest(architecture: Cell) -> str:
    """Kept, since a search hashes a cell when it is made, checked, asked and told."""
    cell = prune(architecture)
    labels = [-1, *(OPERATIONS.index(op) for op in cell.ops[1:-1]), -2]
    return graphs_lib.graph_hash(np.array(cell.matrix), labels)


def from_row(num_vertices: int, edge_bits: int, ops: Sequence[int]) -> Cell:
    """One row of the table's arrays (see `from_arrays`) as a cell."""
    size = int(num_vertices)
    matrix = np.zeros((size, size), int)
    for target in range(1, size):
        for source in range(target):
            matrix[source, target] = int(edge_bits) >> edge_bit(source, target) & 1
    names = [OPERATIONS[int(op)] for op in ops[: size - 2]]
    return make_cell(matrix, [INPUT, *names, OUTPUT])


def from_arrays(
    num_vertices: np.ndarray, edge_bits: np.ndarray, ops: np.ndarray
) -> Graphs:
    """Many cells at once, from the columns of the table.

    Args:
      num_vertices: [B] int, V in 2 .. 7, counting input and output.
      edge_bits: [B] int, bit `edge_bit(x, y)` is the edge x -> y.
      ops: [B, 5] int, index into `OPERATIONS` of vertices 1 .. V - 2; the rest is not
        read.

    Returns:
      Graphs, [B, 7], equal to `to_graphs` of the same cells.

    Raises:
      ValueError: naming the first row with a V, an operation or an edge out of range,
        or with a vertex that `prune` would drop.
    """
    sizes = np.asarray(num_vertices, np.int32)[:, None]
    bits = np.asarray(edge_bits, np.uint32)
    slot = np.arange(MAX_VERTICES)
    mask = slot < sizes
    inner = (slot > 0) & (slot < sizes - 1)
    node_ops = np.zeros(mask.shape, np.int32)
    node_ops[:, 1:-1] = np.asarray(ops, np.int32) + 1
    _check_rows((sizes[:, 0] >= 2) & (sizes[:, 0] <= MAX_VERTICES), "num_vertices")
    known = (node_ops >= 1) & (node_ops <= len(OPERATIONS))
    _check_rows(np.all(known | ~inner, axis=1), "ops")
    _check_rows(_full_rows(sizes[:, 0], bits), "edge_bits")
    node_ops[~inner] = 0
    node_ops[np.arange(len(sizes)), sizes[:, 0] - 1] = len(OPERATIONS) + 1
    adjacency = np.zeros((*mask.shape, MAX_VERTICES), bool)
    for target in range(1, MAX_VERTICES):
        for source in range(target):
            adjacency[:, source, target] = bits >> edge_bit(source, target) & 1
    return Graphs(ops=node_ops, adjacency=adjacency, mask=mask)


def _full_rows(sizes: np.ndarray, bits: np.ndarray) -> np.ndarray:
    """[B] bool: all V vertices, and only they, are on paths, within 9 edges."""
    sources = [
        bits >> np.uint32(edge_bit(0, target)) & np.uint32(2**target - 1)
        for target in range(MAX_VERTICES)
    ]  # bit x of sources[y]: an edge x -> y
    forward = np.ones_like(bits)
    backward = np.uint32(1) << (sizes - 1).astype(np.uint32)
    for target in range(1, MAX_VERTICES):
        forward |= ((sources[target] & forward) > 0).astype(np.uint32) << target
    for target in range(MAX_VERTICES - 1, 0, -1):
        backward |= np.where(backward >> target & 1, sources[target], np.uint32(0))
    full = (np.uint32(1) << sizes.astype(np.uint32)) - 1
    inside = bits >> (sizes * (sizes - 1) // 2).astype(np.uint32) == 0
    few = np.bitwise_count(bits) <= MAX_EDGES
    return (forward & backward == full) & inside & few


def _check_rows(good: np.ndarray, field: str) -> None:
    if not good.all():
        bad = np.flatnonzero(~good)
        raise error(
            f"{field}: row {bad[0]} (and {len(bad) - 1} more) is no pruned cell of at "
            "most 7 vertices and 9 edges; build such cells one by one with to_graphs"
        )


def _widen(cell: Cell, rng: np.random.Generator) -> tuple[np.ndarray, list[str]]:
    """Adds unconnected vertices before the output until there are 7."""
    extra = max(0, MAX_VERTICES - len(cell.ops))
    size = len(cell.ops) + extra
    slots = [*range(len(cell.ops) - 1), size - 1]
    matrix = np.zeros((size, size), int)
    matrix[np.ix_(slots, slots)] = cell.matrix
    new = rng.choice(OPERATIONS, extra).tolist()
    return matrix, [*cell.ops[:-1], *new, OUTPUT]


def _convolutions(cell: Cell) -> Iterator[tuple[int, int, int, int]]:
    """Kernel, input and output channels, side of the output, in the whole network.

    Every edge out of a cell's input is a 1x1 projection.
    """
    yield 3, 3, STEM_CHANNELS, IMAGE_SIZE
    in_channels = STEM_CHANNELS
    for module in range(NUM_STACKS * MODULES_PER_STACK):
        stack = module // MODULES_PER_STACK
        size, out_channels = IMAGE_SIZE // 2**stack, STEM_CHANNELS * 2**stack
        channels = _vertex_channels(cell.matrix, out_channels)
        for vertex, op in enumerate(cell.ops[1:-1], start=1):
            if KERNELS[op]:
                yield KERNELS[op], channels[vertex], channels[vertex], size
        for vertex, edge in enumerate(cell.matrix[0]):
            if edge:
                yield 1, in_channels, channels[vertex], size
        in_channels = out_channels


def node_channels(graphs: Graphs, out_channels: np.ndarray) -> jax.Array:
    """Channels of each vertex in modules of `out_channels`, [M]; jittable.

    The vertices that feed the output share its channels, the first ones get one more
    where that leaves a rest; another vertex has as many as the widest that it feeds. 0
    for input and dead slots.

    Returns:
      [B, M, N] int.
    """
    ops, mask = jnp.asarray(graphs.ops), jnp.asarray(graphs.mask)
    edges = graphs_lib.live_adjacency(graphs)
    is_output = mask & (ops == len(OPERATIONS) + 1)
    inner = mask & (ops > 0) & ~is_output
    feeding = inner & jnp.any(edges & is_output[:, None, :], axis=2)
    whole = out_channels[None, :, None]
    count = jnp.maximum(jnp.sum(feeding, axis=1), 1)[:, None, None]
    first = jnp.cumsum(feeding, axis=1)[:, None] <= whole % count
    channels = jnp.where(feeding[:, None], whole // count + first, 0)
    channels = jnp.where(is_output[:, None], whole, channels)
    narrower = (inner & ~feeding)[:, None]
    slots = ops.shape[1]

    def widen(at, channels):
        node = slots - 1 - at  # Edges lead to later slots.
        widest = jnp.max(jnp.where(edges[:, None, node], channels, 0), axis=2)
        width = jnp.where(narrower[:, :, node], widest, channels[:, :, node])
        return jax.lax.dynamic_update_index_in_dim(channels, width, node, 2)

    return jax.lax.fori_loop(0, slots, widen, channels)


def _vertex_channels(matrix: Sequence[Sequence[int]], out_channels: int) -> list[int]:
    """Channels of each vertex of a pruned cell; the input's is not used.

    The output concatenates what flows into it: its channels are split evenly over
    those vertices, the first ones taking the remainder. Every other vertex is as wide
    as the widest that it feeds.
    """
    output = len(matrix) - 1
    channels = [0] * output + [out_channels]
    feeding = [v for v in range(1, output) if matrix[v][output]]
    for rank, vertex in enumerate(feeding):
        share, remainder = divmod(out_channels, len(feeding))
        channels[vertex] = share + (rank < remainder)
    for vertex in range(output - 1, 0, -1):
        if vertex not in feeding:
            channels[vertex] = max(
                channels[t] for t in range(vertex, output) if matrix[vertex][t]
            )
    return channels
