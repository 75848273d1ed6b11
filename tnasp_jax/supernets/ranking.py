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
    num_batches: int = 1,
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
      num_batches: parts of equal size that the images are judged in, each behind the
        training images, where all at once would need too much memory. The result is
        the same.

    Returns:
      [P] float32 in 0 .. 1; NaN for a path that is none.

    Raises:
      ValueError: if `num_batches` does not divide B.
    """
    size, rest = divmod(labels.shape[0], num_batches)
    if rest:
        raise ValueError(
            f"accuracies: expected num_batches that divides the {labels.shape[0]} "
            f"images, got {num_batches}"
        )
    count = train_images.shape[3]
    images, labels = jnp.asarray(images), jnp.asarray(labels)

    def accuracy(path):
        def judge(at):
            part = lax.dynamic_slice_in_dim(images, at * size, size, 3)
            truth = lax.dynamic_slice_in_dim(labels, at * size, size)
            together = jnp.concatenate([train_images, part], axis=3)
            logits = supernet.apply(params, path, together, count)[:, count:]
            correct = (logits.argmax(0) == truth).mean(dtype=jnp.float32)
            return jnp.where(jnp.isnan(logits).any(), jnp.nan, correct)

        return lax.map(judge, jnp.arange(num_batches)).mean()

    return lax.map(accuracy, jnp.asarray(paths))
