"""Tables 3 and 8, and the supernets of Table 1's rows, as sections.

Ours stand apart from what was published, since no network of ours was trained on
ImageNet, or on CIFAR-10 in the published size: under Table 3 stands what was really
trained, under Table 8 what a surrogate says and what was trained on CIFAR-10, and
supernets are small and trained on small images.
"""

from pathlib import Path
from typing import Any

from experiments.cells import results
from experiments.reports.published_networks import TABLE3, TABLE8, Found
from experiments.reports.table_format import Section

FOLDER = "networks"
"""Of results/: the results.json of experiments.darts and the table8.json of searches,
under the names of their flag files."""

SUPERNETS = "supernets"
"""Of results/: the results.json of experiments.supernet, under their names."""

_LATER = "later: published after TNASP"

_RANKED = {
    "nb101": (
        "NAS-Bench-101 by weights trained on digits",
        "; the table's networks were trained on CIFAR-10, so that part of what is missing "
        "is the other task",
    ),
    "nb201": ("NAS-Bench-201 on CIFAR-10", ""),
    "nb201digits": (
        "NAS-Bench-201 on digits",
        "; no number of a paper stands beside, since none is of these images",
    ),
}
"""Table -> what was ranked on which images, and what else to know."""


def sections(folder: Path) -> list[Section]:
    """Supernets, Table 3, Table 8, and our searches under the limits of Table 8.

    Args:
      folder: of finished results.

    Raises:
      UserError: for a damaged file.
    """
    ours = [results.read_json(path) for path in _files(folder, FOLDER)]
    chains = [summary for summary in ours if "trained_under_limits" in summary]
    predicted = [summary for summary in ours if "rows" in summary]
    return [
        *supernets(folder),
        Section(
            "Table 3: networks found in the DARTS space, CIFAR-10",
            [
                "published: test accuracy after 600 epochs, 36 channels, 20 layers; no "
                "such training was run here",
                "GPU-days: of the search, as published",
                _LATER,
            ],
            _published(TABLE3, "GPU-days"),
        ),
        *trained(folder),
        Section(
            "Table 8: networks found in the ProxylessNAS space, ImageNet",
            [
                "published: top-1 test accuracy; no ImageNet training was run here",
                "M FLOPs: millions of multiply-adds",
                _LATER,
            ],
            _published(TABLE8, "M FLOPs"),
        ),
        *map(_ours, predicted),
        *map(_chains, chains),
    ]


def supernets(folder: Path) -> list[Section]:
    """How supernets rank, one section a table; see `sections`."""
    found = [results.read_json(path) for path in _files(folder, SUPERNETS)]
    tables = [each for each in _RANKED if any(one["table"] == each for one in found)]
    return [_supernets([one for one in found if one["table"] == t]) for t in tables]


def _supernets(found: list[dict[str, Any]]) -> Section:
    """The supernets of one table."""
    grid = [["sampling", "steps", "paths", "cells", "tau", "accuracy of a path, %"]]
    for one in found:
        accuracies = one["mean_accuracy"]
        grid.append(
            [
                one["sampling"],
                f"{one['steps']:,}",
                f"{one['steps'] * one['paths_per_step']:,}",
                f"{one['n_archs']:,}",
                results.mean_std(one["kendall_tau"]),
                f"{100 * sum(accuracies) / len(accuracies):.1f}",
            ]
        )
    first = found[0]
    others = first.get("other_supernets", {})
    for name, other in others.items():
        for cells, tau in (
            (f"{first['n_archs']:,}", other["kendall_tau"]),
            ("all", other["kendall_tau_all"]),
        ):
            grid.append([f"{name}, published", "-", "-", cells, f"{tau:.3f}", "-"])
    told = [first["eval_target"], *others]
    notes = [
        *(first[about] for about in ("images", "network") if about in first),
        f"ranked by {told[0]}: {first['targets'][told[0]]}",
        *(f"{name}: {first['targets'][name]}" for name in others),
        f"tau: Kendall tau-b, mean (sd) over {len(first['seeds'])} supernets; cells: "
        "those that were scored, drawn once",
        f"paths: trained in all{_RANKED[first['table']][1]}",
    ]
    return Section(f"Ranking by a supernet, {_RANKED[first['table']][0]}", notes, grid)


def trained(folder: Path) -> list[Section]:
    """Networks of the DARTS space that were trained here, one section a run."""
    found = (results.read_json(path) for path in _files(folder, FOLDER))
    return [_trained(summary) for summary in found if "retrained" in summary]


def _files(folder: Path, of: str) -> list[Path]:
    return sorted((folder / of).glob("*.json"))


def _published(rows: tuple[Found, ...], cost: str) -> list[list[str]]:
    head = ["method", "accuracy, %", "M params", cost]
    return [head, *([one.method, one.accuracy, one.params, one.cost] for one in rows)]


def _trained(summary: dict[str, Any]) -> Section:
    """What `experiments.darts` wrote: a row for each network trained from scratch."""
    recipe, seconds = summary["recipe"], summary["seconds"]
    retrain, network, size = recipe["retrain"], recipe["network"], recipe["image_size"]
    supernet = summary["supernet"]
    grid = [["network", "test, %", "training, %", "M params", "epochs", "seconds"]]
    for each in summary["retrained"]:
        kind, _, number = each["name"].partition("_")
        name = {"best": "found", "random": "random"}[kind]
        grid.append(
            [
                f"{name} {int(number) + 1}, seed {each['seed']}",
                f"{100 * each['test_accuracy']:.2f}",
                f"{100 * each['train_accuracy']:.2f}",
                f"{each['params'] / 1e6:.3f}",
                f"{each['epochs']}",
                f"{each['seconds']:.0f}",
            ]
        )
    searched = sum(seconds.values()) - seconds["retrained"]
    return Section(
        f"Ours, DARTS space, CIFAR-10: {retrain['epochs']} epochs of "
        f"{network['channels']} channels and {network['layers']} layers at {size} x "
        f"{size}",
        [
            f"test: all 10,000 test images of {size} x {size}, last epoch; trained on "
            f"{recipe['retrain_images']:,} images; not comparable with Table 3",
            f"found: {summary['search']['evaluated']:,} architectures searched by "
            f"{summary['search']['method']} with {summary['predictor']['name']}, which "
            f"learnt {summary['scored']['n_archs']:,} accuracies of a supernet "
            f"({supernet['steps']:,} steps of {supernet['paths_per_step']} paths); "
            f"{searched:.0f} s on {summary['device']}",
            "random: drawn, not searched, trained in the same way",
        ],
        grid,
    )


def _chains(summary: dict[str, Any]) -> Section:
    """What `experiments.chains` wrote: networks trained on CIFAR-10 under limits."""
    recipe, supernet = summary["recipe"], summary["supernet"]
    size, widths = recipe["image_size"], ", ".join(map(str, recipe["widths"]))
    head = ["limit, M FLOPs", "network", "CIFAR-10 test, %", "M FLOPs", "M params"]
    grid = [head]
    for each in summary["trained_under_limits"]:
        grid.append(
            [
                f"{each['limit'] / 1e6:g}",
                each["name"],
                f"{100 * each['test_accuracy']:.2f}",
                f"{each['flops'] / 1e6:.3f}",
                f"{each['params'] / 1e6:.3f}",
            ]
        )
    seconds = summary["seconds"]
    searched = sum(seconds.values()) - seconds["retrained"]
    return Section(
        f"Ours, choices of ProxylessNAS on CIFAR-10 of {size} x {size}: "
        f"{recipe['retrain_epochs']} epochs, {sum(recipe['depths'])} layers of widths "
        f"{widths}",
        [
            f"measured: training from scratch on {recipe['retrain_images']:,} CIFAR-10 "
            f"images, all 10,000 test images of {size} x {size}, last step; no ImageNet "
            "result, not comparable with Table 8",
            f"found: {summary['search']['evaluated']:,} architectures a limit searched by "
            f"elites with {summary['predictor']['name']}, which learnt "
            f"{summary['scored']['n_archs']:,} CIFAR-10 validation accuracies of a "
            f"supernet ({recipe['sampling']}, {supernet['steps']:,} steps of "
            f"{supernet['paths_per_step']} paths); {searched:.0f} s on "
            f"{summary['device']}",
            "random: drawn with 80 to 100 % of the limit, trained in the same way; "
            "FLOPs are multiply-adds of the network trained",
        ],
        grid,
    )


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
    seeds = len(summary["seeds"])
    return Section(
        f"Ours, under limits of multiply-adds: {summary['space']}, "
        f"{summary['objective']}",
        [
            summary["description"],
            f"{summary['budget']:,} architectures evaluated "
            + (
                f"with each of {seeds} seeds; mean (sd) of the highest score, %"
                if seeds > 1
                else "with one seed; the highest score, %"
            ),
        ],
        grid,
    )
