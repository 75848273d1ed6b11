"""A path through the chain's supernet against its network built alone, in stock operations."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from tnasp_jax import spaces, supernets
from tnasp_jax.spaces.chain_network import Skeleton, Stage
from tnasp_jax.spaces.proxylessnas import PROXYLESSNAS, sized

BATCH = 6
SPACE = sized(
    8,
    Skeleton(
        stem=4,
        first=4,
        stages=(Stage(4, 2, 3),),
        head=8,
        stem_stride=1,
        num_classes=5,
    ),
)
NUM_OPS = len(SPACE.blocks)
TRACED: list = []
PATHS = [(1, 0, 4), (6, 5, 2), (3, 0, 0)]


def convolution(x, kernel, stride=1):
    """Depthwise where the kernel is [C, k, k], 1 x 1 where it is [D, C]."""
    groups = len(x) if kernel.ndim == 3 else 1
    shapes = {2: kernel[..., None, None], 3: kernel[:, None]} if kernel.ndim < 4 else {}
    kernel = shapes.get(kernel.ndim, kernel)
    pad = kernel.shape[-1] // 2
    return lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        [(pad, pad)] * 2,
        dimension_numbers=("CHWN", "OIHW", "CHWN"),
        feature_group_count=groups,
        precision="highest",
    )


def unit(x):
    mean, var = (f(x, axis=(1, 2, 3), keepdims=True) for f in (jnp.mean, jnp.var))
    return (x - mean) / jnp.sqrt(var + 1e-5)


def block_alone(x, weights, stride):
    if "widen" in weights:
        x = jnp.clip(unit(convolution(x, weights["widen"])), 0, 6)
    x = jnp.clip(unit(convolution(x, weights["depthwise"], stride)), 0, 6)
    return unit(convolution(x, weights["narrow"]))


def network_alone(path, params, images):
    x = jnp.clip(unit(convolution(images, params["stem"])), 0, 6)
    x = block_alone(x, params["fixed"], 1)
    names = [SPACE.blocks[op].name for op in path]
    x = block_alone(x, params["first_0"][names[0]], 2)
    for at, name in enumerate(names[1:]):
        if name != "identity":
            mine = jax.tree.map(lambda leaf, at=at: leaf[at], params["later_0"][name])
            x = x + block_alone(x, mine, 1)
    x = jnp.clip(unit(convolution(x, params["head"])), 0, 6).mean((1, 2))
    return params["linear"] @ x + params["bias"]


@functools.cache
def small():
    net = supernets.chain(SPACE)
    params = net.init(jax.random.key(0))
    params["linear"] = jax.random.normal(jax.random.key(1), params["linear"].shape)
    images = jax.random.normal(jax.random.key(2), (3, 8, 8, BATCH))
    weight = jax.random.normal(jax.random.key(3), (5, BATCH))

    @jax.jit
    @functools.partial(jax.grad, has_aux=True)
    def gradients(params, path):
        TRACED.append(path)
        logits = net.apply(params, path, images, BATCH)
        return (weight * logits).sum(), logits

    return net, params, images, weight, gradients


@pytest.mark.parametrize("path", PATHS)
def test_a_path_and_its_gradients_are_those_of_the_network_alone(path):
    _, params, images, weight, gradients = small()

    @jax.jit
    @functools.partial(jax.grad, has_aux=True)
    def alone(params):
        logits = network_alone(path, params, images)
        return (weight * logits).sum(), logits

    grads, logits = gradients(params, jnp.array(path))
    expected, logits_alone = alone(params)
    np.testing.assert_allclose(logits, logits_alone, rtol=1e-3, atol=1e-3)

    def close(ours, other):
        scale = max(1.0, float(jnp.abs(other).max()))
        np.testing.assert_allclose(ours / scale, other / scale, atol=1e-3)

    jax.tree.map(close, grads, expected)
    assert len(TRACED) == 1  # A path is data.


def test_a_block_that_learns_nothing_computes_the_same():
    _, params, _, _, gradients = small()
    learns, logits = gradients(params, jnp.array(PATHS[0]))
    frozen, same = gradients(params, jnp.array(PATHS[0]) + jnp.array([NUM_OPS, 0, 0]))
    np.testing.assert_array_equal(logits, same)
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(frozen["first_0"]))
    jax.tree.map(np.testing.assert_array_equal, frozen["later_0"], learns["later_0"])


def test_what_is_no_path_gives_nan():
    net, params, images, _, gradients = small()
    for path in ((0, 1, 1), (7, 1, 1), (1, -1, 1), (1, 14, 1)):
        assert np.isnan(gradients(params, jnp.array(path))[1]).all()
    with pytest.raises(ValueError, match="a path of 3 integers"):
        net.apply(params, jnp.array([1, 1]), images, 6)
    with pytest.raises(ValueError, match=r"expected images .*\(3, 8, 8, batch\)"):
        net.apply(params, jnp.array([1, 1, 1]), images[:1], 6)
    with pytest.raises(ValueError, match=r"num_statistics in 1 \.\. 6"):
        net.apply(params, jnp.array([1, 1, 1]), images, 7)


def test_every_block_of_every_place_learns_once_a_step():
    """Strict fairness, in the first places too, which have a choice less."""
    net = supernets.chain(PROXYLESSNAS)
    first = np.array(PROXYLESSNAS.skeleton.places) == 0
    for seed in range(5):
        paths = np.asarray(net.paths(supernets.fairnas, jax.random.key(seed)))
        assert paths.shape == (NUM_OPS, 21)
        for place, column in enumerate(paths.T):
            learning = np.sort(column[column < NUM_OPS])
            assert learning.tolist() == list(range(int(first[place]), NUM_OPS))
            runs = column % NUM_OPS
            assert runs.min() >= first[place]


def test_one_path_is_uniform_over_what_a_place_may_hold():
    net = supernets.chain(SPACE)
    keys = jax.random.split(jax.random.key(0), 700)
    draws = jax.vmap(lambda key: net.paths(supernets.spos, key)[0])
    paths = np.asarray(jax.jit(draws)(keys))
    counts = [np.bincount(column, minlength=NUM_OPS) for column in paths.T]
    assert paths.shape == (700, 3) and counts[0][0] == 0
    assert min(counts[0][1:].min(), counts[1].min(), counts[2].min()) > 60


def test_a_space_of_ones_own_size_comes_back_from_its_description():
    (one,) = SPACE.sample(jax.random.key(0), 1)
    again = spaces.get_space(SPACE.name, spaces.describe(SPACE))
    assert again == SPACE and again.parse(SPACE.format(one)) == one
    with pytest.raises(ValueError, match="damaged"):
        spaces.get_space(SPACE.name, {"resolution": 8})
    path = supernets.paths_of_chains(SPACE, [one])[0]
    assert [SPACE.blocks[op] for op in path] == [
        SPACE.blocks[b] for b in SPACE.layout([one]).blocks[0]
    ]


def test_costs_are_those_of_the_network_that_is_trained():
    """Weights of a path, and multiply-adds by hand, at 8 x 8 and then 4 x 4."""
    text = '{"layers": ["5x5_MBConv3", "Identity", "3x3_MBConv6"]}'
    architecture = SPACE.parse(text)
    fixed = 64 * (9 * 4 + 4 * 4)
    first = 64 * 4 * 12 + 16 * (25 * 12 + 12 * 4)
    third = 16 * (4 * 24 + 9 * 24 + 24 * 4)
    stem, head = 64 * 9 * 3 * 4, 16 * 4 * 8 + 8 * 5
    assert SPACE.flops(architecture) == stem + fixed + first + third + head
    flops, parameters = SPACE.costs(SPACE.to_graphs([architecture]))
    assert flops[0] == SPACE.flops(architecture)
    assert parameters[0] == SPACE.parameters(architecture)
