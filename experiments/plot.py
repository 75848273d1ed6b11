"""Plots of finished runs.

python -m experiments.plot RUN ... [--out=runs/plots]

RUN is the folder of a finished run. Each gets scatter_NAME.png, predicted against measured
accuracy by its first draw; one with self-evolution also rounds_NAME.png, what each round
did. Runs of one table that differ in the number of labels give one
learning_curve_*.png, a curve for each predictor. Prints the files that it wrote.
"""

from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from experiments.cells import results
from experiments.reports import plot_curves
from experiments.reports.figures import TITLES, out_folder, save_plot
from experiments.reports.plot_curves import Drawer
from experiments.shell import command
from experiments.shell.command import UserError
from tnasp_jax import benchmarks
from tnasp_jax.benchmarks import Table
from tnasp_jax.spaces import custom_cells

Plots = dict[str, Drawer]
"""How to draw the plot of a file's name."""


def define(values: flags.FlagValues) -> None:
    flags.DEFINE_string("out", "runs/plots", "folder of the plots", flag_values=values)
    command.define_shared(values, ("data_dir", "debug"))


def main(values: flags.FlagValues, folders: list[str]) -> int:
    out = out_folder(values)
    if not folders:
        raise UserError("no run is named; give the --workdir of finished runs")
    found = {Path(folder): read(Path(folder)) for folder in dict.fromkeys(folders)}
    names = [summary["name"] for summary in found.values()]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UserError(f"two runs are named {twice[0]}; their plots would be one file")
    plots: Plots = {}
    tables: dict[str, Table] = {}
    for folder, summary in found.items():
        plots |= of_run(folder, summary, command.data_dir(values), tables)
    plots |= plot_curves.of_runs(list(found.values()))
    if not plots:
        raise UserError(
            f"{folders[0]}: no plot; a run on a file of one's own has a learning curve "
            "where it was trained with --learning_curve"
        )
    out.mkdir(parents=True, exist_ok=True)
    for name, draw in plots.items():
        save_plot(out / name, draw)
    return 0


def read(folder: Path) -> dict[str, Any]:
    """The results.json of a finished run; UserError if there is none."""
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; give the --workdir of a run")
    if not (folder / "results.json").is_file():
        raise UserError(
            f"{folder}: "
            + (
                "the run is not finished; repeat its command with --resume"
                if (folder / "config.json").is_file()
                else "holds no run; give the --workdir of a finished run"
            )
        )
    summary = results.read_json(folder / "results.json")
    needed = ("name", "table", "predictor", "n_train", "eval_target", "kendall_tau")
    if not isinstance(summary, dict) or any(name not in summary for name in needed):
        raise UserError(f"{folder / 'results.json'}: not the results of a training run")
    return summary


def of_run(
    folder: Path,
    summary: dict[str, Any],
    data_dir: Path | None,
    tables: dict[str, Table],
) -> Plots:
    """The plots of one run.

    Args:
      folder: of the run.
      summary: its results.json.
      data_dir: folder of the official tables.
      tables: those that are loaded already, by name; gets more.

    Raises:
      UserError: for damaged predictions, or predictions of other data.
      ValueError: if the table of the run is not there.
    """
    plots: Plots = {}
    # Labels of a user's own file are not in the run.
    if summary.get("space") != custom_cells.NAME:
        name = summary["table"]
        if name not in tables:
            tables[name] = benchmarks.load(name, data_dir)
        results.check_data(folder, summary, tables[name])
        plots[f"scatter_{summary['name']}.png"] = scatter(folder, summary, tables[name])
    if rounds := summary.get("self_evolution_rounds"):
        plots[f"rounds_{summary['name']}.png"] = lambda: plot_curves.rounds(
            summary, rounds
        )
    return plots


def scatter(folder: Path, summary: dict[str, Any], table: Table) -> Drawer:
    """How to draw predicted against measured accuracy by the first draw."""
    names = ("index", "scores", "train_index")
    index, scores, train = results.read_predictions(folder, *names)
    index = index if index.ndim == 1 else index[0]
    measured = table.label(summary["eval_target"])[index]
    learnt = np.flatnonzero(np.isin(index, train[0]) & np.isfinite(measured))
    target, _, _ = summary["targets"][summary["eval_target"]].partition(", fraction")
    title = (
        f"{TITLES.get(table.name, table.name)}: {plot_curves.label(summary)}, "
        f"{summary['n_train']} training cells, draw of seed {summary['seeds'][0]}\n"
        f"{_taus(summary)}\n{target}"
    )

    def draw():
        from tnasp_jax import plotting

        return plotting.scatter(
            scores[0],
            measured,
            title=title,
            predicted_label=f"predicted {summary['train_target']}",
            measured_label=f"measured {summary['eval_target']}",
            highlighted=learnt if len(learnt) else None,
        )

    return draw


def _taus(summary: dict[str, Any]) -> str:
    """Tau of the first draw, of all draws and of the training label."""
    tau = summary["kendall_tau"]
    first = tau["per_seed"][0]
    said = f"tau-b {'undefined' if first is None else f'{first:.3f}'}"
    said += f" over {summary['n_test']:,} cells"
    if len(tau["per_seed"]) > 1:
        said += f"; {len(tau['per_seed'])} draws: {results.mean_std(tau)}"
    if summary.get("ceiling") is not None:
        said += f"; ceiling {summary['ceiling']:.3f} (training label itself)"
    return said


if __name__ == "__main__":
    command.run(main, define, words="RUN ...")
