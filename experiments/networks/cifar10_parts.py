"""The images of the pipelines on CIFAR-10, cut into what may be seen when."""

from pathlib import Path
from typing import NamedTuple, Protocol

import jax
import numpy as np

from tnasp_jax.benchmarks import cifar10
from tnasp_jax.spaces.base import host_rng


class Recipe(Protocol):
    """What a pipeline says of its images; see the recipes of darts and chains."""

    @property
    def seed(self) -> int: ...

    @property
    def image_size(self) -> int: ...

    @property
    def search_images(self) -> int: ...

    @property
    def val_images(self) -> int: ...

    @property
    def retrain_images(self) -> int: ...


class Part(NamedTuple):
    """Images [3, height, width, n] uint8 and their labels [n] int32."""

    images: np.ndarray
    labels: np.ndarray


class Data(NamedTuple):
    """What a run sees of CIFAR-10.

    Attributes:
      search: training images that the supernet learns from.
      validation: other training images, which score architectures.
      retrain: training images that found architectures learn from.
      test: official test images, seen by nothing but the last measurement.
      sha256: of all of them.
    """

    search: Part
    validation: Part
    retrain: Part
    test: Part
    sha256: str


def read(recipe: Recipe, data_dir: Path | None) -> Data:
    """The images, in the recipe's size; which are which depends on its seed.

    Raises:
      ValueError: one line, for data that is missing or damaged, and without Pillow.
    """
    train, test = (cifar10.read(split, data_dir) for split in ("train", "test"))
    order = host_rng(jax.random.key(recipe.seed)).permutation(len(train.labels))
    ends = recipe.search_images, recipe.search_images + recipe.val_images

    def part(of: cifar10.Images, rows) -> Part:
        small = cifar10.shrink(of.images[rows], recipe.image_size)
        return Part(np.ascontiguousarray(small.transpose(3, 1, 2, 0)), of.labels[rows])

    return Data(
        search=part(train, order[: ends[0]]),
        validation=part(train, order[ends[0] : ends[1]]),
        retrain=part(train, order[: recipe.retrain_images]),
        test=part(test, slice(None)),
        sha256=cifar10.joint_sha256(train, test),
    )
