"""Plots of finished runs and searches.

python -m experiments.plot RUN ... [--out=runs/plots] [--overwrite]

RUN is the folder of a finished run. Each gets scatter_NAME.png, predicted against measured
accuracy: by its first draw, or, of a run on a file of one's own, every row by the model
that did not learn it. One with self-evolution also gets rounds_NAME.png, what each round
did. Runs of one table that differ in the number of labels give one
learning_curve_*.png, a curve for each predictor. Folders of searches with --pareto give one
fronts.png. Prints the files that it wrote.
"""

import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from experiments.cells import results
from experiments.reports import plot_curves
from experiments.reports.figures import TITLES, out_folder, save_plot
from experiments.reports.plot_curves import Drawer
from experiments.searching import plot_fronts
from experiments.shell import command
from experiments.shell.command import UserError
from tnasp_jax import benchmarks
from tnasp_jax.benchmarks import Table
from tnasp_jax.spaces import custom_cells

Plots = dict[str, Drawer]
"""How to draw the plot of a file's name."""

LACKING = (
    "keeps no labels to plot predictions against; repeat its command with --overwrite"
)


def define(values: flags.FlagValues) -> None:
    flags.DEFINE_string("out", "runs/plots", "folder of the plots", flag_values=values)
    command.define_shared(values, ("data_dir", "overwrite", "debug"))


def main(values: flags.FlagValues, folders: list[str]) -> int:
    out = out_folder(values)
    if not folders:
        raise UserError("no run is named; give the --workdir of finished runs")
    paths = list(map(Path, dict.fromkeys(folders)))
    searches = [path for path in paths if (path / "search.json").is_file()]
    found = {path: read(path) for path in paths if path not in searches}
    names = [summary["name"] for summary in found.values()]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UserError(f"two runs are named {twice[0]}; their plots would be one file")
    plots: Plots = {}
    tables: dict[str, Table] = {}
    for folder, summary in found.items():
        plots |= of_run(folder, summary, command.data_dir(values), tables)
    plots |= plot_curves.of_runs(list(found.values()))
    if searches:
        fronts = [read_search(path) for path in searches]
        plots["fronts.png"] = lambda: plot_fronts.draw(fronts)
    bare = [folder for folder in found if lacks_labels(folder, found[folder])]
    sentences = [f"{folder}: {LACKING}" for folder in bare]
    if not plots:
        raise UserError(sentences[0])
    command.check_free(values, *(out / name for name in plots))
    for sentence in sentences:
        print(sentence, file=sys.stderr)
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


def read_search(folder: Path) -> dict[str, Any]:
    """The search.json of a folder; UserError if it has no front against one cost."""
    path = folder / "search.json"
    summary = results.read_json(path)
    if not isinstance(summary, dict) or not {"pareto", "front"} <= set(summary):
        raise UserError(f"{path}: not the results of a search")
    if len(summary["pareto"]) != 1:
        raise UserError(f"{path}: no front against one cost; search with --pareto=COST")
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
    name = f"scatter_{summary['name']}.png"
    if not is_own(summary):
        table = summary["table"]
        if table not in tables:
            tables[table] = benchmarks.load(table, data_dir)
        results.check_data(folder, summary, tables[table])
        plots[name] = scatter(folder, summary, tables[table])
    elif not lacks_labels(folder, summary):
        plots[name] = scatter_of_folds(folder, summary)
    if rounds := summary.get("self_evolution_rounds"):
        plots[f"rounds_{summary['name']}.png"] = lambda: plot_curves.rounds(
            summary, rounds
        )
    return plots


def is_own(summary: dict[str, Any]) -> bool:
    """Whether a run is on a file of one's own, whose draws are folds."""
    return summary.get("space") == custom_cells.NAME


def lacks_labels(folder: Path, summary: dict[str, Any]) -> bool:
    """Whether a run on a file of one's own keeps no labels beside its scores."""
    return is_own(summary) and not results.keeps_labels(folder)


def scatter(folder: Path, summary: dict[str, Any], table: Table) -> Drawer:
    """How to draw predicted against measured accuracy by the first draw."""
    names = ("index", "scores", "train_index")
    index, scores, train = results.read_predictions(folder, *names)
    index = index if index.ndim == 1 else index[0]
    measured = table.label(summary["eval_target"])[index]
    learnt = np.flatnonzero(np.isin(index, train[0]) & np.isfinite(measured))
    title = (
        f"{TITLES.get(table.name, table.name)}: {plot_curves.label(summary)}, "
        f"{summary['n_train']} training cells, draw of seed {summary['seeds'][0]}\n"
        f"{_taus(summary)}\n{_target(summary)}"
    )
    return _drawer(summary, scores[0], measured, title, learnt if len(learnt) else None)


def scatter_of_folds(folder: Path, summary: dict[str, Any]) -> Drawer:
    """How to draw predicted against measured accuracy of the rows of all folds, each by
    the model of the other folds."""
    scores, measured = (
        array.ravel()
        for array in results.read_predictions(folder, "scores", "measured")
    )
    first = (
        f"{summary['table']}: {plot_curves.label(summary)}, "
        f"{np.isfinite(measured).sum():,} rows, each predicted by a model that learnt "
        f"{summary['n_train']:,} others"
    )
    tau = results.mean_std(summary["kendall_tau"])
    second = f"cross-validated: tau-b {tau}, mean of {len(summary['seeds'])} folds"
    second += _ceiling(summary)
    title = "\n".join([*textwrap.wrap(first, 90), second, _target(summary)])
    return _drawer(summary, scores, measured, title)


def _drawer(
    summary: dict[str, Any],
    predicted: np.ndarray,
    measured: np.ndarray,
    title: str,
    learnt: np.ndarray | None = None,
) -> Drawer:
    def draw():
        from tnasp_jax import plotting

        return plotting.scatter(
            predicted,
            measured,
            title=title,
            predicted_label=f"predicted {summary['train_target']}",
            measured_label=f"measured {summary['eval_target']}",
            highlighted=learnt,
        )

    return draw


def _target(summary: dict[str, Any]) -> str:
    """What the label is that predictions are ranked by."""
    return summary["targets"][summary["eval_target"]].partition(", fraction")[0]


def _taus(summary: dict[str, Any]) -> str:
    """Tau of the first draw, of all draws and of the training label."""
    tau = summary["kendall_tau"]
    first = tau["per_seed"][0]
    said = f"tau-b {'undefined' if first is None else f'{first:.3f}'}"
    said += f" over {summary['n_test']:,} cells"
    if len(tau["per_seed"]) > 1:
        said += f"; {len(tau['per_seed'])} draws: {results.mean_std(tau)}"
    return said + _ceiling(summary)


def _ceiling(summary: dict[str, Any]) -> str:
    if summary.get("ceiling") is None:
        return ""
    return f"; ceiling {summary['ceiling']:.3f} (training label itself)"


if __name__ == "__main__":
    command.run(main, define, words="RUN ...")
