"""What is done with training images [channels, height, width, batch] before a network
sees them: pure functions of a key."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from tnasp_jax.graphs import Array

CIFAR10_MEAN = (0.4914, 0.4822, 0.4465)
CIFAR10_STD = (0.2470, 0.2435, 0.2616)
"""Of the training images, each channel in 0 .. 1."""

PADDING = 4  # Black pixels around an image of 32 that a crop may take in.


def standardize(
    images: Array,
    mean: Sequence[float] = CIFAR10_MEAN,
    std: Sequence[float] = CIFAR10_STD,
) -> jax.Array:
    """Each channel of uint8 images to mean 0, deviation 1, float32."""
    shape = (-1, 1, 1, 1)
    centre, scale = (jnp.asarray(each).reshape(shape) for each in (mean, std))
    return (jnp.asarray(images, jnp.float32) / 255 - centre) / scale


def crop_and_flip(key: jax.Array, images: jax.Array) -> jax.Array:
    """Each image moved by up to an eighth of its size, and mirrored or not.

    Pixels that come in are 0, so that raw images get a black border.
    """
    channels, height, width, count = images.shape
    pad = max(1, PADDING * height // 32)
    padded = jnp.pad(images, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    move_key, flip_key = jax.random.split(key)
    moves = jax.random.randint(move_key, (count, 2), 0, 2 * pad + 1)
    flips = jax.random.bernoulli(flip_key, shape=(count,))

    def one(image, move, flip):
        image = jax.lax.dynamic_slice(
            image, (0, move[0], move[1]), (channels, height, width)
        )
        return jnp.where(flip, image[:, :, ::-1], image)

    return jax.vmap(one, in_axes=(3, 0, 0), out_axes=3)(padded, moves, flips)


def cutout(key: jax.Array, images: jax.Array, size: int) -> jax.Array:
    """A square of zeros in each image, around a uniform pixel and cut at the border.

    DeVries and Taylor, "Improved Regularization of Convolutional Neural Networks with
    Cutout", 2017. Standardized images get their mean colour.

    Args:
      key: of the squares.
      images: standardized.
      size: of the square's sides, even; 0 for none.
    """
    if not size:
        return images
    _, height, width, count = images.shape
    inside = []
    for each, length in zip(jax.random.split(key), (height, width), strict=True):
        centre = jax.random.randint(each, (count,), 0, length)
        at = jnp.arange(length)[:, None]
        near = (at >= centre[None] - size // 2) & (at < centre[None] + size // 2)
        inside.append(near)
    rows, cols = inside
    hidden = rows[:, None] & cols[None]  # [H, W, B].
    return jnp.where(hidden[None], 0.0, images)
