"""Figure 5: how well each predictor ranks the best architectures, from run folders.

python -m experiments.figure5 --out=DIR [--runs=runs] [--keep|--overwrite] [COLUMN ...]

A column is TABLE_N, as in the names of cells; the defaults are nb101_424 and nb201_469.
Every finished run of a column without self-evolution takes part. DIR gets figure5.json,
all numbers of every draw, and figure5.png, one row of panels a column: tau among the true
best, precision and regret of the predicted top k. --keep goes on from the figure5.json of
DIR: its predictors stay, except those that --runs holds.
"""

from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from experiments.cells import results
from experiments.reports import figures, top_ranks
from experiments.reports.figures import (
    COLUMNS,
    TITLES,
    find_runs,
    in_order,
    out_folder,
    save_plot,
)
from experiments.shell import command
from experiments.shell.command import UserError
from experiments.shell.progress import Progress
from tnasp_jax import benchmarks, runs

FILE, PLOT = "figure5.json", "figure5.png"


def define(values: flags.FlagValues) -> None:
    """The flags of figures, and --keep."""
    figures.define(values)
    text = f"predictors that {FILE} of --out holds stay"
    flags.DEFINE_bool("keep", False, text, flag_values=values)


def main(values: flags.FlagValues, names: list[str]) -> int:
    out = out_folder(values)
    if values.keep and values.overwrite:
        raise UserError("--keep goes on from what --overwrite replaces; give one")
    if not values.keep:
        command.check_free(values, out / FILE, out / PLOT)
    home = Path(values.runs)
    columns = _kept(out) if values.keep else {}
    found = {name: find_runs(home, name) for name in names or COLUMNS}
    progress = Progress(sum(map(len, found.values())), "ranking", values.quiet)
    done = 0
    for name, of_column in found.items():
        first = next(iter(of_column.values()))[1]
        table = benchmarks.load(first["table"], command.data_dir(values))
        predictors = _stay(columns.get(name), _about(first), out / FILE, name)
        for predictor, (folder, summary) in of_column.items():
            numbers = top_ranks.of_run(folder, summary, table)
            predictors[predictor] = {
                "name": summary["name"],
                "seeds": summary["seeds"],
                **numbers,
            }
            done += 1
            progress.update(done, summary["name"])
        columns[name] = _about(first) | {"predictors": in_order(predictors)}
    about = {
        "quantities": top_ranks.QUANTITIES,
        "cells": "all of the table, training cells among them, or others (_testN)",
        "ties": top_ranks.TIES,
    }
    out.mkdir(parents=True, exist_ok=True)
    runs.write_json(out / FILE, about | {"columns": columns})
    print(out / FILE)
    save_plot(out / PLOT, lambda: draw(columns))
    return 0


def _kept(out: Path) -> dict[str, dict[str, Any]]:
    """The columns that the folder's file holds."""
    path = out / FILE
    if not path.is_file():
        raise UserError(f"--keep: {path} is not there; leave the flag out")
    columns = results.read_json(path).get("columns")
    if not isinstance(columns, dict):
        raise UserError(f"--keep: {path} is of another command; name another --out")
    return columns


def _stay(
    column: dict[str, Any] | None, about: dict[str, Any], path: Path, name: str
) -> dict[str, Any]:
    """The predictors of a column that was there before, if it is the same one."""
    if column is None:
        return {}
    for what, value in about.items():
        if column.get(what) != value:
            raise UserError(
                f"--keep: {path} has another {what} of {name} than the runs; "
                "leave the flag out"
            )
    return dict(column["predictors"])


def _about(summary: dict[str, Any]) -> dict[str, Any]:
    kept = ("table", "space", "n_train", "n_test", "train_target", "eval_target")
    more = ("targets", "data_sha256")
    return {name: summary[name] for name in (*kept, *more)}


def draw(columns: dict[str, dict[str, Any]]):
    """The figure of what figure5.json holds under `columns`."""
    from tnasp_jax import plotting

    return plotting.curves(
        {_title(column): _panels(column) for column in columns.values()}
    )


def _title(column: dict[str, Any]) -> str:
    found = column["predictors"].values()
    draws = sorted({len(numbers["seeds"]) for numbers in found})
    cells = column["n_test"] - max(numbers["unlabelled"] for numbers in found)
    target, _, _ = column["targets"][column["eval_target"]].partition(", fraction")
    return (
        f"{TITLES[column['table']]}: {column['n_train']} training cells, {cells:,} cells "
        f"ranked; mean and sd of {' or '.join(map(str, draws))} draws\n"
        f"ranked against {column['eval_target']}: {target}"
    )


def _panels(column: dict[str, Any]) -> list:
    from tnasp_jax.plotting import Panel

    def panel(quantity: str, title: str, xlabel: str, scale: float = 1.0, **axis):
        lines = {}
        for predictor, numbers in column["predictors"].items():
            points = numbers[quantity].values()
            mean, std = (
                scale * np.array([point[of] for point in points], float)
                for of in ("mean", "std")
            )
            lines[predictor] = (mean, std)
        ticks = list(next(iter(column["predictors"].values()))[quantity])
        return Panel(title, xlabel, ticks, lines, **axis)

    return [
        panel("tau_top", "Kendall tau-b", "share of cells, true best first, %"),
        panel(
            "precision_at_k", "precision@k", "k, predicted best first", positive=True
        ),
        panel(
            "regret_at_k",
            "regret@k, % points, log above 0.1",
            "k, predicted best first",
            scale=100,
            positive=True,
            linear_to=0.1,
        ),
    ]


if __name__ == "__main__":
    command.run(main, define, words="COLUMN ...")
