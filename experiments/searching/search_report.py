"""Numbers of a search against queries, and the table that a search ends with."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from experiments.cells import results
from experiments.searching.search_costs import UNITS
from experiments.searching.search_oracles import Incumbent

POINTS = (1, 2, 5, 10, 20, 30, 50, 75, 100, 150, 200, 300, 500, 1000, 2000, 5000, 10000)
SHOWN = 10  # Architectures of a list.


def regrets(incumbents: Sequence[Incumbent], optimum: float, budget: int) -> np.ndarray:
    """[budget] float64: after each query the best test label minus the incumbent's.

    The incumbent is the best by the training label, as a user would choose. NaN before
    the first label, and where the incumbent's test label is not known.
    """
    found = np.full(budget, np.nan)
    for each in incumbents:
        found[each.queries - 1 :] = optimum - each.test
    return found


def trajectories(
    of_seeds: Sequence[Sequence[Incumbent]], optimum: float, budget: int
) -> dict[str, Any]:
    """Incumbents of each search, and mean and sd of the regret at some queries."""
    curves = np.stack([regrets(each, optimum, budget) for each in of_seeds])
    return {
        "optimum": results.number(optimum),
        "regret": at_points(curves),
        "trajectories": [
            [
                {
                    "queries": each.queries,
                    "score": results.number(each.label),
                    "test": results.number(each.test),
                    "regret": results.number(optimum - each.test),
                }
                for each in incumbents
            ]
            for incumbents in of_seeds
        ],
    }


def at_points(curves: np.ndarray) -> dict[str, Any]:
    """Mean and sd of regrets [S, budget] after some numbers of queries, and the last."""
    budget = curves.shape[1]
    points = [point for point in POINTS if point < budget] + [budget]
    return {
        str(point): results.spread(
            [results.number(curve[point - 1]) for curve in curves],
            "no label was known by then",
        )
        for point in points
    }


def brief(summary: Mapping[str, Any]) -> str:
    """What a quiet search ends with, beside its file: three lines."""
    best = summary["best"][0]
    traded = ", ".join(summary["pareto"])
    facts = [f"{summary['evaluated']:,} architectures evaluated", *_limits(summary)]
    if traded:
        facts.append(f"{len(summary['front'])} on the front with {traded}")
    return "\n".join(
        [
            f"search of {summary['space']} by {summary['method']}: {', '.join(facts)}",
            f"  score  {summary['objective']}: {summary['description']}",
            f"  best   {best['score']:.4f}  {best['architecture']}",
        ]
    )


def report(summary: Mapping[str, Any]) -> str:
    """What search.json says, for people."""
    lines = [
        f"search of {summary['space']} by {summary['method']}",
        f"  score          {summary['objective']}: {summary['description']}",
        f"  evaluated      {summary['evaluated']:,} architectures, "
        f"seeds {', '.join(map(str, summary['seeds']))}",
    ]
    if "candidates" in summary:
        lines.append(f"  candidates     {summary['candidates']}")
    lines += [f"  limit          {limit}" for limit in _limits(summary)]
    lines += ["", *_entries("best, by score", summary["best"])]
    if summary["pareto"]:
        traded = ", ".join(summary["pareto"])
        title = f"Pareto front: highest score, lowest {traded}"
        lines += ["", *_entries(title, summary["front"])]
    if "regret" in summary:
        lines += ["", *_regret(summary)]
    return "\n".join(lines)


def _limits(summary: Mapping[str, Any]) -> list[str]:
    return [
        f"{name} at most {limit:,.10g} {UNITS[name]}"
        for name, limit in summary["constraints"].items()
    ]


def _entries(title: str, entries: Sequence[Mapping[str, Any]]) -> list[str]:
    costs = [name for name in UNITS if any(e[name] is not None for e in entries)]
    shown = entries[:SHOWN]
    more = f"; {len(shown)} of {len(entries)}, all in search.json"
    lines = [title + (more if len(shown) < len(entries) else "")]
    heads = "".join(f"{name:>16}" for name in costs)
    lines.append(f"  {'score':>8}{heads}  architecture")
    for entry in shown:
        numbers = "".join(f"{_cost(entry[name]):>16}" for name in costs)
        lines.append(f"  {entry['score']:8.4f}{numbers}  {entry['architecture']}")
    return lines


def _cost(value: float | None) -> str:
    return "-" if value is None else f"{value:,}"


def _regret(summary: Mapping[str, Any]) -> list[str]:
    target = summary["eval_target"]
    lines = [
        f"judged by {target}: {summary['targets'][target]}",
        f"  the highest of the candidates is {summary['optimum']:.4f}; regret is how far "
        "the best by score stays below it,",
        f"  in % points, mean over {len(summary['seeds'])} seed(s)",
        f"  {'queries':>8}{'regret':>10}{'sd':>10}",
    ]
    for point, numbers in summary["regret"].items():
        mean, std = (
            "-" if numbers[of] is None else f"{100 * numbers[of]:.3f}"
            for of in ("mean", "std")
        )
        lines.append(f"  {point:>8}{mean:>10}{std:>10}")
    return lines
