"""MnasNet-like networks of Accel-NASBench: each of 7 stages chosen as a whole.

Tan et al., "MnasNet: Platform-Aware Neural Architecture Search for Mobile", CVPR 2019, in
the form of Ahmad et al., "Accel-NASBench: Sustainable Benchmarking for Accelerator-Aware
NAS", DAC 2024: widths and strides of EfficientNet-B0; expansion, kernel, number of layers
and squeeze-and-excitation of each stage are choices.
"""

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np

from tnasp_jax.spaces.chain import Layout, OneSizeChain
from tnasp_jax.spaces.chain_network import Block, Skeleton, Stage
from tnasp_jax.spaces.chain_text import Architecture, Field

EXPANSIONS, KERNELS = (1, 4, 6), (3, 5)
STAGES = (
    Stage(16, 1, 3),
    Stage(24, 2, 3),
    Stage(40, 2, 3),
    Stage(80, 2, 3),
    Stage(112, 1, 3),
    Stage(192, 2, 4),
    Stage(320, 1, 3),
)
SKELETON = Skeleton(stem=32, first=0, stages=STAGES, head=1280, squeeze="incoming")


@dataclasses.dataclass(frozen=True)
class MnasNet(OneSizeChain):
    """The space of Accel-NASBench; an architecture is four tuples of 7 values.

    Text: `{"e": [1, ...], "k": [3, ...], "l": [1, ...], "se": [true, ...]}`: expansion,
    kernel, number of layers, squeeze-and-excitation of each stage. Attributes as for
    `OneSizeChain`.
    """

    name: str = "mnasnet"

    @functools.cached_property
    def fields(self) -> tuple[Field, ...]:
        """Four lists of 7 values."""
        count = len(STAGES)
        depths = [tuple(range(1, stage.depth + 1)) for stage in STAGES]
        return (
            Field("e", (EXPANSIONS,) * count),
            Field("k", (KERNELS,) * count),
            Field("l", tuple(depths), reason="only the sixth stage may have 4 layers"),
            Field("se", ((False, True),) * count),
        )

    @property
    def skeleton(self) -> Skeleton:
        """What all networks share."""
        return SKELETON

    @functools.cached_property
    def blocks(self) -> tuple[Block, ...]:
        """By kernel, expansion and then squeeze-and-excitation."""
        return tuple(
            Block(kernel, expansion, se)
            for kernel in KERNELS
            for expansion in EXPANSIONS
            for se in (False, True)
        )

    def layout(self, architectures: Sequence[Architecture]) -> Layout:
        """The block of a stage in as many of its places as it has layers."""
        values = np.array(architectures, np.int32).reshape(-1, 4, len(STAGES))
        expansions, kernels, depths, se = np.swapaxes(values, 0, 1)
        block = np.searchsorted(KERNELS, kernels) * len(EXPANSIONS)
        block = 2 * (block + np.searchsorted(EXPANSIONS, expansions)) + se
        return self.of_one_size(self.to_depth(self.per_place(block), depths))


MNASNET = MnasNet()
