"""Finds a mobile network for CIFAR-10 under limits of FLOPs, and trains it from scratch.

python -m experiments.chains --flagfile=experiments/flagfiles/proxylessnas_small.flags --workdir=DIR

The pipeline of TNASP's Table 8 on small images. Five stages, each a folder of DIR:
`supernet` trains a weight-sharing chain of the choices of ProxylessNAS; `scored` gives
random architectures their accuracy through it on validation images; `predictor` learns
these scores; `search` looks for the highest predicted score under each of
--flops_limits, counted on the network that is trained here; `retrained` trains the best
of each, and random ones under the same limits, from scratch, and measures them on the
CIFAR-10 test images, which nothing else sees. --resume goes on with a run that was cut
and skips what is finished. Nothing here is an ImageNet result.
"""

import sys
from pathlib import Path
from typing import Any

import jax
from absl import flags

from experiments.cells import results
from experiments.cells.pipeline import open_workdir
from experiments.networks import chains_stages, cifar10_parts, supernet_scores
from experiments.networks.chains_recipe import Recipe, define, recipe_of
from experiments.shell import command, devices
from experiments.shell.progress import duration
from tnasp_jax import runs

STAGES = ("supernet", "scored", "predictor", "search", "retrained")


def main(values: flags.FlagValues) -> int:
    recipe, workdir = recipe_of(values), Path(values.workdir)
    devices.use_all_cores()
    data = cifar10_parts.read(recipe, command.data_dir(values))
    config = {**recipe.as_dict(), "data_sha256": data.sha256}
    text = command.resolved(values)
    finished = open_workdir(
        workdir, config, text, values.resume, values.overwrite, STAGES
    )
    summary = finished or run(recipe, data, workdir, text, values.quiet)
    print(brief(summary) if values.quiet else report(summary))
    print(workdir / "results.json")
    return 0


def run(
    recipe: Recipe,
    data: cifar10_parts.Data,
    workdir: Path,
    flags_text: str,
    quiet: bool,
) -> dict[str, Any]:
    """Goes through the stages, skipping those that are finished; writes results.json."""
    folders = dict(zip(STAGES, (workdir / stage for stage in STAGES), strict=True))
    supernet = chains_stages.train(recipe, data, folders["supernet"], quiet)
    scored = chains_stages.score(recipe, data, folders["scored"], quiet)
    predictor = chains_stages.fit(recipe, folders["predictor"], flags_text, quiet)
    searched = chains_stages.search_best(recipe, folders["search"], quiet)
    retrained = chains_stages.retrain(
        recipe, data, searched, folders["retrained"], quiet
    )
    seconds = {
        "supernet": supernet["seconds"],
        "scored": scored["seconds"],
        "predictor": predictor["wall_seconds"],
        "search": round(sum(each["wall_seconds"] for each in searched), 1),
        "retrained": round(sum(each["seconds"] for each in retrained), 1),
    }
    summary = {
        "name": "proxylessnas_cifar10",
        "space": recipe.space.name,
        "data": "CIFAR-10",
        "supernet": supernet,
        "scored": scored,
        "predictor": supernet_scores.about_predictor(recipe, predictor),
        "search": {"method": "elites", "evaluated": recipe.budget},
        "trained_under_limits": retrained,
        "seconds": seconds,
        "wall_seconds": round(sum(seconds.values()), 1),
        "recipe": recipe.as_dict(),
        "data_sha256": data.sha256,
        "versions": results.versions(),
        "device": f"{jax.devices()[0].device_kind} x{jax.local_device_count()}",
        "argv": ["python", "-m", "experiments.chains", *sys.argv[1:]],
    }
    runs.write_json(workdir / "results.json", summary)
    return summary


def brief(summary: dict[str, Any]) -> str:
    """What a quiet run ends with, beside its file: three lines."""
    predictor, scored = summary["predictor"], summary["scored"]
    trained = [
        f"{each['limit'] / 1e6:g} M {each['name']} {100 * each['test_accuracy']:.2f}"
        for each in summary["trained_under_limits"]
    ]
    return "\n".join(
        [
            f"chain of ProxylessNAS' choices, CIFAR-10: {scored['n_archs']:,} "
            f"architectures scored, {summary['search']['evaluated']:,} predicted a limit",
            f"  Kendall tau  {results.mean_std(predictor['kendall_tau_heldout'])}, of "
            f"{predictor['name']} on the scores left out",
            f"  retrained    {', '.join(trained)}, % of the 10,000 test images",
        ]
    )


def report(summary: dict[str, Any]) -> str:
    """The table that a run ends with; it explains itself."""
    recipe, seconds = summary["recipe"], summary["seconds"]
    scored, predictor = summary["scored"], summary["predictor"]
    size, places = recipe["image_size"], sum(recipe["depths"])
    rows = [
        (
            "images",
            "",
            f"CIFAR-10, shrunk to {size} x {size}" if size < 32 else "CIFAR-10",
        ),
        (
            "supernet",
            duration(seconds["supernet"]),
            f"{places} places, widths {recipe['widths']}; {recipe['sampling']}, "
            f"{summary['supernet']['steps']:,} steps of "
            f"{summary['supernet']['paths_per_step']} paths",
        ),
        (
            "scored",
            duration(seconds["scored"]),
            supernet_scores.told(scored, recipe["val_images"]),
        ),
        (
            "predictor",
            duration(seconds["predictor"]),
            f"{predictor['name']}; Kendall tau on the scores left out: "
            f"{results.mean_std(predictor['kendall_tau_heldout'])}",
        ),
        (
            "search",
            duration(seconds["search"]),
            f"elites, {summary['search']['evaluated']:,} predicted scores a limit",
        ),
        (
            "retrained",
            duration(seconds["retrained"]),
            f"{recipe['retrain_epochs']} epochs of {recipe['retrain_images']:,} images",
        ),
    ]
    lines = ["Chain of ProxylessNAS' choices, CIFAR-10: what was run", ""]
    lines += [f"  {name:<10} {took:>9}  {text}" for name, took, text in rows]
    lines += [
        "",
        f"  {'limit':>10}  {'network':<12}{'CIFAR-10 test %':>16}{'FLOPs':>13}",
    ]
    lines[-1] += f"{'params':>10}"
    for each in summary["trained_under_limits"]:
        lines.append(
            f"  {each['limit']:>10,.0f}  {each['name']:<12}"
            f"{100 * each['test_accuracy']:>16.2f}{each['flops']:>13,}"
            f"{each['params']:>10,}"
        )
    return "\n".join(
        [
            *lines,
            "",
            "  10,000 test images; not comparable with ImageNet or with papers",
        ]
    )


if __name__ == "__main__":
    command.run(main, define)
