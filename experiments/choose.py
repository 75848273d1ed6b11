"""Compares recipes on development draws, without a look at any test label.

python -m experiments.choose nb101 --flagfile=experiments/flagfiles/nb101_tnasp.flags \\
    --n_train=172 --recipes="--units=rank; --units=zscore" --out=runs/units.json

Each recipe is the flags with those of one part of --recipes on top. It is trained on the
training cells of every draw and judged by Kendall's tau with the training label on the
draw's validation cells. The seeds are not those of reported rows. What a flag file says of
tests and of self-evolution has no effect.
"""

import time
from pathlib import Path
from typing import Any

import jax
import numpy as np
from absl import flags

from experiments.cells import table_command
from experiments.cells.cell import Cell
from experiments.cells.draws import draw_data
from experiments.shell import command, devices, strict_flags
from experiments.shell.command import UserError
from experiments.shell.progress import Progress
from tnasp_jax import metrics, runs
from tnasp_jax.benchmarks import Table
from tnasp_jax.predictors import get_predictor
from tnasp_jax.training.draws import fit_draws, over_draws

SEEDS = ",".join(str(seed) for seed in range(100, 120))


OF_RUNS = ("workdir", "from_run", "resume")
UNUSED = (
    *("eval_target", "n_test", "self_evolution", "se_rounds", "se_steps", "se_alpha"),
    *("se_proxy_rate", "se_multiplier_rate"),
)
"""Flags that a flag file may hold and nothing here follows from; --help is silent."""


def define(values: flags.FlagValues) -> None:
    command.define_shared(values, but=OF_RUNS)
    values.set_default("seeds", SEEDS)
    for name in UNUSED:
        values[name].help = ""
    flags.DEFINE_string(
        "recipes",
        None,
        "flags of each recipe, between semicolons; needed",
        flag_values=values,
    )
    flags.DEFINE_string("out", None, "file to write, JSON; needed", flag_values=values)


def main(values: flags.FlagValues, words: list[str]) -> int:
    if len(words) != 1 or words[0] not in ("nb101", "nb201"):
        raise UserError("name one table, nb101 or nb201")
    if not values.out or not values.recipes:
        raise UserError('--out=FILE and --recipes="FLAGS; FLAGS" are needed')
    command.check_n_train(values)
    command.check_out(values, Path(values.out))
    devices.use_all_cores()
    table = table_command.load_table(values, words[0])
    texts = [text.strip() for text in values.recipes.split(";")]
    recipes = [_varied(values, text, table) for text in texts]
    progress = Progress(len(recipes), "comparing recipes", values.quiet)
    found: list[dict[str, Any]] = []
    for text, cell in zip(texts, recipes, strict=True):
        began = time.monotonic()
        taus = judged(cell, table)
        found.append({"flags": text, **_summary(taus, found)})
        found[-1]["wall_seconds"] = round(time.monotonic() - began, 1)
        jax.clear_caches()
        progress.update(len(found), f"{text} {found[-1]['mean']:.4f}")
        print(_line(found[-1]), flush=True)
        about = {
            "table": table.name,
            "n_train": values.n_train,
            "n_val": values.n_val,
            "seeds": list(values.seeds),
            "judged_by": "Kendall's tau with the training label on validation cells",
            "recipes": found,
        }
        runs.write_json(Path(values.out), about)
    return 0


def judged(cell: Cell, table: Table) -> np.ndarray:
    """tau of each draw on its validation cells, [S]."""
    predictor = get_predictor(cell.predictor, table.space)
    draws = draw_data(cell, table)

    def tau(params, validation, hidden):
        return metrics.kendall_tau(predictor.apply(params, validation), hidden)

    mesh = devices.mesh()
    params = fit_draws(
        predictor,
        draws.train,
        draws.train_units,
        draws.fit_keys,
        cell.fit,
        mesh,
    )
    judge = over_draws(tau, mesh)
    return np.asarray(judge(params, draws.validation, draws.val_units))


def _varied(values: flags.FlagValues, text: str, table: Table) -> Cell:
    """The cell that the flags describe with some of them replaced."""
    varied = strict_flags.create(define)
    strict_flags.parse(varied, text.split())
    for name in varied:
        if not varied[name].present:
            varied[name].value = values[name].value
    if varied.self_evolution != "off":
        raise UserError(
            f"--self_evolution={varied.self_evolution}: choose compares plain training; "
            "leave it out"
        )
    return table_command.cell_of(varied, table)


def _summary(taus: np.ndarray, before: list[dict[str, Any]]) -> dict[str, Any]:
    summary = {
        "per_seed": [round(float(tau), 6) for tau in taus],
        "mean": round(float(np.mean(taus)), 6),
        "std": round(float(np.std(taus, ddof=1)), 6),
    }
    if before:
        gain = taus - np.array(before[0]["per_seed"])
        summary["gain"] = round(float(np.mean(gain)), 6)
        error = np.std(gain, ddof=1) / np.sqrt(len(gain))
        summary["gain_standard_error"] = round(float(error), 6)
    return summary


def _line(found: dict[str, Any]) -> str:
    line = f"{found['flags']}\ttau {found['mean']:.4f} (sd {found['std']:.4f})"
    if "gain" in found:
        line += f"\tgain {found['gain']:+.4f} (se {found['gain_standard_error']:.4f})"
    return line


if __name__ == "__main__":
    command.run(main, define, words="TABLE")
