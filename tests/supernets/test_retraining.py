"""The network of a genotype alone: its parameters, its training, its judgement."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tnasp_jax.spaces.darts import DARTS
from tnasp_jax.spaces.darts_genotypes import Genotype
from tnasp_jax.spaces.darts_network import Network
from tnasp_jax.supernets import retraining
from tnasp_jax.supernets.darts_alone import DartsNetwork

SMALL = Network(channels=2, layers=3, image_size=8)
CONFIG = retraining.RetrainConfig(epochs=3, batch_size=8, cutout=4)
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (3, 8, 8, 21), dtype=np.uint8)
LABELS = np.arange(21, dtype=np.int32) % 10


def genotype(seed=0):
    return DARTS.sample(jax.random.key(seed), 1)[0]


def cheap():
    """One operation of every kind, and otherwise what compiles in no time."""
    sources = (0, 1, 0, 2, 1, 3, 2, 4)
    ops = ("sep_conv_3x3", "skip_connect", "skip_connect", "dil_conv_3x3")
    ops += ("skip_connect", "avg_pool_3x3", *["skip_connect"] * 2)
    normal = tuple(zip(ops, sources, strict=True))
    reduce = (("max_pool_3x3", 0), *(("skip_connect", at) for at in sources[1:]))
    return Genotype(normal, reduce)


@pytest.mark.parametrize("auxiliary", [False, True])
@pytest.mark.parametrize("channels, layers", [(36, 20), (16, 8), (4, 5)])
def test_parameters_are_those_that_the_space_counts(channels, layers, auxiliary):
    network = Network(channels=channels, layers=layers, auxiliary=auxiliary)
    each = genotype(channels)
    shape = jnp.zeros((3, 32, 32, 2))
    init = functools.partial(DartsNetwork(each, network).init, train=False)
    variables = jax.eval_shape(init, jax.random.key(0), shape)
    count = sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))
    assert count == DARTS.parameters(each, network)


@functools.cache
def program():
    """One epoch, compiled once."""
    return jax.jit(
        functools.partial(
            retraining.train_epoch, cheap(), SMALL, CONFIG, IMAGES, LABELS
        )
    )


@functools.cache
def trained():
    """States after each of three epochs, from the start."""
    key = jax.random.key(1)
    begin = functools.partial(retraining.start, cheap(), SMALL, CONFIG, 21)
    states = [jax.jit(begin)(key)]
    for _ in range(3):
        state, _ = program()(key, states[-1])
        states.append(state)
    return states


def test_an_epoch_repeats_bit_for_bit_and_statistics_move():
    before, after = trained()[1:3]
    again, (loss, accuracy) = program()(jax.random.key(1), before)
    for one, two in zip(*map(jax.tree.leaves, (after, again)), strict=True):
        np.testing.assert_array_equal(one, two)
    assert int(after.step) == 4 and np.isfinite(loss) and 0 <= accuracy <= 1
    moved = jax.tree.map(
        lambda a, b: bool(np.any(a != b)), before.statistics, after.statistics
    )
    assert all(jax.tree.leaves(moved))


def test_accuracy_counts_each_image_once(monkeypatch):
    state = trained()[-1]

    def score(images, labels):
        judge = functools.partial(retraining.accuracy, cheap(), SMALL)
        return jax.jit(judge)(state, images, labels)

    whole = float(score(IMAGES, LABELS))
    monkeypatch.setattr(retraining, "BATCH", 8)
    assert float(score(IMAGES, LABELS)) == pytest.approx(whole)
    shown = round(21 * whole)
    assert whole == pytest.approx(shown / 21)


def test_an_image_is_judged_alone():
    state, model = trained()[-1], DartsNetwork(cheap(), SMALL)
    variables = {"params": state.params, "batch_stats": state.statistics}
    images = jnp.asarray(RNG.normal(size=(3, 8, 8, 4)), jnp.float32)
    judge = jax.jit(functools.partial(model.apply, variables, train=False))
    logits, head = judge(images)
    other, _ = judge(images.at[..., 0].add(1.0))
    np.testing.assert_allclose(logits[:, 1:], other[:, 1:], rtol=1e-5, atol=1e-5)
    assert head is None and (logits[:, 0] != other[:, 0]).any()


def test_dropped_paths_are_scaled():
    from tnasp_jax.supernets.darts_alone import _drop_path

    class Rng:
        def make_rng(self, name):
            assert name == "drop_path"
            return jax.random.key(0)

    out = np.asarray(_drop_path(Rng(), jnp.ones((2, 3, 3, 2000)), 0.25))  # type: ignore[arg-type]
    assert (out == out[:1, :1, :1]).all()  # All of an image, or nothing.
    kept = out[0, 0, 0] > 0
    np.testing.assert_allclose(out[0, 0, 0][kept], 1 / 0.75, rtol=1e-6)
    assert kept.mean() == pytest.approx(0.75, abs=0.04)


@pytest.mark.parametrize(
    "network, config, message",
    [
        (SMALL, {"batch_size": 22}, r"batch_size in 1 .. 21"),
        (Network(image_size=8, auxiliary=True), {}, "32 x 32, got 8"),
    ],
)
def test_what_does_not_fit_is_refused(network, config, message):
    config = retraining.RetrainConfig(**{"batch_size": 4, **config})
    with pytest.raises(ValueError, match=message):
        retraining.start(cheap(), network, config, 21, jax.random.key(0))
