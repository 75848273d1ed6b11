"""results.json and predictions.npz of a run, as written in the contracts."""

import contextlib
import importlib.metadata
import json
import platform
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from experiments.cells.cell import Cell
from experiments.cells.draws import Draws
from experiments.shell.command import UserError
from tnasp_jax import benchmarks, metrics, runs
from tnasp_jax.benchmarks import Table
from tnasp_jax.predictors import get_predictor
from tnasp_jax.spaces.custom import CustomSpace
from tnasp_jax.training.supervised import steps_per_epoch


def summarise(
    cell: Cell, table: Table, draws: Draws, index: np.ndarray, scores: np.ndarray
) -> dict[str, Any]:
    """The results of a run, without wall_seconds and argv.

    Args:
      cell: what was trained.
      table: its table.
      draws: its splits.
      index: [M] or [S, M] rows of the table.
      scores: [S, M] predictions.
    """
    rows = np.broadcast_to(index, scores.shape)
    everywhere = [np.ones(len(table), bool)] * len(scores)
    heldout = [benchmarks.heldout_mask(table, s.train_index) for s in draws.splits]
    main = cell.eval_targets[0]
    by_target = {
        target: _taus(table.label(target), rows, scores, everywhere)
        for target in cell.eval_targets
    }
    ceilings = {
        target: number(benchmarks.ceiling(table, cell.train_target, target))
        for target in cell.eval_targets
    }
    evolution = cell.evolution
    return {
        "name": cell.name,
        "table": table.name,
        "space": table.space.name,
        "predictor": cell.predictor,
        "self_evolution": cell.self_evolution,
        "se_rounds": evolution.rounds if evolution else 0,
        "train_target": cell.train_target,
        "eval_target": main,
        "targets": {
            name: table.describe[name]
            for name in (cell.train_target, *cell.eval_targets)
        },
        "n_train": cell.n_train,
        "n_val": cell.n_val,
        "n_test": int(scores.shape[1]),
        "seeds": list(cell.seeds),
        "kendall_tau": by_target[main],
        "kendall_tau_by_target": by_target,
        "kendall_tau_heldout": _taus(table.label(main), rows, scores, heldout),
        "ceiling": ceilings[main],
        "ceiling_by_target": ceilings,
        "split_sha256": [benchmarks.split_sha256(split) for split in draws.splits],
        "data_sha256": table.sha256,
        "recipe": {
            "units": cell.units,
            "fit": cell.as_dict()["fit"],
            "evolution": cell.as_dict()["evolution"],
        },
        "train_steps": train_steps(cell, table),
        "versions": versions(),
        "device": f"{jax.devices()[0].device_kind} x{jax.local_device_count()}",
        "precision": "float32, matrix products at highest precision",
    }


def train_steps(cell: Cell, table: Table) -> int:
    """Gradient steps of one draw, self-evolution among them."""
    if get_predictor(cell.predictor, table.space).fit is not None:
        return 0
    steps = cell.fit.epochs * steps_per_epoch(cell.n_train, cell.fit.batch_size)
    if cell.evolution:
        steps += cell.evolution.rounds * cell.evolution.steps
    return steps


def save_predictions(
    workdir: Path,
    cell: Cell,
    table: Table,
    draws: Draws,
    index: np.ndarray,
    scores: np.ndarray,
    proxies: jax.Array | None,
) -> None:
    """Writes predictions.npz; scores, ybar and measured are accuracies."""
    arrays = {
        "index": index.astype(np.int32),
        "scores": scores.astype(np.float32),
        "train_index": np.stack([s.train_index for s in draws.splits]),
        "val_index": np.stack([s.val_index for s in draws.splits]),
        "seeds": np.array(cell.seeds, np.int64),
    }
    if proxies is not None:
        to_accuracy = jax.vmap(lambda scale, units: scale.to_accuracy(units))
        arrays["ybar"] = np.asarray(to_accuracy(draws.scale, proxies))
    if isinstance(table.space, CustomSpace):
        # A user's file may move or change; a benchmark's table is always there.
        arrays["measured"] = table.label(cell.eval_targets[0])[index]
    with runs.replacing(workdir / "predictions.npz") as path, open(path, "wb") as file:
        np.savez_compressed(file, **arrays)


def read_predictions(folder: Path, *names: str) -> list[np.ndarray]:
    """Arrays of the predictions.npz of a run; UserError if the file is damaged."""
    with _predictions(folder) as saved:
        return [saved[name] for name in names]


def keeps_labels(folder: Path) -> bool:
    """Whether the predictions.npz of a run has what was measured beside the scores."""
    with _predictions(folder) as saved:
        return "measured" in saved


@contextlib.contextmanager
def _predictions(folder: Path) -> Iterator[Any]:
    path = folder / "predictions.npz"
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as saved:
            yield saved
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        raise UserError(f"{path}: not the predictions of a finished run") from None


def check_data(folder: Path, summary: dict[str, Any], table: Table) -> None:
    """UserError if a run was made with other data than the table holds."""
    if summary["data_sha256"] != table.sha256:
        raise UserError(f"{folder}: its run saw other data than table {table.name} has")


def versions() -> dict[str, str]:
    """Versions of what a result may depend on."""
    found = {"python": platform.python_version()}
    for name in ("jax", "jaxlib", "flax", "optax", "numpy", "scipy", "lightgbm"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):  # An extra.
            found[name] = importlib.metadata.version(name)
    return found


def read_json(path: Path) -> dict[str, Any]:
    """Reads a json object; UserError if the file is damaged."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        raise UserError(f"{path}: cannot be read as JSON") from None


def report(summary: dict[str, Any]) -> str:
    """The table that a run ends with."""
    heldout = summary["kendall_tau_heldout"]
    evolution = summary["self_evolution"]
    if evolution != "off":
        evolution += f", T = {summary['se_rounds']} rounds"
    lines = [
        f"{summary['name']}",
        f"  predictor        {summary['predictor']}",
        f"  self-evolution   {evolution}",
        f"  trained on       {summary['n_train']} cells: "
        + summary["targets"][summary["train_target"]],
    ]
    if evolution != "off":
        lines.append(f"  hidden labels    {summary['n_val']} validation cells")
    for target, values in summary["kendall_tau_by_target"].items():
        lines += [
            f"  ranked against   {summary['targets'][target]}",
            f"    Kendall tau    {mean_std(values)}, {summary['n_test']} cells, "
            f"{len(summary['seeds'])} draws",
        ]
        if target != summary["train_target"]:
            agreement = _show(summary["ceiling_by_target"][target])
            lines.append(
                f"    label agreement {agreement} (tau of the training label itself)"
            )
    lines.append(
        f"  held-out tau     {mean_std(heldout)}, without cells isomorphic to a "
        "training cell"
    )
    splits = " ".join(digest[:8] for digest in summary["split_sha256"][:3])
    more = " ..." if len(summary["split_sha256"]) > 3 else ""
    lines.append(f"  splits           {splits}{more}")
    lines.append(
        f"  cost             {summary['train_steps']} steps a draw, "
        f"{summary['wall_seconds']:.0f} s in all"
    )
    return "\n".join(lines)


def brief(summary: dict[str, Any]) -> str:
    """What a quiet run ends with: four lines."""
    ranked, ceiling = summary["targets"][summary["eval_target"]], summary["ceiling"]
    return "\n".join(
        [
            f"{summary['name']}: {summary['predictor']}, {len(summary['seeds'])} draws "
            f"of {summary['n_train']} training cells, "
            f"self-evolution {summary['self_evolution']}",
            f"  learnt        {summary['targets'][summary['train_target']]}",
            f"  Kendall tau   {mean_std(summary['kendall_tau'])}, {summary['n_test']} "
            f"cells, label agreement {_show(ceiling)}, ranked by {ranked}",
            f"  held-out tau  {mean_std(summary['kendall_tau_heldout'])}",
        ]
    )


def _taus(truth, rows, scores, keep) -> dict[str, Any]:
    """tau-b of each draw on its rows that are kept and labelled; mean and sd."""
    values = []
    for draw_rows, draw_scores, kept in zip(rows, scores, keep, strict=True):
        use = kept[draw_rows] & ~np.isnan(truth[draw_rows])
        tau = metrics.kendall_tau_host(draw_scores[use], truth[draw_rows][use])
        values.append(number(tau))
    return spread(values, "tau is not defined where all scores or labels are equal")


def spread(values: Sequence[float | None], undefined: str) -> dict[str, Any]:
    """A number of each draw with mean and sd; None is left out of both.

    Args:
      values: one a draw.
      undefined: why a draw may have none; the reason that is given.
    """
    known = [value for value in values if value is not None]
    summary: dict[str, Any] = {
        "per_seed": list(values),
        "mean": number(np.mean(known)) if known else None,
        "std": number(np.std(known, ddof=1)) if len(known) > 1 else None,
    }
    if len(known) < len(values):
        summary["reason"] = undefined
    elif len(known) == 1:
        summary["reason"] = "one draw has no standard deviation"
    return summary


def number(value: Any) -> float | None:
    """A float of six decimals, None for NaN and infinities."""
    value = float(value)
    return round(value, 6) if np.isfinite(value) else None


def _show(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"


def mean_std(values: dict[str, Any]) -> str:
    """A tau as people read it."""
    if values["std"] is None:
        return _show(values["mean"])
    return f"{_show(values['mean'])} (sd {values['std']:.3f})"
