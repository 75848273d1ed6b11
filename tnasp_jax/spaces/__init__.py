"""Search spaces by name."""

from tnasp_jax.spaces.base import Space
from tnasp_jax.spaces.nasbench101 import NASBENCH101
from tnasp_jax.spaces.nasbench201 import NASBENCH201

SPACES: dict[str, Space] = {space.name: space for space in (NASBENCH101, NASBENCH201)}
"""Every space that is fixed, by its name on the command line and in files."""


def get_space(name: str) -> Space:
    """The space of a name.

    Raises:
      ValueError: if there is none, listing those there are.
    """
    if name not in SPACES:
        raise ValueError(f"unknown space {name!r}; expected one of {sorted(SPACES)}")
    return SPACES[name]
