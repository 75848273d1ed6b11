"""How good it would be to measure a candidate, from its mean and standard deviation.

Pure and jittable. Axis letters: C candidates, D draws.
"""

import jax
import jax.numpy as jnp
from jax.scipy.stats import norm

from tnasp_jax.graphs import Array


def expected_improvement(mean: Array, deviation: Array, best: Array) -> jax.Array:
    """The mean of what a candidate is above the best.

    Jones, Schonlau and Welch, "Efficient Global Optimization of Expensive Black-Box
    Functions", Journal of Global Optimization 1998, equation 15, for a maximum.

    Args:
      mean: [C] and
      deviation: [C], of a normal distribution; at zero the improvement is certain.
      best: [], in the same units.

    Returns:
      [C], at least 0.
    """
    gain = jnp.asarray(mean) - best
    safe = jnp.maximum(jnp.asarray(deviation), 1e-12)
    expected = gain * norm.cdf(gain / safe) + safe * norm.pdf(gain / safe)
    return jnp.maximum(expected, 0.0)


def upper_confidence_bound(mean: Array, deviation: Array, beta: float) -> jax.Array:
    """`mean + beta deviation`.

    Srinivas, Krause, Kakade and Seeger, "Gaussian Process Optimization in the Bandit
    Setting", ICML 2010, with a constant.

    Args:
      mean: [C] and
      deviation: [C], in the same units.
      beta: how many deviations.

    Returns:
      [C].
    """
    return jnp.asarray(mean) + beta * jnp.asarray(deviation)


def thompson_samples(
    key: jax.Array, mean: Array, deviation: Array, draws: int
) -> jax.Array:
    """Values that the candidates might have, each independent of all others.

    The independent Thompson sampling of White, Neiswanger and Savani, "BANANAS", AAAI
    2021.

    Args:
      key: of the draws.
      mean: [C] and
      deviation: [C], of a normal distribution.
      draws: D.

    Returns:
      [D, C].
    """
    mean, deviation = jnp.asarray(mean), jnp.asarray(deviation)
    noise = jax.random.normal(key, (draws, len(mean)))
    return mean[None] + deviation[None] * noise
