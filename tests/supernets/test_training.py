"""The training loop: gradients of a step, and segments that add up."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tnasp_jax import supernets
from tnasp_jax.spaces import NASBENCH201
from tnasp_jax.supernets import training

NET = supernets.nasbench201((3,))
IMAGES = jax.random.normal(jax.random.key(0), (1, 8, 8, 20))
LABELS = jnp.arange(20) % 10
CONFIG = supernets.TrainConfig(steps=6, batch_size=8)


def equal(tree, other):
    for one, two in zip(*map(jax.tree.leaves, (tree, other)), strict=True):
        np.testing.assert_array_equal(one, two)


def test_gradients_of_paths_are_summed():
    params = NET.init(jax.random.key(1))
    params["linear"] = jax.random.normal(jax.random.key(3), params["linear"].shape)
    paths = supernets.fairnas(jax.random.key(2), 6, 5)
    step = jax.jit(functools.partial(supernets.sum_over_paths, NET))
    loss, grads = step(params, paths, IMAGES, LABELS)
    single = [step(params, path[None], IMAGES, LABELS) for path in paths]
    np.testing.assert_allclose(loss, sum(part[0] for part in single), rtol=1e-5)
    expected = jax.tree.map(lambda *leaves: sum(leaves), *[part[1] for part in single])
    for name in params:
        np.testing.assert_allclose(grads[name], expected[name], rtol=1e-3, atol=1e-4)
    # Each convolution was chosen by one path, and moves where that leads to the output.
    pruned = [NASBENCH201.prune(tuple(path)) for path in paths.tolist()]
    leads = [any(path[edge] == 3 for path in pruned) for edge in range(6)]
    moves = np.abs(grads["conv_3x3_0"]).max(axis=(1, 2, 3, 4)) > 0
    assert moves.tolist() == leads and sum(leads) > 2


@pytest.mark.parametrize("sampling", supernets.SAMPLERS)
def test_segments_add_up_bit_for_bit(sampling):
    key = jax.random.key(3)
    sampler = supernets.SAMPLERS[sampling]
    train = jax.jit(
        functools.partial(supernets.train_steps, NET, sampler, CONFIG, IMAGES, LABELS),
        static_argnums=2,
    )
    begin = supernets.start(NET, CONFIG, key)
    whole, loss = train(key, begin, 6)
    half, first = train(key, begin, 3)
    rest, second = train(key, half, 3)
    equal(whole, rest)
    equal(loss, jnp.concatenate([first, second]))
    assert int(whole.step) == 6 and np.isfinite(loss).all()


def test_each_pass_sees_no_image_twice():
    key = jax.random.key(4)
    seen = [
        np.asarray(training.batch_of(key, jnp.int32(step), 20, 8)) for step in range(4)
    ]
    for at in (0, 2):
        assert len(np.unique(np.concatenate(seen[at : at + 2]))) == 16
    assert (seen[0] != seen[2]).any()


def test_a_batch_larger_than_the_data_is_refused():
    config = supernets.TrainConfig(steps=1, batch_size=21)
    key = jax.random.key(0)
    state = supernets.start(NET, config, key)
    with pytest.raises(ValueError, match=r"batch_size in 1 .. 20"):
        supernets.train_steps(
            NET, supernets.spos, config, IMAGES, LABELS, key, state, 1
        )
