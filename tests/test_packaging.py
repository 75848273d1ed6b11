"""The wheel: what is in it, and what is not; built without a network."""

import importlib.metadata
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BUILT_FROM = ("pyproject.toml", "requirements.txt", "README.md", "LICENSE")
NEEDED = 77  # setuptools, as pyproject.toml says.


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from a copy, so that the checkout stays clean."""
    for name in ("setuptools", "pip"):
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            pytest.skip(f"{name} is not installed")
        if name == "setuptools" and int(version.split(".")[0]) < NEEDED:
            pytest.skip(f"setuptools {version} is older than {NEEDED}")
    home = tmp_path_factory.mktemp("wheel")
    for name in BUILT_FROM:
        shutil.copy(ROOT / name, home / name)
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("tnasp_jax", "experiments", "tests"):
        shutil.copytree(ROOT / name, home / name, ignore=ignored)
    command = "-m pip wheel . --no-deps --no-build-isolation --no-index -q -w out"
    done = subprocess.run(
        [sys.executable, *command.split()],
        capture_output=True,
        text=True,
        cwd=home,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = (home / "out").glob("tnasp_jax-*.whl")
    return path


def test_the_wheel_holds_the_package_and_its_table(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    sources = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "tnasp_jax").rglob("*")
        if path.suffix in (".py", ".npz")
    }
    assert "tnasp_jax/benchmarks/nb201_digits.npz" in sources
    assert sources <= names


def test_the_wheel_holds_nothing_else(wheel):
    rooms = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {room for room in rooms if not room.endswith(".dist-info")} == {"tnasp_jax"}


def test_the_wheel_names_every_extra(wheel):
    with zipfile.ZipFile(wheel) as file:
        (name,) = (n for n in file.namelist() if n.endswith(".dist-info/METADATA"))
        lines = file.read(name).decode().splitlines()
    extras = {line.split()[1] for line in lines if line.startswith("Provides-Extra:")}
    asked = {"cuda", "tpu", "plots", "search", "data", "docs", "trees", "export"}
    assert extras == asked | {"perf", "dev"}


def test_the_embedded_table_loads_from_the_wheel(wheel, tmp_path):
    """Beside the dependencies that are here, but outside of the checkout."""
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r})\n"
        "import tnasp_jax\n"
        "print(tnasp_jax.__file__, len(tnasp_jax.benchmarks.load('nb201digits')))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", program],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [
        str(tmp_path / "site" / "tnasp_jax" / "__init__.py"),
        "15625",
    ]
