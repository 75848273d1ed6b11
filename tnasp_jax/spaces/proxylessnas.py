"""ProxylessNAS: a chain of 21 layers, each one of 7 operations.

Cai, Zhu and Han, "ProxylessNAS: Direct Neural Architecture Search on Target Task and
Hardware", ICLR 2019. Stages of 4, 4, 4, 4, 4 and 1 layers; a layer is an inverted
bottleneck of kernel 3, 5 or 7 and expansion 3 or 6, or it is left out, but for the first
of a stage, which changes size or width.

`sized` has the same choices in a network of one's own size, for small images.
"""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

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
SIZED = "proxylessnas_sized"
"""Name of the spaces of `sized`, in files."""

SKELETON = Skeleton(stem=32, first=16, stages=STAGES, head=1280)


@dataclasses.dataclass(frozen=True)
class ProxylessNAS(OneSizeChain):
    """The space of 6^6 7^15 networks; an architecture is a tuple of one tuple of names.

    Text: `{"layers": ["3x3_MBConv6", "Identity", ...]}`, 21 names of `BLOCKS`. Attributes
    as for `OneSizeChain`, and:

    Attributes:
      skeleton: what all networks share; one of other stages is made by `sized`.
    """

    name: str = "proxylessnas"
    skeleton: Skeleton = SKELETON  # pyright: ignore[reportIncompatibleMethodOverride]

    @functools.cached_property
    def fields(self) -> tuple[Field, ...]:
        """One list of a name for each place."""
        names = tuple(BLOCKS)
        choices = [names if place else names[1:] for place in self.skeleton.places]
        reason = "the first layer of a stage changes size or width and must be there"
        return (Field("layers", tuple(choices), reason=reason),)

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The 7 operations."""
        return tuple(BLOCKS.values())

    def layout(self, architectures: Sequence[Architecture]) -> Layout:
        """The operations in their places."""
        index = {name: at for at, name in enumerate(BLOCKS)}
        blocks = [[index[name] for name in layers] for (layers,) in architectures]
        return self.of_one_size(
            np.array(blocks, np.int32).reshape(-1, self.skeleton.num_places)
        )

    def describe(self) -> dict[str, Any]:
        """Plain values from which `of_description` makes the space again."""
        skeleton = dataclasses.asdict(self.skeleton)
        skeleton["stages"] = [list(stage) for stage in self.skeleton.stages]
        return {"resolution": self.resolution, "skeleton": skeleton}


def sized(resolution: int, skeleton: Skeleton) -> ProxylessNAS:
    """The choices of ProxylessNAS in a network of another size.

    Args:
      resolution: side of the image, in points.
      skeleton: without squeeze-and-excitation.

    Raises:
      ValueError: for a size below 1, and for a skeleton with squeeze-and-excitation or
        without a stage.
    """
    if resolution < 1 or not skeleton.stages:
        raise ValueError(
            "proxylessnas: expected a resolution >= 1 and stages, "
            f"got {resolution} and {len(skeleton.stages)} stages"
        )
    if any(stage.se for stage in skeleton.stages):
        raise ValueError("proxylessnas: expected stages without squeeze-and-excitation")
    return ProxylessNAS(name=SIZED, resolution=resolution, skeleton=skeleton)


def of_description(description: Mapping[str, Any]) -> ProxylessNAS:
    """The space of `ProxylessNAS.describe`.

    Raises:
      ValueError: if the description is damaged.
    """
    try:
        skeleton = dict(description["skeleton"])
        stages = tuple(Stage(*stage) for stage in skeleton.pop("stages"))
        return sized(description["resolution"], Skeleton(stages=stages, **skeleton))
    except (KeyError, TypeError):
        raise ValueError(f"{SIZED}: the description of the space is damaged") from None


PROXYLESSNAS = ProxylessNAS()
