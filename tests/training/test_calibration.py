"""The line from scores that only order to labels."""

import jax.numpy as jnp
import numpy as np
import pytest

from tnasp_jax.training.calibration import calibration


def test_the_line_from_scores_to_labels_by_hand():
    scores, labels = jnp.array([0.0, 1.0, 2.0, 3.0]), jnp.array([1.0, 3.0, 2.0, 6.0])
    # Around the means 1.5 and 3: products 7 / 4, squares 5 / 4.
    slope, offset = calibration(scores, labels)
    np.testing.assert_allclose([slope, offset], [1.4, 0.9], rtol=1e-6)
    moved, shifted = calibration(10 * scores + 50, labels)
    np.testing.assert_allclose(
        moved * (10 * scores + 50) + shifted, slope * scores + offset, rtol=1e-5
    )


@pytest.mark.parametrize(
    "scores",
    [[3.0, 2.0, 1.0], [7.0, 7.0, 7.0], [0.0, 0.0, 0.0], [1e4, 1e4, 1e4 + 1e-3]],
)
def test_scores_that_tell_nothing_or_the_reverse_are_the_mean_label(scores):
    slope, offset = calibration(jnp.array(scores), jnp.array([1.0, 2.0, 6.0]))
    assert (slope, offset) == (0, 3)
