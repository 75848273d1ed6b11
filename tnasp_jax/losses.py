"""Losses over a weighted batch: scores [B], labels [B], weights [B] -> scalar."""

import jax
import jax.numpy as jnp


def mse(scores: jax.Array, labels: jax.Array, weights: jax.Array) -> jax.Array:
    """Weighted mean squared error.

    Args:
      scores: [B] predictions, in the units of the labels.
      labels: [B].
      weights: [B], at least zero; a weight of zero leaves a row out, unless it is NaN:
        that makes the loss NaN, so that a row that is no graph is seen.
    """
    _check(scores, labels, weights)
    total = jnp.maximum(jnp.sum(weights), 1e-12)
    return jnp.sum(weights * jnp.square(scores - labels)) / total


def pairwise_logistic(
    scores: jax.Array, labels: jax.Array, weights: jax.Array
) -> jax.Array:
    """Logistic loss over the pairs of a batch whose labels differ.

    log(1 + exp(-(s_i - s_j) sign(y_i - y_j))), the ranking loss of ReNAS (Xu et al.,
    CVPR 2021), averaged with weight w_i w_j.

    Args:
      scores: [B] predictions of any scale.
      labels: [B].
      weights: [B], at least zero.
    """
    _check(scores, labels, weights)
    order = jnp.sign(labels[:, None] - labels[None, :])
    pairs = jnp.abs(order) * weights[:, None] * weights[None, :]
    loss = jax.nn.softplus(-(scores[:, None] - scores[None, :]) * order)
    return jnp.sum(pairs * loss) / jnp.maximum(jnp.sum(pairs), 1e-12)


def _check(scores: jax.Array, labels: jax.Array, weights: jax.Array) -> None:
    shapes = [x.shape for x in (scores, labels, weights)]
    if len(shapes[0]) != 1 or len(set(shapes)) > 1:
        raise ValueError(
            "losses: expected scores, labels and weights of one shape [B], got "
            f"{', '.join(map(str, shapes))}"
        )
