"""Multiply-adds and trainable parameters of the layers that mobile networks are made of.

Counted from first principles, as papers on mobile networks do: FLOPs are the
multiply-adds of convolutions and dense layers; biases, batch norms, activations, pooling
and sums cost none. Parameters are weights, biases, and 2 a channel for batch norms.

Every function takes numbers or arrays that broadcast, of numpy or JAX: exact on integers,
jittable on traced arrays. Sizes are sides of square images, in points.
"""

from typing import Any

CHANNEL_DIVISOR = 8

Number = Any
"""A number, or an array of numpy or JAX."""


def divisible(channels: Number) -> Number:
    """A width as mobile networks round it: to a multiple of 8, never down by over 10 %.

    At least 8. Sandler et al., "MobileNetV2", CVPR 2018, in the authors' code.
    """
    rounded = (channels + CHANNEL_DIVISOR // 2) // CHANNEL_DIVISOR * CHANNEL_DIVISOR
    rounded = rounded + CHANNEL_DIVISOR * (rounded < CHANNEL_DIVISOR)
    return rounded + CHANNEL_DIVISOR * (rounded < 0.9 * channels)


def halved(size: Number, times: Number) -> Number:
    """The side of an image after convolutions of stride 2 that pad by half a kernel."""
    step = 2**times
    return (size + step - 1) // step


def conv_flops(
    kernel: Number, in_channels: Number, out_channels: Number, size: Number
) -> Number:
    """Of a convolution whose output is `size` points wide and high."""
    return kernel**2 * in_channels * out_channels * size**2


def conv_parameters(
    kernel: Number, in_channels: Number, out_channels: Number
) -> Number:
    """Of a convolution without bias and its batch norm."""
    return kernel**2 * in_channels * out_channels + 2 * out_channels


def dense_parameters(in_channels: Number, out_channels: Number) -> Number:
    """Of a dense layer with bias."""
    return (in_channels + 1) * out_channels


def mbconv_flops(
    kernel: Number,
    expansion: Number,
    in_channels: Number,
    out_channels: Number,
    in_size: Number,
    out_size: Number,
    squeeze: Number = 0,
) -> Number:
    """Of an inverted bottleneck: 1x1, depthwise, squeeze-and-excitation, 1x1.

    Args:
      kernel: side of the depthwise convolution.
      expansion: inner channels over `in_channels`; without a first 1x1 where it is 1,
        no block at all where it is 0.
      in_channels: of the block.
      out_channels: of the block.
      in_size: side of the image before the depthwise convolution.
      out_size: and after it.
      squeeze: channels between the two dense layers of squeeze-and-excitation, 0
        without.
    """
    inner = expansion * in_channels
    widen = (expansion != 1) * conv_flops(1, in_channels, inner, in_size)
    depthwise = kernel**2 * inner * out_size**2
    narrow = conv_flops(1, inner, out_channels, out_size)
    return widen + depthwise + 2 * inner * squeeze + narrow


def mbconv_parameters(
    kernel: Number,
    expansion: Number,
    in_channels: Number,
    out_channels: Number,
    squeeze: Number = 0,
) -> Number:
    """Of an inverted bottleneck; arguments as for `mbconv_flops`."""
    inner = expansion * in_channels
    widen = (expansion != 1) * conv_parameters(1, in_channels, inner)
    depthwise = (kernel**2 + 2) * inner
    gate = dense_parameters(inner, squeeze) + dense_parameters(squeeze, inner)
    narrow = conv_parameters(1, inner, out_channels)
    return (expansion > 0) * (widen + depthwise + (squeeze > 0) * gate + narrow)
