"""CIFAR-10, all images in the official order, from lossless WebP strips.

A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009. Of the 60,000
images 104 are known through a JPEG copy alone; `exact` tells which.
"""

import hashlib
import io
import itertools
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tnasp_jax.benchmarks.table import (
    locate,
    read_file,
    read_npz,
    sha256,
)

CLASSES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
SIZE, CHANNELS = 32, 3
FILES = {
    "train": tuple(f"train_{part}.npz" for part in range(1, 6)),
    "test": ("test.npz",),
}
"""Split -> its files, the official batches."""

_FOLDER, _HASHES = "cifar10", "hashes.json"
_ARRAYS = ("webp", "offset", "label", "exact")
_REMEDY = (
    "bring the folder cifar10 with train_1.npz to train_5.npz, test.npz and hashes.json "
    "(115 MB) into the folder of the data"
)


class Images(NamedTuple):
    """A part of CIFAR-10.

    Attributes:
      images: [n, 32, 32, 3] uint8, red, green, blue.
      labels: [n] int32, indices into `CLASSES`.
      exact: [n] bool, False where the pixels come from a JPEG copy.
      sha256: of the pixels and labels, hexadecimal.
    """

    images: np.ndarray
    labels: np.ndarray
    exact: np.ndarray
    sha256: str


def read(split: str, data_dir: str | Path | None = None) -> Images:
    """Reads the 50,000 training or the 10,000 test images, in the official order.

    Args:
      split: "train" or "test".
      data_dir: folder of the data, with or without its folder cifar10; None for the
        working directory.

    Raises:
      MissingData: a ValueError, if a file is not there: which, and what to bring.
      ValueError: for another split, without Pillow, and for a damaged file; one line.
    """
    if split not in FILES:
        raise ValueError(f"cifar10: expected the split train or test, got {split!r}")
    check_pillow()
    path = locate(data_dir, _FOLDER, _HASHES)
    known = _read_hashes(path)
    parts = [_read_part(path.parent / name, known) for name in FILES[split]]
    images, labels, exact = map(np.concatenate, zip(*parts, strict=True))
    digest = hashlib.sha256(images.data)
    digest.update(labels.data)
    return Images(images, labels.astype(np.int32), exact, digest.hexdigest())


def check_pillow() -> None:
    """Raises ValueError, one line, if Pillow is not there."""
    try:
        import PIL.Image  # noqa: F401 - whether it can be imported.
    except ModuleNotFoundError:
        raise ValueError(
            "the images of CIFAR-10 are read by Pillow, which is missing; "
            "pip install '.[data]' in a clone"
        ) from None


def shrink(images: np.ndarray, size: int) -> np.ndarray:
    """Smaller images, each pixel the rounded mean of a square of pixels.

    Args:
      images: [n, height, width, channels] uint8.
      size: of the result's sides; divides those of the images.

    Returns:
      [n, size, size, channels] uint8.

    Raises:
      ValueError: if it does not divide them.
    """
    count, height, width, channels = images.shape
    if size < 1 or height % size or width % size:
        raise ValueError(
            f"shrink: expected a size that divides {height} x {width}, got {size}"
        )
    squares = images.reshape(count, size, height // size, size, width // size, channels)
    return np.rint(squares.mean((2, 4), dtype=np.float32)).astype(np.uint8)


def _read_hashes(path: Path) -> dict[str, dict[str, str]]:
    data = read_file(path, _REMEDY)
    try:
        known = json.loads(data)
        return {
            name: {kind: known[name][f"sha256_{kind}"] for kind in ("pixels", "labels")}
            for names in FILES.values()
            for name in names
        }
    except (ValueError, KeyError, TypeError):
        raise _damaged(path) from None


def _read_part(path: Path, known: dict[str, dict[str, str]]):
    """Images [n, 32, 32, 3] and labels [n], both uint8, and exact [n] of one file."""
    arrays = read_npz(path, read_file(path, _REMEDY), _ARRAYS)
    labels, exact = arrays["label"], arrays["exact"]
    images = _decode(path, arrays["webp"], arrays["offset"])
    hashes = known[path.name]
    if (
        len(images) != len(labels)
        or labels.dtype != np.uint8
        or exact.shape != labels.shape
        or sha256(images.tobytes()) != hashes["pixels"]
        or sha256(labels.tobytes()) != hashes["labels"]
    ):
        raise _damaged(path)
    return images, labels, exact.astype(bool)


def _decode(path: Path, webp: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """The images of all strips, each a picture of images one below the other."""
    import PIL.Image

    strips = []
    try:
        data, ends = webp.tobytes(), offset.astype(np.int64).tolist()
        for first, last in itertools.pairwise(ends):
            with PIL.Image.open(
                io.BytesIO(data[first:last]), formats=["WEBP"]
            ) as strip:
                strips.append(np.asarray(strip.convert("RGB")))
        return np.concatenate(strips).reshape(-1, SIZE, SIZE, CHANNELS)
    except (OSError, ValueError, TypeError, PIL.Image.DecompressionBombError):
        raise _damaged(path) from None


def _damaged(path: Path) -> ValueError:
    return ValueError(f"{path}: damaged, not what {_HASHES} says; fetch it again")


def joint_sha256(*parts: Images) -> str:
    """One digest of several parts, hexadecimal."""
    return sha256("".join(part.sha256 for part in parts).encode())
