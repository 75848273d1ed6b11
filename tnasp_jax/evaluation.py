"""Scores of a whole table: cache-sized chunks in a scan, spread over devices."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from tnasp_jax.graphs import Graphs
from tnasp_jax.predictors.base import Params, Predictor


def default_chunk() -> int:
    """Cells scored at once: what fits a CPU core's cache, or fills an accelerator."""
    return 128 if jax.default_backend() == "cpu" else 16_384


def scorer(
    predictor: Predictor,
    *,
    chunk: int | None = None,
    mesh: jax.sharding.Mesh | None = None,
) -> Callable[[Params, Graphs], jax.Array]:
    """A jitted function that scores any number of cells with flat memory.

    Args:
      predictor: the network.
      chunk: cells at once on a device; `default_chunk()` by default.
      mesh: a one-dimensional mesh that the caller made, over which the chunks are
        spread; None for one device.

    Returns:
      `score(params, graphs [M]) -> [M]`, compiled once for each M; ValueError if M
      is 0. With a mesh it is called from the host, which joins the devices' parts.

    Raises:
      ValueError: for a chunk below 1.
    """
    chunk = default_chunk() if chunk is None else chunk
    if chunk < 1:
        raise ValueError(f"scorer: expected chunk >= 1, got {chunk}")
    devices = mesh.size if mesh else 1

    def on_device(params, chunks):
        return jax.lax.map(lambda graphs: predictor.apply(params, graphs), chunks)

    spread = on_device
    if mesh:
        cells = jax.sharding.PartitionSpec(mesh.axis_names[0])
        spread = jax.shard_map(
            on_device,
            mesh=mesh,
            in_specs=(jax.sharding.PartitionSpec(), cells),
            out_specs=cells,
            check_vma=False,
        )

    @jax.jit
    def in_chunks(params, graphs):
        count = graphs.ops.shape[0]
        if count == 0:
            raise ValueError("scorer: expected at least one graph, got none")
        size = min(chunk, -(-count // devices))
        block = size * devices
        padded = -(-count // block) * block

        def split(leaf):
            extra = [(0, padded - count)] + [(0, 0)] * (leaf.ndim - 1)
            leaf = jnp.pad(jnp.asarray(leaf), extra, mode="edge")
            return leaf.reshape(padded // size, size, *leaf.shape[1:])

        return spread(params, jax.tree.map(split, graphs))

    def score(params, graphs):
        scores = in_chunks(params, graphs)
        if mesh:  # Cut on a device, they would be exchanged between all.
            scores = jnp.asarray(jax.device_get(scores))
        return scores.reshape(-1)[: graphs.ops.shape[0]]

    return score if mesh else jax.jit(score)


def ensemble(scores: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Mean and standard deviation over the members of a seed ensemble.

    Args:
      scores: [S, ...] one row a member, in units that can be averaged.

    Returns:
      Mean and standard deviation (ddof 1; zero for one member), each [...].
    """
    mean = jnp.mean(scores, axis=0)
    if scores.shape[0] == 1:
        return mean, jnp.zeros_like(mean)
    return mean, jnp.std(scores, axis=0, ddof=1)
