"""From a recipe to the run folder of a supernet: train, score, compare, save."""

import contextlib
import dataclasses
import functools
import importlib.metadata
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.cells import results
from experiments.cells.pipeline import open_workdir
from experiments.cells.training import segment_epochs
from experiments.networks import segments
from experiments.networks.supernet_tasks import Task
from experiments.shell import devices
from experiments.shell.progress import Progress
from tnasp_jax import metrics, runs, supernets
from tnasp_jax.training.draws import over_draws

CHUNK = 128  # Paths scored between two lines of progress.
ARCHS_SEED = 0  # Of the architectures that all seeds score.
UNDEFINED = "tau is not defined where all scores or labels are equal"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """All that decides the result of a run.

    Attributes:
      table: its name.
      sampling: name in `supernets.SAMPLERS`.
      seeds: one training each.
      n_archs: architectures to score, drawn from the table; all of it where equal.
      train: steps and the optimiser.
    """

    table: str
    sampling: str
    seeds: tuple[int, ...]
    n_archs: int
    train: supernets.TrainConfig

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for config.json and results.json."""
        return {**dataclasses.asdict(self), "seeds": list(self.seeds)}


def run(
    recipe: Recipe,
    task: Task,
    workdir: Path,
    *,
    flags_text: str,
    argv: list[str],
    resume: bool,
    overwrite: bool,
    quiet: bool,
) -> dict[str, Any]:
    """Makes the run folder and returns the content of results.json.

    Raises:
      UserError: for a folder that holds another run.
    """
    began = time.monotonic()
    config = {**recipe.as_dict(), **task.about(), "data_sha256": task.table.sha256}
    finished = open_workdir(workdir, config, flags_text, resume, overwrite)
    if finished is not None:
        return finished
    params = train(recipe, task, workdir, quiet)
    trained = time.monotonic()
    index = draw_archs(len(task.table), recipe.n_archs)
    scores = score(task, params, task.paths(index), quiet)
    save_predictions(workdir, recipe, index, scores)
    summary = summarise(recipe, task, index, scores)
    now = time.monotonic()
    summary["train_seconds"] = round(trained - began, 2)
    summary["score_seconds"] = round(now - trained, 2)
    summary["wall_seconds"] = round(now - began, 2)
    summary["argv"] = argv
    runs.write_json(workdir / "results.json", summary)
    return summary


def train(recipe: Recipe, task: Task, workdir: Path, quiet: bool) -> supernets.Params:
    """Trains a supernet for each seed, or goes on from the newest checkpoint.

    Returns:
      Parameters with leading axis S, on the host.
    """
    steps, keys = recipe.train.steps, _keys(recipe.seeds)
    size, mesh = segment_epochs(steps), devices.mesh()
    begin = functools.partial(supernets.start, task.supernet, recipe.train)
    go_on = functools.partial(_train_segment, recipe, task, size)
    program = over_draws(go_on, mesh, in_turn=True)

    def advance(state):
        state, losses = program(keys, state)
        loss = float(np.mean(np.asarray(losses)))
        return state, {"loss": loss}, f"loss {loss:.3f}"

    trained = segments.train(
        workdir,
        label=f"training {len(recipe.seeds)} supernets",
        unit="step",
        total=steps,
        size=size,
        begin=lambda: over_draws(begin, mesh, in_turn=True)(keys),
        shapes=lambda: jax.eval_shape(jax.vmap(begin), keys),
        advance=advance,
        quiet=quiet,
    )
    return jax.device_get(trained.state.params)


def _keys(seeds: tuple[int, ...]) -> jax.Array:
    return jnp.stack([jax.random.key(seed) for seed in seeds])


def _train_segment(recipe: Recipe, task: Task, num_steps: int, key, state):
    return supernets.train_steps(
        task.supernet,
        supernets.SAMPLERS[recipe.sampling],
        recipe.train,
        *task.images.train,
        key,
        state,
        num_steps,
    )


def draw_archs(size: int, count: int) -> np.ndarray:
    """Rows of the architectures to score, [count] int, ascending and distinct."""
    rng = np.random.default_rng(ARCHS_SEED)
    return np.sort(rng.choice(size, count, replace=False))


def score(
    task: Task, params: supernets.Params, paths: np.ndarray, quiet: bool
) -> np.ndarray:
    """Validation accuracy of paths [M, L] through the supernet of each seed, [S, M].

    Equal paths are scored once.
    """
    distinct, place = np.unique(paths, axis=0, return_inverse=True)
    count, num_seeds = len(distinct), len(jax.tree.leaves(params)[0])
    chunk_scores = functools.partial(_score_chunk, task)
    of_seed = over_draws(chunk_scores, devices.mesh(), in_turn=True)
    progress = Progress(count, "scoring distinct architectures", quiet)
    parts = []
    for at in range(0, count, CHUNK):
        # One shape for all chunks: the last is filled up by repetition.
        rows = np.minimum(np.arange(at, at + CHUNK), count - 1)
        chunk = np.broadcast_to(distinct[rows], (num_seeds, CHUNK, paths.shape[1]))
        parts.append(np.asarray(of_seed(params, chunk)))
        progress.update(min(at + CHUNK, count))
    return np.concatenate(parts, axis=1)[:, place.reshape(-1)]


def _score_chunk(task: Task, params, paths):
    images = task.images
    return supernets.accuracies(
        task.supernet, params, paths, images.statistics, *images.val
    )


def save_predictions(
    workdir: Path, recipe: Recipe, index: np.ndarray, scores: np.ndarray
) -> None:
    """Writes predictions.npz: index [M], scores [S, M], seeds [S]."""
    with runs.replacing(workdir / "predictions.npz") as path, open(path, "wb") as file:
        np.savez_compressed(
            file,
            index=index.astype(np.int32),
            scores=scores.astype(np.float32),
            seeds=np.array(recipe.seeds, np.int64),
        )


def summarise(
    recipe: Recipe, task: Task, index: np.ndarray, scores: np.ndarray
) -> dict[str, Any]:
    """results.json without times and argv."""
    table = task.table
    target = table.eval_targets[0]
    truth = table.label(target)[index]
    taus = [_tau(each, truth) for each in scores]
    sample = supernets.SAMPLERS[recipe.sampling]
    paths = task.supernet.paths(sample, jax.random.key(0))
    versions = results.versions()
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        versions["scikit-learn"] = importlib.metadata.version("scikit-learn")
    return {
        "name": f"supernet_{task.name}_{recipe.sampling}",
        "table": table.name,
        "space": table.space.name,
        "sampling": recipe.sampling,
        "steps": recipe.train.steps,
        "paths_per_step": len(paths),
        **task.about(),
        "seeds": list(recipe.seeds),
        "n_archs": len(index),
        "archs_seed": ARCHS_SEED,
        "eval_target": target,
        "targets": {name: table.describe[name] for name in (target, *task.others)},
        "kendall_tau": results.spread(taus, UNDEFINED),
        # Of the same architectures, and of all of the table.
        "other_supernets": {
            name: {
                "kendall_tau": _tau(table.label(name)[index], truth),
                "kendall_tau_all": _tau(table.label(name), table.label(target)),
            }
            for name in task.others
        },
        "mean_accuracy": [results.number(each.mean()) for each in scores],
        "recipe": recipe.as_dict()["train"],
        "data_sha256": table.sha256,
        "versions": versions,
        "device": f"{jax.devices()[0].device_kind} x{jax.local_device_count()}",
    }


def _tau(scores: np.ndarray, truth: np.ndarray) -> float | None:
    return results.number(metrics.kendall_tau_host(scores, truth))
