"""Pareto fronts of finished searches side by side."""

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np

from experiments.searching.search_costs import LATENCIES, UNITS

WIDTH = 52  # Characters over and under a panel.


def draw(searches: Sequence[dict[str, Any]]):
    """A panel for each search.

    Args:
      searches: search.json of each, with a front of score against one cost.

    Returns:
      A matplotlib figure.
    """
    from tnasp_jax import plotting

    def panel(found: dict[str, Any]) -> plotting.FrontPanel:
        (cost,) = found["pareto"]
        return plotting.FrontPanel(
            cost=_xlabel(found, cost),
            score=f"{found['objective']}, %",
            points={f"front by {found['method']}": points(found["front"], cost)},
            title=_title(found),
        )

    return plotting.fronts(
        list(map(panel, searches)), title="highest score for the cost"
    )


def points(front: Sequence[dict[str, Any]], cost: str) -> np.ndarray:
    """[P, 2]: cost, and score in %, of the entries whose cost is known."""
    known = [entry for entry in front if entry[cost] is not None]
    scale = 1 if cost == "latency" else 1e-6
    found = [[scale * entry[cost], 100 * entry["score"]] for entry in known]
    return np.array(found).reshape(-1, 2)


def _xlabel(found: dict[str, Any], cost: str) -> str:
    text = f"{cost}, M {UNITS[cost]}"
    if cost == "latency":
        text = f"{cost}, {LATENCIES.get(str(found.get('latency')), UNITS[cost])}"
    return textwrap.fill(text, WIDTH)


def _title(found: dict[str, Any]) -> str:
    judged = found["description"].partition(", fraction")[0]
    text = (
        f"{found['space']}, {len(found['seeds'])} seeds x {found['budget']:,} "
        f"evaluations; {judged}"
    )
    return textwrap.fill(text, WIDTH)
