"""A benchmark as a table: cells of a space with their labels.

Axis letters: M cells of the table, N node slots.
"""

import csv
import dataclasses
import hashlib
import io
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from tnasp_jax.graphs import Graphs, mixed
from tnasp_jax.names import unknown
from tnasp_jax.spaces.base import Space

_Row = TypeVar("_Row")
_Parsed = TypeVar("_Parsed")


class MissingData(ValueError):
    """The file of a benchmark is not there; the message says what to make it from.

    Attributes:
      path: where it should be.
      official: name of its search space, if `experiments.convert` makes it of the
        benchmark's own file.
    """

    def __init__(self, path: Path, remedy: str, official: str | None = None):
        self.path, self.official = path, official
        super().__init__(f"no benchmark data at {path}: {remedy}")


@dataclasses.dataclass(frozen=True, eq=False)
class Table:
    """The cells of a benchmark and what is known of them; a host object.

    Attributes:
      name: one of `benchmarks.NAMES`; it starts the names of results.
      space: the search space of the cells.
      graphs: the M cells, leaves in numpy.
      labels: target -> [M] float32, fractions in 0 .. 1, NaN where not measured.
      train_target: the label that predictors learn from unless told otherwise.
      eval_targets: the labels that rankings are judged by; the first is the main one.
        Where the train target is among them, splits rank other rows only.
      hashes: [M] int32, a group number that isomorphic cells share, and only they.
      texts: row -> text of the architecture, as `space.format` writes it.
      describe: target -> a sentence with split, repeats, epochs and origin.
      sha256: of the data file, hexadecimal.
      test_rows: [n] int32, ascending, rows that the benchmark's authors keep for tests:
        splits draw the others and rank these alone; None where there are no such rows.
      costs: name -> [M] float64 of other measurements, NaN where there
        is none.
    """

    name: str
    space: Space
    graphs: Graphs = dataclasses.field(repr=False)
    labels: Mapping[str, np.ndarray] = dataclasses.field(repr=False)
    train_target: str
    eval_targets: tuple[str, ...]
    hashes: np.ndarray = dataclasses.field(repr=False)
    texts: Callable[[int], str] = dataclasses.field(repr=False)
    describe: Mapping[str, str] = dataclasses.field(repr=False)
    sha256: str
    test_rows: np.ndarray | None = dataclasses.field(default=None, repr=False)
    costs: Mapping[str, np.ndarray] = dataclasses.field(
        default_factory=dict, repr=False
    )

    def __len__(self) -> int:
        return len(self.graphs)

    def label(self, target: str) -> np.ndarray:
        """[M] float32, the label `target`.

        Raises:
          ValueError: for a target that the table lacks, with those that it has.
        """
        if target not in self.labels:
            raise ValueError(
                f"table {self.name}: {unknown('label', target, sorted(self.labels))}"
            )
        return self.labels[target]

    def candidates(self, target: str) -> np.ndarray:
        """Rows whose label `target` was measured, ascending, int32."""
        return np.flatnonzero(~np.isnan(self.label(target))).astype(np.int32)


def read_file(path: Path, remedy: str, official: str | None = None) -> bytes:
    """The bytes of a benchmark's file.

    Args:
      path: where it should be.
      remedy: what to do without it, for the message.
      official: as `MissingData` has it.

    Raises:
      MissingData: if there is no such file; one line.
      ValueError: if it cannot be read.
    """
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise MissingData(path, remedy, official) from None
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from None


def read_npz(path: Path, data: bytes, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Some arrays of an npz file.

    Args:
      path: for messages.
      data: the bytes of the file.
      names: of the arrays.

    Raises:
      ValueError: if the bytes are no npz, are cut off, or lack an array.
    """
    columns = {}
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            missing = [name for name in names if name not in arrays]
            if not missing:
                columns = {name: arrays[name] for name in names}
    except (zipfile.BadZipFile, zlib.error, ValueError, TypeError, EOFError, OSError):
        raise ValueError(
            f"{path}: damaged or no npz file; fetch or convert it again"
        ) from None
    if missing:
        raise ValueError(f"{path}: lacks the array {missing[0]!r}; convert it again")
    return columns


def read_csv(
    path: Path, data: bytes, needed: Sequence[str], num_rows: int | None
) -> dict[str, tuple[str, ...]]:
    """The columns of a csv file with a header.

    Args:
      path: for messages.
      data: the bytes of the file.
      needed: columns without which it is no table.
      num_rows: of the whole file, header not counted; None if nobody knows.

    Returns:
      Column name -> the fields of all rows, as text.

    Raises:
      ValueError: if the bytes are no csv, are cut off, or lack a column.
    """
    try:
        rows = list(csv.reader(io.StringIO(data.decode()), strict=True))
    except (UnicodeDecodeError, csv.Error):
        raise ValueError(f"{path}: damaged or no csv file; convert it again") from None
    header, *body = rows or [[]]
    missing = [name for name in needed if name not in header]
    if missing:
        raise ValueError(f"{path}: lacks the column {missing[0]!r}; convert it again")
    for row, fields in enumerate(body):
        if len(fields) != len(header):
            raise ValueError(
                f"{path}: row {row}: expected {len(header)} fields, got {len(fields)}; "
                "the file may be cut off"
            )
    if num_rows is None and not (body and data.endswith(b"\n")):
        raise ValueError(f"{path}: no rows, or the last one has no end: cut off")
    if num_rows is not None and len(body) != num_rows:
        raise ValueError(
            f"{path}: expected {num_rows} rows, got {len(body)}; "
            "the file may be cut off"
        )
    return dict(zip(header, zip(*body, strict=True), strict=True))


def parse_rows(
    path: Path, rows: Iterable[_Row], parse: Callable[[_Row], _Parsed]
) -> list[_Parsed]:
    """What `parse` makes of each row of a file.

    Raises:
      ValueError: that of `parse`, naming the file and the row.
    """
    found = []
    for number, row in enumerate(rows):
        try:
            found.append(parse(row))
        except ValueError as error:
            raise ValueError(f"{path}: row {number}: {error}") from None
    return found


def read_numbers(path: Path, column: str, fields: Sequence[str]) -> np.ndarray:
    """[M] float64 of a column of plain numbers, NaN where a field is empty.

    Raises:
      ValueError: naming the first row whose field is no number.
    """
    values = np.full(len(fields), np.nan)
    for row, field in enumerate(fields):
        try:
            values[row] = float(field or "nan")
        except ValueError:
            raise ValueError(
                f"{path}: {column}: row {row}: got {field!r}, expected a number"
            ) from None
    return values


def read_percent(path: Path, column: str, fields: Sequence[str]) -> np.ndarray:
    """[M] float32 fractions of a column in percent, NaN where a field is empty.

    Raises:
      ValueError: naming the first row whose field is no number in 0 .. 100.
    """
    fractions = read_numbers(path, column, fields) / 100
    return check_fractions(f"{path}: {column}", fractions)


def locate(data_dir: str | Path | None, folder: str, file: str) -> Path:
    """`data_dir`/folder/file, or `data_dir`/file where only that exists."""
    root = Path(data_dir or ".")
    nested, flat = root / folder / file, root / file
    return flat if flat.is_file() and not nested.is_file() else nested


def sha256(data: bytes) -> str:
    """Hexadecimal digest of a file's bytes."""
    return hashlib.sha256(data).hexdigest()


def check_fractions(where: str, values: np.ndarray) -> np.ndarray:
    """The labels as float32.

    Raises:
      ValueError: naming the first row that is neither NaN nor in 0 .. 1.
    """
    bad = np.flatnonzero(~(np.isnan(values) | ((values >= 0) & (values <= 1))))
    if len(bad):
        raise ValueError(
            f"{where}: row {bad[0]}: expected an accuracy as a fraction in 0 .. 1, "
            f"got {values[bad[0]]:g} ({len(bad)} such rows)"
        )
    return values.astype(np.float32)


def group_ids(graphs: Graphs) -> np.ndarray:
    """Numbers isomorphic graphs alike, in the order of their first appearance.

    The refinement of `graphs.graph_hash` for a whole table at once: 64-bit colours
    instead of MD5 digests, sums over neighbours instead of sorted lists.

    Args:
      graphs: [M, N], on the host.

    Returns:
      [M] int32, 0 .. number of groups - 1.
    """
    mask = np.asarray(graphs.mask)
    edges = np.asarray(graphs.adjacency) & mask[:, :, None] & mask[:, None, :]
    forward = edges.astype(np.uint64)
    colours = mixed(np.asarray(graphs.ops).astype(np.uint64) + np.uint64(1))
    for _ in range(mask.shape[1]):
        before = np.einsum("mij,mi->mj", forward, mixed(colours, 1))
        after = np.einsum("mij,mj->mi", forward, mixed(colours, 2))
        colours = mixed(mixed(mixed(colours, 3) + before) + after)
    whole = np.sum(np.where(mask, mixed(colours, 4), 0), axis=1, dtype=np.uint64)
    _, first, inverse = np.unique(whole, return_index=True, return_inverse=True)
    number = np.empty(len(first), np.int32)
    number[np.argsort(first)] = np.arange(len(first), dtype=np.int32)
    return number[inverse]
