"""A published network that predicts accuracies, as an oracle for search."""

from collections.abc import Callable
from typing import NamedTuple

import jax

from tnasp_jax.graphs import Graphs
from tnasp_jax.spaces.base import Space

Params = dict[str, jax.Array]


class Surrogate(NamedTuple):
    """What answers in place of a training.

    Attributes:
      name: on the command line and in results.
      space: of its architectures; chance draws what it knows.
      target: name of what it predicts, with the word surrogate.
      params: its weights.
      apply: `(params, graphs) -> [B]` float32, fractions in 0 .. 1; a pure function.
        NaN for invalid graphs, and for what it does not know.
      describe: what it predicts, for people.
      sha256: of the data file, hexadecimal.
    """

    name: str
    space: Space
    target: str
    params: Params
    apply: Callable[[Params, Graphs], jax.Array]
    describe: str
    sha256: str
