"""The data of a cell's draws: splits of the table, labels in training units."""

import dataclasses
import functools
from collections.abc import Sequence

import jax
import numpy as np

from experiments.cells.cell import Cell
from experiments.shell.command import UserError
from tnasp_jax import benchmarks
from tnasp_jax.benchmarks import Split, Table
from tnasp_jax.graphs import Graphs
from tnasp_jax.spaces.base import host_rng
from tnasp_jax.training import labels


@dataclasses.dataclass(frozen=True)
class Draws:
    """The data of all draws, leading axis S on every leaf.

    `val_units` are the hidden labels in training units. They reach nothing but
    `Server`.
    """

    splits: list[Split]
    fit_keys: jax.Array
    evolution_keys: jax.Array
    train: Graphs
    train_units: jax.Array
    validation: Graphs
    val_units: jax.Array
    scale: labels.LabelScale


def draw_data(cell: Cell, table: Table, splits: Sequence[Split] | None = None) -> Draws:
    """Splits the table and fits the label units, once a seed.

    Args:
      cell: what is trained.
      table: its table.
      splits: one a seed, of equal sizes, instead of those that chance draws.
    """
    keys = jax.vmap(jax.random.key)(np.array(cell.seeds, np.uint32))
    fold_in = jax.vmap(jax.random.fold_in, (0, None))
    if splits is None:
        splits = [
            benchmarks.draw_split(
                table,
                jax.random.fold_in(key, 0),
                n_train=cell.n_train,
                n_val=cell.n_val,
                n_test=cell.n_test,
                train_target=cell.train_target,
            )
            for key in keys
        ]
    train_rows = np.stack([split.train_index for split in splits])
    val_rows = np.stack([split.val_index for split in splits])
    accuracy = table.label(cell.train_target)
    if any(np.ptp(accuracy[rows]) == 0 for rows in train_rows):
        raise UserError(
            f"the {cell.n_train} training labels of a draw are all equal; "
            "nothing can be learnt from them, take more"
        )
    scale = jax.vmap(functools.partial(labels.fit_scale, units=cell.units))(
        accuracy[train_rows]
    )
    to_units = jax.vmap(labels.LabelScale.to_units)
    return Draws(
        splits=list(splits),
        fit_keys=fold_in(keys, 1),
        evolution_keys=fold_in(keys, 2),
        train=table.graphs[train_rows],
        train_units=to_units(scale, accuracy[train_rows]),
        validation=table.graphs[val_rows],
        val_units=to_units(scale, accuracy[val_rows]),
        scale=scale,
    )


def folds(rows: int, count: int, seed: int) -> list[Split]:
    """Parts rows by chance; all folds are of one size, what is over is learnt by all.

    Returns:
      A split a fold: the others' rows in random order, none, the fold's own ascending.
    """
    order = host_rng(jax.random.key(seed)).permutation(rows).astype(np.int32)
    size = rows // count
    nothing = np.zeros(0, np.int32)
    parts = [np.arange(rows) // size == fold for fold in range(count)]
    return [Split(order[~own], nothing, np.sort(order[own])) for own in parts]
