"""The flags that the pipelines on CIFAR-10 share, and what must hold of them."""

from collections.abc import Iterable, Mapping

from absl import flags

from experiments.shell import command
from experiments.shell.command import UserError
from tnasp_jax import supernets
from tnasp_jax.benchmarks import cifar10

SHARED = ("data_dir", "workdir", "resume", "overwrite", "quiet", "debug")
NUM_TRAIN = 50_000  # Images of CIFAR-10 that are not for tests.
_WHOLE = (
    ("seed", 0, "of all chance but that of --retrain_seeds, where there are any"),
    ("image_size", 4, "sides of the images; smaller ones are means of squares"),
    ("search_images", 2, "training images that the supernet learns from"),
    ("val_images", 1, "other training images, to score architectures by"),
    ("calibration_images", 2, "of the former, for the statistics of a path"),
    ("supernet_steps", 1, "updates of the supernet's weights"),
    ("supernet_batch_size", 1, "images of a step"),
    ("n_archs", 4, "architectures to score with the supernet"),
    ("folds", 2, "networks of the predictor; each learns without one part"),
    ("epochs", 1, "of the predictor; default: those of its own recipe"),
    ("retrained_random", 0, "random networks to train as the best are trained"),
    ("retrain_images", 2, "training images of a network trained alone"),
    ("retrain_epochs", 1, "passes over them"),
    ("retrain_batch_size", 1, "images of a step"),
)


def define(
    values: flags.FlagValues, defaults: Mapping[str, int | None], predictor: str
) -> None:
    """Defines them.

    Args:
      values: where.
      defaults: a number for each flag of `_WHOLE`, None for one that has none.
      predictor: the default of --predictor.
    """
    command.define_shared(values, SHARED)
    for name, least, text in _WHOLE:
        flags.DEFINE_integer(name, defaults[name], text, least, flag_values=values)
    flags.DEFINE_enum(
        "sampling",
        "fairnas",
        list(supernets.SAMPLERS),
        "paths of a step",
        flag_values=values,
    )
    flags.DEFINE_string(
        "predictor", predictor, "learns the scores of the supernet", flag_values=values
    )


def check(values: flags.FlagValues) -> None:
    """UserError for what is missing, or more than there is."""
    if not values.workdir:
        raise UserError("--workdir is missing; name the folder for the run")
    if values.resume and values.overwrite:
        raise UserError("--resume keeps the run that --overwrite removes; give one")
    size = values.image_size
    if size % 4 or cifar10.SIZE % size:
        raise UserError(f"--image_size={size}: expected 4, 8, 16 or 32")
    both = values.search_images + values.val_images
    if both > NUM_TRAIN:
        raise UserError(
            f"--search_images and --val_images are {both:,} together; there are "
            f"{NUM_TRAIN:,} training images"
        )
    check_at_most(
        values,
        (
            ("supernet_batch_size", values.search_images, "--search_images"),
            ("calibration_images", values.search_images, "--search_images"),
            ("retrain_images", NUM_TRAIN, "the training images"),
            ("retrain_batch_size", values.retrain_images, "--retrain_images"),
            ("folds", values.n_archs // 2, "half of --n_archs"),
        ),
    )


def check_at_most(
    values: flags.FlagValues, limits: Iterable[tuple[str, int, str]]
) -> None:
    """UserError where a flag is larger than its limit, which is named."""
    for name, most, of in limits:
        count: int = getattr(values, name)
        if count > most:
            raise UserError(f"--{name}={count}: expected at most {most:,}, {of}")
