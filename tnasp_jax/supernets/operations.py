"""The operations of NAS-Bench-201, of which one is chosen by a number.

Images are [channels, height, width, batch]. With the batch contiguous, pooling, shifts
and statistics vectorise over images, and a convolution is one matrix product.

Normalisation carries no learned scale and shift, as in the search networks of
NAS-Bench-201: paths that share them would pull them apart. Its statistics are those of
the first images of a batch, so that training images which stand in front of those to
judge calibrate the path that is judged.
"""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

BATCH = 64  # Images convolved at once: their shifted copies fit into the cache.
EPSILON = 1e-5


def he_normal(key: jax.Array, shape: tuple[int, ...], fans: int) -> jax.Array:
    """Kernels at the start: normal, variance 2 over the product of the last `fans`
    axes."""
    return jax.random.normal(key, shape) * np.sqrt(2 / np.prod(shape[-fans:]))


def convolve(x, kernel, stride: int = 1):
    """3 x 3 convolution with padding 1, as one matrix product over shifted copies.

    Args:
      x: [C, H, W, B].
      kernel: [D, C, 3, 3].
      stride: step of the output's pixels, in both directions.

    Returns:
      [D, H / stride, W / stride, B].
    """
    if x.shape[3] > BATCH:
        return _by_batches(lambda part: convolve(part, kernel, stride), x)
    shifted = jnp.concatenate([part[:, ::stride, ::stride] for part in _windows(x)])
    matrix = kernel.transpose(0, 2, 3, 1).reshape(kernel.shape[0], -1)
    out = matrix @ shifted.reshape(matrix.shape[1], -1)
    return out.reshape(-1, *shifted.shape[1:])


def _by_batches(function, x):
    """function(x), `BATCH` images at a time, so that the copies fit into the cache."""

    def part(index):
        return lax.dynamic_slice_in_dim(x, index * BATCH, BATCH, axis=3)

    # Where the last slice would run over the end it starts earlier, here and there.
    def update(index, out):
        done = function(part(index))
        return lax.dynamic_update_slice_in_dim(out, done, index * BATCH, axis=3)

    shape = jax.eval_shape(function, part(0)).shape[:3]
    num_batches = -(-x.shape[3] // BATCH)
    start = jnp.zeros((*shape, x.shape[3]), x.dtype)
    return lax.fori_loop(0, num_batches, update, start)


def convolve_1x1(x, kernel):
    """[D, H, W, B] from x [C, H, W, B] and kernel [D, C]."""
    return (kernel @ x.reshape(x.shape[0], -1)).reshape(-1, *x.shape[1:])


def _windows(x):
    """The nine shifts of x, [C, H, W, B] each: a 3 x 3 window's pixels, row by row."""
    _, height, width, _ = x.shape
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    corners = itertools.product(range(3), repeat=2)
    return [padded[:, i : i + height, j : j + width] for i, j in corners]


def _window_size(x):
    """[1, H, W, 1]: the pixels of the image under each 3 x 3 window."""
    at = (np.arange(size) for size in x.shape[1:3])
    rows, cols = (np.minimum(i + 2, len(i)) - np.maximum(i - 1, 0) for i in at)
    return np.outer(rows, cols).astype(x.dtype)[None, ..., None]


def average_pool(x, stride: int = 1):
    """Mean over 3 x 3 windows, [C, H / stride, W / stride, B]; the padding does not
    count."""
    return (sum(_windows(x)) / _window_size(x))[:, ::stride, ::stride]


def normalize(x, num_statistics: int):
    """Each channel to mean 0, variance 1 over the first `num_statistics` images.

    Returns:
      x [C, H, W, B] normalised; 1 / standard deviation [C, 1, 1, 1].
    """
    axes, seen = (1, 2, 3), x[..., :num_statistics]
    mean = seen.mean(axes, keepdims=True)
    variance = jnp.square(seen - mean).mean(axes, keepdims=True)
    scale = lax.rsqrt(variance + EPSILON)
    return (x - mean) * scale, scale


def _normalize_pullback(out, scale, grad):
    axes = (1, 2, 3)
    along = out * (grad * out).mean(axes, keepdims=True)
    return scale * (grad - grad.mean(axes, keepdims=True) - along)


@functools.partial(jax.custom_vjp, nondiff_argnums=(4,))
def edge(op, x, kernel_1x1, kernel_3x3, num_statistics: int):
    """One edge of a cell: operation `op` of `EDGE_OPS` on x [C, H, W, B].

    The backward pass is written out, a second switch: the derivative of `lax.switch`
    would store the residuals of all five operations. The kernels, [C, C] and
    [C, C, 3, 3], get zero gradients where their operation is not picked.
    """
    return _edge_forward(op, x, kernel_1x1, kernel_3x3, num_statistics)[0]


def _edge_forward(op, x, kernel_1x1, kernel_3x3, num_statistics):
    one = jnp.ones((x.shape[0], 1, 1, 1), x.dtype)
    branches = (
        lambda: (jnp.zeros_like(x), one),
        lambda: (x, one),
        lambda: normalize(convolve_1x1(jax.nn.relu(x), kernel_1x1), num_statistics),
        lambda: normalize(convolve(jax.nn.relu(x), kernel_3x3), num_statistics),
        lambda: (average_pool(x), one),
    )
    out, scale = lax.switch(op, branches)
    return out, (op, x, kernel_1x1, kernel_3x3, out, scale)


def _edge_backward(num_statistics, residuals, grad):
    op, x, kernel_1x1, kernel_3x3, out, scale = residuals
    if num_statistics < x.shape[3]:
        raise NotImplementedError("gradients need the statistics of the whole batch")
    zero_1x1, zero_3x3 = jnp.zeros_like(kernel_1x1), jnp.zeros_like(kernel_3x3)

    def through(conv, kernel):
        _, pullback = jax.vjp(lambda x, k: conv(jax.nn.relu(x), k), x, kernel)
        return pullback(_normalize_pullback(out, scale, grad))

    def conv_1x1():
        x_grad, kernel_grad = through(convolve_1x1, kernel_1x1)
        return x_grad, kernel_grad, zero_3x3

    def conv_3x3():
        x_grad, kernel_grad = through(convolve, kernel_3x3)
        return x_grad, zero_1x1, kernel_grad

    branches = (
        lambda: (jnp.zeros_like(x), zero_1x1, zero_3x3),
        lambda: (grad, zero_1x1, zero_3x3),
        conv_1x1,
        conv_3x3,
        # Windows are symmetric: the transpose of their sum is their sum.
        lambda: (sum(_windows(grad / _window_size(x))), zero_1x1, zero_3x3),
    )
    return None, *lax.switch(op, branches)


edge.defvjp(_edge_forward, _edge_backward)
