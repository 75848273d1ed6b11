"""A user's own architectures and accuracies: one csv or jsonl file as a table.

    table = custom.read("cells.csv", train_label="val_acc", test_label="test_acc")

A csv file has a header and the columns `ops`, names in topological order joined by
blanks, and `edges`, such as `0>1 0>2 1>3`. A jsonl file has an object a line, with `ops`,
a list, and `adjacency`, a matrix, or `edges`, a list of pairs. All else are labels.
"""

import csv
import difflib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tnasp_jax.benchmarks import table as table_lib
from tnasp_jax.benchmarks.table import Table
from tnasp_jax.spaces import custom, custom_cells
from tnasp_jax.spaces.custom import CustomSpace
from tnasp_jax.spaces.custom_cells import Cell
from tnasp_jax.spaces.reading import short

RARE, ALIKE = 1, 0.85
"""An operation of so few rows, so near another one's name, may be a slip."""


class BadRows(ValueError):
    """Rows that are no architectures or lack a label.

    Attributes:
      problems: a sentence for each bad row, in order, naming row, line and field.
    """

    def __init__(self, path: Path, problems: Sequence[str]):
        self.problems = list(problems)
        more = f" ({len(problems)} bad rows)" if len(problems) > 1 else ""
        super().__init__(f"{path}: {problems[0]}{more}")


class Row(NamedTuple):
    """One row of a file: the line where it ends, and its fields or what is wrong."""

    line: int
    fields: dict[str, Any]
    problem: str | None = None


class Problem(NamedTuple):
    """What is wrong with a row, counted from 0, on a line, counted from 1."""

    row: int
    line: int
    sentence: str

    def __str__(self) -> str:
        sentence = self.sentence.removeprefix(f"{custom.NAME}: ")
        return f"row {self.row}, line {self.line}: {sentence}"


def read(
    path: str | Path,
    *,
    train_label: str,
    test_label: str | None = None,
    percent: bool = False,
    **space: Any,
) -> Table:
    """Reads a file as a table, in the smallest space that holds it.

    Args:
      path: ends in .csv, or is a jsonl file.
      train_label: column of the accuracy that is learnt; every row has it.
      test_label: column of the accuracy that rankings are judged by, empty where it was
        not measured; None for the training label.
      percent: whether accuracies are percentages; the table has fractions.
      **space: as `spaces.custom.of_cells` takes them.

    Raises:
      BadRows: a ValueError that lists every row that is no architecture, lacks the
        training label or has a label outside of 0 .. 1.
      ValueError: one sentence: a file that is missing or damaged, a missing column,
        accuracies most of which are of another unit, accuracies that are all equal, or
        an option of the space that does not fit.
    """
    path = Path(path)
    data, rows = read_rows(path)
    names = [train_label, *([test_label] if test_label else [])]
    _check_columns(path, rows, names)
    cells, made, problems = _cells(rows, space)
    columns = {name: _column(rows, name, problems) for name in names}
    top = 100 if percent else 1
    for name, values in columns.items():
        _check_unit(path, name, values, percent)
        kind = "percentage in 0 .. 100" if percent else "fraction in 0 .. 1"
        for row in np.flatnonzero(_outside(values, top)):
            sentence = f"{name}: expected a {kind}, got {values[row]:g}"
            problems.append(Problem(int(row), rows[row].line, sentence))
    for row in np.flatnonzero(np.isnan(columns[train_label])):
        sentence = f"{train_label}: expected an accuracy to learn from, got none"
        problems.append(Problem(int(row), rows[row].line, sentence))
    if problems or made is None:
        raise BadRows(path, list(map(str, _first_of_each(problems))))
    labels = {name: (v / top).astype(np.float32) for name, v in columns.items()}
    if np.ptp(labels[train_label]) == 0:
        raise ValueError(
            f"{path}: {train_label}: all {len(rows)} accuracies are "
            f"{labels[train_label][0]:g}; nothing can be learnt from equal ones"
        )
    graphs = made.to_graphs(cells)
    unit = "given in percent" if percent else "fraction"
    return Table(
        name=path.stem,
        space=made,
        graphs=graphs,
        labels=labels,
        train_target=train_label,
        eval_targets=(test_label or train_label,),
        hashes=table_lib.group_ids(graphs),
        texts=lambda row: made.format(cells[row]),
        describe={name: f"{name} of {path.name}, {unit}" for name in names},
        sha256=table_lib.sha256(data),
    )


def find_problems(path: str | Path, **space: Any) -> tuple[int, list[Problem]]:
    """Number of rows of a file, and every row that is no architecture.

    Args:
      path: as in `read`.
      **space: as `spaces.custom.of_cells` takes them.

    Raises:
      ValueError: for a file that is missing or damaged as a whole.
    """
    _, rows = read_rows(Path(path))
    return len(rows), _first_of_each(_cells(rows, space)[2])


def suspects(table: Table) -> list[str]:
    """Sentences on operations that may be slips of the pen: rare, and like another."""
    space, ops = table.space, np.asarray(table.graphs.ops)
    used = np.where(np.asarray(table.graphs.mask), ops, -1)
    count = {op: int((used == i).any(1).sum()) for i, op in enumerate(space.ops)}
    found = []
    for op in space.ops:
        others = [other for other in space.ops if count[other] > 10 * RARE]
        near = difflib.get_close_matches(op, others, 1, ALIKE)
        if count[op] == RARE and near:
            row = int(np.flatnonzero((used == space.ops.index(op)).any(1))[0])
            found.append(
                f"operation {op!r} stands in row {row} alone; is it {near[0]!r}?"
            )
    return found


def read_rows(path: Path) -> tuple[bytes, list[Row]]:
    """The bytes of a file and its rows, checked no further than its format.

    Raises:
      ValueError: if it is missing, no text, no csv, empty, or lacks `ops` or `edges`.
    """
    data = table_lib.read_file(path, "name a csv or jsonl file of architectures")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path}: no text in UTF-8; save it as such") from None
    rows = _csv_rows(path, text) if path.suffix.lower() == ".csv" else _jsonl_rows(text)
    if not rows:
        raise ValueError(f"{path}: holds no architectures")
    return data, rows


def _csv_rows(path: Path, text: str) -> list[Row]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[Row] = []
    header: list[str] = []
    try:
        for fields in reader:
            if not fields:
                continue
            if not header:
                header = [name.strip() for name in fields]
                _check_header(path, header)
                continue
            problem = None
            if len(fields) != len(header):
                problem = f"expected {len(header)} fields, got {len(fields)}"
            named = dict(zip(header, fields, strict=False))
            rows.append(Row(reader.line_num, named, problem))
    except csv.Error as error:
        raise ValueError(f"{path}: line {reader.line_num}: no csv: {error}") from None
    return rows


def _check_header(path: Path, header: list[str]) -> None:
    for name in ("ops", "edges"):
        if name not in header:
            raise ValueError(_no_column(path, name, header))
    for name in header:
        if header.count(name) > 1:
            raise ValueError(f"{path}: the column {name!r} stands twice")


def _jsonl_rows(text: str) -> list[Row]:
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                rows.append(Row(number, custom_cells.read_object(line)))
            except ValueError as error:
                rows.append(Row(number, {}, str(error)))
    return rows


def _check_columns(path: Path, rows: list[Row], names: Sequence[str]) -> None:
    known = list(dict.fromkeys(name for row in rows for name in row.fields))
    for name in names:
        if name not in known:
            raise ValueError(_no_column(path, name, known))


def _no_column(path: Path, name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, 1, 0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{path}: no column {name!r}; {hint}it has {', '.join(known) or 'none'}"


def _cells(
    rows: list[Row], space: Mapping[str, Any]
) -> tuple[list[Cell], CustomSpace | None, list[Problem]]:
    """The graphs, the space of those that are any, and every row that is none."""
    cells: dict[int, Cell] = {}
    problems = []
    for number, row in enumerate(rows):
        try:
            if row.problem:
                raise ValueError(row.problem)
            cells[number] = _cell(row.fields)
        except ValueError as error:
            problems.append(Problem(number, row.line, str(error)))
    if not cells:
        return [], None, problems
    made = custom.of_cells(cells.values(), **space)
    for number, cell in cells.items():
        try:
            made.check(cell)
        except ValueError as error:
            problems.append(Problem(number, rows[number].line, str(error)))
    return list(cells.values()), made, problems


def _cell(fields: Mapping[str, Any]) -> Cell:
    """A graph of fields that are texts, as in csv, or lists."""
    values = dict(fields)
    if isinstance(values.get("ops"), str):
        values["ops"] = custom_cells.split_ops(values["ops"])
    if isinstance(values.get("edges"), str):
        values["edges"] = custom_cells.split_edges(values["edges"])
    return custom_cells.read_cell(values)


def _column(rows: list[Row], name: str, problems: list[Problem]) -> np.ndarray:
    """[M] float64, NaN where there is no number; adds what is none to the problems."""
    values = np.full(len(rows), np.nan)
    for number, row in enumerate(rows):
        given = row.fields.get(name)
        if given is None or given == "":
            continue
        try:
            if isinstance(given, bool):
                raise ValueError
            values[number] = float(given)
        except (TypeError, ValueError):
            sentence = f"{name}: expected a number, got {short(given)}"
            problems.append(Problem(number, row.line, sentence))
    return values


def _first_of_each(problems: list[Problem]) -> list[Problem]:
    """One problem a row, the rows ascending."""
    first: dict[int, Problem] = {}
    for problem in problems:
        first.setdefault(problem.row, problem)
    return [first[row] for row in sorted(first)]


def _outside(values: np.ndarray, top: float) -> np.ndarray:
    """[M] bool: measured values outside of 0 .. top."""
    return ~np.isnan(values) & ~((values >= 0) & (values <= top))


def _check_unit(path: Path, name: str, values: np.ndarray, percent: bool) -> None:
    """ValueError where most accuracies of a column are of another unit, or none."""
    known = values[~np.isnan(values)]
    if percent and len(known) and known.max() <= 1:
        raise ValueError(
            f"{path}: {name}: no value is above 1, so these are fractions; "
            "leave --percent out"
        )
    bad = np.flatnonzero(_outside(values, 100 if percent else 1))
    if 2 * len(bad) <= len(known):
        return
    row = f"row {bad[0]} has {values[bad[0]]:g}"
    advice = "only accuracies can be learnt"
    if not percent and known.min() >= 0 and known.max() <= 100:
        advice = "add --percent if these are percentages"
    unit = "percentages in 0 .. 100" if percent else "fractions in 0 .. 1"
    raise ValueError(
        f"{path}: {name}: {row}, expected {unit} ({len(bad)} such rows); {advice}"
    )
