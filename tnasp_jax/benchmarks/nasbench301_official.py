"""NAS-Bench-301's trainings from the JSON files of its authors.

Zela, Siems et al., "Surrogate NAS Benchmarks: Going Beyond the Limited Search Spaces of
Tabular NAS Benchmarks", ICLR 2022; github.com/automl/nasbench301. A training is one file
OPTIMIZER/results_N.json, named after the search that proposed its architecture:

    optimized_hyperparamater_config, spelt so: the setting, and the two cells as
        "NetworkSelectorDatasetInfo:darts:edge_normal_0" -> an operation and
        "NetworkSelectorDatasetInfo:darts:inputs_node_normal_3" -> "0_1".
        The 14 possible edges of a cell are numbered node by node, then input by input;
        those that are not chosen are left out. Node 2 always reads both inputs.
    info: a list of one; its val_accuracy, percent, is of the epoch where it was highest
    test_accuracy: percent, of the network after its last epoch
    runtime: seconds of the whole training
"""

import contextlib
import dataclasses
import fnmatch
import json
import math
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from tnasp_jax.spaces import darts_genotypes as genotypes
from tnasp_jax.spaces.darts_genotypes import CELLS, NUM_INPUTS, NUM_NODES, Genotype
from tnasp_jax.spaces.reading import short

PATTERN = "results_*.json"
EPOCHS = 100
_CONFIG = "optimized_hyperparamater_config"
_DARTS = "NetworkSelectorDatasetInfo:darts:"
SETTING = {
    "SimpleLearningrateSchedulerSelector:cosine_annealing:T_max": EPOCHS,
    f"{_DARTS}init_channels": 32,
    f"{_DARTS}layers": 8,
    "OptimizerSelector:sgd:learning_rate": 0.025,
    "OptimizerSelector:sgd:weight_decay": 0.0003,
}
"""What the authors changed for side studies, as the benchmark's own trainings have it."""

MEANS = ("best_val_acc100", "test_acc100", "train_time_s")
COLUMNS = ("arch", *MEANS, "trainings", "optimizers")


class Release(NamedTuple):
    """The result files of a folder or of a zip file.

    Attributes:
      root: the folder or the zip file.
      names: relative to it, in the order of their texts.
      read: name -> its bytes; ValueError, one line, if they cannot be read.
    """

    root: Path
    names: list[str]
    read: Callable[[str], bytes]


class Trainings(NamedTuple):
    """What `read` found.

    Attributes:
      columns: `COLUMNS` -> text of each architecture.
      finished: trainings that the columns are the means of.
      unfinished: trainings without a result, left out.
      others: trainings with another setting, left out.
      first_other: the first of these and what differs; "" if there is none.
    """

    columns: dict[str, list[str]]
    finished: int
    unfinished: int
    others: int
    first_other: str


@dataclasses.dataclass
class _Row:
    """An architecture: sums of `MEANS`, how many trainings, who proposed it."""

    sums: list[float] = dataclasses.field(default_factory=lambda: [0.0] * len(MEANS))
    trainings: int = 0
    optimizers: set[str] = dataclasses.field(default_factory=set)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Release]:
    """The result files at any depth of a folder, or of a zip file of it.

    Raises:
      ValueError: one line: if it is neither, is damaged or holds no result files.
    """
    with contextlib.ExitStack() as stack:
        if path.is_dir():
            found = path.rglob(PATTERN)
            names = [f.relative_to(path).as_posix() for f in found if f.is_file()]
            read = _reader(path, lambda name: (path / name).read_bytes())
        else:
            try:
                archive = stack.enter_context(zipfile.ZipFile(path))
            except (zipfile.BadZipFile, OSError):
                raise ValueError(
                    f"{path}: expected the folder of NAS-Bench-301's {PATTERN}, or a "
                    "zip file of it; this is neither, or cut off"
                ) from None
            names = [
                name
                for name in archive.namelist()
                if fnmatch.fnmatchcase(PurePosixPath(name).name, PATTERN)
            ]
            read = _reader(path, archive.read)
        if not names:
            raise ValueError(f"{path}: no {PATTERN} in it, at any depth")
        yield Release(path, sorted(names), read)


def read(
    release: Release, on_file: Callable[[int], object] = lambda done: None
) -> Trainings:
    """The finished trainings of the benchmark's setting, one row an architecture.

    Genotypes that differ in the order of edges or in the numbers of nodes only are one
    architecture; its row holds their means. Rows stand in the order of their first file.
    One file is in memory at a time.

    Args:
      release: from `opened`.
      on_file: called with the number of files done.

    Raises:
      ValueError: one line that names the file: if it is damaged or no result; or that
        there is no finished training.
    """
    rows: dict[str, _Row] = {}
    unfinished = others = 0
    first_other = ""
    for done, name in enumerate(release.names, 1):
        where = _where(release.root, name)
        data = release.read(name)
        try:
            document = _document(data)
            other = _other_setting(_get(document, _CONFIG, dict))
            values = None if other else _measured(document)
            text = "" if values is None else _text(genotype(document[_CONFIG]))
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
        on_file(done)
        if other:
            others += 1
            first_other = first_other or f"{where}: {other}"
        elif values is None:
            unfinished += 1
        else:
            row = rows.setdefault(text, _Row())
            row.sums = [a + b for a, b in zip(row.sums, values, strict=True)]
            row.trainings += 1
            row.optimizers.add(
                PurePosixPath(name).parent.name or release.root.absolute().stem
            )
    finished = len(release.names) - unfinished - others
    if not finished:
        raise ValueError(
            f"{release.root}: no finished training of the benchmark's setting in "
            f"{len(release.names)} files" + f"; {first_other}" * bool(first_other)
        )
    return Trainings(_columns(rows), finished, unfinished, others, first_other)


def genotype(config: dict[str, Any]) -> Genotype:
    """The two cells of a configuration.

    Raises:
      ValueError: one sentence that names a key that is missing, or what is wrong.
    """
    return Genotype(*(_cell(config, name) for name in CELLS))


def _cell(config: dict[str, Any], name: str) -> tuple[tuple[str, int], ...]:
    edges = []
    first = 0  # Number of the edge from input 0 into the node.
    for node in range(NUM_INPUTS, NUM_INPUTS + NUM_NODES):
        inputs = ["0", "1"]
        if node > NUM_INPUTS:
            key = f"{_DARTS}inputs_node_{name}_{node}"
            value = _get(config, key, str)
            if not re.fullmatch(r"\d_\d", value):
                raise ValueError(f"{key!r}: expected inputs like '0_2', got {value!r}")
            inputs = value.split("_")
        for at in map(int, inputs):
            op = _get(config, f"{_DARTS}edge_{name}_{first + at}", str)
            edges.append((op, at))
        first += node
    return tuple(edges)


def _text(found: Genotype) -> str:
    """The canonical genotype as 16 edges `input:number`."""
    edges = [edge for cell in genotypes.canonical(found).cells for edge in cell]
    if any(op == genotypes.NONE for op, _ in edges):
        raise ValueError("darts: NAS-Bench-301 has no operation 'none'")
    return " ".join(f"{at}:{genotypes.OPERATIONS.index(op)}" for op, at in edges)


def _document(data: bytes) -> dict[str, Any]:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise ValueError("damaged: expected an object in JSON")
    return document


def _other_setting(config: dict[str, Any]) -> str:
    """What differs from `SETTING`; "" if nothing does."""
    for key, expected in SETTING.items():
        value = _number(config, key, 0, math.inf)
        if not math.isclose(value, expected, rel_tol=1e-6):
            return f"{key} is {value:g}, not {expected:g}"
    return ""


def _measured(document: dict[str, Any]) -> tuple[float, ...] | None:
    """`MEANS` of one training; None if it did not finish."""
    for key in ("info", "test_accuracy", "runtime"):
        if key not in document:
            raise ValueError(_lacks(key))
    info = document["info"]
    if not info or info == [{}] or document["test_accuracy"] is None:
        return None
    if not isinstance(info, list) or not isinstance(info[0], dict):
        raise ValueError(f"'info': expected a list of one object, got {short(info)}")
    return (
        _number(info[0], "val_accuracy", 0, 100),
        _number(document, "test_accuracy", 0, 100),
        _number(document, "runtime", 0, math.inf),
    )


def _columns(rows: dict[str, _Row]) -> dict[str, list[str]]:
    columns: dict[str, list[str]] = {name: [] for name in COLUMNS}
    for text, row in rows.items():
        columns["arch"].append(text)
        for name, total in zip(MEANS, row.sums, strict=True):
            columns[name].append(str(round(total / row.trainings, 6)))
        columns["trainings"].append(str(row.trainings))
        columns["optimizers"].append(" ".join(sorted(row.optimizers)))
    return columns


def _get(values: dict[str, Any], key: str, kind: type) -> Any:
    if key not in values:
        raise ValueError(_lacks(key))
    if not isinstance(values[key], kind):
        raise ValueError(
            f"{key!r}: expected {'text' if kind is str else 'an object'}, "
            f"got {short(values[key])}"
        )
    return values[key]


def _number(values: dict[str, Any], key: str, least: float, most: float) -> float:
    """A finite number, at most `most`."""
    if key not in values:
        raise ValueError(_lacks(key))
    value = values[key]
    if (
        not isinstance(value, int | float)
        or isinstance(value, bool)
        or not least <= value <= most
        or abs(value) > 1e15  # Also what no float holds.
    ):
        to = f"a number in {least:g} .. {most:g}" if most < math.inf else "a number"
        raise ValueError(f"{key!r}: expected {to}, got {short(value)}")
    return float(value)


def _lacks(key: str) -> str:
    return f"lacks {key!r}; expected a result of NAS-Bench-301"


def _where(root: Path, name: str) -> str:
    return str(root / name) if root.is_dir() else f"{root}: {name}"


def _reader(root: Path, read_bytes: Callable[[str], bytes]) -> Callable[[str], bytes]:
    """`read_bytes` whose failures are one line."""

    def read_one(name: str) -> bytes:
        try:
            return read_bytes(name)
        except OSError as error:
            reason = f"cannot be read: {error.strerror or error}"
        except (zipfile.BadZipFile, zlib.error, EOFError):
            reason = "damaged in the zip file"
        except (NotImplementedError, RuntimeError) as error:  # Encrypted, for one.
            reason = f"cannot be read: {error}"
        raise ValueError(f"{_where(root, name)}: {reason}")

    return read_one
