"""The flags of experiments.darts, and the recipe that they describe."""

import dataclasses
import json
from typing import Any

from absl import flags

from experiments.networks import cifar10_flags
from experiments.searching.search_run import NUM_BEST
from experiments.shell.command import UserError
from tnasp_jax import supernets
from tnasp_jax.benchmarks import cifar10
from tnasp_jax.predictors import get_predictor
from tnasp_jax.spaces.darts import DARTS
from tnasp_jax.spaces.darts_network import Network
from tnasp_jax.supernets.retraining import RetrainConfig

METHODS = ["nsga2", "evolution"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """All that decides the result of a run, stage by stage.

    Attributes:
      seed: of all chance but that of the retraining.
      image_size: height and width of the images, 32 or what they are shrunk to.
      search_images: training images that the supernet learns from.
      val_images: other training images, by which architectures are scored.
      calibration_images: of those the supernet learns from, for batch statistics.
      val_batches: parts in which the validation images are judged.
      supernet: its sizes.
      sampling: name in `supernets.SAMPLERS`.
      train: steps and optimiser of the supernet.
      n_archs: architectures to score.
      predictor: name in the registry.
      folds: networks of the predictor, each learning without one part of the scores.
      epochs: of the predictor; None for those of its own recipe.
      method: of the search.
      population: architectures of a generation.
      generations: of the search, the random first one among them.
      retrained: best architectures to train from scratch.
      retrained_random: random ones to train in the same way, for comparison.
      retrain_seeds: one training of each of them for each.
      retrain_images: training images of that.
      network: sizes of that.
      retrain: its recipe.
    """

    seed: int
    image_size: int
    search_images: int
    val_images: int
    calibration_images: int
    val_batches: int
    supernet: Network
    sampling: str
    train: supernets.TrainConfig
    n_archs: int
    predictor: str
    folds: int
    epochs: int | None
    method: str
    population: int
    generations: int
    retrained: int
    retrained_random: int
    retrain_seeds: tuple[int, ...]
    retrain_images: int
    network: Network
    retrain: RetrainConfig

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as JSON gives them back."""
        return json.loads(json.dumps(dataclasses.asdict(self)))


_SHARED_DEFAULTS: dict[str, int | None] = {
    "seed": 0,
    "image_size": 32,
    "search_images": 40_000,
    "val_images": 10_000,
    "calibration_images": 1_000,
    "supernet_steps": 30_000,
    "supernet_batch_size": 64,
    "n_archs": 1_000,
    "folds": 5,
    "epochs": None,
    "retrained_random": 0,
    "retrain_images": cifar10_flags.NUM_TRAIN,
    "retrain_epochs": 600,
    "retrain_batch_size": 96,
}
_WHOLE = (
    ("val_batches", 1, 10, "parts in which validation images are judged"),
    ("supernet_channels", 2, 16, "of a node in the first layers of the supernet"),
    ("supernet_layers", 3, 8, "cells of the supernet"),
    ("population", 2, 100, "architectures of a generation of the search"),
    ("generations", 1, 100, "of the search, the random first one among them"),
    ("retrained", 1, 1, "best architectures to train from scratch"),
    ("channels", 2, 36, "of a node in the first layers of a retrained network"),
    ("layers", 3, 20, "cells of a retrained network"),
    ("cutout", 0, 16, "sides of the hidden square, in pixels; 0 for none"),
)
_NUMBERS = (
    ("supernet_learning_rate", 0.01, "of SGD, cosine to 0"),
    ("retrain_learning_rate", 0.025, "of SGD with momentum .9, cosine to 0"),
    ("retrain_weight_decay", 3e-4, "of a retrained network"),
    ("retrain_clip", 5.0, "largest norm of its gradients"),
    ("auxiliary_weight", 0.4, "of its auxiliary head's loss; 0 for no head"),
    ("drop_path", 0.2, "how likely an operation is dropped in the end, below 1"),
)


def define(values: flags.FlagValues) -> None:
    """All flags; the defaults are the published sizes where there are any."""
    cifar10_flags.define(values, _SHARED_DEFAULTS, predictor="best")
    for name, least, default, text in _WHOLE:
        flags.DEFINE_integer(name, default, text, least, flag_values=values)
    for name, default, text in _NUMBERS:
        flags.DEFINE_float(name, default, text, 0.0, flag_values=values)
    flags.DEFINE_enum(
        "method",
        "nsga2",
        METHODS,
        "nsga2: score and parameters; evolution: score",
        flag_values=values,
    )
    flags.DEFINE_list(
        "retrain_seeds", ["0"], "one training for each", flag_values=values
    )


def recipe_of(values: flags.FlagValues) -> Recipe:
    """The recipe of the flags.

    Raises:
      UserError: for flags that are missing or do not go together.
      ValueError: for an unknown predictor, or one whose extra is missing.
    """
    _check(values)
    auxiliary = values.auxiliary_weight > 0
    recipe = Recipe(
        seed=values.seed,
        image_size=values.image_size,
        search_images=values.search_images,
        val_images=values.val_images,
        calibration_images=values.calibration_images,
        val_batches=values.val_batches,
        supernet=Network(
            channels=values.supernet_channels,
            layers=values.supernet_layers,
            image_size=values.image_size,
        ),
        sampling=values.sampling,
        train=supernets.TrainConfig(
            steps=values.supernet_steps,
            batch_size=values.supernet_batch_size,
            learning_rate=values.supernet_learning_rate,
        ),
        n_archs=values.n_archs,
        predictor=values.predictor,
        folds=values.folds,
        epochs=values.epochs,
        method=values.method,
        population=values.population,
        generations=values.generations,
        retrained=values.retrained,
        retrained_random=values.retrained_random,
        retrain_seeds=_seeds(values.retrain_seeds),
        retrain_images=values.retrain_images,
        network=Network(
            channels=values.channels,
            layers=values.layers,
            image_size=values.image_size,
            auxiliary=auxiliary,
        ),
        retrain=RetrainConfig(
            epochs=values.retrain_epochs,
            batch_size=values.retrain_batch_size,
            learning_rate=values.retrain_learning_rate,
            weight_decay=values.retrain_weight_decay,
            clip=values.retrain_clip,
            auxiliary_weight=values.auxiliary_weight,
            cutout=values.cutout,
            drop_path=values.drop_path,
        ),
    )
    predictor = get_predictor(recipe.predictor, DARTS)
    if predictor.check is not None:
        predictor.check()
    return recipe


def _seeds(texts: list[str]) -> tuple[int, ...]:
    if not texts or len(set(texts)) < len(texts) or not all(map(str.isdecimal, texts)):
        raise UserError(
            f"--retrain_seeds={','.join(texts)}: expected distinct whole numbers, "
            "separated by commas"
        )
    return tuple(map(int, texts))


def _check(values: flags.FlagValues) -> None:
    cifar10_flags.check(values)
    size = values.image_size
    if values.auxiliary_weight and size != cifar10.SIZE:
        raise UserError(
            f"--auxiliary_weight={values.auxiliary_weight:g}: the auxiliary head is "
            f"made for images of 32, not --image_size={size}; give 0"
        )
    for name in ("supernet_channels", "channels"):
        channels: int = getattr(values, name)
        if channels % 2:
            raise UserError(f"--{name}={channels}: expected an even number")
    if values.drop_path >= 1:
        raise UserError(f"--drop_path={values.drop_path:g}: expected a number below 1")
    searched = values.population * values.generations
    cifar10_flags.check_at_most(
        values,
        (
            ("retrained", NUM_BEST, "what a search reports"),
            ("retrained", searched, "those searched"),
            ("retrained_random", values.n_archs, "--n_archs"),
        ),
    )
    if values.val_images % values.val_batches:
        raise UserError(
            f"--val_batches={values.val_batches}: expected a number that divides "
            f"--val_images={values.val_images}"
        )
