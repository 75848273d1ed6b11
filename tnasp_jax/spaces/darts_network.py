"""The network that a DARTS genotype is trained as, layer by layer, and what it costs.

Liu, Simonyan and Yang, "DARTS: Differentiable Architecture Search", ICLR 2019, CIFAR
network: a 3x3 stem of three times the channels, a stack of cells whose layers at one
and two thirds are reduction cells of twice the channels, global pooling, a classifier.
Convolutions have no bias, batch norms count 2 parameters a channel. Pooling, batch norms
and sums cost no multiply-adds.
"""

import dataclasses
import functools
from typing import NamedTuple

from tnasp_jax import cost
from tnasp_jax.spaces.darts_genotypes import NUM_INPUTS, NUM_NODES, Cell, Genotype

STEM_FACTOR = 3
KERNELS = {
    "sep_conv_3x3": 3,
    "sep_conv_5x5": 5,
    "dil_conv_3x3": 3,
    "dil_conv_5x5": 5,
}
IMAGE_CHANNELS = 3
HEAD_CHANNELS, HEAD_WIDTH = 128, 768  # of the auxiliary head
HEAD_WINDOW, HEAD_STRIDE = 5, 3  # of its pooling


@dataclasses.dataclass(frozen=True, kw_only=True)
class Network:
    """Sizes of a network; the defaults are those that DARTS retrains on CIFAR-10.

    Attributes:
      channels: C of a node in the first cells; doubled by each reduction cell.
      layers: number of cells.
      num_classes: outputs of the classifier.
      image_size: height and width of the images, divisible by 4.
      auxiliary: whether the auxiliary head, used in training alone, is counted; it is
        made for images of 32 and at least 3 layers.
    """

    channels: int = 36
    layers: int = 20
    num_classes: int = 10
    image_size: int = 32
    auxiliary: bool = False


RETRAINED = Network()


@dataclasses.dataclass(frozen=True)
class Cost:
    """Multiply-adds for one image, and trainable parameters."""

    flops: int
    parameters: int

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.flops + other.flops, self.parameters + other.parameters)


NOTHING = Cost(0, 0)


class Layer(NamedTuple):
    """One cell of the stack; layers that cost the same are equal.

    Attributes:
      reduces: whether it is a reduction cell.
      channels: C of each of its nodes.
      size: height and width of its two inputs' preprocessed form.
      sources: channels of the outputs of the cell before the last and the last.
      halves: whether the first of these is twice as large as the second.
    """

    reduces: bool
    channels: int
    size: int
    sources: tuple[int, int]
    halves: bool

    @property
    def out_size(self) -> int:
        """Height and width of its nodes' sums and of its output."""
        return self.size // 2 if self.reduces else self.size

    @property
    def out_channels(self) -> int:
        """Channels of its output, the four nodes side by side."""
        return NUM_NODES * self.channels


@functools.cache
def layers(network: Network) -> tuple[Layer, ...]:
    """The stack of cells, from the stem to the classifier."""
    width, size = network.channels, network.image_size
    before_last = last = STEM_FACTOR * width
    reductions = {network.layers // 3, 2 * network.layers // 3}
    stack, halves = [], False
    for at in range(network.layers):
        reduces = at in reductions
        width *= 2 if reduces else 1
        layer = Layer(reduces, width, size, (before_last, last), halves)
        before_last, last = last, layer.out_channels
        size, halves = layer.out_size, reduces
        stack.append(layer)
    return tuple(stack)


def network_cost(genotype: Genotype, network: Network) -> Cost:
    """The whole network."""
    return sum(
        (cell_cost(genotype.cells[layer.reduces], layer) for layer in layers(network)),
        fixed_cost(network),
    )


def fixed_cost(network: Network) -> Cost:
    """What does not depend on the genotype and lies outside the cells."""
    stem_width = STEM_FACTOR * network.channels
    stem = _convolution(3, IMAGE_CHANNELS, stem_width, network.image_size)
    classifier = _linear(layers(network)[-1].out_channels, network.num_classes)
    head = _auxiliary_cost(network) if network.auxiliary else NOTHING
    return stem + classifier + head


def cell_cost(cell: Cell, layer: Layer) -> Cost:
    """One cell in one layer: two preprocessed inputs and eight operations."""
    total = preprocess_cost(layer, 0) + preprocess_cost(layer, 1)
    for op, source in cell:
        strides = layer.reduces and source < NUM_INPUTS
        total += operation_cost(op, layer, strides)
    return total


def preprocess_cost(layer: Layer, source: int) -> Cost:
    """The convolution that brings input 0 or 1 of a cell to its width and size.

    1x1, or factorized where that input is twice as large: two 1x1 convolutions of
    stride 2 with half of the channels each, which cost the same.
    """
    return _convolution(1, layer.sources[source], layer.channels, layer.size)


def operation_cost(op: str, layer: Layer, strides: bool) -> Cost:
    """One operation of a layer.

    Args:
      op: its name.
      layer: where it stands.
      strides: whether it halves the size, as those on the inputs of a reduction cell.
    """
    width, size = layer.channels, layer.out_size
    if op == "skip_connect":
        return _convolution(1, width, width, size) if strides else NOTHING
    if op not in KERNELS:
        return NOTHING
    once = _depthwise(KERNELS[op], width, size) + _convolution(1, width, width, size)
    return once + once if op.startswith("sep") else once


def _auxiliary_cost(network: Network) -> Cost:
    """Average pooling, 1x1 and 2x2 convolution, classifier; on the second reduction."""
    layer = layers(network)[2 * network.layers // 3]
    pooled = (layer.out_size - HEAD_WINDOW) // HEAD_STRIDE + 1
    return (
        _convolution(1, layer.out_channels, HEAD_CHANNELS, pooled)
        + _convolution(2, HEAD_CHANNELS, HEAD_WIDTH, pooled - 1)
        + _linear(HEAD_WIDTH, network.num_classes)
    )


def _convolution(kernel: int, inputs: int, outputs: int, size: int) -> Cost:
    """A convolution without bias and its batch norm."""
    return Cost(
        cost.conv_flops(kernel, inputs, outputs, size),
        cost.conv_parameters(kernel, inputs, outputs),
    )


def _depthwise(kernel: int, channels: int, size: int) -> Cost:
    """A convolution of each channel by itself, without a batch norm."""
    weights = kernel**2 * channels
    return Cost(weights * size**2, weights)


def _linear(inputs: int, outputs: int) -> Cost:
    return Cost(inputs * outputs, cost.dense_parameters(inputs, outputs))
