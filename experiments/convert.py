"""Makes our own form of a benchmark's official file.

python -m experiments.convert --space=nasbench101 nasbench_full.tfrecord --out=FILE.npz
python -m experiments.convert --space=nasbench201 NATS-tss-v1_0-3ffb9-simple --out=FILE.csv
python -m experiments.convert --space=nasbench201 NAS-Bench-201-v1_1-096897.pth --out=FILE.csv
python -m experiments.convert --space=darts nb_301_v13_lc_iclr_final --out=FILE.csv

Reads the official file without TensorFlow, PyTorch or the benchmark's package, checks
it, and writes the arrays or columns that `tnasp_jax.benchmarks` reads, in one piece or
not at all. The last line is the SHA-256 of what was written.
"""

import csv
import functools
import hashlib
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from experiments.shell import command
from experiments.shell.command import UserError
from experiments.shell.progress import Progress
from experiments.shell.strict_flags import near
from tnasp_jax import benchmarks, runs
from tnasp_jax.benchmarks import (
    darts,
    nasbench101,
    nasbench101_official,
    nasbench201,
    nasbench201_official,
    nasbench301_official,
    table,
)

SPACES = ("nasbench101", "nasbench201", "darts")


def define(values: flags.FlagValues) -> None:
    spaces = f"the file's search space, one of {', '.join(SPACES)}; needed"
    flags.DEFINE_string("space", None, spaces, flag_values=values)
    flags.DEFINE_string("out", None, "the file to write; needed", flag_values=values)
    command.define_shared(values, ("overwrite", "quiet"))


def main(values: flags.FlagValues, files: list[str]) -> int:
    if not values.space:
        raise UserError(f"--space is missing; expected one of {', '.join(SPACES)}")
    if values.space not in SPACES:
        raise UserError(
            f"--space: expected one of {', '.join(SPACES)}, got {values.space!r}"
            + near(values.space or "", SPACES)
        )
    if not values.out:
        raise UserError("--out is missing; name the file to write")
    if len(files) != 1:
        raise UserError(f"expected one official file, got {len(files)}")
    source, out = Path(files[0]), Path(values.out)
    _check_places(source, out)
    command.check_free(values, out)
    convert = {
        "nasbench101": _nasbench101,
        "nasbench201": _nasbench201,
        "darts": _nasbench301,
    }[values.space]
    try:
        with runs.replacing(out) as temporary:
            lines = convert(source, temporary, values.quiet)
    except OSError as error:
        raise UserError(f"{out}: cannot be written: {error.strerror}") from None
    for line in lines:
        print(line)
    print(f"wrote {out}, sha256 {table.sha256(out.read_bytes())}")
    return 0


def _check_places(source: Path, out: Path) -> None:
    """UserError before the long reading rather than after it."""
    if not source.exists():
        raise UserError(f"{source}: no such file")
    if out.is_dir() or out.resolve() == source.resolve():
        raise UserError(f"--out={out}: expected a file beside the official one")
    folder = next(parent for parent in out.absolute().parents if parent.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise UserError(f"{out}: cannot be written: {folder} is no folder to write in")


class _Watch:
    """Hashes the blocks of a file, and tells how far it is read."""

    def __init__(self, size: int, quiet: bool):
        self.digest = hashlib.sha256()
        self.progress, self.done = Progress(size, "reading", quiet), 0

    def __call__(self, block: bytes) -> None:
        self.digest.update(block)
        self.done += len(block)
        self.progress.update(self.done)


def _nasbench101(source: Path, out: Path, quiet: bool) -> list[str]:
    """Writes the npz file; lines that say what it holds."""
    watch = _Watch(source.stat().st_size, quiet)
    columns: dict[str, Any] = nasbench101_official.read(source, watch)
    digest = watch.digest.hexdigest()
    columns["source_sha256"] = np.array(digest)
    out.parent.mkdir(parents=True, exist_ok=True)
    with open(out, "wb") as file:
        np.savez_compressed(file, **columns)
    made = _checked(out, nasbench101.read_file)
    measured = ~np.isnan(columns["val_acc"][0])
    epochs = [
        str(n)
        for n, there in zip(nasbench101.VAL_EPOCHS, measured, strict=True)
        if there
    ]
    release = nasbench101_official.RELEASES.get(digest)
    known = f"the official {release}" if release else "none of the official releases"
    return [
        f"source sha256 {digest}: {known}",
        f"{len(made)} cells; test_acc_mean: mean of "
        f"{nasbench101_official.NUM_REPEATS} repeats, 108 epochs",
        f"val_acc: the first repeat, val_acc_mean: the mean; {', '.join(epochs)} epochs",
    ]


def _nasbench201(source: Path, out: Path, quiet: bool) -> list[str]:
    """Writes the csv file; lines that say what it holds."""
    progress = Progress(1000, "reading", quiet)
    columns = nasbench201_official.read(
        source, lambda share: progress.update(int(1000 * share))
    )
    _write_csv(out, columns)
    made = _checked(out, nasbench201.read_file)
    missing = [name for name in nasbench201_official.COLUMNS if name not in columns]
    return [
        *(_digests(source) if source.suffix == ".pth" else []),
        f"{len(made)} cells; 200 epochs: mean over the seeds in the file; "
        "12 epochs: the lowest seed",
        *(f"{name}: not in this file" for name in missing),
    ]


def _digests(source: Path) -> list[str]:
    """Lines: the hashes of a .pth, and whether one ends as the authors named the file."""
    found = {}
    for kind in ("md5", "sha256"):
        with open(source, "rb") as file:
            found[kind] = hashlib.file_digest(file, kind).hexdigest()
    lines = [f"source {kind} {digest}" for kind, digest in found.items()]
    named = re.search(r"-([0-9a-f]{6})\.pth$", source.name)
    if named:
        ends = [kind for kind, digest in found.items() if digest.endswith(named[1])]
        which = f"end of its {ends[0]}" if ends else "end of neither"
        lines.append(f"{named[1]} in the file's name: {which}")
    return lines


def _nasbench301(source: Path, out: Path, quiet: bool) -> list[str]:
    """Writes the csv file; lines that say what it holds and what was left out."""
    with nasbench301_official.opened(source) as release:
        progress = Progress(len(release.names), "reading", quiet)
        found = nasbench301_official.read(release, progress.update)
    _write_csv(out, found.columns)
    made = _checked(out, functools.partial(darts.read_file, "nb301"))
    lines = [
        f"{len(made)} architectures, means over {found.finished} trainings of "
        f"{nasbench301_official.EPOCHS} epochs",
        "best_val_acc100: the best epoch; test_acc100: the last epoch",
    ]
    if found.unfinished:
        lines.append(f"left out, without a result: {found.unfinished}")
    if found.others:
        start = f"left out, of another setting: {found.others}"
        lines.append(f"{start}, the first {found.first_other}")
    return lines


def _write_csv(out: Path, columns: Mapping[str, Sequence[Any]]) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    with open(out, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


def _checked(path: Path, read: Callable[[Path], benchmarks.Table]) -> benchmarks.Table:
    """The table of a file that was just written, as everyone will read it."""
    try:
        return read(path)
    except ValueError as error:
        raise UserError(f"the official file makes no table: {error}") from None


if __name__ == "__main__":
    command.run(main, define, words="OFFICIAL_FILE")
