"""What the commands of the tables share: flags to a cell, a cell to its report."""

import sys
from pathlib import Path

from absl import flags

from experiments.cells import pipeline, ranked, recipe, results, table_names
from experiments.cells.cell import Cell
from experiments.shell import command, devices
from experiments.shell.command import UserError
from tnasp_jax import benchmarks
from tnasp_jax.benchmarks import Table
from tnasp_jax.predictors import get_predictor


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
    print(results.brief(summary) if values.quiet else results.report(summary))
    recipe.warn_of_unused(values, table)
    if not values.quiet:
        arguments = f"--run={values.workdir}", table.texts(0)
        print(f"\nnext:\n  {command.typed('predict', *arguments)}")
    return 0


def load_table(values: flags.FlagValues, module: str) -> Table:
    """The table that the flags name."""
    if module == "rank":
        return ranked.load(values)
    name = table_names.full_name(values.table)
    name = module if name == "official" else name
    if table_names.HOMES[name] != module:
        raise UserError(
            f"--table={values.table}: use python -m experiments.{table_names.HOMES[name]}"
            ", whose table it is"
        )
    return benchmarks.load(name, command.data_dir(values))


def cell_of(values: flags.FlagValues, table: Table) -> Cell:
    """The cell that the flags describe; ValueError names a flag that does not fit.

    Sets what follows from the table and the predictor, for the run's flags.txt.
    """
    if values.n_val is None:
        values.n_val = ranked.num_validation(table.name)
    train_target = values.train_target or table.train_target
    eval_targets = tuple(values.eval_target or table.eval_targets)
    for target in (train_target, *eval_targets):
        table.label(target)
    predictor = get_predictor(values.predictor, table.space)
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
        fit=recipe.fit_config(values, predictor),
        evolution=recipe.evolution_config(values, predictor),
    )
