"""NAS-Bench-201: six edges between four nodes, one of five operations on each.

Dong and Yang, "NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture
Search", ICLR 2020. Operations stand on edges; here, once and nowhere else, each edge
becomes a node of a graph. Letters: B architectures, E = 6 edges.
"""

import dataclasses
import difflib
import functools
import itertools
import random
from collections.abc import Iterator, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from tnasp_jax import cost
from tnasp_jax import graphs as graphs_lib
from tnasp_jax.graphs import Graphs
from tnasp_jax.spaces import base
from tnasp_jax.spaces.reading import LONGEST, short

EDGE_OPS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
NUM_CELLS = len(EDGE_OPS) ** len(EDGES)
OFFICIAL_SEED = 88  # of the shuffle that numbered the cells
CHANNELS, CELLS_PER_STAGE, NUM_CLASSES = 16, 5, 10
NUM_STAGES, IMAGE_SIZE = 3, 32
KERNELS = {"nor_conv_1x1": 1, "nor_conv_3x3": 3}

_EXAMPLE = "|{0}~0|+|{0}~0|{0}~1|+|{0}~0|{0}~1|{0}~2|".format("skip_connect")

Architecture = tuple[int, ...]
"""Six indices into `EDGE_OPS`, in the order of `EDGES`: that of the official string."""


@dataclasses.dataclass(frozen=True)
class NASBench201:
    """The space of the 15,625 cells; see `tnasp_jax.spaces.base.Space`.

    In `Graphs` slot 0 is the input, slots 1 .. 6 are the six edges in the order of
    `EDGES`, slot 7 is the output. Edges that compute nothing leave a dead slot.
    """

    name: str = "nasbench201"
    ops: tuple[str, ...] = ("input", *EDGE_OPS[1:], "output")
    num_nodes: int = len(EDGES) + 2
    identity_ops: tuple[str, ...] = ("skip_connect",)

    def parse(self, text: str) -> Architecture:
        """Reads the official string, or the official number as text.

        Raises:
          ValueError: one sentence: a missing bar, a wrong number of edges, an unknown
            operation, a wrong node number, or a cell number out of range.
        """
        text = text.strip()
        if text.removeprefix("-").isdecimal() and len(text) <= LONGEST:
            return self.from_index(int(text))
        groups = text.split("+")
        if len(groups) != 3:
            raise _error(
                f"expected 3 groups of edges joined by '+', like {_EXAMPLE}, "
                f"got {len(groups)} in {short(text)}"
            )
        return tuple(
            _read_edge(edge, source, target)
            for target, group in enumerate(groups, start=1)
            for source, edge in enumerate(_read_group(group, target))
        )

    def format(self, architecture: Architecture) -> str:
        """The official string, `|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`."""
        names = [EDGE_OPS[op] for op in _checked(architecture)]
        parts = [
            f"{name}~{source}" for name, (source, _) in zip(names, EDGES, strict=True)
        ]
        groups = (parts[:1], parts[1:3], parts[3:])
        return "+".join(f"|{'|'.join(group)}|" for group in groups)

    def from_index(self, index: int) -> Architecture:
        """The cell of an official number.

        Raises:
          ValueError: if the number is not within 0 .. 15624.
        """
        if not 0 <= index < NUM_CELLS:
            raise _error(f"expected a cell number in 0 .. {NUM_CELLS - 1}, got {index}")
        return self.all_architectures()[index]

    def to_index(self, architecture: Architecture) -> int:
        """The official number of a cell."""
        return _official_numbers()[_checked(architecture)]

    def all_architectures(self) -> tuple[Architecture, ...]:
        """All 15,625 cells in the official order."""
        return _official_order()

    def to_graphs(self, architectures: Sequence[Architecture]) -> Graphs:
        """Edges as nodes, in place; edges that are not live masked: [B, 8].

        A cell without any live path keeps its input and output, with no edge between.

        Raises:
          ValueError: naming the first row that is not six indices into `EDGE_OPS`.
        """
        for row, architecture in enumerate(architectures):
            _checked(architecture, f"row {row}: ")
        edge_ops = np.array(architectures, np.int32).reshape(-1, len(EDGES))
        mask = np.pad(live_edges(edge_ops), ((0, 0), (1, 1)), constant_values=True)
        ops = np.pad(edge_ops, ((0, 0), (1, 1)))
        ops[:, -1] = len(self.ops) - 1
        ops[~mask] = 0
        adjacency = _TEMPLATE & mask[:, :, None] & mask[:, None, :]
        return Graphs(ops=ops, adjacency=adjacency, mask=mask)

    def prune(self, architecture: Architecture) -> Architecture:
        """The same cell with every edge that computes nothing set to `none`.

        The 15,625 cells have 9,445 different pruned forms.
        """
        ops = _checked(architecture)
        live = live_edges(np.array([ops]))[0].tolist()
        return tuple(op if alive else 0 for op, alive in zip(ops, live, strict=True))

    def sample(self, key: jax.Array, count: int) -> list[Architecture]:
        """Draws uniformly among the 15,625 cells, with repetition."""
        rng = base.host_rng(key)
        draws = rng.integers(0, len(EDGE_OPS), (count, len(EDGES)))
        return [tuple(row) for row in draws.tolist()]

    def mutate(self, key: jax.Array, architecture: Architecture) -> Architecture:
        """Gives one edge, drawn uniformly, one of its four other operations."""
        rng = base.host_rng(key)
        ops = list(_checked(architecture))
        edge = int(rng.integers(len(EDGES)))
        step = int(rng.integers(1, len(EDGE_OPS)))
        ops[edge] = (ops[edge] + step) % len(EDGE_OPS)
        return tuple(ops)

    def parameters(self, architecture: Architecture) -> int:
        """Trainable parameters of the benchmark's CIFAR-10 network.

        16 channels, 3 stages of 5 cells, channels doubled by a residual block between
        stages. Convolutions have no bias, batch norms count 2 per channel, the
        classifier has a bias. Edges count whether or not they are live, as in the
        benchmark, whose network holds them all.
        """
        convolutions = _convolutions(architecture)
        total = sum(cost.conv_parameters(*shape) for *shape, _ in convolutions)
        widths = [CHANNELS * 2**stage for stage in range(NUM_STAGES)]
        # Shortcuts of the residual blocks have no batch norm.
        total -= sum(2 * wide for wide in widths[1:])
        return total + 2 * widths[-1] + cost.dense_parameters(widths[-1], NUM_CLASSES)

    def flops(self, architecture: Architecture) -> int:
        """Multiply-adds of convolutions and classifier for one image of CIFAR-10.

        Edges count whether or not they are live, as in `parameters`.
        """
        total = sum(cost.conv_flops(*shape) for shape in _convolutions(architecture))
        return total + CHANNELS * 2 ** (NUM_STAGES - 1) * NUM_CLASSES

    def node_costs(self, graphs: Graphs) -> tuple[jax.Array, jax.Array]:
        """FLOPs and parameters of each node in a cell of each of the 3 stages; jittable.

        The 5 cells of a stage are equal, so one stands for them. FLOPs are the
        multiplications of convolutions, and the 9 additions a point of a pool. Edges
        that are not live cost nothing here, unlike in `parameters`.

        Returns:
          Two arrays, [B, 3, N] float32; see `base.CostedSpace`.
        """
        mask = jnp.asarray(graphs.mask)
        ops = jnp.clip(graphs.ops, 0, len(self.ops) - 1)
        kernels = [float(KERNELS.get(op, 0)) for op in self.ops]
        kernel = jnp.where(mask, jnp.array(kernels)[ops], 0.0)
        pools = mask & (ops == self.ops.index("avg_pool_3x3"))
        flops, parameters = [], []
        for stage in range(NUM_STAGES):
            width, pixels = CHANNELS * 2**stage, (IMAGE_SIZE // 2**stage) ** 2
            area = (kernel * width) ** 2
            flops.append(pixels * (area + 9.0 * width * pools))
            parameters.append(area + 2.0 * width * (kernel > 0))
        return jnp.stack(flops, axis=1), jnp.stack(parameters, axis=1)

    def canonical_hash(self, architecture: Architecture) -> str:
        """Hash of the live graph of operations, whatever the order of its nodes.

        The 15,625 cells have 8,765 different hashes, fewer than pruned forms: some
        of those are one graph, such as one path through node 1 or through node 2.
        `skip_connect` stays an operation here.
        """
        return graphs_lib.row_hash(self.to_graphs([architecture]), 0)


NASBENCH201 = NASBench201()


def live_edges(edge_ops: np.ndarray) -> np.ndarray:
    """Edges on a path from node 0 to node 3 on which no operation is `none`.

    Args:
      edge_ops: [B, E] int, indices into `EDGE_OPS`.

    Returns:
      [B, E] bool.
    """
    open_ = edge_ops != 0
    start, rest = np.ones(len(edge_ops), bool), np.zeros(len(edge_ops), bool)
    reached = [start, rest, rest, rest]  # of each node: from node 0
    leads_on = [rest, rest, rest, start]  # of each node: to node 3
    for edge, (source, target) in enumerate(EDGES):  # ascending in the target
        reached[target] = reached[target] | (open_[:, edge] & reached[source])
    for edge in (5, 4, 2, 3, 1, 0):  # descending in the source
        source, target = EDGES[edge]
        leads_on[source] = leads_on[source] | (open_[:, edge] & leads_on[target])
    return np.stack(
        [
            open_[:, edge] & reached[source] & leads_on[target]
            for edge, (source, target) in enumerate(EDGES)
        ],
        axis=1,
    )


def _node_template() -> np.ndarray:
    """[8, 8] bool: which slot feeds which when all six edges are live."""
    starts = [-1, *(source for source, _ in EDGES), 3]
    ends = [0, *(target for _, target in EDGES), 4]
    return np.array([[end == start for start in starts] for end in ends])


_TEMPLATE = _node_template()


@functools.cache
def _official_order() -> tuple[Architecture, ...]:
    """The benchmark numbered the product of the operations after this shuffle."""
    cells = list(itertools.product(range(len(EDGE_OPS)), repeat=len(EDGES)))
    random.Random(OFFICIAL_SEED).shuffle(cells)
    return tuple(cells)


@functools.cache
def _official_numbers() -> dict[Architecture, int]:
    return {cell: index for index, cell in enumerate(_official_order())}


def _convolutions(architecture: Architecture) -> Iterator[tuple[int, int, int, int]]:
    """Kernel, input and output channels, side of the output, in the whole network."""
    used = [KERNELS.get(EDGE_OPS[op], 0) for op in _checked(architecture)]
    yield 3, 3, CHANNELS, IMAGE_SIZE
    for stage in range(NUM_STAGES):
        width, size = CHANNELS * 2**stage, IMAGE_SIZE // 2**stage
        if stage:
            yield 3, width // 2, width, size
            yield 3, width, width, size
            yield 1, width // 2, width, size
        for kernel in CELLS_PER_STAGE * [kernel for kernel in used if kernel]:
            yield kernel, width, width, size


def _read_group(group: str, target: int) -> list[str]:
    """The texts of the edges into one node."""
    if len(group) < 2 or group[0] != "|" or group[-1] != "|":
        raise _error(
            f"expected a bar '|' before and after the edges into node {target}, "
            f"got {short(group)}"
        )
    edges = group[1:-1].split("|")
    if len(edges) != target:
        raise _error(
            f"expected {target} edges between bars '|' into node {target}, "
            f"got {len(edges)} in {short(group)}"
        )
    return edges


def _read_edge(edge: str, source: int, target: int) -> int:
    """The operation's index of one `op~node`."""
    name, tilde, node = edge.partition("~")
    if not tilde:
        raise _error(
            f"expected op~{source} as edge {source} into node {target}, "
            f"got {short(edge)} without '~'; is a bar '|' missing?"
        )
    if name not in EDGE_OPS:
        near = difflib.get_close_matches(name, EDGE_OPS, 1, 0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"expected one of {EDGE_OPS}"
        raise _error(f"unknown operation {short(name)} into node {target}; {hint}")
    if node != str(source):
        raise _error(
            f"expected node number {source} after '~' in edge {source} into node "
            f"{target}, got {short(edge)}"
        )
    return EDGE_OPS.index(name)


def _checked(architecture: Architecture, where: str = "") -> Architecture:
    """The architecture, if it is six indices into EDGE_OPS."""
    if len(architecture) != len(EDGES) or any(
        op not in range(len(EDGE_OPS)) for op in architecture
    ):
        raise _error(
            f"{where}expected {len(EDGES)} operation indices in 0 .. "
            f"{len(EDGE_OPS) - 1}, got {short(tuple(architecture))}"
        )
    return tuple(architecture)


def _error(sentence: str) -> ValueError:
    return ValueError(f"nasbench201: {sentence}")
