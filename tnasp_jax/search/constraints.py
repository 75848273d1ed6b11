"""What an architecture must pass to be asked."""

import dataclasses
from collections.abc import Callable

from tnasp_jax.spaces.base import Architecture

Allowed = Callable[[Architecture], bool]
"""Whether an architecture may be asked; a pure function, called on the host."""


@dataclasses.dataclass(frozen=True)
class AtMost:
    """A cost within an upper limit, such as `AtMost(space.parameters, 1e6)`.

    A cost that is NaN, since nobody knows it, is within no limit.

    Attributes:
      cost: of one architecture, in any unit.
      limit: the largest cost that is allowed, in the same unit.
    """

    cost: Callable[[Architecture], float]
    limit: float

    def __call__(self, architecture: Architecture) -> bool:
        return bool(self.cost(architecture) <= self.limit)
