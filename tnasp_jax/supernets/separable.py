"""Depthwise and separable convolutions and pooling on [channels, height, width, batch].

Depthwise convolutions and pooling are sums and maxima of shifted images, a kernel's
gradient a loop over its taps: with the batch contiguous both vectorise, where a CPU is slow
at the stock grouped convolution.
"""

import functools

import jax
import jax.numpy as jnp
from jax import lax

from tnasp_jax.supernets.operations import average_pool, convolve_1x1

__all__ = ["average_pool", "depthwise", "factorized", "max_pool", "separable"]


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def depthwise(x, kernel, stride: int = 1, dilation: int = 1):
    """A convolution of each channel by itself; the padding keeps the size.

    Args:
      x: [C, H, W, B].
      kernel: [C, k, k], k odd.
      stride: step of the output's pixels, in both directions.
      dilation: pixels between two taps of the kernel.

    Returns:
      [C, H / stride, W / stride, B].
    """
    size = kernel.shape[-1]
    padded = _padded(x, size, dilation)
    total = None
    for i in range(size):
        for j in range(size):
            window = _window(padded, x, i * dilation, j * dilation, stride)
            part = kernel[:, i, j, None, None, None] * window
            total = part if total is None else total + part
    return total


def _depthwise_forward(x, kernel, stride, dilation):
    return depthwise(x, kernel, stride, dilation), (x, kernel)


def _depthwise_backward(stride, dilation, residuals, grad):
    x, kernel = residuals
    size = kernel.shape[-1]
    padded = _padded(x, size, dilation)

    def tap(at):
        i, j = (at // size) * dilation, (at % size) * dilation
        window = lax.dynamic_slice(padded, (0, i, j, 0), x.shape)
        return (grad * window[:, ::stride, ::stride]).sum((1, 2, 3))

    kernel_grad = lax.map(tap, jnp.arange(size * size)).T.reshape(kernel.shape)
    spread = _spread(grad, x, stride)
    return depthwise(spread, kernel[:, ::-1, ::-1], 1, dilation), kernel_grad


depthwise.defvjp(_depthwise_forward, _depthwise_backward)


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def max_pool(x, stride: int = 1):
    """Maximum over 3 x 3 windows, [C, H / stride, W / stride, B].

    Equal maxima of a window share its gradient.
    """
    padded = _padded(x, 3, 1, -jnp.inf)
    windows = [
        _window(padded, x, i, j, stride).astype(x.dtype)
        for i in range(3)
        for j in range(3)
    ]
    return functools.reduce(jnp.maximum, windows)


def _max_pool_forward(x, stride):
    return max_pool(x, stride), x


def _max_pool_backward(stride, x, grad):
    padded = _padded(x, 3, 1, -jnp.inf)
    corners = [(i, j) for i in range(3) for j in range(3)]
    windows = [_window(padded, x, i, j, stride) for i, j in corners]
    highest = functools.reduce(jnp.maximum, windows)
    ties = sum((window == highest).astype(x.dtype) for window in windows)
    share = _padded(_spread(grad / ties, x, stride), 3, 1)
    # Between the pixels of a stride no window is centred: nothing is equal to it.
    highest = _padded(_spread(highest, x, stride, jnp.inf), 3, 1, jnp.inf)
    return (
        sum(
            jnp.where(
                x == _window(highest, x, i, j, 1), _window(share, x, i, j, 1), 0.0
            )
            for i, j in corners
        ),
    )


max_pool.defvjp(_max_pool_forward, _max_pool_backward)


def separable(x, depthwise_kernel, pointwise_kernel, stride: int, dilation: int):
    """ReLU, a convolution of each channel, then one over channels, [D, ...].

    Args:
      x: [C, H, W, B].
      depthwise_kernel: [C, k, k].
      pointwise_kernel: [D, C].
      stride: of the first.
      dilation: of the first.
    """
    x = depthwise(jax.nn.relu(x), depthwise_kernel, stride, dilation)
    return convolve_1x1(x, pointwise_kernel)


def factorized(x, kernel):
    """ReLU, then two 1 x 1 convolutions of stride 2, one of them a pixel aside.

    Args:
      x: [C, H, W, B], even sides.
      kernel: [D, C]; the first half of D sees even pixels, the second odd ones.

    Returns:
      [D, H / 2, W / 2, B].
    """
    x, half = jax.nn.relu(x), kernel.shape[0] // 2
    even = convolve_1x1(x[:, ::2, ::2], kernel[:half])
    odd = convolve_1x1(x[:, 1::2, 1::2], kernel[half:])
    return jnp.concatenate([even, odd])


def _padded(x, size: int, dilation: int, value=0.0):
    pad = dilation * (size - 1) // 2
    widths = ((0, 0), (pad, pad), (pad, pad), (0, 0))
    return jnp.pad(x, widths, constant_values=value)


def _window(padded, x, i: int, j: int, stride: int):
    """What the tap at row i and column j of a kernel sees of padded x."""
    height, width = x.shape[1:3]
    return padded[:, i : i + height : stride, j : j + width : stride]


def _spread(small, x, stride: int, value=0.0):
    """`small` at every `stride`-th pixel of an image like x, `value` between."""
    if stride == 1:
        return small
    rest = [x.shape[axis] - 1 - stride * (small.shape[axis] - 1) for axis in (1, 2)]
    inner = [(0, after, stride - 1) for after in rest]
    return lax.pad(
        small, jnp.asarray(value, small.dtype), [(0, 0, 0), *inner, (0, 0, 0)]
    )
