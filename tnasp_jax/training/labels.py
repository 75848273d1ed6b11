"""From accuracies to the units that a predictor is trained in, and back.

The map is fitted on the training labels of a draw alone.
"""

from typing import Literal

import flax.struct
import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jax.scipy.stats import norm
from jax.typing import ArrayLike

Units = Literal["zscore", "rank"]


@flax.struct.dataclass
class LabelScale:
    """A monotone map between accuracies and training units; jittable.

    Attributes:
      knots: [K] ascending accuracies and
      values: [K] ascending training units; linear in between, and continued beyond
        the ends with the slope of a straight line through `centre`.
      centre: [] accuracy and
      spread: [] accuracy per unit of that line: mean and standard deviation.
    """

    knots: jax.Array
    values: jax.Array
    centre: jax.Array
    spread: jax.Array

    def to_units(self, accuracy: ArrayLike) -> jax.Array:
        """Training units of accuracies of any shape."""
        return _continued(accuracy, self.knots, self.values, 1 / self.spread)

    def to_accuracy(self, units: ArrayLike) -> jax.Array:
        """Accuracies of predictions of any shape; the inverse of `to_units`."""
        return _continued(units, self.values, self.knots, self.spread)


def fit_scale(accuracies: ArrayLike, units: Units) -> LabelScale:
    """Fits the map on training labels.

    Args:
      accuracies: [n] finite training labels; equal labels share one value.
      units: "zscore", (y - mean) / sd; or "rank", normal quantiles of the ranks, which
        failed cells cannot dominate.

    Returns:
      A `LabelScale` with n knots.

    Raises:
      ValueError: for unknown units, fewer than two labels, and, outside of `jax.jit`,
        a label that is not finite.
    """
    accuracies = jnp.asarray(accuracies, jnp.float32)
    if accuracies.ndim != 1 or accuracies.shape[0] < 2:
        raise ValueError(
            f"fit_scale: expected at least 2 labels in one row, got {accuracies.shape}"
        )
    if not isinstance(accuracies, jax.core.Tracer):
        bad = np.flatnonzero(~np.isfinite(np.asarray(accuracies)))
        if len(bad):
            raise ValueError(
                f"fit_scale: label {bad[0]} is {accuracies[bad[0]]}; leave out what was "
                "not measured"
            )
    centre = jnp.mean(accuracies)
    spread = jnp.maximum(jnp.std(accuracies), 1e-6)
    knots = jnp.sort(accuracies)
    if units == "zscore":
        values = (knots - centre) / spread
    elif units == "rank":
        below = jnp.searchsorted(knots, knots, side="left")
        upto = jnp.searchsorted(knots, knots, side="right")
        values = norm.ppf((below + upto) / (2 * knots.shape[0])).astype(jnp.float32)
    else:
        raise ValueError(f'fit_scale: expected units "zscore" or "rank", got {units!r}')
    return LabelScale(knots=knots, values=values, centre=centre, spread=spread)


def _continued(x, knots, values, slope):
    inside = jnp.interp(x, knots, values)
    over = jnp.maximum(x - knots[-1], 0.0)
    under = jnp.minimum(x - knots[0], 0.0)
    return inside + slope * (over + under)
