"""Finds a DARTS architecture for CIFAR-10 as TNASP does, and trains it from scratch.

python -m experiments.darts --flagfile=experiments/flagfiles/darts_small.flags --workdir=DIR

Five stages, each a folder of DIR: `supernet` trains a weight-sharing network; `scored`
gives random architectures their accuracy through it on validation images; `predictor`
learns these scores; `search` looks for the architecture of the highest predicted score
(nsga2: against parameters); `retrained` trains the best from scratch and measures it on
the test images, which nothing else sees. --resume goes on with a run that was cut and
skips what is finished. DIR gets results.json, and cells.svg, the two cells.
"""

import sys
from pathlib import Path
from typing import Any

import jax
from absl import flags

from experiments.cells import results
from experiments.cells.pipeline import open_workdir
from experiments.networks import (
    cifar10_parts,
    darts_found,
    darts_retrained,
    darts_supernet,
    supernet_scores,
)
from experiments.networks.cifar10_parts import Data
from experiments.networks.darts_flags import Recipe, define, recipe_of
from experiments.networks.darts_report import brief, report
from experiments.shell import command, devices
from tnasp_jax import drawing, runs
from tnasp_jax.spaces.darts import DARTS

STAGES = ("supernet", "scored", "predictor", "search", "retrained")
DRAWING = "cells.svg"


def main(values: flags.FlagValues) -> int:
    recipe, workdir = recipe_of(values), Path(values.workdir)
    devices.use_all_cores()
    data = cifar10_parts.read(recipe, command.data_dir(values))
    finished = open_workdir(
        workdir,
        {**recipe.as_dict(), "data_sha256": data.sha256},
        command.resolved(values),
        values.resume,
        values.overwrite,
        STAGES,
    )
    summary = finished or run(
        recipe, data, workdir, command.resolved(values), values.quiet
    )
    print(brief(summary) if values.quiet else report(summary))
    _draw(workdir / DRAWING, summary["retrained"][0]["architecture"], values.quiet)
    return 0


def run(
    recipe: Recipe, data: Data, workdir: Path, flags_text: str, quiet: bool
) -> dict[str, Any]:
    """Goes through the stages, skipping those that are finished; writes results.json."""
    folders = [workdir / stage for stage in STAGES]
    supernet = darts_supernet.train(recipe, data, folders[0], quiet)
    scored = darts_supernet.score(recipe, data, folders[1], quiet)
    predictor = darts_found.fit(recipe, folders[2], flags_text, quiet)
    searched = darts_found.search_best(recipe, folders[3], quiet)
    drawn, _ = supernet_scores.read(folders[1])
    folders[4].mkdir(exist_ok=True)
    retrained = [
        darts_retrained.retrain(
            recipe, data, each, seed, folders[4] / f"{each.name}_seed_{seed}", quiet
        )
        for each in darts_retrained.candidates(recipe, searched["best"], drawn)
        for seed in recipe.retrain_seeds
    ]
    seconds = {
        "supernet": supernet["seconds"],
        "scored": scored["seconds"],
        "predictor": predictor["wall_seconds"],
        "search": searched["seconds"],
        "retrained": round(sum(each["seconds"] for each in retrained), 1),
    }
    summary = {
        "name": "darts",
        "space": DARTS.name,
        "supernet": supernet,
        "scored": scored,
        "predictor": supernet_scores.about_predictor(recipe, predictor),
        "search": {"method": recipe.method, "evaluated": searched["evaluated"]},
        "retrained": retrained,
        "seconds": seconds,
        "wall_seconds": round(sum(seconds.values()), 1),
        "recipe": recipe.as_dict(),
        "data_sha256": data.sha256,
        "versions": results.versions(),
        "device": f"{jax.devices()[0].device_kind} x{jax.local_device_count()}",
        "argv": ["python", "-m", "experiments.darts", *sys.argv[1:]],
    }
    runs.write_json(workdir / "results.json", summary)
    return summary


def _draw(path: Path, text: str, quiet: bool) -> None:
    picture = drawing.of_architecture(DARTS, DARTS.parse(text))
    try:
        content = drawing.file_of(picture, "svg")
    except ModuleNotFoundError:
        print("no drawing: matplotlib is missing; pip install '.[plots]'")
        return
    with runs.replacing(path) as temporary:
        temporary.write_bytes(content)
    if not quiet:
        print(path)


if __name__ == "__main__":
    command.run(main, define)
