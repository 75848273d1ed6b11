"""The supernet of a chain: in every place, weights for each block of ProxylessNAS.

A stem, perhaps a fixed block, stages of inverted bottlenecks, a head of one 1 x 1
convolution, global pooling and a linear layer, as the space's skeleton says. Each place
has weights of its own for each kernel and expansion. Normalisation has no learned scale
(`operations`). A path trained alone is the network of its architecture.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tnasp_jax.spaces.chain_network import Block
from tnasp_jax.spaces.proxylessnas import ProxylessNAS
from tnasp_jax.supernets.base import Params, Supernet, check
from tnasp_jax.supernets.chosen import chosen
from tnasp_jax.supernets.operations import (
    convolve,
    convolve_1x1,
    he_normal,
    normalize,
)
from tnasp_jax.supernets.sampling import Sampler
from tnasp_jax.supernets.separable import depthwise

IMAGE_CHANNELS = 3
FIXED = Block(3, 1)  # After the stem.


def chain(space: ProxylessNAS) -> Supernet:
    """The supernet; a path is a row of `paths_of_chains`.

    An entry m + b of a path runs block b like an entry b, and gives it no gradient.
    `fairnas` needs it, see `draw`.

    Args:
      space: its skeleton and image size, such as `proxylessnas.sized` makes it.
    """
    return Supernet(
        init=functools.partial(_init, space=space),
        apply=functools.partial(_apply, space=space),
        num_edges=space.skeleton.num_places,
        num_ops=len(space.blocks),
        draw=functools.partial(draw, space),
    )


def paths_of_chains(space: ProxylessNAS, architectures) -> np.ndarray:
    """[P, L] int32: the index of the block in each place.

    Raises:
      ValueError: for what is no architecture of the space.
    """
    checked = [space.parse(space.format(one)) for one in architectures]
    return np.asarray(space.layout(checked).blocks, np.int32)


def draw(space: ProxylessNAS, sampler: Sampler, key: jax.Array) -> jax.Array:
    """The paths of a step, [P, L] int32.

    The first place of a stage has m - 1 choices, the others m, identity among them. The
    sampler draws both kinds. Of `fairnas`, that is one path too few for the first
    places: in the last path a uniform block of theirs runs and learns nothing. So every
    block of every place is trained exactly once a step: strict fairness.
    """
    first = np.array(space.skeleton.places) == 0
    num_ops = len(space.blocks)
    later_key, first_key, extra_key = jax.random.split(key, 3)
    later = sampler(later_key, int(np.sum(~first)), num_ops)
    firsts = 1 + sampler(first_key, int(np.sum(first)), num_ops - 1)
    missing = len(later) - len(firsts)
    extra = jax.random.randint(extra_key, (missing, int(first.sum())), 1, num_ops)
    firsts = jnp.concatenate([firsts, extra + num_ops])
    paths = jnp.zeros((len(later), len(first)), jnp.int32)
    return paths.at[:, ~first].set(later).at[:, first].set(firsts)


def _init(key: jax.Array, *, space: ProxylessNAS) -> Params:
    """He normal kernels; a linear layer of zeros."""
    skeleton = space.skeleton
    keys = iter(jax.random.split(key, 3 + 2 * len(skeleton.stages)))
    stem = skeleton.stem, IMAGE_CHANNELS, 3, 3
    params: Params = {"stem": he_normal(next(keys), stem, 3)}
    width = skeleton.first or skeleton.stem
    fixed_key = next(keys)
    if skeleton.first:
        params["fixed"] = _init_block(fixed_key, FIXED, skeleton.stem, width, ())
    for number, stage in enumerate(skeleton.stages):
        for name, count in (("first", ()), ("later", (stage.depth - 1,))):
            params[f"{name}_{number}"] = {
                block.name: _init_block(each, block, width, stage.width, count)
                for each, block in zip(
                    jax.random.split(next(keys), len(space.blocks)),
                    space.blocks,
                    strict=True,
                )
                if block.expansion
            }
            width = stage.width
    params["head"] = he_normal(next(keys), (skeleton.head, width), 1)
    params["linear"] = jnp.zeros((skeleton.num_classes, skeleton.head))
    params["bias"] = jnp.zeros((skeleton.num_classes, 1))
    return params


def _init_block(
    key: jax.Array, block: Block, width: int, out: int, count: tuple[int, ...]
) -> Params:
    """Kernels of `count` blocks: widen [E C, C], depthwise [E C, k, k], narrow [D, E C]."""
    keys, inner = jax.random.split(key, 3), block.expansion * width
    weights = {
        "depthwise": he_normal(keys[1], (*count, inner, block.kernel, block.kernel), 2),
        "narrow": he_normal(keys[2], (*count, out, inner), 1),
    }
    if block.expansion != 1:
        weights["widen"] = he_normal(keys[0], (*count, inner, width), 1)
    return weights


def _apply(
    params: Params,
    path: jax.Array,
    images: jax.Array,
    num_statistics: int,
    *,
    space: ProxylessNAS,
) -> jax.Array:
    """See `Supernet.apply`."""
    skeleton, size = space.skeleton, space.resolution
    shape = (IMAGE_CHANNELS, size, size)
    check("chain", path, skeleton.num_places, images, shape, num_statistics)
    path = jnp.asarray(path)
    x = convolve(images, params["stem"], skeleton.stem_stride)
    x = _active(x, num_statistics)
    if skeleton.first:
        x = bottleneck(x, params["fixed"], 1, num_statistics)
    at = 0
    for number, stage in enumerate(skeleton.stages):
        first, later = params[f"first_{number}"], params[f"later_{number}"]
        x = place(path[at], x, first, space.blocks, stage.stride, num_statistics)

        def step(x, inputs):
            op, weights = inputs
            # No stride: it has a shortcut.
            return place(op, x, weights, space.blocks, 0, num_statistics), None

        x, _ = lax.scan(step, x, (path[at + 1 : at + stage.depth], later))
        at += stage.depth
    x = _active(convolve_1x1(x, params["head"]), num_statistics)
    logits = params["linear"] @ x.mean((1, 2)) + params["bias"]
    return jnp.where(_valid(space, path), logits, jnp.nan)


def place(op, x, weights, blocks, stride: int, num_statistics: int):
    """What stands in one place: block `op` of the blocks on x [C, H, W, B].

    Args:
      op: [] int, in 0 .. 2 m - 1; from m on, no gradient goes to the weights.
      x: the images.
      weights: name of a block -> its kernels.
      blocks: m blocks, static.
      stride: of the depthwise convolution; 0 in a later place of a stage, where the
        stride is 1 and x is added.
      num_statistics: images of the batch that normalisation sees.
    """
    learns = op < len(blocks)
    weights = jax.tree.map(
        lambda leaf: jnp.where(learns, leaf, lax.stop_gradient(leaf)), weights
    )
    branches = _branches(blocks, stride, num_statistics)
    return chosen(branches, op % len(blocks), x, weights)


def _branches(blocks, stride: int, num_statistics: int):
    """`branch(x, weights)` of each block."""

    def branch(block: Block, x, weights):
        if not block.expansion:
            if stride:  # Never on a path: the block only has to have the shape.
                return bottleneck(x, weights[blocks[1].name], stride, num_statistics)
            return x
        out = bottleneck(x, weights[block.name], stride or 1, num_statistics)
        return out if stride else x + out

    return [functools.partial(branch, block) for block in blocks]


def bottleneck(x, weights, stride: int, num_statistics: int):
    """1 x 1 wider, depthwise, 1 x 1 narrower: [D, H / stride, W / stride, B].

    ReLU6 after the first two, as in MobileNetV2; without the first where there is no
    kernel for it.
    """
    if "widen" in weights:
        x = _active(convolve_1x1(x, weights["widen"]), num_statistics)
    x = _active(depthwise(x, weights["depthwise"], stride), num_statistics)
    return normalize(convolve_1x1(x, weights["narrow"]), num_statistics)[0]


def _active(x, num_statistics: int):
    return jax.nn.relu6(normalize(x, num_statistics)[0])


def _valid(space: ProxylessNAS, path: jax.Array) -> jax.Array:
    """Whether a path is one: known blocks, no identity where a stage begins."""
    num_ops = len(space.blocks)
    first = jnp.array(space.skeleton.places) == 0
    expansion = jnp.array([block.expansion for block in space.blocks])
    identity = expansion[path % num_ops] == 0
    return jnp.all((path >= 0) & (path < 2 * num_ops) & ~(first & identity))
