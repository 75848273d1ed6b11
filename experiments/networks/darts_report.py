"""results.json of experiments.darts, for people: what was run, and what came out."""

from typing import Any

import numpy as np

from experiments.cells import results
from experiments.networks import supernet_scores
from experiments.shell.progress import duration


def report(summary: dict[str, Any]) -> str:
    """The table that a run ends with; it explains itself."""
    recipe, seconds = summary["recipe"], summary["seconds"]
    scored, predictor = summary["scored"], summary["predictor"]
    supernet, retrain = summary["supernet"], recipe["retrain"]
    size = f"{recipe['image_size']} x {recipe['image_size']}"
    if recipe["image_size"] < 32:
        size += ", shrunk from 32 x 32"
    rows = [
        ("images", "", f"CIFAR-10, {size}"),
        (
            "supernet",
            duration(seconds["supernet"]),
            f"{_sizes(recipe['supernet'])}; {supernet['steps']:,} steps of "
            f"{recipe['train']['batch_size']} images, {recipe['sampling']}: "
            f"{supernet['paths_per_step']} path(s) a step; "
            f"{recipe['search_images']:,} training images",
        ),
        (
            "scored",
            duration(seconds["scored"]),
            supernet_scores.told(scored, recipe["val_images"]),
        ),
        (
            "predictor",
            duration(seconds["predictor"]),
            f"{predictor['name']}, {recipe['folds']} folds of {predictor['n_train']} "
            "scores; Kendall tau on the scores left out: "
            f"{results.mean_std(predictor['kendall_tau_heldout'])}",
        ),
        (
            "search",
            duration(seconds["search"]),
            f"{summary['search']['method']}, {summary['search']['evaluated']:,} "
            "architectures by predicted score"
            + (" and parameters" if recipe["method"] == "nsga2" else ""),
        ),
        (
            "retrained",
            duration(seconds["retrained"]),
            f"{_sizes(recipe['network'])}; {retrain['epochs']} epochs of "
            f"{recipe['retrain_images']:,} training images, "
            f"batch {retrain['batch_size']}",
        ),
    ]
    lines = ["DARTS space, CIFAR-10: what was run", ""]
    lines += [f"  {name:<10} {took:>9}  {text}" for name, took, text in rows]
    lines += ["", f"  {'network':<12}{'test %':>8}{'training %':>12}{'params':>12}"]
    lines[-1] += "  at 36 channels, 20 layers"
    for each in summary["retrained"]:
        lines.append(
            f"  {each['name']:<12}{100 * each['test_accuracy']:>8.2f}"
            f"{100 * each['train_accuracy']:>12.2f}{each['params']:>12,}"
            f"  {each['params_published_size'] / 1e6:.2f} M"
        )
    lines += ["", *_verdict(summary), "", summary["retrained"][0]["architecture"]]
    return "\n".join(lines)


def brief(summary: dict[str, Any]) -> str:
    """What a quiet run ends with: four lines."""
    predictor = summary["predictor"]
    return "\n".join(
        [
            f"DARTS space, CIFAR-10: {summary['scored']['n_archs']:,} architectures "
            f"scored, {summary['search']['evaluated']:,} predicted, "
            f"{len(summary['retrained'])} retrained",
            f"  Kendall tau  {results.mean_std(predictor['kendall_tau_heldout'])}, of "
            f"{predictor['name']} on the scores left out",
            f"  retrained    {_means(summary)} of the 10,000 test images",
            f"  found        {summary['retrained'][0]['architecture']}",
        ]
    )


def _verdict(summary: dict[str, Any]) -> list[str]:
    epochs = summary["recipe"]["retrain"]["epochs"]
    return [
        "  test accuracy on the 10,000 test images, last epoch: " + _means(summary),
        f"  after {epochs} epochs here; papers train 36 channels, 20 layers, 600 epochs",
    ]


def _means(summary: dict[str, Any]) -> str:
    means = []
    for kind in ("best", "random"):
        found = of_kind(summary, kind)
        if found:
            told = f"{100 * np.mean(found):.2f} % (mean of {len(found)})"
            means.append(f"{'found' if kind == 'best' else 'random'} {told}")
    return ", ".join(means)


def of_kind(summary: dict[str, Any], kind: str) -> list[float]:
    """Test accuracies of the retrained networks of a kind, best or random."""
    return [
        each["test_accuracy"]
        for each in summary["retrained"]
        if each["name"].startswith(kind)
    ]


def _sizes(network: dict[str, Any]) -> str:
    head = ", auxiliary head" if network["auxiliary"] else ""
    return f"{network['channels']} channels, {network['layers']} layers{head}"
