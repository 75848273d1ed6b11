"""The first two stages of the DARTS pipeline: a supernet, and scores by it."""

import csv
import functools
import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from experiments import devices, results
from experiments.darts_data import Data
from experiments.darts_flags import Recipe
from experiments.progress import Progress
from experiments.training import CHECKPOINT_SECONDS, Journal, segment_epochs
from tnasp_jax import runs, supernets
from tnasp_jax.checkpoints import Checkpoints
from tnasp_jax.spaces.darts import DARTS
from tnasp_jax.spaces.darts_genotypes import Genotype
from tnasp_jax.spaces.darts_network import Network
from tnasp_jax.supernets.augmentation import crop_and_flip, standardize
from tnasp_jax.training.draws import over_draws

CHUNK = 8  # Paths that a device scores between two looks at the clock.
TRAIN, SAMPLE = 1, 2  # Streams of the recipe's seed.


def train(recipe: Recipe, data: Data, folder: Path, quiet: bool) -> dict[str, Any]:
    """Trains the supernet, or goes on from the newest checkpoint.

    Returns:
      The content of the folder's results.json.
    """
    done_file = folder / "results.json"
    if done_file.exists():
        return results.read_json(done_file)
    steps, key = recipe.train.steps, _key(recipe, TRAIN)
    segment = segment_epochs(steps)
    advance = _train_program(recipe.supernet, recipe.sampling, recipe.train, segment)
    checkpoints = Checkpoints(folder)
    about = checkpoints.about() or {"done": 0, "seconds": 0.0, "lines": []}
    done, began = about["done"], time.monotonic() - about["seconds"]
    begin = jax.jit(functools.partial(supernets.start, _net(recipe), recipe.train))
    state = checkpoints.restore(jax.eval_shape(begin, key)) if done else begin(key)
    journal = Journal(folder / "metrics.jsonl", about["lines"])
    progress, saved = Progress(steps, "supernet", quiet, done=done), time.monotonic()
    while done < steps:
        state, losses = advance(data.search.images, data.search.labels, key, state)
        done, loss = done + segment, float(np.mean(np.asarray(losses)))
        journal.add({"stage": "supernet", "step": done, "loss": loss})
        progress.update(done, f"loss {loss:.3f}")
        if done == steps or time.monotonic() - saved > CHECKPOINT_SECONDS:
            saved = time.monotonic()
            lines = journal.lines
            about = {"done": done, "seconds": saved - began, "lines": lines}
            checkpoints.save(done, state, about)
    checkpoints.close()
    summary = {
        "steps": steps,
        "paths_per_step": _paths_per_step(recipe),
        "loss": results.number(journal.lines[-1]["loss"]),
        "seconds": round(time.monotonic() - began, 1),
    }
    runs.write_json(done_file, summary)
    return summary


def score(recipe: Recipe, data: Data, folder: Path, quiet: bool) -> dict[str, Any]:
    """Scores random architectures by the trained supernet beside the folder.

    The folder gets scores.csv, and meanwhile scores.npz, from which a cut run goes on.

    Returns:
      The content of the folder's results.json.
    """
    done_file = folder / "results.json"
    if done_file.exists():
        return results.read_json(done_file)
    folder.mkdir(exist_ok=True)
    genotypes = draw_genotypes(_key(recipe, SAMPLE), recipe.n_archs)
    scores, seconds = _begun(folder / "scores.npz")
    began = saved = time.monotonic()
    began -= seconds
    scorer = Scorer(recipe, data, folder.parent / "supernet")
    progress = Progress(
        recipe.n_archs, "scoring architectures", quiet, done=len(scores)
    )
    while len(scores) < recipe.n_archs:
        chunk = genotypes[len(scores) : len(scores) + scorer.chunk]
        scores = np.concatenate([scores, scorer(chunk)])
        progress.update(len(scores), f"best {100 * scores.max():.2f} %")
        if time.monotonic() - saved > CHECKPOINT_SECONDS:
            saved = time.monotonic()
            with runs.replacing(folder / "scores.npz") as path, open(path, "wb") as to:
                np.savez(to, scores=scores, seconds=saved - began)
    _write_scores(folder / "scores.csv", genotypes, scores)
    summary = {
        "n_archs": recipe.n_archs,
        "mean": results.number(scores.mean()),
        "std": results.number(scores.std(ddof=1)),
        "lowest": results.number(scores.min()),
        "highest": results.number(scores.max()),
        "seconds": round(time.monotonic() - began, 1),
    }
    runs.write_json(done_file, summary)
    return summary


def read_scores(folder: Path) -> tuple[list[str], np.ndarray]:
    """Architectures as text and their scores, [n] float32, from scores.csv."""
    with open(folder / "scores.csv", newline="") as file:
        rows = list(csv.reader(file))[1:]
    return [text for text, _ in rows], np.array([each for _, each in rows], np.float32)


def draw_genotypes(key: jax.Array, count: int) -> list[Genotype]:
    """Random architectures, no two of which compute the same."""
    found: dict[str, Genotype] = {}
    block = 0
    while len(found) < count:
        for each in DARTS.sample(jax.random.fold_in(key, block), count):
            found.setdefault(DARTS.canonical_hash(each), each)
        block += 1
    return list(found.values())[:count]


class Scorer:
    """Validation accuracy of architectures through a trained supernet, on all devices.

    Args:
      recipe: of the run.
      data: its images.
      folder: of the trained supernet.
    """

    def __init__(self, recipe: Recipe, data: Data, folder: Path):
        mesh = devices.mesh()
        self._devices = 1 if mesh is None else mesh.size
        self.chunk = CHUNK * self._devices
        begin = functools.partial(supernets.start, _net(recipe), recipe.train)
        checkpoints = Checkpoints(folder)
        state = checkpoints.restore(jax.eval_shape(begin, _key(recipe, TRAIN)))
        checkpoints.close()
        seen = data.search.images[..., : recipe.calibration_images]
        images = standardize(seen), standardize(data.validation.images)
        arguments = (state.params, *images, data.validation.labels)
        self._arguments = jax.tree.map(self._for_each_device, arguments)
        self._score = _score_program(recipe.supernet, recipe.val_batches, mesh)

    def _for_each_device(self, leaf):
        return np.broadcast_to(np.asarray(leaf), (self._devices, *leaf.shape))

    def __call__(self, genotypes: list[Genotype]) -> np.ndarray:
        """[P] float32 fractions, for at most `chunk` architectures."""
        paths = supernets.paths_of(genotypes)
        # One shape for all chunks: the last is filled up by repetition.
        rows = np.minimum(np.arange(self.chunk), len(paths) - 1)
        spread = paths[rows].reshape(self._devices, CHUNK, -1)
        found = self._score(*self._arguments, spread)
        return np.asarray(found).reshape(-1)[: len(paths)]


def _key(recipe: Recipe, stream: int) -> jax.Array:
    return jax.random.fold_in(jax.random.key(recipe.seed), stream)


def _net(recipe: Recipe) -> supernets.Supernet:
    return supernets.darts(recipe.supernet)


def _paths_per_step(recipe: Recipe) -> int:
    sampler = supernets.SAMPLERS[recipe.sampling]
    return len(_net(recipe).paths(sampler, jax.random.key(0)))


# Programs, one for equal settings.


@functools.lru_cache(maxsize=4)
def _train_program(
    network: Network, sampling: str, config: supernets.TrainConfig, num_steps: int
) -> Callable:
    def prepare(key, images):
        return standardize(crop_and_flip(key, images))

    @jax.jit
    def advance(images, labels, key, state):
        return supernets.train_steps(
            supernets.darts(network),
            supernets.SAMPLERS[sampling],
            config,
            images,
            labels,
            key,
            state,
            num_steps,
            prepare,
        )

    return advance


@functools.lru_cache(maxsize=4)
def _score_program(network: Network, num_batches: int, mesh) -> Callable:
    net = supernets.darts(network)

    def score(params, train_images, images, labels, paths):
        return supernets.accuracies(
            net, params, paths, train_images, images, labels, num_batches
        )

    return over_draws(score, mesh, in_turn=True)


def _begun(path: Path) -> tuple[np.ndarray, float]:
    """Scores of a run that was cut, and the seconds that they took."""
    if not path.exists():
        return np.zeros(0, np.float32), 0.0
    with np.load(path, allow_pickle=False) as saved:
        return saved["scores"], float(saved["seconds"])


def _write_scores(path: Path, genotypes: list[Genotype], scores: np.ndarray) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["architecture", "supernet_val_acc"])
    for genotype, each in zip(genotypes, scores, strict=True):
        writer.writerow([DARTS.format(genotype), f"{each:.6f}"])
    with runs.replacing(path) as temporary:
        temporary.write_text(text.getvalue())
