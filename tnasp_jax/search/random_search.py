"""Random search, the method that others must beat.

Li and Talwalkar, "Random Search and Reproducibility for Neural Architecture Search", UAI
2019.
"""

from collections.abc import Sequence

from tnasp_jax.search.constraints import Allowed
from tnasp_jax.search.moves import randoms
from tnasp_jax.search.state import Method, method_of
from tnasp_jax.spaces.base import Space


def random_search(space: Space, *, allowed: Sequence[Allowed] = ()) -> Method:
    """Asks what `space.sample` draws, without copies.

    Args:
      space: where to search; its `sample` says how likely each architecture is.
      allowed: what an architecture must pass to be asked.
    """
    return method_of(space, lambda key, state, count: randoms(key, space), allowed)
