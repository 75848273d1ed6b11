"""Search spaces by name."""

from tnasp_jax.spaces.base import Space
from tnasp_jax.spaces.darts import DARTS
from tnasp_jax.spaces.mnasnet import MNASNET
from tnasp_jax.spaces.nasbench101 import NASBENCH101
from tnasp_jax.spaces.nasbench201 import NASBENCH201
from tnasp_jax.spaces.ofa import OFA_MOBILENETV3, OFA_PROXYLESS
from tnasp_jax.spaces.proxylessnas import PROXYLESSNAS

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


def get_space(name: str) -> Space:
    """The space of a name.

    Raises:
      ValueError: if there is none, listing those there are.
    """
    if name not in SPACES:
        raise ValueError(f"unknown space {name!r}; expected one of {sorted(SPACES)}")
    return SPACES[name]
