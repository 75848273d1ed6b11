"""A first run: TNASP with and without self-evolution on the embedded table.

python -m experiments.quickstart --workdir=runs/quickstart

Trains on 78 cells of NAS-Bench-201, scores all 15,625, prints one table and saves
scatter.png. No download: accuracies are those that this project measured on
scikit-learn's digits.
"""

from pathlib import Path

import numpy as np
from absl import flags

from experiments.cells import pipeline, results, table_command
from experiments.shell import command, devices, strict_flags
from experiments.shell.command import UserError
from tnasp_jax.benchmarks import Table

FLAGFILE = Path(__file__).parent / "flagfiles" / "nb201_quickstart.flags"
ROWS = {
    "off": "TNASP",
    "control": "TNASP, same extra training",
    "minimax": "TNASP + self-evolution",
}
NEXT = """\
next:
  {predict}
  python -m experiments.nb201 --table=digits \\
      --flagfile=experiments/flagfiles/nb201_tnasp.flags --n_train=156 --workdir=runs/156
  python -m experiments.nb201 --help"""


def define(values: flags.FlagValues) -> None:
    flags.DEFINE_string("workdir", None, "folder of the run folders", values)
    flags.DEFINE_bool("overwrite", False, "replace what --workdir holds", values)
    flags.DEFINE_bool("quiet", False, "no progress, a short result", values)


def main(values: flags.FlagValues) -> int:
    if not values.workdir:
        raise UserError("--workdir is missing; name the folder for the runs")
    devices.use_all_cores()
    home = Path(values.workdir)
    summaries = {}
    for mode in ROWS:
        arguments = [f"--flagfile={FLAGFILE}", f"--self_evolution={mode}"]
        cell_flags = strict_flags.create(command.define_shared)
        strict_flags.parse(cell_flags, arguments)
        table = table_command.load_table(cell_flags, "nb201")
        cell = table_command.cell_of(cell_flags, table)
        summaries[mode] = pipeline.run_cell(
            cell,
            table,
            home / cell.name,
            flags_text=command.resolved(cell_flags),
            argv=["python", "-m", "experiments.nb201", *arguments],
            from_run=None if mode == "off" else home / cell.plain_name,
            overwrite=values.overwrite,
            quiet=values.quiet,
        )
    told = comparison(summaries)
    print(told.split("\n\n")[0] if values.quiet else told)
    run = home / summaries["off"]["name"]
    try:
        path = save_scatter(run, table, summaries["off"], home / "scatter.png")
        plot = f"plot: {path}"
    except ModuleNotFoundError:
        plot = "no plot: matplotlib is missing; pip install '.[plots]'"
    if not values.quiet:
        predict = command.typed("predict", f"--run={run}", table.texts(0))
        print(f"\n{plot}\n\n{NEXT.format(predict=predict)}")
    return 0


def comparison(summaries: dict[str, dict]) -> str:
    """The table of a quickstart: one row a way of training, and what it all means."""
    first = summaries["off"]
    width = max(map(len, ROWS.values()))
    lines = [
        f"{'':{width}}  {'Kendall tau':16}  {'held-out tau':16}  steps",
    ]
    for mode, summary in summaries.items():
        lines.append(
            f"{ROWS[mode]:{width}}  {results.mean_std(summary['kendall_tau']):16}  "
            f"{results.mean_std(summary['kendall_tau_heldout']):16}  "
            f"{summary['train_steps']}"
        )
    lines += [
        "",
        f"learnt        {first['targets'][first['train_target']]}",
        f"ranked by     {first['targets'][first['eval_target']]}",
        f"split         {first['n_train']} training cells; all {first['n_test']} cells "
        f"ranked; {len(first['seeds'])} draws, mean (sd)",
        "held-out      without cells isomorphic to a training cell",
        f"evolution     T = {summaries['minimax']['se_rounds']} error scores of "
        f"{first['n_val']} validation cells, whose labels stay hidden",
        f"noise ceiling {first['ceiling']:.3f}: tau of the training label itself",
    ]
    return "\n".join(lines)


def save_scatter(run: Path, table: Table, summary: dict, path: Path) -> Path:
    """Predicted against measured accuracy of every cell, by the first draw."""
    from tnasp_jax import plotting

    with np.load(run / "predictions.npz") as saved:
        predicted, train = saved["scores"][0], saved["train_index"][0]
    tau = summary["kendall_tau"]["per_seed"][0]
    figure = plotting.scatter(
        predicted,
        table.label(summary["eval_target"]),
        title=f"TNASP, {len(train)} training cells of {summary['table']}: "
        f"tau {tau:.3f} over {len(predicted):,}",
        predicted_label=f"predicted {summary['train_target']}",
        measured_label=f"measured {summary['eval_target']}",
        highlighted=train,
    )
    figure.savefig(path)
    return path


if __name__ == "__main__":
    command.run(main, define)
