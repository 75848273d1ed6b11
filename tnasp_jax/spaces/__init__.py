"""Search spaces by name."""

from collections.abc import Mapping
from typing import Any

from tnasp_jax.names import unknown
from tnasp_jax.spaces import custom, proxylessnas
from tnasp_jax.spaces.base import Space
from tnasp_jax.spaces.custom import CustomSpace
from tnasp_jax.spaces.darts import DARTS
from tnasp_jax.spaces.mnasnet import MNASNET
from tnasp_jax.spaces.nasbench101 import NASBENCH101
from tnasp_jax.spaces.nasbench201 import NASBENCH201
from tnasp_jax.spaces.ofa import OFA_MOBILENETV3, OFA_PROXYLESS
from tnasp_jax.spaces.proxylessnas import PROXYLESSNAS, ProxylessNAS

SPACES: dict[str, Space] = {
    space.name: space
    for space in (
        NASBENCH101,
        NASBENCH201,
        DARTS,
        PROXYLESSNAS,
        MNASNET,
        OFA_PROXYLESS,
        OFA_MOBILENETV3,
    )
}
"""Every space that is fixed, by its name on the command line and in files."""


def get_space(name: str, description: Mapping[str, Any] | None = None) -> Space:
    """The space of a name.

    Args:
      name: one of `SPACES`, "custom", or "proxylessnas_sized".
      description: of one of the last two, as `describe` gives it; None for the others.

    Raises:
      ValueError: if there is none, listing those there are; if the description of a
        custom space is missing or damaged.
    """
    if name == custom.NAME:
        if description is None:
            raise ValueError(
                f"the space {name!r} comes from a file of architectures: make it with "
                "spaces.custom.of_cells, or load a run that was trained on it"
            )
        return custom.of_description(description)
    if name == proxylessnas.SIZED:
        return proxylessnas.of_description(description or {})
    if name not in SPACES:
        raise ValueError(unknown("space", name, sorted((*SPACES, custom.NAME))))
    return SPACES[name]


def describe(space: Space) -> dict[str, Any] | None:
    """What `get_space` needs beside the name; None for a space that is fixed."""
    if isinstance(space, CustomSpace):
        return space.describe()
    if isinstance(space, ProxylessNAS) and space.name == proxylessnas.SIZED:
        return space.describe()
    return None
