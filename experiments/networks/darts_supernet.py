"""The first two stages of the DARTS pipeline: a supernet, and scores by it."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from experiments.cells import results
from experiments.cells.training import segment_epochs
from experiments.networks import segments, supernet_scores
from experiments.networks.cifar10_parts import Data
from experiments.networks.darts_flags import Recipe
from experiments.networks.supernet_scores import stream
from experiments.shell import devices
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
    steps, key = recipe.train.steps, stream(recipe, TRAIN)
    size = segment_epochs(steps)
    program = _train_program(recipe.supernet, recipe.sampling, recipe.train, size)
    begin = jax.jit(functools.partial(supernets.start, _net(recipe), recipe.train))

    def advance(state):
        state, losses = program(data.search.images, data.search.labels, key, state)
        loss = float(np.mean(np.asarray(losses)))
        return state, {"loss": loss}, f"loss {loss:.3f}"

    trained = segments.train(
        folder,
        label="supernet",
        unit="step",
        total=steps,
        size=size,
        begin=lambda: begin(key),
        shapes=lambda: jax.eval_shape(begin, key),
        advance=advance,
        quiet=quiet,
    )
    summary = {
        "steps": steps,
        "paths_per_step": _paths_per_step(recipe),
        "loss": results.number(trained.last["loss"]),
        "seconds": trained.seconds,
    }
    runs.write_json(done_file, summary)
    return summary


def score(recipe: Recipe, data: Data, folder: Path, quiet: bool) -> dict[str, Any]:
    """Scores random architectures by the trained supernet beside the folder.

    Returns:
      The content of the folder's results.json.
    """
    done_file = folder / "results.json"
    if done_file.exists():
        return results.read_json(done_file)
    drawn = supernet_scores.draw(DARTS, stream(recipe, SAMPLE), recipe.n_archs)
    scorer = Scorer(recipe, data, folder.parent / "supernet")
    return supernet_scores.score(folder, DARTS, drawn, scorer.chunk, scorer, quiet)


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
        state = checkpoints.restore(jax.eval_shape(begin, stream(recipe, TRAIN)))
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
        paths = supernets.paths_of_darts(genotypes)
        # One shape for all chunks: the last is filled up by repetition.
        rows = np.minimum(np.arange(self.chunk), len(paths) - 1)
        spread = paths[rows].reshape(self._devices, CHUNK, -1)
        found = self._score(*self._arguments, spread)
        return np.asarray(found).reshape(-1)[: len(paths)]


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
