"""The middle stages of the DARTS pipeline: a predictor of scores, a search with it."""

import functools
import time
from pathlib import Path
from typing import Any

import numpy as np

from experiments.cells import results
from experiments.cells.training import CHECKPOINT_SECONDS
from experiments.networks import supernet_scores
from experiments.networks.darts_flags import Recipe
from experiments.searching.search_costs import Costs
from experiments.searching.search_oracles import RunOracle
from experiments.searching.search_run import found, run_search
from experiments.shell.progress import Progress
from tnasp_jax import runs, search
from tnasp_jax.search import Method, State
from tnasp_jax.spaces.darts import DARTS


def fit(recipe: Recipe, folder: Path, flags_text: str, quiet: bool) -> dict[str, Any]:
    """Trains the predictor on the scores beside the folder, which becomes a run folder.

    Returns:
      The content of its results.json.
    """
    steps, net = recipe.train.steps, recipe.supernet
    table = supernet_scores.table_of(
        folder.parent / "scored",
        DARTS,
        f"CIFAR-10, accuracy of a path through a supernet ({net.channels} channels, "
        f"{net.layers} layers, {recipe.sampling}, {steps:,} steps) on "
        f"{recipe.val_images:,} validation images of {net.image_size} x "
        f"{net.image_size}, fraction",
    )
    return supernet_scores.fit(recipe, table, folder, flags_text, quiet)


def search_best(recipe: Recipe, folder: Path, quiet: bool) -> dict[str, Any]:
    """Searches with the predictor beside the folder, which gets search.json.

    Meanwhile it holds state.npz, the record from which a search that was cut goes on.

    Returns:
      The content of search.json.
    """
    path = folder / "search.json"
    if path.exists():
        return results.read_json(path)
    folder.mkdir(exist_ok=True)
    record = folder / "state.npz"
    state, seconds = _begun(record)
    began = saved = time.monotonic()
    began -= seconds

    def keep(state: State) -> None:
        nonlocal saved
        if time.monotonic() - saved > CHECKPOINT_SECONDS:
            saved = time.monotonic()
            with runs.replacing(record) as temporary, open(temporary, "wb") as file:
                np.savez_compressed(file, **vars(state), seconds=saved - began)

    oracle, costs = RunOracle(str(folder.parent / "predictor")), costs_of(recipe)
    pareto = ["params"] if recipe.method == "nsga2" else []
    budget = recipe.population * recipe.generations
    done = 0 if state is None else len(state)
    state = run_search(
        _method(recipe),
        oracle,
        [costs[name] for name in pareto],
        seed=recipe.seed,
        budget=budget,
        batch=recipe.population,
        progress=Progress(budget, f"search by {recipe.method}", quiet, done=done),
        state=state,
        keep=keep,
    )
    summary = {
        "space": DARTS.name,
        "objective": oracle.target,
        "description": oracle.description,
        "method": recipe.method,
        "constraints": {},
        "pareto": pareto,
        "population": recipe.population,
        "generations": recipe.generations,
        "evaluated": len(state),
        **found(DARTS, [state], costs),
        "versions": results.versions(),
        "seconds": round(time.monotonic() - began, 1),
    }
    runs.write_json(path, summary)
    return summary


def costs_of(recipe: Recipe) -> Costs:
    """Parameters and FLOPs of the network that will be retrained, without its head."""
    network = recipe.network
    return {
        "params": functools.cache(lambda each: DARTS.parameters(each, network)),
        "flops": functools.cache(lambda each: DARTS.flops(each, network)),
    }


def _method(recipe: Recipe) -> Method:
    if recipe.method == "nsga2":
        return search.nsga2(DARTS, population=recipe.population)
    sample = max(1, recipe.population // 4)
    return search.regularized_evolution(
        DARTS, population=recipe.population, sample=sample
    )


def _begun(path: Path) -> tuple[State | None, float]:
    if not path.exists():
        return None, 0.0
    with np.load(path, allow_pickle=False) as saved:
        arrays = dict(saved)
    seconds = float(arrays.pop("seconds"))
    return State(**arrays), seconds
