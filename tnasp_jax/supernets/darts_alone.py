"""The network of one DARTS genotype, trained alone, as the papers retrain it.

Liu, Simonyan and Yang, "DARTS: Differentiable Architecture Search", ICLR 2019, CIFAR
network. Images are [channels, height, width, batch]. The layers and their sizes are those
of `tnasp_jax.spaces.darts_network`, which counts their parameters.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from tnasp_jax.spaces import darts_network
from tnasp_jax.spaces.darts_genotypes import NONE, NUM_INPUTS, Genotype, nodes
from tnasp_jax.spaces.darts_network import (
    HEAD_CHANNELS,
    HEAD_STRIDE,
    HEAD_WIDTH,
    HEAD_WINDOW,
    KERNELS,
    STEM_FACTOR,
    Layer,
    Network,
)
from tnasp_jax.supernets import separable as ops
from tnasp_jax.supernets.operations import convolve, convolve_1x1


class DartsNetwork(nn.Module):
    """A stem, the stack of cells, pooling, a classifier, and an auxiliary classifier.

    Attributes:
      genotype: the two cells.
      network: channels, layers, image size, classes, and whether there is the head.
    """

    genotype: Genotype
    network: Network

    @nn.compact
    def __call__(
        self,
        images: jax.Array,
        *,
        train: bool,
        drop_path: jax.Array | float = 0.0,
    ) -> tuple[jax.Array, jax.Array | None]:
        """Logits of a batch.

        Args:
          images: [3, height, width, B], standardized.
          train: whether statistics are those of the batch, which then move the running
            ones (collection `batch_stats`); else the running ones.
          drop_path: how likely an operation is dropped from an image, in training; the
            key is the stream `drop_path`.

        Returns:
          [classes, B], and those of the auxiliary head in training, if it is there.
        """
        stack = darts_network.layers(self.network)
        stem = STEM_FACTOR * self.network.channels
        kernel = self.param("stem", _he(3), (stem, images.shape[0], 3, 3))
        last = _BatchNorm()(convolve(images, kernel), train)
        before_last, head = last, None
        for at, layer in enumerate(stack):
            cell = _Cell(self.genotype.cells[layer.reduces], layer)
            before_last, last = last, cell(before_last, last, train, drop_path)
            heads = self.network.auxiliary and at == 2 * self.network.layers // 3
            if heads and (train or self.is_initializing()):
                head = _Head(self.network.num_classes)(last, train)
        return _Linear(self.network.num_classes)(last.mean((1, 2))), head


class _Cell(nn.Module):
    """One layer: [4 C, H, W, B] from the outputs of the two before it."""

    cell: darts_network.Cell
    layer: Layer

    @nn.compact
    def __call__(self, before_last, last, train: bool, drop_path):
        layer = self.layer
        values = [
            _Reduce(layer.channels)(before_last, train)
            if layer.halves
            else _Pointwise(layer.channels)(before_last, train),
            _Pointwise(layer.channels)(last, train),
        ]
        for edges in nodes(self.cell):
            node: Any = 0.0
            for op, source in edges:
                stride = 2 if layer.reduces and source < NUM_INPUTS else 1
                out = _Operation(op, stride)(values[source], train)
                identity = op == "skip_connect" and stride == 1
                if train and op != NONE and not identity:
                    out = _drop_path(self, out, drop_path)
                node += out
            values.append(node)
        return jnp.concatenate(values[NUM_INPUTS:])


class _Operation(nn.Module):
    """One of the operations of DARTS, or `none`."""

    op: str
    stride: int

    @nn.compact
    def __call__(self, x, train: bool):
        if self.op == NONE:
            return jnp.zeros_like(x[:, :: self.stride, :: self.stride])
        if self.op == "skip_connect":
            return x if self.stride == 1 else _Reduce(x.shape[0])(x, train)
        if self.op not in KERNELS:
            pool = ops.max_pool if self.op.startswith("max") else ops.average_pool
            return pool(x, self.stride)
        width, size = x.shape[0], KERNELS[self.op]
        separable = self.op.startswith("sep")
        for at in range(2 if separable else 1):
            depth = self.param(f"depthwise_{at}", _he(2), (width, size, size))
            point = self.param(f"pointwise_{at}", _he(1), (width, width))
            stride = self.stride if at == 0 else 1
            x = ops.separable(x, depth, point, stride, 1 if separable else 2)
            x = _BatchNorm()(x, train)
        return x


class _Pointwise(nn.Module):
    """ReLU, a 1 x 1 convolution, batch norm."""

    width: int

    @nn.compact
    def __call__(self, x, train: bool):
        kernel = self.param("kernel", _he(1), (self.width, x.shape[0]))
        return _BatchNorm()(convolve_1x1(jax.nn.relu(x), kernel), train)


class _Reduce(nn.Module):
    """ReLU, two 1 x 1 convolutions of stride 2 side by side, batch norm."""

    width: int

    @nn.compact
    def __call__(self, x, train: bool):
        kernel = self.param("kernel", _he(1), (self.width, x.shape[0]))
        return _BatchNorm()(ops.factorized(x, kernel), train)


class _Head(nn.Module):
    """The auxiliary classifier, for images of 8 x 8."""

    num_classes: int

    @nn.compact
    def __call__(self, x, train: bool):
        window = (1, HEAD_WINDOW, HEAD_WINDOW, 1)
        strides = (1, HEAD_STRIDE, HEAD_STRIDE, 1)
        total = lax.reduce_window(
            jax.nn.relu(x), 0.0, lax.add, window, strides, "VALID"
        )
        kernel = self.param("narrow", _he(1), (HEAD_CHANNELS, x.shape[0]))
        x = _BatchNorm()(convolve_1x1(total / HEAD_WINDOW**2, kernel), train)
        kernel = self.param("wide", _he(3), (HEAD_WIDTH, HEAD_CHANNELS, 2, 2))
        x = jnp.einsum("dcij,cijb->db", kernel, jax.nn.relu(x))
        x = _BatchNorm()(x[:, None, None], train)[:, 0, 0]
        return _Linear(self.num_classes)(jax.nn.relu(x))


class _BatchNorm(nn.Module):
    """Over images and pixels, with a learned scale and shift for each channel."""

    @nn.compact
    def __call__(self, x, train: bool):
        norm = nn.BatchNorm(
            use_running_average=not train,
            axis=0,
            momentum=0.9,
            epsilon=1e-5,
            use_fast_variance=False,
        )
        return norm(x)


class _Linear(nn.Module):
    """[classes, B] from [features, B]."""

    num_classes: int

    @nn.compact
    def __call__(self, x):
        init = nn.initializers.lecun_normal(in_axis=1, out_axis=0)
        kernel = self.param("kernel", init, (self.num_classes, x.shape[0]))
        bias = self.param("bias", nn.initializers.zeros, (self.num_classes, 1))
        return kernel @ x + bias


def _drop_path(module: nn.Module, x, rate):
    """x of an image kept and scaled up, or zero, with probability `rate`."""
    keep = 1.0 - jnp.asarray(rate)
    kept = jax.random.bernoulli(module.make_rng("drop_path"), keep, x.shape[3:])
    return x * (kept / keep).astype(x.dtype)[None, None, None]


def _he(fans: int):
    """Normal, of variance 2 over the product of the last `fans` axes."""

    def init(key, shape, dtype=jnp.float32):
        fan_in = 1
        for size in shape[-fans:]:
            fan_in *= size
        return jax.random.normal(key, shape, dtype) * (2 / fan_in) ** 0.5

    return init
