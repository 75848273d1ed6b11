"""What the commands of the tables share: flags to a cell, a cell to its report."""

import sys
from pathlib import Path

from absl import flags

from experiments.cells import pipeline, ranked, results
from experiments.cells.cell import Cell
from experiments.shell import command, devices
from experiments.shell.command import UserError
from tnasp_jax import benchmarks
from tnasp_jax.benchmarks import Table
from tnasp_jax.training.self_evolution import EvolutionConfig
from tnasp_jax.training.supervised import FitConfig


def main(values: flags.FlagValues, module: str) -> int:
    """Runs the cell that the flags describe and prints its report.

    Args:
      values: parsed flags.
      module: the command, "nb101", "nb201" or "rank".
    """
    if not values.workdir:
        raise UserError("--workdir is missing; name the folder for the run")
    command.check_shared(values)
    devices.use_all_cores()
    table = load_table(values, module)
    cell = cell_of(values, table)
    summary = pipeline.run_cell(
        cell,
        table,
        Path(values.workdir),
        flags_text=command.resolved(values),
        argv=sys.argv,
        from_run=Path(values.from_run) if values.from_run else None,
        resume=values.resume,
        overwrite=values.overwrite,
        quiet=values.quiet,
    )
    print(results.report(summary))
    if not values.quiet:
        print(f"\nnext:\n  python -m experiments.predict --run={values.workdir} TEXT")
    return 0


def load_table(values: flags.FlagValues, module: str) -> Table:
    """The table that the flags name."""
    if module == "rank":
        return ranked.load(values)
    if values.table == "official":
        return benchmarks.load(module, command.data_dir(values))
    if module != "nb201":
        raise UserError(
            f"--table={values.table}: the embedded table is of NAS-Bench-201; use "
            "python -m experiments.nb201"
        )
    return benchmarks.load("nb201digits")


def cell_of(values: flags.FlagValues, table: Table) -> Cell:
    """The cell that the flags describe; ValueError names a flag that does not fit.

    Sets `--n_val`, where it follows from the table, for the run's flags.txt.
    """
    if values.n_val is None:
        values.n_val = ranked.num_validation(table.name)
    train_target = values.train_target or table.train_target
    eval_targets = tuple(values.eval_target or table.eval_targets)
    for target in (train_target, *eval_targets):
        table.label(target)
    evolution = None
    if values.self_evolution != "off":
        evolution = EvolutionConfig(
            mode=values.self_evolution,
            rounds=values.se_rounds,
            steps=values.se_steps,
            alpha=values.se_alpha,
            proxy_rate=values.se_proxy_rate,
            multiplier_rate=values.se_multiplier_rate,
            dropout_submissions=values.self_evolution == "projection",
        )
    return Cell(
        table=table.name,
        predictor=values.predictor,
        self_evolution=values.self_evolution,
        n_train=values.n_train,
        n_val=values.n_val,
        n_test=values.n_test,
        seeds=tuple(values.seeds),
        train_target=train_target,
        eval_targets=eval_targets,
        units=values.units,
        fit=FitConfig(
            epochs=values.epochs,
            batch_size=values.batch_size,
            learning_rate=values.learning_rate,
            weight_decay=values.weight_decay,
            cosine=values.schedule == "cosine",
            first_moment=values.first_moment,
            clip=values.clip,
        ),
        evolution=evolution,
    )
