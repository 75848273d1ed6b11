"""Architectures as one batch-first pytree of padded directed acyclic graphs.

Everything in tnasp_jax flows as `Graphs`: operations on nodes, edges from earlier to
later nodes, padded to the space's fixed number of nodes. Axis letters: B architectures,
N node slots.
"""

import hashlib
from collections.abc import Iterator, Sequence

import flax.struct
import jax
import jax.core
import jax.numpy as jnp
import numpy as np

Array = jax.Array | np.ndarray


@flax.struct.dataclass
class Graphs:
    """A batch of padded directed acyclic graphs.

    Live nodes may stand in any slots, in topological order. What stands in the dead
    slots (`mask` False) is never read.

    Attributes:
      ops: [B, N] int, operation of each node, an index into the space's `ops`.
      adjacency: [B, N, N] bool, `adjacency[b, i, j]` is an edge i -> j, i < j.
      mask: [B, N] bool, True where a node is live.
    """

    ops: Array
    adjacency: Array
    mask: Array

    def __len__(self) -> int:
        return self.ops.shape[0]

    def __getitem__(self, index) -> "Graphs":
        """The same pytree with `index` (slice or integer array) applied to axis B."""
        return jax.tree.map(lambda leaf: leaf[index], self)

    def __iter__(self) -> Iterator["Graphs"]:
        """Batches of one graph each: arrays of JAX have no end to run into."""
        return (self[row : row + 1] for row in range(len(self)))


def concatenate(batches: Sequence[Graphs]) -> Graphs:
    """Joins batches of the same N along B, on the host.

    Raises:
      ValueError: if `batches` is empty or the numbers of node slots differ.
    """
    if not batches:
        raise ValueError("concatenate: expected at least one batch of graphs, got none")
    slots = sorted({batch.ops.shape[1] for batch in batches})
    if len(slots) > 1:
        raise ValueError(
            f"concatenate: expected one number of node slots, got {slots}; "
            "widen the smaller ones with pad_nodes first"
        )
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *batches)


def pad_nodes(graphs: Graphs, num_nodes: int) -> Graphs:
    """Appends dead slots until every graph has `num_nodes` of them; jittable.

    Arrays of numpy stay on the host.

    Raises:
      ValueError: if the graphs already have more than `num_nodes` slots.
    """
    extra = num_nodes - graphs.ops.shape[1]
    if extra < 0:
        raise ValueError(
            f"pad_nodes: graphs have {graphs.ops.shape[1]} node slots, "
            f"which is more than the {num_nodes} asked for"
        )

    def wider(leaf: Array) -> Array:
        pad = np.pad if isinstance(leaf, np.ndarray) else jnp.pad
        return pad(leaf, ((0, 0), *[(0, extra)] * (leaf.ndim - 1)))

    return jax.tree.map(wider, graphs)


def pad_batch(graphs: Graphs, size: int) -> Graphs:
    """Repeats the last graph until the batch holds `size`, so that shapes recur.

    Args:
      graphs: [B, N].
      size: at least B.

    Returns:
      [size, N].

    Raises:
      ValueError: for an empty batch, and if it holds more than `size` graphs.
    """
    if not 1 <= len(graphs) <= size:
        raise ValueError(f"pad_batch: expected 1 to {size} graphs, got {len(graphs)}")
    rows = np.minimum(np.arange(size), len(graphs) - 1)
    return graphs[rows]


def check_labels(graphs: Graphs, labels: Array) -> None:
    """Checks that there is one label a graph to learn from; works on traced arrays.

    Raises:
      ValueError: for labels of another shape, which would broadcast or be repeated, and
        for no graph at all.
    """
    if jnp.shape(labels) != (len(graphs),):
        raise ValueError(
            f"labels: expected shape ({len(graphs)},), one a graph, "
            f"got {jnp.shape(labels)}"
        )
    if not len(graphs):
        raise ValueError("labels: expected at least one graph to learn from, got none")


def check_learnable(graphs: Graphs, labels: Array, num_ops: int) -> None:
    """As `check_labels`, and that every row is a graph with a finite label.

    For what would learn from any row. What is traced has no values to look at and
    passes.

    Raises:
      ValueError: naming the first bad row.
    """
    check_labels(graphs, labels)
    traced = isinstance(labels, jax.core.Tracer)
    if traced or any(isinstance(x, jax.core.Tracer) for x in jax.tree.leaves(graphs)):
        return
    no_graph = ~np.asarray(_are_valid(graphs, num_ops))
    bad = np.flatnonzero(no_graph | ~np.isfinite(np.asarray(labels)))
    if len(bad):
        row = bad[0]
        found = "no graph of the space" if no_graph[row] else f"label {labels[row]}"
        raise ValueError(
            f"row {row}: expected a graph with a finite label to learn from, got {found}; "
            "leave the row out"
        )


def check_shapes(graphs: Graphs, num_nodes: int | None = None) -> None:
    """Checks shapes and dtypes; works on traced arrays.

    Raises:
      ValueError: saying which field was expected to have which shape or dtype.
    """
    ops, adjacency, mask = graphs.ops, graphs.adjacency, graphs.mask
    if ops.ndim != 2:
        raise ValueError(f"Graphs.ops: expected shape [B, N], got {ops.shape}")
    batch, slots = ops.shape
    if num_nodes is not None and slots != num_nodes:
        raise ValueError(
            f"Graphs.ops: expected {num_nodes} node slots, got {slots}; "
            "widen the graphs with pad_nodes or choose the predictor of their space"
        )
    if adjacency.shape != (batch, slots, slots):
        raise ValueError(
            f"Graphs.adjacency: expected shape {(batch, slots, slots)}, "
            f"got {adjacency.shape}"
        )
    if mask.shape != (batch, slots):
        raise ValueError(
            f"Graphs.mask: expected shape {(batch, slots)}, got {mask.shape}"
        )
    if not jnp.issubdtype(ops.dtype, jnp.integer):
        raise ValueError(f"Graphs.ops: expected integers, got {ops.dtype}")
    for name, leaf in (("adjacency", adjacency), ("mask", mask)):
        if leaf.dtype != jnp.bool_:
            raise ValueError(f"Graphs.{name}: expected bool, got {leaf.dtype}")


def is_valid(graphs: Graphs, num_ops: int) -> jax.Array:
    """Which rows are graphs at all; jittable.

    A row is invalid when no node is live, when a live node's operation lies outside
    0 .. num_ops - 1, or when an edge between live nodes does not lead forward.

    Returns:
      [B] bool.
    """
    known = (graphs.ops >= 0) & (graphs.ops < num_ops)
    backward = jnp.tril(live_adjacency(graphs))
    return (
        jnp.any(graphs.mask, axis=1)
        & jnp.all(known | ~graphs.mask, axis=1)
        & ~jnp.any(backward, axis=(1, 2))
    )


_are_valid = jax.jit(is_valid, static_argnums=1)


def live_adjacency(graphs: Graphs) -> jax.Array:
    """[B, N, N] bool: the edges between live nodes."""
    adjacency, mask = jnp.asarray(graphs.adjacency), jnp.asarray(graphs.mask)
    return adjacency & mask[:, :, None] & mask[:, None, :]


def live_nodes(matrix: np.ndarray) -> np.ndarray:
    """Nodes on some path from the first node to the last one.

    Args:
      matrix: [..., V, V] 0/1, strictly upper triangular; node 0 is the input, V - 1 the
        output.

    Returns:
      [..., V] bool; all False where the output is unreachable.
    """
    matrix = np.asarray(matrix, bool)
    size = matrix.shape[-1]
    forward = np.zeros(matrix.shape[:-1], bool)
    backward = np.zeros(matrix.shape[:-1], bool)
    forward[..., 0] = backward[..., -1] = True
    for node in range(1, size):
        before = matrix[..., :node, node] & forward[..., :node]
        forward[..., node] = before.any(axis=-1)
    for node in range(size - 2, -1, -1):
        after = matrix[..., node, node + 1 :] & backward[..., node + 1 :]
        backward[..., node] = after.any(axis=-1)
    return forward & backward


def graph_hash(matrix: np.ndarray, labels: Sequence[int]) -> str:
    """Hash of a labelled graph that does not depend on the order of its nodes.

    The procedure of NAS-Bench-101 (Ying et al., ICML 2019): every node starts from its
    degrees and label and absorbs its neighbours' digests V times. With that benchmark's
    labels (-1 input, 0 .. 2 operations, -2 output) the digest is the official one.

    Args:
      matrix: [V, V] 0/1.
      labels: V integers.

    Returns:
      32 hexadecimal digits.
    """
    edges = np.asarray(matrix).astype(int)
    size = len(edges)
    sources = [np.flatnonzero(edges[:, v]) for v in range(size)]
    targets = [np.flatnonzero(edges[v]) for v in range(size)]
    out_degree, in_degree = edges.sum(1).tolist(), edges.sum(0).tolist()
    digests = [
        _md5(str((out_degree[v], in_degree[v], int(labels[v])))) for v in range(size)
    ]
    for _ in range(size):
        digests = [
            _md5(
                "".join(sorted(digests[u] for u in sources[v]))
                + "|"
                + "".join(sorted(digests[w] for w in targets[v]))
                + "|"
                + digests[v]
            )
            for v in range(size)
        ]
    return _md5(str(sorted(digests)))


def row_hash(graphs: Graphs, row: int) -> str:
    """`graph_hash` of the live nodes of one row, labelled by operation; on the host."""
    live = np.asarray(graphs.mask[row])
    matrix = np.asarray(graphs.adjacency[row])[np.ix_(live, live)]
    return graph_hash(matrix, np.asarray(graphs.ops[row])[live].tolist())


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def mixed(values: np.ndarray, salt: int = 0) -> np.ndarray:
    """The finalizer of splitmix64 (Steele, Lea and Flood, OOPSLA 2014), on the host.

    Args:
      values: uint64.
      salt: which of many such bijections.
    """
    z = values + np.uint64((salt + 1) * 0x9E3779B97F4A7C15 % 2**64)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
