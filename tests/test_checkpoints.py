"""Checkpoints: what comes back, where, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tnasp_jax.checkpoints import Checkpoints


def state(value, shape=(2, 3)):
    return {"weights": jnp.full(shape, value), "key": jax.random.key(5)}


def test_checkpoints_restore_the_newest_and_are_silent(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    checkpoints = Checkpoints("relative")
    assert checkpoints.about() is None
    checkpoints.save(1, state(1.0), {"done": 1, "lines": []})
    checkpoints.save(2, state(2.0), {"done": 2, "lines": [{"loss": 0.25}]})
    checkpoints.save(2, state(3.0), {"done": 3, "lines": []})
    checkpoints.close()
    again = Checkpoints("relative")
    assert again.about() == {"done": 3, "lines": []}
    stored = again.restore(jax.eval_shape(lambda: state(0.0)))
    again.close()
    np.testing.assert_array_equal(stored["weights"], np.full((2, 3), 3.0))
    assert jnp.issubdtype(stored["key"].dtype, jax.dtypes.prng_key)
    np.testing.assert_array_equal(
        jax.random.bits(stored["key"]), jax.random.bits(jax.random.key(5))
    )
    assert capfd.readouterr() == ("", "")


def test_a_state_of_several_devices_restores_on_one(tmp_path, two_devices):
    rows = jax.sharding.NamedSharding(two_devices, jax.sharding.PartitionSpec("rows"))
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, jax.device_put({"w": jnp.arange(4.0)}, rows), {})
    stored = checkpoints.restore({"w": jnp.zeros(4)})["w"]
    checkpoints.close()
    assert len(stored.sharding.device_set) == 1
    np.testing.assert_array_equal(stored, np.arange(4))


@pytest.mark.parametrize("impl", ["threefry2x32", "rbg"])
def test_a_key_keeps_its_kind(tmp_path, impl):
    key = jax.random.key(5, impl=impl)
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, {"key": key}, {})
    for like in ({"key": key}, jax.eval_shape(lambda: {"key": key})):
        stored = checkpoints.restore(like)["key"]
        assert stored.dtype == key.dtype
        found, right = map(jax.random.key_data, (stored, key))
        np.testing.assert_array_equal(found, right)
    checkpoints.close()


@pytest.mark.parametrize(
    "like",
    [
        lambda: state(0.0, (2, 4)),
        lambda: state(0.0) | {"more": jnp.zeros(2)},
        lambda: {"key": jax.random.key(0)},
        lambda: {"other": jnp.zeros((2, 3)), "key": jax.random.key(0)},
    ],
)
def test_a_state_of_other_shapes_is_refused(tmp_path, like):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, state(1.0), {})
    with pytest.raises(ValueError, match="other shapes than this run") as caught:
        checkpoints.restore(like())
    checkpoints.close()
    assert "\n" not in str(caught.value)
