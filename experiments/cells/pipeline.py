"""From a cell of a table to its run folder: split, train, evolve, score, save."""

import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.cells import results
from experiments.cells.cell import Cell
from experiments.cells.draws import Draws, draw_data
from experiments.cells.training import Trainer
from experiments.shell import devices
from experiments.shell.command import UserError
from experiments.shell.progress import Progress
from tnasp_jax import evaluation, runs
from tnasp_jax.benchmarks import Split, Table
from tnasp_jax.predictors import Predictor, get_predictor

# config.json, which marks a folder as a run, goes last when a run is removed.
RUN_FILES = (
    "results.json",
    "predictions.npz",
    "metrics.jsonl",
    "flags.txt",
    "config.json",
)


def run_cell(
    cell: Cell,
    table: Table,
    workdir: Path,
    *,
    flags_text: str,
    argv: list[str],
    splits: Sequence[Split] | None = None,
    from_run: Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
) -> dict[str, Any]:
    """Makes the run folder of a cell.

    Args:
      cell: what to train.
      table: its table.
      workdir: the folder.
      flags_text: flags.txt, from which the run can be repeated.
      argv: the command, for results.json.
      splits: one a seed, instead of those that chance draws.
      from_run: a finished run of the same cell without self-evolution, whose trained
        draws are taken instead of training them again.
      resume: go on where an earlier run of the same cell was cut.
      overwrite: begin anew in a folder that holds a run.
      quiet: no progress.

    Returns:
      The content of results.json.

    Raises:
      UserError: for a folder that holds another run, and what `from_run` lacks.
    """
    began = time.monotonic()
    predictor = get_predictor(cell.predictor, table.space)
    if cell.evolution:
        _check_evolution(cell, predictor)
    if predictor.check is not None:
        predictor.check()
    trained = _trained(from_run, cell, table) if from_run else None
    draws = draw_data(cell, table, splits)
    config = {**cell.as_dict(), "data_sha256": table.sha256}
    finished = open_workdir(workdir, config, flags_text, resume, overwrite)
    if finished is not None:
        return finished
    trainer = Trainer(cell, predictor, draws, workdir, quiet)
    params, proxies = trainer.run(trained)
    trainer.checkpoints.close()
    runs.save(
        runs.Run(
            space=table.space,
            predictor_name=cell.predictor,
            params={"network": params, "scale": draws.scale},
            target=cell.train_target,
            description=table.describe[cell.train_target],
        ),
        workdir,
    )
    index, scores = score_draws(cell, predictor, table, draws, params, quiet)
    results.save_predictions(workdir, cell, table, draws, index, scores, proxies)
    summary = results.summarise(cell, table, draws, index, scores)
    summary["self_evolution_rounds"] = [
        line for line in trainer.journal.lines if line["stage"] == "evolve"
    ]
    summary["wall_seconds"] = round(time.monotonic() - began, 2)
    summary["argv"] = argv
    runs.write_json(workdir / "results.json", summary)
    return summary


def open_workdir(
    workdir: Path,
    config: dict[str, Any],
    flags_text: str,
    resume: bool,
    overwrite: bool,
    stages: Sequence[str] = (),
) -> dict[str, Any] | None:
    """Readies the run folder; nothing is written before all is known to be right.

    Args:
      workdir: the folder.
      config: all that decides the result, the data's hash among it.
      flags_text: flags.txt.
      resume: go on with a run of the same config.
      overwrite: remove the run that is there.
      stages: folders of the run beside those of a trained predictor.

    Returns:
      The results of a run that is already finished, if it is to be resumed.
    """
    path = workdir / "config.json"
    if workdir.exists() and not workdir.is_dir():
        raise UserError(f"--workdir={workdir}: is a file; name a folder")
    occupied = workdir.is_dir() and any(workdir.iterdir())
    if occupied and not path.exists():
        raise UserError(
            f"--workdir={workdir}: holds files but no run; name a new folder"
        )
    if occupied and overwrite:
        _remove_run(workdir, stages)
    elif occupied and not resume:
        raise UserError(
            f"--workdir={workdir}: holds a run; add --resume to go on with it, "
            "--overwrite to begin anew, or name another folder"
        )
    elif occupied:
        there = results.read_json(path)
        _check_same(there, {**config, "data_sha256": there.get("data_sha256")}, workdir)
        if there.get("data_sha256") != config["data_sha256"]:
            raise UserError(
                f"--workdir={workdir}: its run saw another version of the data; bring "
                "that back, or begin anew with --overwrite"
            )
        done = workdir / "results.json"
        return results.read_json(done) if done.exists() else None
    workdir.mkdir(parents=True, exist_ok=True)
    (workdir / "flags.txt").write_text(flags_text)
    runs.write_json(path, config)
    return None


def score_draws(
    cell: Cell,
    predictor: Predictor,
    table: Table,
    draws: Draws,
    params: Any,
    quiet: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """Scores each draw's test cells.

    Returns:
      Rows [M] of the table, or [S, M] where each draw has its own test cells; and
      scores [S, M] as accuracies.
    """
    score = evaluation.scorer(predictor, mesh=devices.mesh())
    rows = [split.test_index for split in draws.splits]
    everywhere = all(len(test) == len(table) for test in rows)
    whole = jax.tree.map(jnp.asarray, table.graphs) if everywhere else None
    progress = Progress(len(cell.seeds), "scoring test cells", quiet)
    scores = []
    for draw in range(len(cell.seeds)):
        theta, scale = jax.tree.map(lambda x, s=draw: x[s], (params, draws.scale))
        cells = table.graphs[rows[draw]] if whole is None else whole
        scores.append(np.asarray(scale.to_accuracy(score(theta, cells))))
        progress.update(draw + 1)
    return (np.stack(rows) if whole is None else rows[0]), np.stack(scores)


def _check_evolution(cell: Cell, predictor: Predictor) -> None:
    """Whether a predictor can evolve as asked."""
    if predictor.fit is None:
        return
    asked = (
        f"--self_evolution={cell.self_evolution}: {cell.predictor} is fitted at once"
    )
    if predictor.covariance is None:
        raise UserError(
            f"{asked} and does not say what it is unsure of; use --self_evolution=off"
        )
    if cell.self_evolution == "minimax":
        raise UserError(
            f"{asked}, minimax trains by steps; use projection, control or off"
        )
    if cell.evolution and cell.evolution.rounds > cell.n_val + 1:
        raise UserError(
            f"--se_rounds={cell.evolution.rounds}: {cell.n_val} validation cells have "
            f"no more than {cell.n_val} directions; take {cell.n_val + 1} or fewer"
        )


def _remove_run(workdir: Path, stages: Sequence[str]) -> None:
    """Removes a run's own files; whatever else the folder holds is the user's."""
    for name in ("checkpoints", "predictor", *stages):
        shutil.rmtree(workdir / name, ignore_errors=True)
    for name in RUN_FILES:
        (workdir / name).unlink(missing_ok=True)


def _trained(from_run: Path, cell: Cell, table: Table) -> Any:
    config = from_run / "config.json"
    if not config.is_file():
        raise UserError(f"--from_run={from_run}: holds no run")
    wanted = cell.supervised_part()
    there = results.read_json(config)
    _check_same({k: there.get(k) for k in wanted}, wanted, from_run)
    if there["self_evolution"] != "off":
        raise UserError(f"--from_run={from_run}: a run with self-evolution itself")
    done = from_run / "results.json"
    if done.exists() and results.read_json(done)["data_sha256"] != table.sha256:
        raise UserError(
            f"--from_run={from_run}: trained on another version of the data"
        )
    return runs.load(from_run).params["network"]


def _check_same(there: dict[str, Any], wanted: dict[str, Any], folder: Path) -> None:
    for name in wanted:
        if there.get(name) != wanted[name]:
            raise UserError(
                f"{folder}: its run has {name} = {there.get(name)}, "
                f"not {wanted[name]}; use the same flags or another folder"
            )
