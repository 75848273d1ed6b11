"""Local search: mutations of the best so far, and a new start where none is better.

White, Nolen and Savani, "Exploring the Loss Landscape in Neural Architecture Search", UAI
2021. There all neighbours are measured before the next step; here a step is taken as soon
as one is better, since some spaces have no short list of neighbours.
"""

import itertools
from collections.abc import Iterator, Sequence

import jax
import numpy as np

from tnasp_jax.search.constraints import Allowed
from tnasp_jax.search.moves import mutants, randoms, then_randoms
from tnasp_jax.search.state import (
    NO_PARENT,
    Method,
    Proposal,
    State,
    known,
    last_start,
    method_of,
)
from tnasp_jax.spaces.base import Space


def local_search(
    space: Space, *, patience: int = 24, allowed: Sequence[Allowed] = ()
) -> Method:
    """Climbs from a random architecture, again and again.

    Args:
      space: where to search.
      patience: neighbours of a place that are asked without gain before the next start;
        24 is how many NAS-Bench-201 has. A failure is no gain.
      allowed: what an architecture must pass to be asked.

    Raises:
      ValueError: if `patience` is less than 1.
    """
    if patience < 1:
        raise ValueError(f"local_search: expected patience >= 1, got {patience}")

    def propose(key: jax.Array, state: State, count: int) -> Iterator[Proposal]:
        mutate_key, random_key = jax.random.split(key)
        top, without_gain = climb(state)
        if top is None or without_gain >= patience:
            return randoms(random_key, space)
        neighbours = mutants(mutate_key, space, state, itertools.repeat(top))
        return then_randoms(random_key, space, neighbours, count)

    return method_of(space, propose, allowed)


def climb(state: State) -> tuple[int | None, int]:
    """Where the last climb stands.

    A climb starts at the last rows that were made from none: all of them, where
    several stand side by side, such as labels told at the start.

    Returns:
      The row of its best architecture, None if no value is known, and how many
      neighbours were asked since.
    """
    start = last_start(state)
    values = np.where(known(state), state.values[:, 0], -np.inf)[start:]
    if np.isinf(values).all():
        return None, 0
    top = int(start + np.argmax(values))
    return top, int(np.sum(state.parents[top + 1 :] != NO_PARENT))
