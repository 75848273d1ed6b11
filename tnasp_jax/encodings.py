"""Encodings of `Graphs` that predictors read: pure, jittable, padded like the graphs.

Axis letters: B architectures, N node slots, K eigenvectors.
"""

import jax
import jax.numpy as jnp

from tnasp_jax.graphs import Graphs, live_adjacency


def laplacian_rows(graphs: Graphs) -> jax.Array:
    """Rows of the directed graph Laplacian, the position term of TNASP.

    L = D - A with the un-normalised, upper-triangular adjacency A and the out-degrees
    D = diag(A 1) (TNASP, section 3.2). Row n is the position of node n.

    Returns:
      [B, N, N] float32; dead rows and columns are zero.
    """
    adjacency = live_adjacency(graphs).astype(jnp.float32)
    degrees = jnp.sum(adjacency, axis=2)
    return degrees[:, :, None] * jnp.eye(adjacency.shape[1])[None] - adjacency


def laplacian_eigenvectors(graphs: Graphs, count: int) -> jax.Array:
    """Eigenvectors of the symmetric normalised Laplacian of the live subgraph.

    I - D^-1/2 (A + A^T) D^-1/2, ascending eigenvalues, the constant first one of a
    connected graph left out (Dwivedi and Bresson, 2020). Signs are fixed by making the
    entry of largest magnitude positive; eigenvectors of repeated eigenvalues are any
    basis of their span, so they can differ between platforms.

    Args:
      graphs: [B, N] graphs.
      count: K, at most N - 1.

    Returns:
      [B, N, K] float32; zero at dead nodes and where a graph has fewer eigenvectors.

    Raises:
      ValueError: if `count` does not fit.
    """
    slots = graphs.ops.shape[1]
    if not 1 <= count <= slots - 1:
        raise ValueError(
            f"laplacian_eigenvectors: expected 1 <= count <= {slots - 1}, got {count}"
        )
    mask = jnp.asarray(graphs.mask)
    directed = live_adjacency(graphs)
    edges = (directed | jnp.swapaxes(directed, 1, 2)).astype(jnp.float32)
    degrees = jnp.sum(edges, axis=2)
    scale = jnp.where(degrees > 0, jax.lax.rsqrt(jnp.maximum(degrees, 1.0)), 0.0)
    eye = jnp.eye(slots)[None]
    laplacian = eye - scale[:, :, None] * edges * scale[:, None, :]
    # Dead nodes get eigenvalue 4, above the largest possible 2, so they sort last.
    laplacian = laplacian + 3.0 * eye * ~mask[:, :, None]
    _, vectors_BNN = jnp.linalg.eigh(laplacian)
    vectors_BNK = vectors_BNN[:, :, 1 : count + 1]
    peak = jnp.argmax(jnp.abs(vectors_BNK), axis=1, keepdims=True)
    sign = jnp.sign(jnp.take_along_axis(vectors_BNK, peak, axis=1))
    live = jnp.sum(mask, axis=1)
    exists = jnp.arange(1, count + 1)[None, :] < live[:, None]
    return jnp.where(
        exists[:, None, :] & mask[:, :, None], vectors_BNK * sign, 0.0
    ).astype(jnp.float32)


def reachability(graphs: Graphs) -> jax.Array:
    """Transitive closure of the live edges.

    Returns:
      [B, N, N] bool; [b, i, j] is True where a path of at least one edge leads from
      i to j.
    """
    closure = live_adjacency(graphs)
    steps = max(1, (closure.shape[1] - 1).bit_length())
    for _ in range(steps):
        reach = closure.astype(jnp.float32)
        closure = closure | (reach @ reach > 0)
    return closure
