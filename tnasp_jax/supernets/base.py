"""What a supernet is: one network whose every path is an architecture."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

Params = dict[str, Any]


class Supernet(NamedTuple):
    """A weight-sharing network as a pair of pure functions.

    Axis letters: E edges that hold a choice, m operations to choose from, B images.

    Attributes:
      init: `init(key)`, parameters of all operations on all edges.
      apply: `apply(params, path, images, num_statistics)`, logits [classes, B] of
        images [channels, height, width, B]. The path, [E] int or as the network says,
        is data: no path compiles anew, and only its operations run, unless under
        `vmap`, where a branch becomes all branches. Batch statistics come from the
        first `num_statistics` images (static). What is no path gives NaN.
      num_edges: E.
      num_ops: m.
      draw: `draw(sampler, key)`, paths of a step, where a path holds more than an
        operation for each edge; None where it does not. `paths` draws either way.
    """

    init: Callable[[jax.Array], Params]
    apply: Callable[..., jax.Array]
    num_edges: int
    num_ops: int
    draw: Callable[..., jax.Array] | None = None

    def paths(self, sampler: Callable[..., jax.Array], key: jax.Array) -> jax.Array:
        """The paths of a step by one of `SAMPLERS`, [P, length of a path] int32."""
        if self.draw is not None:
            return self.draw(sampler, key)
        return sampler(key, self.num_edges, self.num_ops)


def check(
    name: str,
    path: jax.Array,
    length: int,
    images: jax.Array,
    shape: tuple[int | None, ...],
    num_statistics: int,
) -> None:
    """ValueError for what a supernet cannot be applied to, as far as shapes tell.

    Args:
      name: of the network, for the sentence.
      path: should be [length] integers.
      length: of a path.
      images: should be [channels, height, width, batch].
      shape: of them without the batch; None where any size will do.
      num_statistics: should be in 1 .. batch.
    """
    if path.shape != (length,) or not jnp.issubdtype(path.dtype, jnp.integer):
        raise ValueError(
            f"{name} supernet: expected a path of {length} integers, "
            f"got {path.dtype} {path.shape}"
        )
    if images.ndim != 4 or any(
        wanted not in (None, size)
        for wanted, size in zip(shape, images.shape[:3], strict=True)
    ):
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        raise ValueError(
            f"{name} supernet: expected images [channels, height, width, batch] of "
            f"({wanted}, batch), got {images.shape}"
        )
    if not 0 < num_statistics <= images.shape[3]:
        raise ValueError(
            f"{name} supernet: expected num_statistics in 1 .. {images.shape[3]}, "
            f"the images of the batch, got {num_statistics}"
        )
