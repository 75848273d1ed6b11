"""Figure 5: how well each predictor ranks the best architectures, from run folders.

python -m experiments.figure5 --out=DIR [--runs=runs] [COLUMN ...]

A column is TABLE_N, as in the names of cells; the defaults are nb101_424 and nb201_469.
Every finished run of a column without self-evolution takes part. DIR gets figure5.json,
all numbers of every draw, and figure5.png, one row of panels a column: tau among the true
best, precision and regret of the predicted top k.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from experiments import command, results, top_ranks
from experiments.command import UserError
from experiments.progress import Progress
from experiments.published import Column
from experiments.table_rows import column_of
from tnasp_jax import PREDICTORS, benchmarks, runs

COLUMNS = ("nb101_424", "nb201_469")
SPACES = {
    "nb101": "NAS-Bench-101",
    "nb201": "NAS-Bench-201",
    "nb201digits": "NAS-Bench-201 on digits",
}
_COLUMN = re.compile(r"(nb101|nb201digits|nb201)_([1-9]\d*)(?:_test([1-9]\d*))?")

Found = dict[str, tuple[Path, dict[str, Any]]]  # Folder and results.json by predictor.


def define(values: flags.FlagValues) -> None:
    flags.DEFINE_string("out", None, "folder of the two files", flag_values=values)
    flags.DEFINE_string("runs", "runs", "folder of run folders", flag_values=values)
    flags.DEFINE_string(
        "data_dir", None, "official data; default: $TNASP_DATA", flag_values=values
    )
    flags.DEFINE_bool("quiet", False, "no progress", flag_values=values)
    flags.DEFINE_bool("debug", False, "traceback of an error", flag_values=values)


def main(values: flags.FlagValues, names: list[str]) -> int:
    if not values.out:
        raise UserError("--out is missing; name the folder for the figure")
    out = Path(values.out)
    if out.exists() and not out.is_dir():
        raise UserError(f"--out={out}: is a file; name a folder")
    found = {name: find_runs(Path(values.runs), name) for name in names or COLUMNS}
    progress = Progress(sum(map(len, found.values())), "ranking", values.quiet)
    done = 0
    columns = {}
    for name, of_column in found.items():
        first = next(iter(of_column.values()))[1]
        table = benchmarks.load(first["table"], command.data_dir(values))
        columns[name] = _about(first) | {"predictors": {}}
        for predictor, (folder, summary) in of_column.items():
            numbers = top_ranks.of_run(folder, summary, table)
            columns[name]["predictors"][predictor] = {
                "name": summary["name"],
                "seeds": summary["seeds"],
                **numbers,
            }
            done += 1
            progress.update(done, summary["name"])
    about = {
        "quantities": top_ranks.QUANTITIES,
        "cells": "all of the table, training cells among them, or others (_testN)",
        "ties": top_ranks.TIES,
    }
    out.mkdir(parents=True, exist_ok=True)
    runs.write_json(out / "figure5.json", about | {"columns": columns})
    print(out / "figure5.json")
    try:
        figure = draw(columns)
    except ModuleNotFoundError:
        print("no plot: matplotlib is missing; pip install 'tnasp_jax[plots]'")
        return 0
    with runs.replacing(out / "figure5.png") as path:
        figure.savefig(path, format="png")
    print(out / "figure5.png")
    return 0


def find_runs(home: Path, name: str) -> Found:
    """The finished runs of a column without self-evolution, in the registry's order.

    Raises:
      UserError: for a name of another form, a missing folder, no run, and two runs of
        one cell or runs that are ranked by different labels.
    """
    match = _COLUMN.fullmatch(name)
    if not match:
        raise UserError(f"{name}: expected TABLE_N, such as nb201_469")
    column = Column(match[1], int(match[2]), int(match[3]) if match[3] else None)
    if not home.is_dir():
        raise UserError(f"--runs={home}: no such folder")
    found: Found = {}
    for folder, summary in _finished(home):
        if column_of(summary) != column or summary["self_evolution"] != "off":
            continue
        predictor = summary["predictor"]
        if predictor in found:
            other = found[predictor][0]
            raise UserError(f"{folder} and {other} are runs of one cell; keep one")
        found[predictor] = (folder, summary)
    if not found:
        raise UserError(
            f"{home}: no finished run of column {name}; python -m experiments.sweep "
            f"--runs={home} {name.replace('_', '_tnasp_', 1)}"
        )
    labels = {summary["eval_target"] for _, summary in found.values()}
    if len(labels) > 1:
        raise UserError(
            f"{name}: runs are ranked by different labels, {sorted(labels)}"
        )
    order = [*PREDICTORS, *sorted(found)]
    return dict(sorted(found.items(), key=lambda item: order.index(item[0])))


def _finished(home: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    for path in sorted(home.glob("*/results.json")):
        yield path.parent, results.read_json(path)


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
        f"{SPACES[column['table']]}: {column['n_train']} training cells, {cells:,} cells "
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

    regret = {"scale": 100, "positive": True, "linear_to": 0.1}
    return [
        panel("tau_top", "Kendall tau-b", "share of cells, true best first, %"),
        panel(
            "precision_at_k", "precision@k", "k, predicted best first", positive=True
        ),
        panel(
            "regret_at_k",
            "regret@k, % points, log above 0.1",
            "k, predicted best first",
            **regret,
        ),
    ]


if __name__ == "__main__":
    command.run(main, define, words="COLUMN ...")
