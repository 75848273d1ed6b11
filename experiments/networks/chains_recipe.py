"""The flags of experiments.chains, and the recipe that they describe."""

import dataclasses
import functools
import json
from typing import Any

from absl import flags

from experiments.networks import cifar10_flags
from experiments.shell.command import UserError
from tnasp_jax import supernets
from tnasp_jax.benchmarks import cifar10
from tnasp_jax.predictors import get_predictor
from tnasp_jax.spaces.chain_network import Skeleton, Stage
from tnasp_jax.spaces.proxylessnas import ProxylessNAS, sized


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """All that decides the result of a run; each field is the flag of its name.

    Attributes:
      train: steps and optimiser of the supernet.
      retrain_learning_rate: of the networks that are trained alone.
    """

    seed: int
    image_size: int
    search_images: int
    val_images: int
    calibration_images: int
    stem: int
    widths: tuple[int, ...]
    strides: tuple[int, ...]
    depths: tuple[int, ...]
    head: int
    sampling: str
    train: supernets.TrainConfig
    n_archs: int
    predictor: str
    folds: int
    epochs: int | None
    flops_limits: tuple[float, ...]
    budget: int
    retrained_random: int
    retrain_images: int
    retrain_epochs: int
    retrain_batch_size: int
    retrain_learning_rate: float

    @functools.cached_property
    def space(self) -> ProxylessNAS:
        """The space of networks that are searched and trained."""
        stages = zip(self.widths, self.strides, self.depths, strict=True)
        skeleton = Skeleton(
            stem=self.stem,
            first=self.stem,
            stages=tuple(Stage(*each) for each in stages),
            head=self.head,
            stem_stride=1,
            num_classes=len(cifar10.CLASSES),
        )
        return sized(self.image_size, skeleton)

    @property
    def retrain(self) -> supernets.TrainConfig:
        """Steps and optimiser of a network that is trained alone."""
        batches = self.retrain_images // self.retrain_batch_size
        return supernets.TrainConfig(
            steps=self.retrain_epochs * batches,
            batch_size=self.retrain_batch_size,
            learning_rate=self.retrain_learning_rate,
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as JSON gives them back."""
        return json.loads(json.dumps(dataclasses.asdict(self)))


_SHARED_DEFAULTS: dict[str, int | None] = {
    "seed": 0,
    "image_size": 16,
    "search_images": 10_000,
    "val_images": 1_000,
    "calibration_images": 500,
    "supernet_steps": 1_000,
    "supernet_batch_size": 64,
    "n_archs": 200,
    "folds": 5,
    "epochs": None,
    "retrained_random": 1,
    "retrain_images": cifar10_flags.NUM_TRAIN,
    "retrain_epochs": 30,
    "retrain_batch_size": 64,
}
_WHOLE = (
    ("stem", 1, 8, "channels of the first convolution and the fixed block"),
    ("head", 1, 64, "channels before the pooling"),
    ("budget", 20, 1_000, "predicted scores that a search asks for"),
)
_NUMBERS = (
    ("supernet_learning_rate", 0.05, "of SGD with momentum .9, cosine to 0"),
    ("retrain_learning_rate", 0.05, "the same, of a network trained alone"),
)
_LISTS = (
    ("widths", "16,24,40", "channels of the stages"),
    ("strides", "1,2,2", "of the first layer of each stage, 1 or 2"),
    ("depths", "2,3,3", "layers of each stage, at most"),
    ("flops_limits", "3e6,4e6", "upper limits of multiply-adds, one search each"),
)


def define(values: flags.FlagValues) -> None:
    """All flags; the defaults suit two cores."""
    cifar10_flags.define(values, _SHARED_DEFAULTS, predictor="gp")
    for name, least, default, text in _WHOLE:
        flags.DEFINE_integer(name, default, text, least, flag_values=values)
    for name, default, text in _NUMBERS:
        flags.DEFINE_float(name, default, text, 0.0, flag_values=values)
    for name, default, text in _LISTS:
        flags.DEFINE_list(name, default, text, flag_values=values)


def recipe_of(values: flags.FlagValues) -> Recipe:
    """The recipe of the flags.

    Raises:
      UserError: for flags that are missing or do not go together.
      ValueError: for an unknown predictor, or one whose extra is missing.
    """
    cifar10_flags.check(values)
    cifar10_flags.check_at_most(
        values, [("calibration_images", values.retrain_images, "--retrain_images")]
    )
    taken: dict[str, Any] = {
        name: values[name].value
        for name in (
            *_SHARED_DEFAULTS,
            *(each[0] for each in _WHOLE),
            "retrain_learning_rate",
        )
        if not name.startswith("supernet")
    }
    recipe = Recipe(
        **taken,
        widths=_numbers(values, "widths", int, 1),
        strides=_numbers(values, "strides", int, 1),
        depths=_numbers(values, "depths", int, 1),
        flops_limits=_numbers(values, "flops_limits", float, 1),
        sampling=values.sampling,
        predictor=values.predictor,
        train=supernets.TrainConfig(
            steps=values.supernet_steps,
            batch_size=values.supernet_batch_size,
            learning_rate=values.supernet_learning_rate,
        ),
    )
    _check_stages(recipe)
    predictor = get_predictor(recipe.predictor, recipe.space)
    if predictor.check is not None:
        predictor.check()
    return recipe


def _numbers(values: flags.FlagValues, name: str, kind: type, least: int) -> tuple:
    given: list[str] = values[name].value or []
    try:
        found = tuple(kind(each) for each in given)
    except ValueError:
        found = ()
    if not found or not min(found) >= least:
        raise UserError(
            f"--{name}={','.join(given)}: expected numbers >= {least}, "
            "separated by commas"
        )
    return found


def _check_stages(recipe: Recipe) -> None:
    lengths = {len(recipe.widths), len(recipe.strides), len(recipe.depths)}
    if len(lengths) > 1:
        raise UserError(
            "--widths, --strides and --depths: expected a number for each stage in all "
            f"three, got {len(recipe.widths)}, {len(recipe.strides)}, "
            f"{len(recipe.depths)}"
        )
    if max(recipe.strides) > 2:
        raise UserError(f"--strides={recipe.strides}: expected 1 or 2 for each stage")
    if len(set(recipe.flops_limits)) < len(recipe.flops_limits):
        raise UserError("--flops_limits: a limit stands twice")
