"""Strict JAX settings, and the folder of the real tables.

This is the one test file that knows where the tables lie by default.
"""

import os
from pathlib import Path

import jax
import pytest

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_debug_key_reuse", True)

DEFAULT_DATA = Path(__file__).resolve().parents[1] / "../shared/data"


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of the tables: $TNASP_DATA, or ../shared/data beside the checkout."""
    folder = Path(os.environ.get("TNASP_DATA") or DEFAULT_DATA)
    if not folder.is_dir():
        pytest.skip(f"TNASP_DATA: {folder} not found")
    return folder
