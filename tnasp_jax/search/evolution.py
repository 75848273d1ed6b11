"""Regularized evolution: tournaments in a population whose oldest dies.

Real, Aggarwal, Huang and Le, "Regularized Evolution for Image Classifier Architecture
Search", AAAI 2019, Algorithm 1.
"""

from collections.abc import Iterator, Sequence

import jax
import numpy as np

from tnasp_jax.search.constraints import Allowed
from tnasp_jax.search.moves import mutants, randoms, then_randoms
from tnasp_jax.search.state import Method, Proposal, State, known, method_of
from tnasp_jax.spaces.base import Space, host_rng


def regularized_evolution(
    space: Space,
    *,
    population: int = 30,
    sample: int = 10,
    allowed: Sequence[Allowed] = (),
) -> Method:
    """Asks a mutation of the best of a few, drawn from the newest that are known.

    Until `population` values are known, architectures are random. Age counts from
    asking. Failures do not live, and so displace nobody.

    Args:
      space: where to search.
      population: P of the paper, how many live.
      sample: S of the paper, drawn with repetition for one tournament.
      allowed: what an architecture must pass to be asked.

    Raises:
      ValueError: if `population` or `sample` is less than 1.
    """
    if population < 1 or sample < 1:
        raise ValueError(
            "regularized_evolution: expected population >= 1 and sample >= 1, "
            f"got {population} and {sample}"
        )

    def propose(key: jax.Array, state: State, count: int) -> Iterator[Proposal]:
        living = np.flatnonzero(known(state))[-population:]
        draw_key, mutate_key, random_key = jax.random.split(key, 3)
        if len(living) < population:
            return randoms(random_key, space)
        winners = _winners(draw_key, state.values[:, 0], living, sample)
        children = mutants(mutate_key, space, state, winners)
        return then_randoms(random_key, space, children, count)

    return method_of(space, propose, allowed)


def _winners(
    key: jax.Array, values: np.ndarray, living: np.ndarray, sample: int
) -> Iterator[int]:
    """The winner of one tournament after the other, endlessly."""
    rng = host_rng(key)
    while True:
        drawn = rng.choice(living, sample)
        yield int(drawn[np.argmax(values[drawn])])
