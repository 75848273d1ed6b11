"""Tables 3 and 8 as sections: published networks, and what our searches found.

Ours stand apart, since no network of ours was trained on ImageNet or for 600 epochs:
their score is what a surrogate or a predictor says.
"""

from pathlib import Path
from typing import Any

from experiments import results
from experiments.published_networks import TABLE3, TABLE8, Found
from experiments.table_format import Section

FOLDER = "networks"
"""Of results/: the table8.json of searches, under the names of their flag files."""

_LATER = "later: published after TNASP"


def sections(folder: Path) -> list[Section]:
    """Table 3, Table 8, and our searches under the limits of Table 8.

    Args:
      folder: of finished results.

    Raises:
      UserError: for a damaged file.
    """
    return [
        Section(
            "Table 3: networks found in the DARTS space, CIFAR-10",
            [
                "published: test accuracy after 600 epochs; no such training was run here",
                "GPU-days: of the search, as published",
                _LATER,
            ],
            _published(TABLE3, "GPU-days"),
        ),
        Section(
            "Table 8: networks found in the ProxylessNAS space, ImageNet",
            [
                "published: top-1 test accuracy; no ImageNet training was run here",
                "M FLOPs: millions of multiply-adds",
                _LATER,
            ],
            _published(TABLE8, "M FLOPs"),
        ),
        *(_ours(results.read_json(path)) for path in _files(folder)),
    ]


def _files(folder: Path) -> list[Path]:
    return sorted((folder / FOLDER).glob("*.json"))


def _published(rows: tuple[Found, ...], cost: str) -> list[list[str]]:
    head = ["method", "accuracy, %", "M params", cost]
    return [head, *([one.method, one.accuracy, one.params, one.cost] for one in rows)]


def _ours(summary: dict[str, Any]) -> Section:
    """What `experiments.proxylessnas` wrote."""
    head = [
        "limit, M FLOPs",
        "search",
        "mean (sd)",
        "highest, %",
        "M params",
        "M FLOPs",
    ]
    grid = [head]
    for row in summary["rows"]:
        score, best = row["score"], row["best"]
        sd = "" if score["std"] is None else f" ({100 * score['std']:.2f})"
        grid.append(
            [
                f"{row['limit'] / 1e6:.0f}",
                row["method"],
                f"{100 * score['mean']:.2f}{sd}",
                f"{100 * best['score']:.2f}",
                f"{best['params'] / 1e6:.2f}",
                f"{best['flops'] / 1e6:.0f}",
            ]
        )
    return Section(
        f"Ours, under limits of multiply-adds: {summary['space']}, "
        f"{summary['objective']}",
        [
            summary["description"],
            f"{summary['budget']:,} architectures evaluated with each of "
            f"{len(summary['seeds'])} seeds; mean (sd) of the highest score, %",
        ],
        grid,
    )
