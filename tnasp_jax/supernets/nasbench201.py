"""The supernet of NAS-Bench-201: on every edge, weights for all five operations.

A stem, then one cell a stage; between two stages ReLU and a convolution of stride 2; at
the end normalisation, ReLU, global average pooling and a linear layer. Trained along a
single path, it is that cell's network alone: so `experiments.networks.digits_cells` trains the
cells of the embedded table.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp

from tnasp_jax.spaces.nasbench201 import EDGE_OPS, EDGES
from tnasp_jax.supernets.base import Params, Supernet, check
from tnasp_jax.supernets.operations import convolve, edge, normalize

NUM_NODES = 4


def nasbench201(
    channels: tuple[int, ...] = (16, 32), in_channels: int = 1, num_classes: int = 10
) -> Supernet:
    """The supernet; a path is an architecture of `tnasp_jax.spaces.nasbench201`.

    Args:
      channels: width of each stage. The images' sides are halved between stages.
      in_channels: channels of the images.
      num_classes: logits.
    """
    return Supernet(
        init=functools.partial(
            _init, channels=channels, in_channels=in_channels, num_classes=num_classes
        ),
        apply=_apply,
        num_edges=len(EDGES),
        num_ops=len(EDGE_OPS),
    )


def _init(
    key: jax.Array, *, channels: tuple[int, ...], in_channels: int, num_classes: int
) -> Params:
    """He normal kernels, one of either size for each edge; a linear layer of zeros."""
    shapes: dict[str, tuple[int, ...]] = {"stem": (channels[0], in_channels, 3, 3)}
    for stage, width in enumerate(channels[1:], start=1):
        shapes[f"reduce_{stage}"] = width, channels[stage - 1], 3, 3
    for stage, width in enumerate(channels):
        shapes[f"conv_1x1_{stage}"] = len(EDGES), width, width
        shapes[f"conv_3x3_{stage}"] = len(EDGES), width, width, 3, 3
    keys = jax.random.split(key, len(shapes))
    params = {
        name: jax.nn.initializers.he_normal(
            in_axis=-1 if "1x1" in name else -3,
            out_axis=-2 if "1x1" in name else -4,
            batch_axis=0 if "conv" in name else (),
        )(key, shape)
        for key, (name, shape) in zip(keys, shapes.items(), strict=True)
    }
    params["linear"] = jnp.zeros((num_classes, channels[-1]))
    params["bias"] = jnp.zeros((num_classes, 1))
    return params


def _apply(
    params: Params, path: jax.Array, images: jax.Array, num_statistics: int
) -> jax.Array:
    """See `Supernet.apply`."""
    shape = params["stem"].shape[1], None, None
    check("nasbench201", path, len(EDGES), images, shape, num_statistics)
    x, _ = normalize(convolve(images, params["stem"]), num_statistics)
    x = _cell(params, path, x, 0, num_statistics)
    for stage in range(1, sum(name.startswith("conv_1x1") for name in params)):
        x = convolve(jax.nn.relu(x), params[f"reduce_{stage}"], stride=2)
        x, _ = normalize(x, num_statistics)
        x = _cell(params, path, x, stage, num_statistics)
    x, _ = normalize(x, num_statistics)
    logits = params["linear"] @ jax.nn.relu(x).mean((1, 2)) + params["bias"]
    valid = jnp.all((path >= 0) & (path < len(EDGE_OPS)))
    return jnp.where(valid, logits, jnp.nan)


def _cell(
    params: Params, path: jax.Array, x: jax.Array, stage: int, num_statistics: int
) -> jax.Array:
    """The sum at the last node, [C, H, W, B]."""
    nodes: list[Any] = [x] + [jnp.zeros_like(x)] * (NUM_NODES - 1)
    kernels = params[f"conv_1x1_{stage}"], params[f"conv_3x3_{stage}"]
    for index, (source, target) in enumerate(EDGES):
        mine = (kernel[index] for kernel in kernels)
        nodes[target] += edge(path[index], nodes[source], *mine, num_statistics)
    return nodes[-1]
