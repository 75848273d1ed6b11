"""What happens to training images, pixel by pixel."""

import jax
import jax.numpy as jnp
import numpy as np

from tnasp_jax.supernets.augmentation import crop_and_flip, cutout, standardize


def numbered(height=8, width=8, count=40):
    """Images whose pixels tell where they were, none 0."""
    place = 1 + np.arange(height * width, dtype=np.uint8).reshape(height, width)
    return jnp.asarray(np.broadcast_to(place[None, ..., None], (3, 8, 8, count)))


def test_crops_move_and_mirror_and_take_in_black():
    images = numbered()
    moved = np.asarray(crop_and_flip(jax.random.key(0), images))
    assert moved.shape == images.shape and moved.dtype == np.uint8
    padded = np.pad(images[0, ..., 0], 1)  # An eighth of 8.
    expected = {}
    for i in range(3):
        for j in range(3):
            crop = padded[i : i + 8, j : j + 8]
            expected[crop.tobytes()] = (i, j, False)
            expected[np.ascontiguousarray(crop[:, ::-1]).tobytes()] = (i, j, True)
    found = {
        expected[np.ascontiguousarray(image).tobytes()]
        for image in moved.transpose(3, 0, 1, 2)[:, 0]
    }
    assert len(found) > 9 and {flip for *_, flip in found} == {False, True}
    again = crop_and_flip(jax.random.key(0), images)
    np.testing.assert_array_equal(moved, again)


def test_cutout_hides_a_square_that_the_border_cuts():
    images = jnp.ones((3, 8, 8, 200))
    hidden = np.asarray(cutout(jax.random.key(0), images, 4)) == 0
    assert (hidden == hidden[:1]).all()
    areas = hidden[0].sum((0, 1))
    assert areas.max() == 16 and 4 <= areas.min() < 16
    rows, cols = hidden[0].any(1).sum(0), hidden[0].any(0).sum(0)
    np.testing.assert_array_equal(areas, rows * cols)
    assert cutout(jax.random.key(0), images, 0) is images


def test_standardized_images_have_mean_0_and_deviation_1():
    images = np.random.default_rng(0).integers(0, 256, (3, 4, 4, 9), dtype=np.uint8)
    scaled = images / 255
    mean, std = scaled.mean((1, 2, 3)), scaled.std((1, 2, 3))
    found = standardize(jnp.asarray(images), mean.tolist(), std.tolist())
    np.testing.assert_allclose(found.mean((1, 2, 3)), 0, atol=1e-6)
    np.testing.assert_allclose(found.std((1, 2, 3)), 1, rtol=1e-5)
