"""What a supernet is trained on, and the table that it is compared with."""

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from experiments.networks import digits_cells
from tnasp_jax import benchmarks, supernets
from tnasp_jax.benchmarks import Table, cifar10
from tnasp_jax.spaces.nasbench201 import NASBENCH201
from tnasp_jax.supernets import Supernet
from tnasp_jax.supernets.nasbench101 import paths_of_nasbench101

CIFAR_SIZE, CIFAR_CHANNELS = 16, (8, 16, 32)
CIFAR_TRAIN, CIFAR_VAL, CIFAR_STATISTICS = 10_000, 1_000, 256


class Images(NamedTuple):
    """Images of a task, [channels, height, width, n], with labels [n].

    Attributes:
      train: to train on.
      statistics: training images that batch statistics are taken from, anew for each
        path.
      val: to rank by.
      about: of which data set, how many, of what size.
    """

    train: tuple[np.ndarray, np.ndarray]
    statistics: np.ndarray
    val: tuple[np.ndarray, np.ndarray]
    about: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task:
    """A supernet, its images and its table.

    Attributes:
      name: in the names of results.
      table: of networks trained alone.
      supernet: the network.
      network: its sizes, in a sentence.
      images: what it sees.
      paths: paths [M, L] int32 of rows [M] of the table; equal for cells that differ
        in dead parts alone.
      others: labels of the table that are other supernets' accuracies.
    """

    name: str
    table: Table
    supernet: Supernet
    network: str
    images: Images
    paths: Callable[[np.ndarray], np.ndarray]
    others: tuple[str, ...] = ()

    def about(self) -> dict[str, Any]:
        """The sentences that tell what was trained on what."""
        return {"network": self.network, "images": self.images.about}


@functools.cache
def digits_images() -> Images:
    """The digits, parted as for the embedded table."""
    data = digits_cells.load_digits()
    num_train, num_val, _ = digits_cells.split_sizes()
    images, labels = data["images"], data["labels"]
    train, val = slice(num_train), slice(num_train, num_train + num_val)
    return Images(
        train=(images[..., train], labels[train]),
        statistics=images[..., train],
        val=(images[..., val], labels[val]),
        about=f"8 x 8 digits of scikit-learn, {num_train} to train on and for the "
        f"statistics, {num_val} others to rank by",
    )


def cifar_images(data_dir: Path | None) -> Images:
    """A part of CIFAR-10's training images, averaged to fewer pixels; no test image.

    Raises:
      MissingData: a ValueError, if the images are not there.
    """
    found = cifar10.read("train", data_dir)
    size, count = CIFAR_SIZE, CIFAR_TRAIN + CIFAR_VAL
    small = cifar10.shrink(found.images[:count], size).astype(np.float32)
    train = small[:CIFAR_TRAIN]
    small = (small - train.mean((0, 1, 2))) / train.std((0, 1, 2))
    images, labels = small.transpose(3, 1, 2, 0), found.labels[:count]
    return Images(
        train=(images[..., :CIFAR_TRAIN], labels[:CIFAR_TRAIN]),
        statistics=images[..., :CIFAR_STATISTICS],
        val=(images[..., CIFAR_TRAIN:], labels[CIFAR_TRAIN:]),
        about=f"CIFAR-10 averaged to {size} x {size}: of its training images the first "
        f"{CIFAR_TRAIN:,} to train on, the first {CIFAR_STATISTICS} of these for the "
        f"statistics, the next {CIFAR_VAL:,} to rank by; no augmentation",
    )


def digits(data_dir: Path | None) -> Task:
    """NAS-Bench-201 on the digits, against the embedded table."""
    del data_dir  # The table comes with the package.
    return Task(
        name="digits",
        table=benchmarks.load("nb201digits"),
        supernet=digits_cells.SUPERNET,
        network=_network("cell", digits_cells.CHANNELS),
        images=digits_images(),
        paths=_nasbench201_paths,
    )


def official(data_dir: Path | None) -> Task:
    """NAS-Bench-201 on CIFAR-10, against the official table."""
    table = benchmarks.load("nb201", data_dir)
    return Task(
        name="nb201",
        table=table,
        supernet=supernets.nasbench201(CIFAR_CHANNELS, in_channels=3),
        network=_network("cell", CIFAR_CHANNELS),
        images=cifar_images(data_dir),
        paths=_nasbench201_paths,
        others=tuple(name for name in ("oneshot", "fewshot") if name in table.labels),
    )


def nb101(data_dir: Path | None) -> Task:
    """NAS-Bench-101 on the digits, against the official table of CIFAR-10."""
    table = benchmarks.load("nb101", data_dir)
    return Task(
        name="nb101",
        table=table,
        supernet=supernets.nasbench101(table.graphs, digits_cells.CHANNELS),
        network=_network("module", digits_cells.CHANNELS),
        images=digits_images(),
        paths=lambda rows: paths_of_nasbench101(table.graphs[rows]),
    )


TASKS: dict[str, Callable[[Path | None], Task]] = {
    "nb201digits": digits,
    "nb201": official,
    "nb101": nb101,
}
"""By the name of --table."""


def _network(unit: str, channels: tuple[int, ...]) -> str:
    return f"one {unit} a stage, channels {', '.join(map(str, channels))}"


def _nasbench201_paths(rows: np.ndarray) -> np.ndarray:
    cells = np.array(NASBENCH201.all_architectures())[rows].tolist()
    return np.array([NASBENCH201.prune(tuple(cell)) for cell in cells], np.int32)
