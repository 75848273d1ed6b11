"""Writes the example of a user's own file: cells with accuracies, as csv.

python -m experiments.example_file --out=experiments/examples/digits_cells.csv --overwrite

The rows are cells of NAS-Bench-201 drawn from the embedded table, with their validation
and test accuracy on 8 x 8 digits; operations that are on no path are left out.
"""

import csv
import io
from pathlib import Path

import jax
import numpy as np
from absl import flags

from experiments.shell import command
from experiments.shell.command import UserError
from tnasp_jax import benchmarks
from tnasp_jax.benchmarks import Table
from tnasp_jax.graphs import live_nodes
from tnasp_jax.spaces.base import host_rng

COLUMNS = ("ops", "edges", "val_acc", "test_acc")


def define(values: flags.FlagValues) -> None:
    flags.DEFINE_string("out", None, "the csv file; needed", flag_values=values)
    flags.DEFINE_integer("rows", 200, "cells", lower_bound=1, flag_values=values)
    command.define_shared(values, ("overwrite",))


def main(values: flags.FlagValues) -> int:
    if not values.out:
        raise UserError("--out is missing; name the csv file")
    command.check_out(values, Path(values.out))
    table = benchmarks.load("nb201digits")
    text = example(table, values.rows)
    try:
        Path(values.out).write_text(text)
    except OSError as error:
        raise UserError(f"--out={values.out}: {error.strerror}") from None
    print(f"{values.out}: {values.rows} cells")
    return 0


def example(table: Table, rows: int) -> str:
    """A csv of cells, drawn by chance from those whose output can be reached.

    Raises:
      UserError: if the table has fewer such cells.
    """
    whole = np.asarray(table.graphs.mask).any(axis=1)
    candidates = [
        row for row in np.flatnonzero(whole).tolist() if _live(table, row).any()
    ]
    if rows > len(candidates):
        raise UserError(f"--rows={rows}: the table has {len(candidates)} such cells")
    chosen = host_rng(jax.random.key(0)).choice(candidates, rows, replace=False)
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    labels = [table.label(name) for name in (table.train_target, table.eval_targets[0])]
    for row in chosen:
        accuracies = [f"{label[row]:.5f}" for label in labels]
        writer.writerow([*_fields(table, row), *accuracies])
    return file.getvalue()


def _live(table: Table, row: int) -> np.ndarray:
    """Slots on a path from the first live slot to the last one, of live slots alone."""
    live = np.flatnonzero(np.asarray(table.graphs.mask[row]))
    return live_nodes(np.asarray(table.graphs.adjacency[row])[np.ix_(live, live)])


def _fields(table: Table, row: int) -> tuple[str, str]:
    """Operations and edges as the columns of a csv have them."""
    slots = np.flatnonzero(np.asarray(table.graphs.mask[row]))[_live(table, row)]
    names = [table.space.ops[op] for op in np.asarray(table.graphs.ops[row])[slots]]
    matrix = np.asarray(table.graphs.adjacency[row])[np.ix_(slots, slots)]
    return " ".join(names), " ".join(f"{i}>{j}" for i, j in np.argwhere(matrix))


if __name__ == "__main__":
    command.run(main, define)
