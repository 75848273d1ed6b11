"""Labels out of scores, where scores only order (`Predictor.orders_only`).

What a server compares with labels must be in their units. Scores that only order
architectures get them from a line that the training cells fit; this is ours, the paper
evolves regressions alone. Axis letters: n training cells, V cells asked for.
"""

import jax
import jax.numpy as jnp

from tnasp_jax.graphs import Graphs, check_labels
from tnasp_jax.predictors.base import Params, Predictor


def calibration(scores: jax.Array, labels: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The least squares line from scores to labels, among those that do not fall.

    Args:
      scores: [n], at least two that differ, or the line is flat.
      labels: [n].

    Returns:
      slope [] and offset []: a label is about slope * score + offset. The slope is 0
      where labels fall with the scores: a line must not turn an order round.
    """
    mean, centred = jnp.mean(scores), scores - jnp.mean(scores)
    variance = jnp.mean(jnp.square(centred))
    # Below this, scores differ by rounding alone.
    varies = variance > 1e-12 * jnp.square(mean)
    rise = jnp.maximum(jnp.mean(centred * labels), 0.0)
    slope = jnp.where(varies, rise / jnp.where(varies, variance, 1.0), 0.0)
    return slope, jnp.mean(labels) - slope * mean


def predict(
    predictor: Predictor,
    theta: Params,
    graphs: Graphs,
    labels: jax.Array,
    asked: Graphs,
    dropout_key: jax.Array | None = None,
) -> jax.Array:
    """Labels of the cells asked for: scores, calibrated where they only order.

    Args:
      predictor: any (init, apply) pair.
      theta: its parameters.
      graphs: [n] training cells.
      labels: [n] their labels, in training units.
      asked: [V] cells.
      dropout_key: for scores of the cells asked for under dropout.

    Returns:
      [V] in training units.
    """
    check_labels(graphs, labels)
    scores = predictor.apply(theta, asked, dropout_key=dropout_key)
    if not predictor.orders_only:
        return scores
    slope, offset = calibration(predictor.apply(theta, graphs), jnp.asarray(labels))
    return slope * scores + offset
