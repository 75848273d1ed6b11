"""One more axis for seeds and splits: draws side by side on all local devices."""

from collections.abc import Callable

import jax
import jax.numpy as jnp


def over_draws(function: Callable, mesh: jax.sharding.Mesh | None = None) -> Callable:
    """Maps a function of one draw over a leading axis S of all its arguments.

    With a mesh, whose only axis is the draws', each device takes S / devices of them.
    Inside a device a CPU goes through its draws one after the other, since its cores
    are already busy with one; an accelerator takes them at once.

    Args:
      function: a jittable function of one draw; pytrees in, a pytree out.
      mesh: a one-dimensional mesh that the caller made, or None for one device.

    Returns:
      A jitted function of pytrees with leading axis S. If S does not divide by the
      number of devices, the last draw is repeated and the surplus dropped.
    """

    def on_device(*arguments):
        if jax.default_backend() == "cpu":
            return jax.lax.map(lambda draw: function(*draw), arguments)
        return jax.vmap(function)(*arguments)

    if mesh is None:
        return jax.jit(on_device)
    draws = jax.sharding.PartitionSpec(mesh.axis_names[0])
    spread = jax.shard_map(
        on_device, mesh=mesh, in_specs=draws, out_specs=draws, check_vma=False
    )

    @jax.jit
    def mapped(*arguments):
        count = jax.tree.leaves(arguments)[0].shape[0]
        if count % mesh.size == 0:  # Then no device needs what another one holds.
            return spread(*arguments)
        rows = jnp.arange(-(-count // mesh.size) * mesh.size)
        rows = jnp.minimum(rows, count - 1)
        padded = jax.tree.map(lambda leaf: leaf[rows], arguments)
        return jax.tree.map(lambda leaf: leaf[:count], spread(*padded))

    return mapped
