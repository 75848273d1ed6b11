"""The states of a training under way, by Orbax; the only file that imports it."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


class Checkpoints:
    """The training states of one run, by Orbax; the newest two are kept.

    Args:
      folder: the run folder.
    """

    def __init__(self, folder: str | Path):
        import logging

        # Orbax imports a logger of its own name and of absl's; both are told once.
        for name in ("orbax", "absl"):
            logging.getLogger(name).setLevel(logging.ERROR)
        import orbax.checkpoint as ocp

        self._ocp = ocp
        self._manager = ocp.CheckpointManager(
            (Path(folder) / "checkpoints").absolute(),
            options=ocp.CheckpointManagerOptions(
                max_to_keep=2, enable_async_checkpointing=False
            ),
            item_handlers={
                "state": ocp.StandardCheckpointHandler(),
                "about": ocp.JsonCheckpointHandler(),
            },
        )

    def save(self, step: int, state: Any, about: dict[str, Any]) -> None:
        """Saves a pytree and a json-like dict under a step number, newer replacing."""
        if step in self._manager.all_steps():
            self._manager.delete(step)
        self._manager.save(
            step,
            args=self._ocp.args.Composite(
                state=self._ocp.args.StandardSave(_without_keys(state)),
                about=self._ocp.args.JsonSave(about),
            ),
        )
        self._manager.wait_until_finished()

    def about(self) -> dict[str, Any] | None:
        """The dict of the newest checkpoint; None if there is none."""
        step = self._manager.latest_step()
        if step is None:
            return None
        args = self._ocp.args.Composite(about=self._ocp.args.JsonRestore())
        return dict(self._manager.restore(step, args=args)["about"])

    def restore(self, like: Any) -> Any:
        """The newest state, in the structure and shapes of `like`.

        Args:
          like: a pytree of arrays, or of `jax.eval_shape`.

        Raises:
          ValueError: if the stored state has other shapes.
        """
        step = self._manager.latest_step()
        assert step is not None
        wanted = jax.eval_shape(_without_keys, like)
        # Into numpy, since other devices may have saved it.
        host = jax.tree.map(lambda leaf: np.empty(leaf.shape, leaf.dtype), wanted)
        args = self._ocp.args.StandardRestore(host)
        args = self._ocp.args.Composite(state=args)
        try:
            # Compared first: Orbax leaves a half-read file behind.
            if _shapes(self._manager.item_metadata(step)["state"]) != _shapes(wanted):
                raise ValueError("other shapes")
            stored = self._manager.restore(step, args=args)["state"]
        except ValueError as error:
            raise ValueError(
                "checkpoint: the stored state has other shapes than this run; "
                "go on with the settings that wrote it, or begin anew"
            ) from error
        return _with_keys(stored, like)

    def close(self) -> None:
        """Ends Orbax's threads."""
        self._manager.close()


def _shapes(tree: Any) -> list[tuple]:
    """Shapes and types of the arrays in a tree, in an order of their own."""
    leaves = [leaf for leaf in jax.tree.leaves(tree) if hasattr(leaf, "shape")]
    return sorted((tuple(leaf.shape), str(leaf.dtype)) for leaf in leaves)


def _is_key(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _kind_of(key: Any) -> Any:
    """The implementation of a key, which JAX tells of arrays and tracers alone."""
    kinds: list[Any] = []
    jax.eval_shape(lambda key: kinds.append(jax.random.key_impl(key)), key)
    return kinds[0]


def _without_keys(tree: Any) -> Any:
    return jax.tree.map(
        lambda leaf: jax.random.key_data(leaf) if _is_key(leaf) else leaf, tree
    )


def _with_keys(tree: Any, like: Any) -> Any:
    def one(leaf, template):
        if not _is_key(template):
            return jnp.asarray(leaf)
        return jax.random.wrap_key_data(leaf, impl=_kind_of(template))

    return jax.tree.map(one, tree, like)
