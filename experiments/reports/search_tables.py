"""What `compare_search` found, as Markdown, and what was published beside it."""

from pathlib import Path
from typing import Any

from experiments.cells import results
from experiments.reports.figures import TITLES

PUBLISHED = {
    "nb101": {
        "random search": 6.341,
        "regularized evolution": 6.109,
        "local search": 5.932,
        "BANANAS": 5.923,
    }
}
"""Test error after 150 architectures, %, mean of 200 trials on all 423,624 cells, by the
authors of BANANAS (White et al., AAAI 2021), as a later paper prints their numbers
(Scientific Reports 2025, doi 10.1038/s41598-025-94187-8, Table 1)."""
AT = (10, 20, 50, 100, 150)


def document(folder: Path) -> str:
    """A table for each benchmark that was searched, from results/figures."""
    found = results.read_json(folder / "figures/search_methods.json")
    settings = found["settings"]
    return "\n".join(
        line
        for name, column in found["tables"].items()
        for line in _table(name, column, settings)
    )


def _table(name: str, column: dict[str, Any], settings: dict[str, Any]) -> list[str]:
    budget, optimum = settings["budget"], column["optimum"]
    points = [point for point in AT if point < budget] + [budget]
    asked, judged = (column["targets"][column[of]] for of in ("target", "eval_target"))
    heads = [*(f"after {point}" for point in points), "test error", "s an ask"]
    lines = [
        f"### {TITLES[name]}: regret in % points, mean (sd) of "
        f"{len(settings['seeds'])} seeds, {settings['batch']} asked at a time",
        "",
        f"| method | {' | '.join(heads)} |",
        f"| --- |{' --- |' * len(heads)}",
    ]
    for method, numbers in column["methods"].items():
        regret = numbers["regret"]
        error = 100 * (1 - optimum + regret[str(budget)]["mean"])
        cells = [
            *(_percent(regret[str(point)]) for point in points),
            f"{error:.2f}",
            f"{numbers['seconds_per_ask']:.2f}",
        ]
        lines.append(f"| {method} | {' | '.join(cells)} |")
    lines += [
        "",
        f"- asked: {asked}",
        f"- judged by: {judged}; regret is below {100 * optimum:.2f} %, the highest of the "
        "candidates; test error, %, is of the best by the label that was asked, "
        f"after {budget}; the best of all by that label has a regret of "
        f"{100 * column['regret_of_best']:.2f}",
        f"- candidates: {column['candidates']}",
    ]
    if name in PUBLISHED:
        told = ", ".join(f"{of} {error}" for of, error in PUBLISHED[name].items())
        lines += [
            f"- published test error after 150, %, mean of 200 trials: {told} (White et al., "
            "AAAI 2021, as printed in doi 10.1038/s41598-025-94187-8). Those searched all "
            "423,624 cells and ours the candidates alone, so that orders compare, not "
            "hundredths"
        ]
    return [*lines, ""]


def _percent(numbers: dict[str, Any]) -> str:
    if numbers["mean"] is None:
        return "-"
    return f"{100 * numbers['mean']:.2f} ({100 * numbers['std']:.2f})"
