"""Trains and judges a predictor on architectures and accuracies of your own.

python -m experiments.custom --csv=FILE --train_label=COLUMN --workdir=DIR
    [--test_label=COLUMN] [--learning_curve=50,100] [--predictor=NAME]

FILE has the columns `ops`, operations in topological order joined by blanks (the first is
the input, the last the output), and `edges`, such as `0>1 0>2 1>3`; --jsonl takes `ops`
and `adjacency`. Rows are parted into folds. Each fold is ranked by a model that learnt
the others; the run folder holds these models, and their mean predicts. See
docs/own_space.md.
"""

import dataclasses
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from experiments.cells import draws, pipeline, recipe, results
from experiments.cells.cell import Cell
from experiments.own_space import bad_rows, custom_flags, learning_curve
from experiments.shell import command, devices
from experiments.shell.command import UserError
from tnasp_jax import runs
from tnasp_jax.benchmarks import Table, custom
from tnasp_jax.predictors import get_predictor
from tnasp_jax.spaces import describe


@dataclasses.dataclass(frozen=True, kw_only=True)
class CustomCell(Cell):
    """A cell of a user's own file; its draws are the folds.

    Attributes:
      seed: of the order in which rows are parted into folds.
      space: the description of its space.
    """

    seed: int
    space: dict[str, Any]


def main(values: flags.FlagValues) -> int:
    custom_flags.check(values)
    devices.use_all_cores()
    began = time.monotonic()
    table = read_table(values)
    cell = cell_of(values, table)
    splits = draws.folds(len(table), len(cell.seeds), cell.seed)
    sizes = values.learning_curve or ()
    if sizes and sizes[-1] >= cell.n_train:
        raise UserError(
            f"--learning_curve={sizes[-1]}: the {len(cell.seeds)} folds of "
            f"{len(table)} rows learn from {cell.n_train}; give smaller numbers"
        )
    points = learning_curve.plan(cell, table, splits, sizes)
    workdir = Path(values.workdir)
    summary = pipeline.run_cell(
        cell,
        table,
        workdir,
        flags_text=command.resolved(values),
        argv=sys.argv,
        splits=splits,
        resume=values.resume,
        overwrite=values.overwrite,
        quiet=values.quiet,
    )
    there = [point["n_train"] for point in summary.get("learning_curve", ())]
    if there != [*sizes, cell.n_train]:  # A resumed run may have them.
        curve = learning_curve.measure(points, table, values.quiet)
        curve.append(learning_curve.point(summary))
        summary |= _more(values, cell, curve)
        summary["wall_seconds"] = round(time.monotonic() - began, 2)
        runs.write_json(workdir / "results.json", summary)
    print(summary["expect"] if values.quiet else report(summary, table))
    recipe.warn_of_unused(values, table)
    if not values.quiet:
        shortest = min(map(table.texts, range(len(table))), key=len)
        print(f"\nnext:\n  {command.typed('predict', f'--run={workdir}', shortest)}")
        print(f"  {command.typed('plot', str(workdir))}")
    return 0


def read_table(values: flags.FlagValues) -> Table:
    """The user's file; every bad row stands on stderr before the mistake is raised."""
    path = values.csv or values.jsonl
    try:
        with bad_rows.told(path):
            return custom.read(
                path,
                train_label=values.train_label,
                test_label=values.test_label,
                percent=values.percent,
                ops=values.ops,
                num_nodes=values.num_nodes,
                identity_ops=values.identity_ops,
                costs=_op_costs(values.op_costs),
            )
    except custom.BadColumn as bad:
        raise UserError(custom_flags.advised(bad)) from None


def cell_of(values: flags.FlagValues, table: Table) -> CustomCell:
    """The cell that the flags describe; UserError if there are too few rows."""
    rows, count = len(table), values.folds
    if rows < 2 * count:
        raise UserError(
            f"--folds={count}: expected at least {2 * count} rows, two a fold, got "
            f"{rows}; label more architectures"
            + (" or give fewer folds" if rows >= 4 else "")
        )
    held_out = rows // count
    return CustomCell(
        table=table.name,
        predictor=values.predictor,
        self_evolution="off",
        n_train=rows - held_out,
        n_val=0,
        n_test=held_out,
        seeds=tuple(range(count)),
        train_target=table.train_target,
        eval_targets=table.eval_targets,
        units=values.units,
        fit=recipe.fit_config(values, get_predictor(values.predictor, table.space)),
        evolution=None,
        seed=values.seed,
        space=describe(table.space) or {},
    )


def report(summary: dict[str, Any], table: Table) -> str:
    """What a run ends with; its last line is the sentence on what to expect."""
    learnt, judged = summary["train_target"], summary["eval_target"]
    copies = len(table) - len(np.unique(table.hashes))
    passing = ", ".join(summary["identity_ops"]) or "none"
    itself = " itself" if learnt == judged else ""
    lines = [
        f"file            {len(table)} architectures of up to {table.space.num_nodes} "
        f"nodes; {copies} repeat another one's graph",
        f"operations      {', '.join(table.space.ops)}",
        f"  passing on    {passing}",
        f"learnt          {summary['targets'][learnt]}",
        f"ranked by       {summary['targets'][judged]}{itself}",
        f"cross-validated {summary['folds']} folds: {summary['n_train']} rows learnt, "
        f"{summary['n_test']} others ranked; mean (sd) of the folds",
        f"Kendall tau     {results.mean_std(summary['kendall_tau'])}",
        f"held-out tau    {results.mean_std(summary['kendall_tau_heldout'])}, without "
        "rows whose graph was learnt",
    ]
    if summary["ceiling"] is not None:
        lines.append(
            f"noise ceiling   {summary['ceiling']:.3f}: tau of {learnt} itself"
        )
    curve = summary["learning_curve"]
    for number, point in enumerate(curve if len(curve) > 1 else ()):
        tau = results.mean_std(point["kendall_tau_heldout"])
        line = (
            f"{'' if number else 'learning curve':16}{point['n_train']:5} labels  {tau}"
        )
        lines.append(line + ("" if number else ", held-out tau"))
    lines += [f"check           {suspect}" for suspect in custom.suspects(table)]
    return "\n".join([*lines, "", summary["expect"]])


def _op_costs(path: str | None) -> dict[str, tuple[float, float]] | None:
    if not path:
        return None
    found = results.read_json(Path(path))
    try:
        return {
            op: (float(cost["flops"]), float(cost["params"]))
            for op, cost in found.items()
        }
    except (AttributeError, KeyError, TypeError, ValueError):
        example = json.dumps({"conv": {"flops": 1e6, "params": 9408}})
        raise UserError(f"--op_costs={path}: expected JSON like {example}") from None


def _more(
    values: flags.FlagValues, cell: CustomCell, curve: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """What results.json says of a user's own file beside what every run says."""
    more: dict[str, Any] = {
        "folds": len(cell.seeds),
        "fold_seed": cell.seed,
        "identity_ops": cell.space["identity_ops"],
        "learning_curve": list(curve),
        "expect": learning_curve.sentence(curve, cell.eval_targets[0]),
    }
    if not values.test_label:
        more["ceiling"] = None
        more["ceiling_by_target"] = {cell.train_target: None}
        more["ceiling_reason"] = "no test label was given that could be compared"
    return more


if __name__ == "__main__":
    command.run(main, custom_flags.define)
