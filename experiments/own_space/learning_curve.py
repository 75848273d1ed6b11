"""What tau to expect of how many labels: the same held-out rows, fewer rows learnt."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from experiments.cells import pipeline, results
from experiments.cells.cell import Cell
from experiments.cells.draws import Draws, draw_data
from experiments.shell import devices
from experiments.shell.progress import Progress
from tnasp_jax.benchmarks import Split, Table
from tnasp_jax.predictors import get_predictor
from tnasp_jax.training.draws import fit_draws

Point = tuple[Cell, Draws]


def plan(
    cell: Cell, table: Table, splits: Sequence[Split], sizes: Sequence[int]
) -> list[Point]:
    """A cell and its data for each number of labels; trains nothing.

    Args:
      cell: the run that the curve leads to.
      table: its table.
      splits: its splits; a point learns from the first rows of each.
      sizes: numbers of labels below `cell.n_train`, ascending.

    Raises:
      UserError: if a draw of a point has nothing to learn from.
    """
    points = []
    for size in sizes:
        smaller = dataclasses.replace(cell, n_train=size)
        fewer = [s._replace(train_index=s.train_index[:size]) for s in splits]
        points.append((smaller, draw_data(smaller, table, fewer)))
    return points


def measure(points: Sequence[Point], table: Table, quiet: bool) -> list[dict[str, Any]]:
    """Trains and ranks every point.

    Returns:
      What `point` gives of each.
    """
    found = []
    progress = Progress(len(points), "learning curve", quiet or not points)
    for cell, draws in points:
        predictor = get_predictor(cell.predictor, table.space)
        params = fit_draws(
            predictor,
            draws.train,
            draws.train_units,
            draws.fit_keys,
            cell.fit,
            devices.mesh(),
        )
        index, scores = pipeline.score_draws(
            cell, predictor, table, draws, params, quiet=True
        )
        found.append(point(results.summarise(cell, table, draws, index, scores)))
        progress.update(len(found), f"{cell.n_train} labels")
    return found


def point(summary: dict[str, Any]) -> dict[str, Any]:
    """What a curve keeps of a run's results: the number of labels and both taus."""
    names = ("n_train", "kendall_tau", "kendall_tau_heldout")
    return {name: summary[name] for name in names}


def sentence(points: Sequence[dict[str, Any]], judged_by: str) -> str:
    """What held-out tau to expect of the last point's labels, and if more would help.

    Args:
      points: as `measure` gives them, ascending.
      judged_by: the label that tau was measured with.
    """
    last = points[-1]["kendall_tau_heldout"]
    labels = points[-1]["n_train"]
    if last["mean"] is None:
        return f"with {labels} labels no tau can be told: {last['reason']}"
    spread = "" if last["std"] is None else f" +- {last['std']:.2f}"
    text = (
        f"with {labels} labels expect tau {last['mean']:.2f}{spread} between the "
        f"prediction and {judged_by} of architectures that were not learnt"
    )
    if len(points) > 1:
        before = points[-2]["kendall_tau_heldout"]["mean"]
        if before is not None:
            more = labels - points[-2]["n_train"]
            text += f"; the last {more} labels gave {last['mean'] - before:+z.2f}"
    return text
