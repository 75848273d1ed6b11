"""Ranks architectures by a weight-sharing supernet instead of a trained predictor.

python -m experiments.supernet --sampling=fairnas --steps=1000 --workdir=DIR
python -m experiments.supernet --table=nb101 --workdir=DIR

Trains a supernet, once for each seed. Scores architectures by the accuracy of their paths
on validation images and compares the ranking with the test accuracies of a table, of
networks trained alone. --table is `nb201digits`, NAS-Bench-201 on the digits of
scikit-learn against the embedded table; `nb201`, NAS-Bench-201 on a part of CIFAR-10; or
`nb101`, NAS-Bench-101 on the digits. The last two are compared with the official tables, which
--data_dir or $TNASP_DATA holds. DIR gets results.json and predictions.npz.
"""

import importlib.util
import sys
from pathlib import Path
from typing import Any

from absl import flags

from experiments.cells import results, table_names
from experiments.networks import supernet_run
from experiments.networks.supernet_tasks import TASKS, Task
from experiments.shell import command, devices
from experiments.shell.command import UserError
from tnasp_jax import supernets

SHARED = ("seeds", "data_dir", "workdir", "resume", "overwrite", "quiet", "debug")


def define(values: flags.FlagValues) -> None:
    command.define_shared(values, SHARED)
    values.set_default("seeds", "0,1,2")
    kind = table_names.one_of(list(TASKS))
    text = f"what to rank, {kind.syntactic_help}"
    serializer = flags.ArgumentSerializer()
    flags.DEFINE(kind, "table", "nb201digits", text, values, serializer)
    flags.DEFINE_enum(
        "sampling",
        "fairnas",
        list(supernets.SAMPLERS),
        "paths of a step: spos, one at random; fairnas, each operation once",
        flag_values=values,
    )
    for name, default, text in (
        ("steps", 1000, "updates of the supernet's weights"),
        ("batch_size", 64, "images in a step"),
    ):
        flags.DEFINE_integer(name, default, text, lower_bound=1, flag_values=values)
    flags.DEFINE_float(
        "learning_rate", 0.1, "of SGD, cosine to 0", lower_bound=0, flag_values=values
    )
    flags.DEFINE_string(
        "n_archs", "1000", "architectures to score, or all", flag_values=values
    )


def main(values: flags.FlagValues) -> int:
    _check(values)
    devices.use_all_cores()
    task = TASKS[values.table](command.data_dir(values))
    _check_images(values, task)
    recipe = supernet_run.Recipe(
        table=task.table.name,
        sampling=values.sampling,
        seeds=tuple(values.seeds),
        n_archs=_n_archs(values.n_archs, len(task.table)),
        train=supernets.TrainConfig(
            steps=values.steps,
            batch_size=values.batch_size,
            learning_rate=values.learning_rate,
        ),
    )
    summary = supernet_run.run(
        recipe,
        task,
        Path(values.workdir),
        flags_text=command.resolved(values),
        argv=["python", "-m", "experiments.supernet", *sys.argv[1:]],
        resume=values.resume,
        overwrite=values.overwrite,
        quiet=values.quiet,
    )
    print(brief(summary) if values.quiet else report(summary))
    return 0


def _check(values: flags.FlagValues) -> None:
    if not values.workdir:
        raise UserError("--workdir is missing; name the folder for the run")
    if values.resume and values.overwrite:
        raise UserError("--resume keeps the run that --overwrite removes; give one")
    if values.table != "nb201" and importlib.util.find_spec("sklearn") is None:
        raise UserError(
            "the images of digits come with scikit-learn, which is missing; "
            "pip install '.[data]'"
        )


def _check_images(values: flags.FlagValues, task: Task) -> None:
    num_train = len(task.images.train[1])
    if values.batch_size > num_train:
        raise UserError(
            f"--batch_size={values.batch_size}: there are {num_train} training images"
        )


def _n_archs(text: str, size: int) -> int:
    """The number of architectures that --n_archs asks for."""
    if text == "all":
        return size
    if not text.isdecimal() or not 2 <= int(text) <= size:
        raise UserError(f"--n_archs={text}: expected all, or a number in 2 .. {size}")
    return int(text)


def brief(summary: dict[str, Any]) -> str:
    """What a quiet run ends with: four lines."""
    target = summary["eval_target"]
    return "\n".join(
        [
            f"{summary['name']}: {summary['n_archs']} architectures, "
            f"{len(summary['seeds'])} seeds, {summary['steps']} steps",
            f"  scored by    validation accuracy through the supernet, {summary['images']}",
            f"  Kendall tau  {results.mean_std(summary['kendall_tau'])}",
            f"  ranked by    {summary['targets'][target]}",
        ]
    )


def report(summary: dict[str, Any]) -> str:
    """The result as people read it."""
    tau, recipe = summary["kendall_tau"], summary["recipe"]
    seeds = ",".join(map(str, summary["seeds"]))
    rows = [
        (
            "sampling",
            f"{summary['sampling']}, {summary['paths_per_step']} paths a step",
        ),
        ("network", summary["network"]),
        ("images", summary["images"]),
        ("trained", f"{summary['steps']} steps of {recipe['batch_size']} images"),
        ("scored", f"{summary['n_archs']} architectures by validation accuracy"),
        ("compared with", f"{summary['eval_target']} of networks trained alone"),
        ("Kendall tau", f"{results.mean_std(tau)} over seeds {seeds}"),
        *(
            (f"  of {name}", f"{other['kendall_tau']:.3f}, {summary['targets'][name]}")
            for name, other in summary["other_supernets"].items()
        ),
        (
            "cost",
            f"{summary['train_seconds']:.0f} s training, "
            f"{summary['score_seconds']:.0f} s scoring, on {summary['device']}",
        ),
    ]
    title = f"supernet of {summary['space']} on {summary['table']}"
    return "\n".join([title, *(f"  {name:<15}{text}" for name, text in rows)])


if __name__ == "__main__":
    command.run(main, define)
