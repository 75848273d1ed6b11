"""The flags of experiments.darts, and the recipe that they describe."""

import dataclasses
import json
from typing import Any

from absl import flags

from experiments import command
from experiments.command import UserError
from experiments.search import NUM_BEST
from tnasp_jax import supernets
from tnasp_jax.benchmarks import cifar10
from tnasp_jax.predictors import get_predictor
from tnasp_jax.spaces.darts import DARTS
from tnasp_jax.spaces.darts_network import Network
from tnasp_jax.supernets.retraining import RetrainConfig

SHARED = ("data_dir", "workdir", "resume", "overwrite", "quiet", "debug")
METHODS = ("nsga2", "evolution")
NUM_TRAIN = 50_000  # Images of CIFAR-10 that are not for tests.


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
      epochs: of a predictor that is trained by steps.
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
    epochs: int
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


_WHOLE = (
    ("seed", 0, 0, "of all chance but that of the retraining"),
    ("image_size", 4, 32, "sides of the images; smaller ones are means of squares"),
    ("search_images", 2, 40_000, "training images that the supernet learns from"),
    ("val_images", 1, 10_000, "other training images, to score architectures by"),
    ("calibration_images", 2, 1_000, "of the former, for the statistics of a path"),
    ("val_batches", 1, 10, "parts in which validation images are judged"),
    ("supernet_channels", 2, 16, "of a node in the first layers of the supernet"),
    ("supernet_layers", 3, 8, "cells of the supernet"),
    ("supernet_steps", 1, 30_000, "updates of the supernet's weights"),
    ("supernet_batch_size", 1, 64, "images of a step"),
    ("n_archs", 4, 1_000, "architectures to score with the supernet"),
    ("folds", 2, 5, "networks of the predictor; each learns without one part"),
    ("epochs", 1, 300, "of the predictor, where it is trained by steps"),
    ("population", 2, 100, "architectures of a generation of the search"),
    ("generations", 1, 100, "of the search, the random first one among them"),
    ("retrained", 1, 1, "best architectures to train from scratch"),
    ("retrained_random", 0, 0, "random ones to train in the same way"),
    ("retrain_images", 2, NUM_TRAIN, "training images to train them on"),
    ("channels", 2, 36, "of a node in the first layers of a retrained network"),
    ("layers", 3, 20, "cells of a retrained network"),
    ("retrain_epochs", 1, 600, "passes over the images"),
    ("retrain_batch_size", 1, 96, "images of a step"),
    ("cutout", 0, 16, "sides of the hidden square, in pixels; 0 for none"),
)
_NUMBERS = (
    ("supernet_learning_rate", 0.01, "of SGD, cosine to 0"),
    ("retrain_learning_rate", 0.025, "of SGD with momentum .9, cosine to 0"),
    ("weight_decay", 3e-4, "of a retrained network"),
    ("clip", 5.0, "largest norm of its gradients"),
    ("auxiliary_weight", 0.4, "of its auxiliary head's loss; 0 for no head"),
    ("drop_path", 0.2, "how likely an operation is dropped in the end, below 1"),
)


def define(values: flags.FlagValues) -> None:
    """All flags; the defaults are the published sizes where there are any."""
    command.define_shared(values, SHARED)
    for name, least, default, text in _WHOLE:
        flags.DEFINE_integer(name, default, text, least, flag_values=values)
    for name, default, text in _NUMBERS:
        flags.DEFINE_float(name, default, text, 0.0, flag_values=values)
    for name, default, names, text in (
        ("sampling", "fairnas", list(supernets.SAMPLERS), "paths of a step"),
        ("method", "nsga2", METHODS, "nsga2: score and parameters; evolution: score"),
    ):
        flags.DEFINE_enum(name, default, list(names), text, flag_values=values)
    flags.DEFINE_string(
        "predictor", "best", "learns the scores of the supernet", flag_values=values
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
            weight_decay=values.weight_decay,
            clip=values.clip,
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
    if not values.workdir:
        raise UserError("--workdir is missing; name the folder for the run")
    if values.resume and values.overwrite:
        raise UserError("--resume keeps the run that --overwrite removes; give one")
    size = values.image_size
    if size % 4 or cifar10.SIZE % size:
        raise UserError(f"--image_size={size}: expected 4, 8, 16 or 32")
    if values.auxiliary_weight and size != cifar10.SIZE:
        raise UserError(
            f"--auxiliary_weight={values.auxiliary_weight:g}: the auxiliary head is "
            f"made for images of 32, not --image_size={size}; give 0"
        )
    for name in ("supernet_channels", "channels"):
        if (channels := _number(values, name)) % 2:
            raise UserError(f"--{name}={channels}: expected an even number")
    if values.drop_path >= 1:
        raise UserError(f"--drop_path={values.drop_path:g}: expected a number below 1")
    _check_counts(values)


def _check_counts(values: flags.FlagValues) -> None:
    """UserError where more is asked for than there is."""
    both = values.search_images + values.val_images
    if both > NUM_TRAIN:
        raise UserError(
            f"--search_images and --val_images are {both:,} together; there are "
            f"{NUM_TRAIN:,} training images"
        )
    for name, most, of in (
        ("supernet_batch_size", values.search_images, "--search_images"),
        ("calibration_images", values.search_images, "--search_images"),
        ("retrain_images", NUM_TRAIN, "the training images"),
        ("retrain_batch_size", values.retrain_images, "--retrain_images"),
        ("folds", values.n_archs // 2, "half of --n_archs"),
        ("retrained", NUM_BEST, "what a search reports"),
        ("retrained_random", values.n_archs, "--n_archs"),
        ("retrained", values.population * values.generations, "those searched"),
    ):
        if (count := _number(values, name)) > most:
            raise UserError(f"--{name}={count}: expected at most {most:,}, {of}")
    if values.val_images % values.val_batches:
        raise UserError(
            f"--val_batches={values.val_batches}: expected a number that divides "
            f"--val_images={values.val_images}"
        )


def _number(values: flags.FlagValues, name: str) -> int:
    return getattr(values, name)
