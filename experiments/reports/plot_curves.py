"""Curves of runs: what the rounds of self-evolution did, and tau by number of labels."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from experiments.reports.figures import TITLES
from tnasp_jax import PREDICTORS

MODES = {
    "off": "",
    "minimax": " + self-evolution",
    "projection": " + projected self-evolution",
    "control": " + as many plain steps",
}
"""What a plot calls a way of training."""

Drawer = Callable[[], Any]
"""Draws a matplotlib figure when it is called."""

Point = tuple[str, dict[str, Any], dict[str, Any]]
"""Curve, number of labels and taus, and the run that they are of."""


def label(summary: dict[str, Any]) -> str:
    """Predictor and way of training of a run."""
    mode = summary.get("self_evolution", "off")
    return summary["predictor"] + MODES.get(mode, f" + {mode}")


def rounds(summary: dict[str, Any], lines: Sequence[dict[str, Any]]):
    """Tau, violation and the terms of the Lagrangian after each round.

    Args:
      summary: results.json of a run with self-evolution.
      lines: a round each, as metrics.jsonl has them; means over the draws.

    Returns:
      A matplotlib figure.
    """
    from tnasp_jax import plotting

    target, _, _ = summary["targets"][summary["train_target"]].partition(", fraction")
    title = (
        f"{TITLES.get(summary['table'], summary['table'])}: {label(summary)}, "
        f"{summary['n_train']} training and {summary['n_val']} validation cells; mean of "
        f"{len(summary['seeds'])} draws\n{target}"
    )
    return plotting.curves({title: _panels(lines)})


def _panels(lines: Sequence[dict[str, Any]]) -> list:
    from tnasp_jax.plotting import Panel

    def column(name: str, *before: float | None) -> tuple[np.ndarray, np.ndarray]:
        found = np.array([*before, *(line.get(name) for line in lines)], float)
        return found, np.full(len(found), np.nan)

    ticks = [str(line["round"]) for line in lines]
    tau = {"last step": column("val_tau_after", lines[0].get("val_tau_before"))}
    panels = [
        Panel(
            "Kendall tau-b, validation cells", "round (0: before)", ["0", *ticks], tau
        )
    ]
    if all(line.get("largest_violation_last") is None for line in lines):
        return panels  # The control has no constraints.
    violation = {
        f"{at} step": column(f"largest_violation_{at}") for at in ("first", "last")
    }
    terms = {name: column(f"{name}_last") for name in ("fit", "proxy", "constraint")}
    name = "largest |violation|, label units\u00b2"
    return [
        *panels,
        Panel(name, "round", ticks, violation, positive=True),
        Panel("terms of the Lagrangian, last step", "round", ticks, terms),
    ]


def of_runs(summaries: Sequence[dict[str, Any]]) -> dict[str, Drawer]:
    """How to draw the learning curves that some runs give, by file name.

    Runs belong together that learn one label of a table and rank as many of its cells by
    one label; a predictor with one number of labels is a point beside the curves of the
    others.
    """
    groups: dict[str, list[Point]] = {}
    for summary in sorted(summaries, key=_order):
        name = f"learning_curve_{_group(summary)}.png"
        points = summary.get("learning_curve") or [summary]
        found = groups.setdefault(name, [])
        found += [(label(summary), point, summary) for point in points]
    return {
        name: lambda points=points: learning_curve(points)
        for name, points in groups.items()
        if _is_curve(points)
    }


def learning_curve(points: Sequence[Point]):
    """Tau, of all cells and of those held out, by the number of labels."""
    from tnasp_jax import plotting
    from tnasp_jax.plotting import Panel

    first = points[0][2]
    sizes = sorted({point["n_train"] for _, point, _ in points})
    own = "folds" in first  # A file of one's own, whose draws are folds.
    cells, draws = ("rows", "folds") if own else ("cells", "draws")
    quantities = {"kendall_tau": f"Kendall tau-b, {cells} that are ranked"}
    if all(point.get("kendall_tau_heldout") for _, point, _ in points):
        quantities["kendall_tau_heldout"] = (
            f"without {cells} isomorphic to training {cells}"
        )
    panels = []
    for quantity, title in quantities.items():
        curves = {name: np.full((2, len(sizes)), np.nan) for name, _, _ in points}
        for name, point, _ in points:
            taus = point[quantity]
            at = sizes.index(point["n_train"])
            curves[name][:, at] = np.array([taus["mean"], taus["std"]], float)
        pairs = {name: (mean, std) for name, (mean, std) in curves.items()}
        ceiling = first.get("ceiling")
        panels.append(
            Panel(title, "labels", list(map(str, sizes)), pairs, level=ceiling)
        )
    counts = sorted({len(summary["seeds"]) for _, _, summary in points})
    target, _, _ = first["targets"][first["eval_target"]].partition(", fraction")
    ceiling = first.get("ceiling")
    line = "" if ceiling is None else "; dashed: tau of the training label itself"
    title = (
        f"{TITLES.get(first['table'], first['table'])}: {first['n_test']:,} {cells} "
        f"ranked; mean and sd of {' or '.join(map(str, counts))} {draws}{line}\n{target}"
    )
    return plotting.curves({title: panels})


def _group(summary: dict[str, Any]) -> str:
    """The part of a file's name for runs that are comparable."""
    if summary.get("learning_curve"):
        return summary["name"]
    parts = ("table", "train_target", "eval_target", "n_test")
    return "_".join(str(summary[part]) for part in parts)


def _order(summary: dict[str, Any]) -> tuple[int, int]:
    """Predictors as in the registry, plain training first."""
    predictors, modes = [*PREDICTORS, summary["predictor"]], [*MODES, None]
    mode = summary.get("self_evolution", "off")
    return (
        predictors.index(summary["predictor"]),
        modes.index(mode if mode in MODES else None),
    )


def _is_curve(points: Sequence[Point]) -> bool:
    curves: dict[str, set[int]] = {}
    for name, point, _ in points:
        curves.setdefault(name, set()).add(point["n_train"])
    return any(len(sizes) > 1 for sizes in curves.values())
