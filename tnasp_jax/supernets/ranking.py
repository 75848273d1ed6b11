"""Ranking architectures by the accuracy of their paths through a trained supernet."""

import jax
import jax.numpy as jnp
from jax import lax

from tnasp_jax.graphs import Array
from tnasp_jax.supernets.base import Params, Supernet


def accuracies(
    supernet: Supernet,
    params: Params,
    paths: Array,
    train_images: Array,
    images: Array,
    labels: Array,
) -> jax.Array:
    """Accuracy of each path, batch statistics taken anew for it; pure.

    Statistics that were averaged over all paths fit none of them, so each path is
    calibrated on training images before it is judged (Guo et al., ECCV 2020, Section
    3.3); here on all that are given, in the pass that also classifies. No image that is
    judged affects another.

    Args:
      supernet: the network.
      params: its weights.
      paths: [P, E] int.
      train_images: [channels, height, width, n] for the statistics.
      images: [channels, height, width, B] to classify.
      labels: [B] int.

    Returns:
      [P] float32 in 0 .. 1; NaN for a path that is none.
    """
    count = train_images.shape[3]
    together = jnp.concatenate([train_images, images], axis=3)

    def accuracy(path):
        logits = supernet.apply(params, path, together, count)[:, count:]
        correct = (logits.argmax(0) == labels).mean(dtype=jnp.float32)
        return jnp.where(jnp.isnan(logits).any(), jnp.nan, correct)

    return lax.map(accuracy, jnp.asarray(paths))
