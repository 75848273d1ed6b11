"""Strict JAX settings, compiled programs kept, no network, and the folder of the real
tables.

This is the one test file that knows where the tables lie by default.
"""

import gc
import os
import subprocess
import sys
from pathlib import Path

from tests.no_network import sitecustomize  # noqa: F401  # Refuses, once imported.

# Children import it by itself; see there.
GUARD = str(Path(__file__).resolve().parent / "no_network")
os.environ["PYTHONPATH"] = os.pathsep.join(
    filter(None, (GUARD, os.environ.get("PYTHONPATH")))
)

# Most of the suite's time is compilation. What one test compiled serves the next, in
# commands that tests start as well. A folder a worker: JAX does not lock its files.
COMPILED = (
    Path(__file__).resolve().parents[1]
    / ".pytest_cache/compiled"
    / os.environ.get("PYTEST_XDIST_WORKER", "alone")
)
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # See experiments.shell.devices.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(COMPILED))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")
# They run briefly: so without most optimisations, unless a test asks for `optimized`.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "true")

# XLA's older emitters, and one module a program, compile faster.
QUICK = "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
if "XLA_FLAGS" not in os.environ:  # Workers have those of the process that began them.
    asked = [sys.executable, "-c", "import jax; jax.devices()"]
    known = {**os.environ, "XLA_FLAGS": QUICK}  # A flag that XLA lacks ends a process.
    done = subprocess.run(asked, env=known, capture_output=True, check=False)
    os.environ["XLA_FLAGS"] = QUICK if done.returncode == 0 else ""

import jax  # noqa: E402  # It reads the settings when it is imported.
import pytest  # noqa: E402

# Before anything else starts the backend: two devices, to test what spreads over them.
jax.config.update("jax_num_cpu_devices", 2)
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_debug_key_reuse", True)

# Traced programs are objects that stay: seldom looked through for what could go.
gc.set_threshold(100_000, 20, 20)

DEFAULT_DATA = Path(__file__).resolve().parents[1] / "../shared/data"


@pytest.fixture
def optimized(monkeypatch):
    """Programs that run fast, also those of commands: for what runs for long."""
    monkeypatch.setenv("JAX_DISABLE_MOST_OPTIMIZATIONS", "false")
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", True)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """A file stays on one worker, where its tests share what is compiled; the parts of
    a long one, which share nothing, may go to several. The longest stand at the top of
    tests/, and begin first, so that no worker is left with them."""
    items.sort(key=lambda item: item.nodeid.split("::")[0].count("/"))
    for item in items:
        file, part = item.nodeid.split("::")[0], item.get_closest_marker("part")
        name = f"{file}-{part.args[0]}" if part else file
        item.add_marker(pytest.mark.xdist_group(name))


@pytest.fixture(autouse=True, scope="module")
def _no_file_leaves_optimisation_on():
    """All files after it in its process would take several times as long."""
    before = jax.config.values["jax_disable_most_optimizations"]
    yield
    assert jax.config.values["jax_disable_most_optimizations"] == before


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of the tables: $TNASP_DATA, or ../shared/data beside the checkout."""
    folder = Path(os.environ.get("TNASP_DATA") or DEFAULT_DATA)
    if not folder.is_dir():
        pytest.skip(f"TNASP_DATA: {folder} not found")
    return folder


@pytest.fixture(scope="session")
def two_devices() -> jax.sharding.Mesh:
    """A one-dimensional mesh of two CPU devices."""
    axis_types = (jax.sharding.AxisType.Auto,)
    devices = jax.devices("cpu")[:2]
    return jax.make_mesh((2,), ("rows",), axis_types=axis_types, devices=devices)
