"""From a recipe to the run folder of a supernet: train, score, compare, save."""

import dataclasses
import functools
import importlib.metadata
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments import devices, digits_cells, results
from experiments.pipeline import open_workdir
from experiments.progress import Progress
from experiments.training import CHECKPOINT_SECONDS, segment_epochs
from tnasp_jax import metrics, runs, supernets
from tnasp_jax.benchmarks import Table
from tnasp_jax.checkpoints import Checkpoints
from tnasp_jax.spaces.nasbench201 import EDGES, NASBENCH201
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
    table: Table,
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
    config = {**recipe.as_dict(), "data_sha256": table.sha256}
    finished = open_workdir(workdir, config, flags_text, resume, overwrite)
    if finished is not None:
        return finished
    params = train(recipe, workdir, quiet)
    trained = time.monotonic()
    index = draw_archs(len(table), recipe.n_archs)
    scores = score(params, np.array(NASBENCH201.all_architectures())[index], quiet)
    save_predictions(workdir, recipe, index, scores)
    summary = summarise(recipe, table, index, scores)
    now = time.monotonic()
    summary["train_seconds"] = round(trained - began, 2)
    summary["score_seconds"] = round(now - trained, 2)
    summary["wall_seconds"] = round(now - began, 2)
    summary["argv"] = argv
    runs.write_json(workdir / "results.json", summary)
    return summary


@functools.cache
def _images() -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Images and labels to train on, and to validate on, those of the digits table."""
    data, (num_train, num_val, _) = (
        digits_cells.load_digits(),
        digits_cells.split_sizes(),
    )
    train, val = slice(num_train), slice(num_train, num_train + num_val)
    images, labels = data["images"], data["labels"]
    return (images[..., train], labels[train]), (images[..., val], labels[val])


def train(recipe: Recipe, workdir: Path, quiet: bool) -> supernets.Params:
    """Trains a supernet for each seed, or goes on from the newest checkpoint.

    Returns:
      Parameters with leading axis S, on the host.
    """
    steps, keys = recipe.train.steps, _keys(recipe.seeds)
    segment, mesh = segment_epochs(steps), devices.mesh()
    begin = functools.partial(supernets.start, digits_cells.SUPERNET, recipe.train)
    go_on = functools.partial(_train_segment, recipe, segment)
    checkpoints = Checkpoints(workdir)
    done = (checkpoints.about() or {"done": 0})["done"]
    if done:
        state = checkpoints.restore(jax.eval_shape(jax.vmap(begin), keys))
    else:
        state = over_draws(begin, mesh, in_turn=True)(keys)
    advance = over_draws(go_on, mesh, in_turn=True)
    label = f"training {len(recipe.seeds)} supernets"
    progress, saved = Progress(steps, label, quiet, done=done), time.monotonic()
    while done < steps:
        state, loss = advance(keys, state)
        done += segment
        progress.update(done, f"loss {float(np.mean(np.asarray(loss))):.3f}")
        if done == steps or time.monotonic() - saved > CHECKPOINT_SECONDS:
            checkpoints.save(done, state, {"done": done})
            saved = time.monotonic()
    checkpoints.close()
    return jax.device_get(state.params)


def _keys(seeds: tuple[int, ...]) -> jax.Array:
    return jnp.stack([jax.random.key(seed) for seed in seeds])


def _train_segment(recipe: Recipe, num_steps: int, key, state):
    return supernets.train_steps(
        digits_cells.SUPERNET,
        supernets.SAMPLERS[recipe.sampling],
        recipe.train,
        *_images()[0],
        key,
        state,
        num_steps,
    )


def draw_archs(size: int, count: int) -> np.ndarray:
    """Rows of the architectures to score, [count] int, ascending and distinct."""
    rng = np.random.default_rng(ARCHS_SEED)
    return np.sort(rng.choice(size, count, replace=False))


def score(params: supernets.Params, paths: np.ndarray, quiet: bool) -> np.ndarray:
    """Validation accuracy of paths [M, E] through the supernet of each seed, [S, M].

    Paths that differ only in dead edges compute the same and are scored once.
    """
    pruned = [NASBENCH201.prune(tuple(path)) for path in paths.tolist()]
    distinct, place = np.unique(np.array(pruned, np.int32), axis=0, return_inverse=True)
    count, num_seeds = len(distinct), len(jax.tree.leaves(params)[0])
    of_seed = over_draws(_score_chunk, devices.mesh(), in_turn=True)
    progress = Progress(count, "scoring distinct architectures", quiet)
    parts = []
    for at in range(0, count, CHUNK):
        # One shape for all chunks: the last is filled up by repetition.
        rows = np.minimum(np.arange(at, at + CHUNK), count - 1)
        chunk = np.broadcast_to(distinct[rows], (num_seeds, CHUNK, len(EDGES)))
        parts.append(np.asarray(of_seed(params, chunk)))
        progress.update(min(at + CHUNK, count))
    return np.concatenate(parts, axis=1)[:, place.reshape(-1)]


def _score_chunk(params, paths):
    (train_images, _), (images, labels) = _images()
    return supernets.accuracies(
        digits_cells.SUPERNET, params, paths, train_images, images, labels
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
    recipe: Recipe, table: Table, index: np.ndarray, scores: np.ndarray
) -> dict[str, Any]:
    """results.json without times and argv."""
    target = table.eval_targets[0]
    truth = table.label(target)[index]
    taus = [results.number(metrics.kendall_tau_host(each, truth)) for each in scores]
    net, sample = digits_cells.SUPERNET, supernets.SAMPLERS[recipe.sampling]
    paths = sample(jax.random.key(0), net.num_edges, net.num_ops)
    versions = results.versions()
    versions["scikit-learn"] = importlib.metadata.version("scikit-learn")
    return {
        "name": f"supernet_digits_{recipe.sampling}",
        "table": table.name,
        "space": table.space.name,
        "sampling": recipe.sampling,
        "steps": recipe.train.steps,
        "paths_per_step": len(paths),
        "seeds": list(recipe.seeds),
        "n_archs": len(index),
        "archs_seed": ARCHS_SEED,
        "eval_target": target,
        "targets": {target: table.describe[target]},
        "kendall_tau": results.spread(taus, UNDEFINED),
        "mean_accuracy": [results.number(each.mean()) for each in scores],
        "recipe": recipe.as_dict()["train"],
        "data_sha256": table.sha256,
        "versions": versions,
        "device": f"{jax.devices()[0].device_kind} x{jax.local_device_count()}",
    }
