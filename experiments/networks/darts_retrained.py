"""The last stage of the DARTS pipeline: found cells trained from scratch and tested."""

import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax

from experiments.cells import results
from experiments.networks import segments
from experiments.networks.cifar10_parts import Data
from experiments.networks.darts_flags import Recipe
from experiments.networks.darts_found import costs_of
from tnasp_jax import runs
from tnasp_jax.spaces.darts import DARTS
from tnasp_jax.spaces.darts_genotypes import Genotype
from tnasp_jax.spaces.darts_network import Network
from tnasp_jax.supernets import retraining
from tnasp_jax.supernets.retraining import RetrainConfig


class Candidate(NamedTuple):
    """What is retrained.

    Attributes:
      name: best_0 for the best of the search, random_0 for one that was only drawn.
      text: the genotype.
      predicted: the predictor's score; None for a random one.
    """

    name: str
    text: str
    predicted: float | None


def candidates(
    recipe: Recipe, best: list[dict[str, Any]], drawn: list[str]
) -> list[Candidate]:
    """The best of the search, then random ones.

    Args:
      recipe: how many.
      best: of search.json.
      drawn: random architectures.
    """
    return [
        *(
            Candidate(f"best_{at}", each["architecture"], each["score"])
            for at, each in enumerate(best[: recipe.retrained])
        ),
        *(
            Candidate(f"random_{at}", text, None)
            for at, text in enumerate(drawn[: recipe.retrained_random])
        ),
    ]


def retrain(
    recipe: Recipe,
    data: Data,
    candidate: Candidate,
    seed: int,
    folder: Path,
    quiet: bool,
) -> dict[str, Any]:
    """One training, in a folder of its own; test images are seen once, at its end.

    Returns:
      The content of the folder's results.json.
    """
    done_file = folder / "results.json"
    if done_file.exists():
        return results.read_json(done_file)
    genotype, key = DARTS.parse(candidate.text), jax.random.key(seed)
    programs = _programs(genotype, recipe.network, recipe.retrain)
    begin = functools.partial(programs.start, len(data.retrain.labels))

    def advance(state):
        state, told = programs.epoch(*data.retrain, key, state)
        loss, accuracy = map(float, told)
        note = f"loss {loss:.3f}, training accuracy {100 * accuracy:.1f} %"
        return state, {"loss": loss, "train_accuracy": accuracy}, note

    trained = segments.train(
        folder,
        label=f"retraining {candidate.name}",
        unit="epoch",
        total=recipe.retrain.epochs,
        size=1,
        begin=lambda: begin(key),
        shapes=lambda: jax.eval_shape(begin, key),
        advance=advance,
        quiet=quiet,
    )
    last, began = trained.last, time.monotonic()
    costs = {name: cost(genotype) for name, cost in costs_of(recipe).items()}
    summary = {
        "name": candidate.name,
        "seed": seed,
        "architecture": candidate.text,
        "predicted": candidate.predicted,
        **costs,
        "params_published_size": DARTS.parameters(genotype),
        "epochs": recipe.retrain.epochs,
        "loss": results.number(last["loss"]),
        "train_accuracy": results.number(last["train_accuracy"]),
        "test_accuracy": results.number(programs.test(trained.state, *data.test)),
        "seconds": round(trained.seconds + time.monotonic() - began, 1),
    }
    runs.write_json(done_file, summary)
    return summary


class _Programs(NamedTuple):
    """The compiled functions of one architecture."""

    start: Callable
    epoch: Callable
    test: Callable


@functools.lru_cache(maxsize=4)
def _programs(genotype: Genotype, network: Network, config: RetrainConfig) -> _Programs:
    return _Programs(
        jax.jit(
            functools.partial(retraining.start, genotype, network, config),
            static_argnums=0,
        ),
        jax.jit(functools.partial(retraining.train_epoch, genotype, network, config)),
        jax.jit(functools.partial(retraining.accuracy, genotype, network)),
    )
