"""One more axis for seeds and splits: draws side by side on all local devices."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from tnasp_jax.graphs import Graphs
from tnasp_jax.predictors.base import Params, Predictor
from tnasp_jax.training import supervised


def fit_draws(
    predictor: Predictor,
    graphs: Graphs,
    labels: jax.Array,
    keys: jax.Array,
    config: supervised.FitConfig,
    mesh: jax.sharding.Mesh | None = None,
) -> Params:
    """`supervised.fit` of every draw, on the devices or on the host.

    Args:
      predictor: the network.
      graphs: [S, n] training cells.
      labels: [S, n] in training units.
      keys: [S] typed keys.
      config: the recipe.
      mesh: as in `over_draws`.

    Returns:
      Parameters with leading axis S.
    """

    def one(graphs, labels, key):
        return supervised.fit(predictor, graphs, labels, key, config)[0]

    if not predictor.on_host:
        return over_draws(one, mesh)(graphs, labels, keys)
    fitted = [
        one(*jax.tree.map(lambda leaf, draw=draw: leaf[draw], (graphs, labels, keys)))
        for draw in range(len(labels))
    ]
    return jax.tree.map(lambda *leaves: np.stack(leaves), *fitted)


def over_draws(
    function: Callable,
    mesh: jax.sharding.Mesh | None = None,
    *,
    in_turn: bool = False,
) -> Callable:
    """Maps a function of one draw over a leading axis S of all its arguments.

    With a mesh, whose only axis is the draws', each device takes S / devices of them.
    Inside a device a CPU goes through its draws one after the other, since its cores
    are already busy with one; an accelerator takes them at once.

    Args:
      function: a jittable function of one draw; pytrees in, a pytree out.
      mesh: a one-dimensional mesh that the caller made, or None for one device.
      in_turn: whether an accelerator goes through its draws like a CPU, for functions
        that branch: side by side, all branches would run.

    Returns:
      A compiled function of pytrees with leading axis S. If S does not divide by the
      number of devices, the last draw is repeated and the surplus dropped on the host.
    """

    def on_device(*arguments):
        if in_turn or jax.default_backend() == "cpu":
            return jax.lax.map(lambda draw: function(*draw), arguments)
        return jax.vmap(function)(*arguments)

    if mesh is None:
        return jax.jit(on_device)
    draws = jax.sharding.PartitionSpec(mesh.axis_names[0])
    spread = jax.shard_map(
        on_device, mesh=mesh, in_specs=draws, out_specs=draws, check_vma=False
    )

    spread = jax.jit(spread)

    def mapped(*arguments):
        count = jax.tree.leaves(arguments)[0].shape[0]
        if count % mesh.size == 0:  # Then no device needs what another one holds.
            return spread(*arguments)
        rows = np.minimum(np.arange(-(-count // mesh.size) * mesh.size), count - 1)
        padded = jax.tree.map(lambda leaf: _rows(leaf, rows), arguments)
        kept = np.arange(count)
        return jax.tree.map(lambda leaf: _rows(leaf, kept), spread(*padded))

    return mapped


def _rows(leaf, rows: np.ndarray):
    """Rows of an array, taken on the host: devices of a CPU that exchange arrays can
    wait for each other for ever."""
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        data = jnp.asarray(np.asarray(jax.random.key_data(leaf))[rows])
        return jax.random.wrap_key_data(data, impl=jax.random.key_impl(leaf))
    return np.asarray(leaf)[rows]
