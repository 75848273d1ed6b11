"""Draws side by side equal draws one after the other."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tnasp_jax.graphs import Graphs
from tnasp_jax.predictors import Predictor
from tnasp_jax.training.draws import fit_draws, over_draws
from tnasp_jax.training.supervised import FitConfig


def _draw(key, tree):
    """A function of one draw with a loop in it, of a key and a pytree."""

    def step(total, row):
        return total + jnp.sin(row), jnp.sum(total)

    total, trace = jax.lax.scan(step, jnp.zeros(3), tree["rows"])
    noise = jax.random.normal(key, (2,))
    return {"total": total * tree["scale"], "rest": (noise, trace)}


def _arguments(count):
    rng = np.random.default_rng(count)
    keys = jax.vmap(jax.random.key)(np.arange(count))
    return keys, {
        "rows": rng.normal(size=(count, 4, 3)).astype(np.float32),
        "scale": rng.normal(size=count).astype(np.float32),
    }


@pytest.mark.parametrize("spread", [False, True])
@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_draws_equal_a_loop(count, spread, two_devices):
    keys, tree = _arguments(count)
    expected = [
        _draw(
            jax.random.key(draw), jax.tree.map(lambda leaf, draw=draw: leaf[draw], tree)
        )
        for draw in range(count)
    ]
    mapped = over_draws(_draw, two_devices if spread else None)(keys, tree)
    for leaf, *rows in zip(*map(jax.tree.leaves, (mapped, *expected)), strict=True):
        assert leaf.shape[0] == count
        np.testing.assert_allclose(leaf, np.stack(rows), rtol=1e-6, atol=1e-6)


def test_with_a_mesh_each_device_takes_its_share(two_devices):
    keys, tree = _arguments(4)
    scores = over_draws(_draw, two_devices)(keys, tree)["total"]
    assert scores.sharding.device_set == set(two_devices.devices.flat)
    shares = [shard.data.shape for shard in scores.addressable_shards]
    assert shares == [(2, 3), (2, 3)]


def test_equal_shapes_compile_once():
    traces = []

    def counted(key, tree):
        traces.append(1)
        return _draw(key, tree)

    mapped = over_draws(counted)
    for _ in range(3):
        mapped(*_arguments(3))
    assert len(traces) == 1


@pytest.mark.parametrize("on_host", [False, True])
def test_draws_of_a_predictor_with_a_fit_equal_a_loop(on_host, two_devices):
    def fit(key, graphs, labels):
        """Leaves JAX, which a tracer would refuse, where it may."""
        xp = np if on_host else jnp
        noise = xp.asarray(jax.random.normal(key, (2,)))
        return {"noise": noise, "at": xp.sum(xp.asarray(graphs.ops)[:, 0] * labels)}

    predictor = Predictor(lambda *_: {}, lambda *_, **__: jnp.zeros(0), fit=fit)
    predictor = predictor._replace(on_host=on_host)
    rng, slots = np.random.default_rng(0), (3, 5, 2)
    graphs = Graphs(
        rng.integers(0, 4, slots).astype(np.int32),
        np.zeros((*slots, 2), bool),
        np.ones(slots, bool),
    )
    labels = rng.normal(size=(3, 5)).astype(np.float32)
    keys = jax.vmap(jax.random.key)(np.arange(3))
    params = fit_draws(predictor, graphs, labels, keys, FitConfig(), two_devices)
    for draw in range(3):
        alone = fit(jax.random.key(draw), graphs[draw], labels[draw])
        for name, leaf in alone.items():
            np.testing.assert_allclose(params[name][draw], leaf, rtol=1e-6)
