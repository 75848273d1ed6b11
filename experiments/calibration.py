"""How far to trust a standard deviation: coverage of intervals on held-out cells.

python -m experiments.calibration --out=DIR [--runs=runs] [--overwrite] [COLUMN ...]

A column is TABLE_N, as in the names of cells; the defaults are nb101_424 and nb201_469.
Of every finished run whose predictor tells a deviation, each draw is asked for cells that
it neither learnt from nor validated on. An interval of level p reaches so far to both
sides of the score that a normal label lies in it with probability p. DIR gets
calibration.json, all draws, and calibration.png.
"""

from pathlib import Path
from typing import Any

import jax
import numpy as np
import scipy.stats
from absl import flags

from experiments.cells import results
from experiments.reports.figures import (
    COLUMNS,
    TITLES,
    define,
    find_runs,
    out_folder,
    save_plot,
)
from experiments.shell import command, devices
from experiments.shell.command import UserError
from experiments.shell.progress import Progress
from tnasp_jax import benchmarks, runs
from tnasp_jax.benchmarks import Table

LEVELS = (10, 20, 30, 40, 50, 60, 70, 80, 90, 95)
FILE, PLOT = "calibration.json", "calibration.png"
CELLS = 2000  # Held-out cells of a draw, drawn from those that have the label.


def main(values: flags.FlagValues, names: list[str]) -> int:
    out = out_folder(values)
    command.check_free(values, out / FILE, out / PLOT)
    devices.use_all_cores()
    columns: dict[str, dict[str, Any]] = {}
    for name in names or COLUMNS:
        found = find_runs(Path(values.runs), name)
        loaded = {p: (*found[p], runs.load(found[p][0])) for p in found}
        knowing = {p: f for p, f in loaded.items() if f[2].predictor.deviation}
        if not knowing:
            raise UserError(
                f"{values.runs}: no run of column {name} tells a deviation; "
                f"python -m experiments.sweep {name.replace('_', '_best_', 1)}"
            )
        first = next(iter(knowing.values()))[1]
        table = benchmarks.load(first["table"], command.data_dir(values))
        columns[name] = {
            part: first[part] for part in ("table", "space", "n_train", "train_target")
        }
        columns[name]["label"] = table.describe[first["train_target"]]
        progress = Progress(len(knowing), f"coverage in {name}", values.quiet)
        columns[name]["predictors"] = {}
        for at, (predictor, (folder, summary, run)) in enumerate(knowing.items()):
            columns[name]["predictors"][predictor] = {
                "name": summary["name"],
                "seeds": summary["seeds"],
                "kendall_tau": summary["kendall_tau"]["mean"],
                **of_run(folder, summary, run, table),
            }
            progress.update(at + 1, predictor)
    about = {
        "coverage": "share of held-out cells whose training label, a label like those "
        "learnt from, lies in the central interval of that level, %",
        "cells": f"at most {CELLS} a draw, neither training nor validation cells",
        "kendall_tau": "of the run, over all that it ranked; mean over the draws",
    }
    out.mkdir(parents=True, exist_ok=True)
    runs.write_json(out / FILE, about | {"columns": columns})
    print(out / FILE)
    for line in report(columns):
        print(line)
    save_plot(out / PLOT, lambda: draw(columns))
    return 0


def of_run(
    folder: Path, summary: dict[str, Any], run: runs.Run, table: Table
) -> dict[str, Any]:
    """Coverage by level and the mean deviation of a finished run.

    Args:
      folder: of the run.
      summary: its results.json.
      run: what it trained; its predictor tells a deviation.
      table: the table that it learnt from.

    Returns:
      `coverage` in % by level and `mean_deviation` in label units, each with mean and
      sd over the draws.

    Raises:
      UserError: for predictions that are damaged or of another table.
    """
    results.check_data(folder, summary, table)
    known = results.read_predictions(folder, "train_index", "val_index", "seeds")
    assert run.predictor.deviation is not None
    apply, deviation = jax.jit(run.predictor.apply), jax.jit(run.predictor.deviation)
    labelled = table.candidates(run.target)
    coverages, deviations = [], []
    for at, (train, validation, seed) in enumerate(zip(*known, strict=True)):
        rest = np.setdiff1d(labelled, np.concatenate([train, validation]))
        rows = np.random.default_rng(int(seed)).permutation(rest)[:CELLS]
        draw = jax.tree.map(lambda leaf, at=at: leaf[at], run.params)
        graphs = table.graphs[rows]
        score = np.asarray(apply(draw["network"], graphs))
        spread = np.asarray(deviation(draw["network"], graphs))
        units = np.asarray(draw["scale"].to_units(table.label(run.target)[rows]))
        coverages.append(coverage(units, score, spread))
        deviations.append(float(np.mean(spread)))
    return {
        "coverage": {
            str(level): results.spread([c[level] for c in coverages], "")
            for level in LEVELS
        },
        "mean_deviation": results.spread(deviations, ""),
    }


def coverage(
    labels: np.ndarray, scores: np.ndarray, deviations: np.ndarray
) -> dict[int, float]:
    """Share of labels [M] inside the central interval of each level, %.

    Labels, scores and deviations are in the units that the predictor was trained in.
    """
    away = np.abs(labels - scores) / deviations
    return {
        level: float(100 * np.mean(away <= scipy.stats.norm.ppf(0.5 + level / 200)))
        for level in LEVELS
    }


def report(columns: dict[str, dict[str, Any]]) -> list[str]:
    """A line a run: what intervals of 50, 80 and 95 % cover."""
    lines = []
    for name, column in columns.items():
        for predictor, found in column["predictors"].items():
            shown = [
                f"{found['coverage'][str(level)]['mean']:.1f}" for level in (50, 80, 95)
            ]
            lines.append(
                f"{name} {predictor}: intervals of 50, 80, 95 % cover "
                f"{', '.join(shown)} % of {column['label']}"
            )
    return lines


def draw(columns: dict[str, dict[str, Any]]):
    """The figure of what calibration.json holds under `columns`."""
    from tnasp_jax import plotting

    panels = {}
    for name, column in columns.items():
        found = column["predictors"]
        draws = sorted({len(numbers["seeds"]) for numbers in found.values()})
        taus = [f"{p} {numbers['kendall_tau']:.3f}" for p, numbers in found.items()]
        title = (  # With the name, since columns that differ in test cells alone are two.
            f"{name}: {TITLES[column['table']]}, {column['n_train']} labels\n"
            f"{column['train_target']}, {' or '.join(map(str, draws))} draws; "
            f"tau {', '.join(taus)}"
        )
        panels[title] = {
            predictor: tuple(
                np.array(
                    [numbers["coverage"][str(level)][of] for level in LEVELS], float
                )
                for of in ("mean", "std")
            )
            for predictor, numbers in found.items()
        }
    return plotting.calibration(np.array(LEVELS, float), panels)


if __name__ == "__main__":
    command.run(main, define, words="COLUMN ...")
