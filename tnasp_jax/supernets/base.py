"""What a supernet is: one network whose every path is an architecture."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax

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
