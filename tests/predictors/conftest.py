"""What the tests of predictors share."""

import jax
import pytest


@pytest.fixture(autouse=True, scope="module")
def _quick_to_compile():
    """These tests compile many programs and run each a few times."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)
