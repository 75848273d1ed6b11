"""How well finished runs rank the best architectures: the numbers of Figure 5."""

from pathlib import Path
from typing import Any

import numpy as np

from experiments.cells import results
from tnasp_jax import metrics
from tnasp_jax.benchmarks import Table

TOPS = (1, 5, 10, 30, 50, 100)
KS = (1, 10, 100, 1000)
QUANTITIES = {
    "tau_top": "Kendall's tau-b among the cells of highest truth, by their share in %",
    "precision_at_k": "share of the predicted top k that belongs to the true top k",
    "regret_at_k": "highest truth minus the highest truth among the predicted top k",
}
TIES = (
    "tau-b counts them as ties; a top takes the lower row of the table first among equal "
    "scores, and among equal truths"
)
_UNDEFINED = "not defined where a score is NaN, or all scores or labels are equal"


def of_run(folder: Path, summary: dict[str, Any], table: Table) -> dict[str, Any]:
    """The quantities of one finished run, each with mean and sd over its draws.

    Args:
      folder: of the run.
      summary: its results.json.
      table: the table that it ranks.

    Returns:
      QUANTITIES by name, of each the numbers by share or by k; k above the number of
      ranked cells is left out. `unlabelled`: cells without a truth, which are left out.

    Raises:
      UserError: for predictions that are damaged or of another table.
    """
    results.check_data(folder, summary, table)
    index, scores = results.read_predictions(folder, "index", "scores")
    rows = np.broadcast_to(index, scores.shape)
    return of_draws(scores, table.label(summary["eval_target"])[rows])


def of_draws(scores: np.ndarray, truth: np.ndarray) -> dict[str, Any]:
    """The quantities of scores [S, M] under truths [S, M], as `of_run` gives them."""
    known = ~np.isnan(truth)
    pairs = [(x[use], y[use]) for x, y, use in zip(scores, truth, known, strict=True)]
    ks = [k for k in KS if k <= known.sum(axis=1).min()]
    measures = {
        "tau_top": (TOPS, lambda x, y, share: metrics.tau_top(x, y, share / 100)),
        "precision_at_k": (ks, metrics.precision_at_k),
        "regret_at_k": (ks, metrics.regret_at_k),
    }
    found: dict[str, Any] = {"unlabelled": int((~known).sum(axis=1).max())}
    for name, (points, measure) in measures.items():
        found[name] = {
            str(point): results.spread(
                [results.number(measure(x, y, point)) for x, y in pairs], _UNDEFINED
            )
            for point in points
        }
    return found
