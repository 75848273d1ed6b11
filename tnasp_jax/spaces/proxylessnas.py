"""ProxylessNAS: a chain of 21 layers, each one of 7 operations.

Cai, Zhu and Han, "ProxylessNAS: Direct Neural Architecture Search on Target Task and
Hardware", ICLR 2019. Stages of 4, 4, 4, 4, 4 and 1 layers; a layer is an inverted
bottleneck of kernel 3, 5 or 7 and expansion 3 or 6, or it is left out, but for the first
of a stage, which changes size or width.
"""

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np

from tnasp_jax.spaces.chain import Layout, OneSizeChain
from tnasp_jax.spaces.chain_network import Block, Skeleton, Stage
from tnasp_jax.spaces.chain_text import Architecture, Field

KERNELS, EXPANSIONS = (3, 5, 7), (3, 6)
BLOCKS = {
    "Identity": Block(0, 0),
    **{
        f"{kernel}x{kernel}_MBConv{expansion}": Block(kernel, expansion)
        for kernel in KERNELS
        for expansion in EXPANSIONS
    },
}
"""The operations by the names that ProxylessNAS gives them."""

STAGES = (
    Stage(24, 2, 4),
    Stage(40, 2, 4),
    Stage(80, 2, 4),
    Stage(96, 1, 4),
    Stage(192, 2, 4),
    Stage(320, 1, 1),
)
SKELETON = Skeleton(stem=32, first=16, stages=STAGES, head=1280)


@dataclasses.dataclass(frozen=True)
class ProxylessNAS(OneSizeChain):
    """The space of 6^6 7^15 networks; an architecture is a tuple of one tuple of names.

    Text: `{"layers": ["3x3_MBConv6", "Identity", ...]}`, 21 names of `BLOCKS`. Attributes
    as for `OneSizeChain`.
    """

    name: str = "proxylessnas"

    @functools.cached_property
    def fields(self) -> tuple[Field, ...]:
        """One list of 21 names."""
        names = tuple(BLOCKS)
        choices = [names if place else names[1:] for place in SKELETON.places]
        reason = "the first layer of a stage changes size or width and must be there"
        return (Field("layers", tuple(choices), reason=reason),)

    @property
    def skeleton(self) -> Skeleton:
        """What all networks share."""
        return SKELETON

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The 7 operations."""
        return tuple(BLOCKS.values())

    def layout(self, architectures: Sequence[Architecture]) -> Layout:
        """The operations in their places."""
        index = {name: at for at, name in enumerate(BLOCKS)}
        blocks = [[index[name] for name in layers] for (layers,) in architectures]
        return self.of_one_size(
            np.array(blocks, np.int32).reshape(-1, SKELETON.num_places)
        )


PROXYLESSNAS = ProxylessNAS()
