"""The reader of CIFAR-10: order, hashes, and what is said when something is wrong."""

import hashlib
import io
import json
import shutil
import sys

import numpy as np
import pytest

from tnasp_jax.benchmarks import MissingData, cifar10

PER_STRIP, STRIPS = 3, 2


def write_part(folder, name, seed):
    """A file of six images and its entry of hashes.json."""
    image = pytest.importorskip("PIL.Image", reason="needs the extra data")
    rng = np.random.default_rng(seed)
    count = PER_STRIP * STRIPS
    pixels = rng.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    labels = rng.integers(0, 10, count, dtype=np.uint8)
    strips = []
    for strip in pixels.reshape(STRIPS, PER_STRIP * 32, 32, 3):
        file = io.BytesIO()
        image.fromarray(strip).save(file, "WEBP", lossless=True)
        strips.append(file.getvalue())
    np.savez(
        folder / name,
        webp=np.frombuffer(b"".join(strips), np.uint8),
        offset=np.cumsum([0, *map(len, strips)]),
        label=labels,
        exact=np.arange(count) > 0,
    )
    digests = {
        f"sha256_{kind}": hashlib.sha256(array.tobytes()).hexdigest()
        for kind, array in (("pixels", pixels), ("labels", labels))
    }
    return pixels, labels, digests


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A data folder in the form of the real one, and what it holds."""
    home = tmp_path_factory.mktemp("data")
    folder = home / "cifar10"
    folder.mkdir()
    names = [name for names in cifar10.FILES.values() for name in names]
    parts = {name: write_part(folder, name, at) for at, name in enumerate(names)}
    hashes = {name: digests for name, (_, _, digests) in parts.items()}
    (folder / "hashes.json").write_text(json.dumps(hashes))
    return home, parts


@pytest.mark.parametrize("split", cifar10.FILES)
def test_images_come_in_the_order_of_the_files(made, split):
    home, parts = made
    found = cifar10.read(split, home)
    for at, name in enumerate(cifar10.FILES[split]):
        rows = slice(6 * at, 6 * at + 6)
        np.testing.assert_array_equal(found.images[rows], parts[name][0])
        np.testing.assert_array_equal(found.labels[rows], parts[name][1])
    assert found.labels.dtype == np.int32
    parts_exact = found.exact.reshape(-1, 6).tolist()
    assert parts_exact == [[False, *[True] * 5]] * len(cifar10.FILES[split])
    flat = cifar10.read(split, home / "cifar10")  # Without its folder.
    assert flat.sha256 == found.sha256


@pytest.fixture
def copy(made, tmp_path):
    return shutil.copytree(made[0], tmp_path / "data")


def test_what_is_missing_is_named(copy, tmp_path):
    with pytest.raises(MissingData, match=r"hashes\.json: bring the folder cifar10"):
        cifar10.read("test", tmp_path)
    (copy / "cifar10" / "train_3.npz").unlink()
    with pytest.raises(MissingData, match=r"train_3\.npz: bring"):
        cifar10.read("train", copy)


def test_a_damaged_file_is_named(copy):
    path = copy / "cifar10" / "test.npz"
    with np.load(path) as saved:
        arrays = dict(saved)
    for change in (
        {"label": (arrays["label"] + 1) % 10},
        {"webp": arrays["webp"][::-1]},
        {"offset": arrays["offset"] // 2},
        {"exact": arrays["exact"][1:]},
    ):
        np.savez(path, **{**arrays, **change})
        with pytest.raises(ValueError, match=r"test\.npz: damaged"):
            cifar10.read("test", copy)
    path.write_bytes(b"PK")
    with pytest.raises(ValueError, match=r"test\.npz: damaged"):
        cifar10.read("test", copy)
    (copy / "cifar10" / "hashes.json").write_text("{}")
    with pytest.raises(ValueError, match=r"hashes\.json: damaged"):
        cifar10.read("test", copy)


def test_without_pillow(made, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ValueError, match=r"Pillow, which is missing; pip install"):
        cifar10.read("test", made[0])


def test_another_split_is_refused(made):
    with pytest.raises(ValueError, match="train or test, got 'val'"):
        cifar10.read("val", made[0])


def test_shrinking_takes_means_of_squares():
    images = np.arange(2 * 4 * 4 * 3, dtype=np.uint8).reshape(2, 4, 4, 3)
    small = cifar10.shrink(images, 2)
    assert small.shape == (2, 2, 2, 3) and small.dtype == np.uint8
    assert small[1, 0, 1, 2] == round(images[1, :2, 2:, 2].mean())
    np.testing.assert_array_equal(cifar10.shrink(images, 4), images)
    with pytest.raises(ValueError, match="divides 4 x 4, got 3"):
        cifar10.shrink(images, 3)


def test_the_official_test_images(data_dir):
    if not (data_dir / "cifar10").is_dir():
        pytest.skip("no CIFAR-10 in the data folder")
    found = cifar10.read("test", data_dir)
    assert found.images.shape == (10_000, 32, 32, 3)
    assert np.bincount(found.labels).tolist() == [1000] * 10
    # The first of the official batch: cat, ship, ship, airplane.
    assert [cifar10.CLASSES[label] for label in found.labels[:4]] == [
        *("cat", "ship", "ship", "airplane")
    ]
