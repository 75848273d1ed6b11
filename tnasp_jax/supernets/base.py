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
        images [channels, height, width, B]. The path, [E] int, is data: no path
        compiles anew, and only its operations run, unless under `vmap`, where a branch
        becomes all branches. Batch statistics come from the first `num_statistics`
        images (static). A path with a number outside 0 .. m - 1 gives NaN.
      num_edges: E.
      num_ops: m.
    """

    init: Callable[[jax.Array], Params]
    apply: Callable[..., jax.Array]
    num_edges: int
    num_ops: int
