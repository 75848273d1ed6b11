"""Once-for-All: sub-networks of elastic kernel, expansion, depth, resolution and width.

Cai, Gan, Wang, Zhang and Han, "Once-for-All: Train One Network and Specialize it for
Efficient Deployment", ICLR 2020. Two supernets: one in the form of ProxylessNAS, and one
in that of MobileNetV3.
"""

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np

from tnasp_jax.spaces import proxylessnas
from tnasp_jax.spaces.chain import ChainSpace, Layout
from tnasp_jax.spaces.chain_network import Block, Skeleton, Stage
from tnasp_jax.spaces.chain_text import Architecture, Field

KERNELS, EXPANSIONS, DEPTHS = (3, 5, 7), (3, 4, 6), (2, 3, 4)
_KERNELS, _EXPANSIONS = np.array(KERNELS, np.int32), np.array(EXPANSIONS, np.int32)
RESOLUTIONS = tuple(range(96, 288, 4))
TRAINED_RESOLUTIONS = tuple(range(128, 228, 4))
"""Sides of the images on which the supernets were trained."""

MOBILENETV3 = Skeleton(
    stem=16,
    first=16,
    stages=(
        Stage(24, 2, 4),
        Stage(40, 2, 4, se=True),
        Stage(80, 2, 4),
        Stage(112, 1, 4, se=True),
        Stage(160, 2, 4, se=True),
    ),
    head=960,
    mixed=1280,
)


class OfaSpace(ChainSpace):
    """What the two forms share; an architecture is (ks, e, d, r, w).

    Text: `{"ks": [...], "e": [...], "d": [...], "r": 224, "w": 1.2}`. `ks` and `e` hold
    kernel and expansion of every place, of those too that the depth `d` of their stage
    leaves out. `r` is the side of the image (also `image_size`, also in a list of one),
    `w` the width multiplier, the first of `drawn_multipliers` where it is missing.
    """

    drawn_resolutions: tuple[int, ...]
    drawn_multipliers: tuple[float, ...]

    @functools.cached_property
    def fields(self) -> tuple[Field, ...]:
        """Three lists and two values."""
        places = self.skeleton.num_places
        depths = [DEPTHS if stage.depth > 1 else (1,) for stage in self.skeleton.stages]
        return (
            Field("ks", (KERNELS,) * places),
            Field("e", (EXPANSIONS,) * places),
            Field("d", tuple(depths), reason="the last stage has one layer"),
            Field(
                "r",
                (self.resolutions,),
                single=True,
                drawn=self.drawn_resolutions,
                aliases=("image_size",),
            ),
            Field(
                "w",
                (self.multipliers,),
                single=True,
                drawn=self.drawn_multipliers,
                default=self.drawn_multipliers[0],
                aliases=("wid",),
            ),
        )

    @functools.cached_property
    def blocks(self) -> tuple[Block, ...]:
        """By kernel and then expansion."""
        return tuple(
            Block(kernel, expansion) for kernel in KERNELS for expansion in EXPANSIONS
        )

    @property
    def resolutions(self) -> tuple[int, ...]:
        """Every fourth side."""
        return RESOLUTIONS

    def layout(self, architectures: Sequence[Architecture]) -> Layout:
        """The first blocks of each stage, as many as its depth."""
        places, stages = self.skeleton.num_places, len(self.skeleton.stages)
        kernels, expansions, depths = (
            np.array([one[item] for one in architectures], np.int32).reshape(-1, width)
            for item, width in enumerate((places, places, stages))
        )
        block = _KERNELS.searchsorted(kernels) * len(EXPANSIONS)
        block += _EXPANSIONS.searchsorted(expansions)
        multiplier = [self.multipliers.index(one[4]) for one in architectures]
        return Layout(
            blocks=self.to_depth(block, depths),
            resolution=np.array([one[3] for one in architectures], np.int32),
            multiplier=np.array(multiplier, np.int32),
        )


@dataclasses.dataclass(frozen=True)
class OfaProxyless(OfaSpace):
    """OFA in the form of ProxylessNAS: 21 places, `d` of 6 stages, the last one 1.

    Attributes:
      name: of the space.
      multipliers: widths that an architecture may have; 1.3 is the supernet's.
      drawn_resolutions: sides of images that chance draws.
      drawn_multipliers: widths that chance draws.
    """

    name: str = "ofa_proxyless"
    multipliers: tuple[float, ...] = (1.0, 1.3)
    drawn_resolutions: tuple[int, ...] = TRAINED_RESOLUTIONS
    drawn_multipliers: tuple[float, ...] = (1.3,)

    @property
    def skeleton(self) -> Skeleton:
        """That of ProxylessNAS."""
        return proxylessnas.SKELETON


@dataclasses.dataclass(frozen=True)
class OfaMobileNetV3(OfaSpace):
    """OFA in the form of MobileNetV3: 20 places, `d` of 5 stages.

    Attributes:
      name: of the space.
      multipliers: widths that an architecture may have, one supernet each.
      drawn_resolutions: sides of images that chance draws.
      drawn_multipliers: widths that chance draws.
    """

    name: str = "ofa_mobilenetv3"
    multipliers: tuple[float, ...] = (1.0, 1.2)
    drawn_resolutions: tuple[int, ...] = TRAINED_RESOLUTIONS
    drawn_multipliers: tuple[float, ...] = (1.2,)

    @property
    def skeleton(self) -> Skeleton:
        """That of MobileNetV3-Large."""
        return MOBILENETV3


OFA_PROXYLESS = OfaProxyless()
OFA_MOBILENETV3 = OfaMobileNetV3()
