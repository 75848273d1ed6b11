"""A user's own architectures and accuracies: one csv or jsonl file as a table.

    table = custom.read("cells.csv", train_label="val_acc", test_label="test_acc")

A csv file has a header and the columns `ops`, names in topological order joined by
blanks, and `edges`, such as `0>1 0>2 1>3`. A jsonl file has an object a line, with `ops`,
a list, and `adjacency`, a matrix, or `edges`, a list of pairs. All else are labels.
"""

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tnasp_jax.benchmarks import table as table_lib
from tnasp_jax.benchmarks.custom_contents import (
    Contents,
    Quarrel,
    contents_of,
    quarrel_of,
)
from tnasp_jax.benchmarks.custom_labels import (
    BadColumn,
    is_accuracy,
    read_label,
    would_be_accuracy,
)
from tnasp_jax.benchmarks.custom_rows import (
    GRAPH_COLUMNS,
    Problem,
    Row,
    columns_of,
    no_column,
    read_rows,
)
from tnasp_jax.benchmarks.table import Table
from tnasp_jax.spaces import custom, custom_cells
from tnasp_jax.spaces.custom import CustomSpace
from tnasp_jax.spaces.custom_cells import Cell

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


class Findings(NamedTuple):
    """What is wrong with a file, and what was looked at.

    Attributes:
      num_rows: of the file.
      problems: of every bad row the first, rows ascending.
      columns: what is wrong with columns as a whole.
      labels: columns that were read as accuracies, the one to learn from first.
      others: columns that were not looked at.
      contents: sizes and operations of the rows that are graphs; None if none is.
      repeats: good rows whose graph an earlier one has.
      quarrel: the two that differ most in the label to learn; None if none do.
    """

    num_rows: int
    problems: list[Problem]
    columns: list[BadColumn]
    labels: list[str]
    others: list[str]
    contents: Contents | None
    repeats: int
    quarrel: Quarrel | None


class _Content(NamedTuple):
    """M rows as read, G of them graphs."""

    cells: dict[int, Cell]  # Row -> graph, G of them.
    space: CustomSpace | None
    labels: dict[str, np.ndarray]  # Name -> [M] float64 as written, NaN for none.
    problems: list[Problem]
    columns: list[BadColumn]


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
      BadColumn: a ValueError: accuracies most of which are of another unit, or that are
        all equal, or missing.
      BadRows: a ValueError that lists every row that is no architecture, lacks the
        training label or has a label outside of 0 .. 1.
      ValueError: one sentence: a file that is missing or damaged, a missing column, or
        an option of the space that does not fit.
    """
    path = Path(path)
    data, rows = read_rows(path)
    names = [train_label, *([test_label] if test_label else [])]
    content = _check(path, rows, names, percent, space)
    if content.columns:
        raise content.columns[0]
    made, cells = content.space, list(content.cells.values())
    if content.problems or made is None:
        raise BadRows(path, list(map(str, _first_of_each(content.problems))))
    top = 100 if percent else 1
    graphs = made.to_graphs(cells)
    unit = "given in percent" if percent else "fraction"
    return Table(
        name=path.stem,
        space=made,
        graphs=graphs,
        labels={n: (v / top).astype(np.float32) for n, v in content.labels.items()},
        train_target=train_label,
        eval_targets=(test_label or train_label,),
        hashes=table_lib.group_ids(graphs),
        texts=lambda row: made.format(cells[row]),
        describe={name: f"{name} of {path.name}, {unit}" for name in names},
        sha256=table_lib.sha256(data),
    )


def find_problems(
    path: str | Path,
    *,
    labels: Sequence[str] | None = None,
    percent: bool = False,
    **space: Any,
) -> Findings:
    """All that keeps `read` from making a table of a file.

    Args:
      path: as in `read`.
      labels: columns of accuracies, the one to learn from first; None for every column
        most of whose fields are accuracies that differ, in the order of the file. Where
        there is none, for every column that would be one in the other unit, or whose
        accuracies are all equal, so that it is told.
      percent: as in `read`.
      **space: as `spaces.custom.of_cells` takes them.

    Raises:
      ValueError: for a file that is missing or damaged as a whole, and a missing column.
    """
    path = Path(path)
    _, rows = read_rows(path)
    known = [name for name in columns_of(rows) if name not in GRAPH_COLUMNS]
    if labels is None:
        labels = [each for each in known if is_accuracy(rows, each, percent)] or [
            each for each in known if would_be_accuracy(rows, each, percent)
        ]
    content = _check(path, rows, labels, percent, space)
    repeats, quarrel = _repeats(content, labels)
    return Findings(
        len(rows),
        _first_of_each(content.problems),
        content.columns,
        list(labels),
        [name for name in known if name not in labels],
        contents_of(content.cells, rows),
        repeats,
        quarrel,
    )


def read_cells(path: str | Path, space: CustomSpace) -> list[Cell]:
    """The graphs of a file, for a space that is there already; labels are not read.

    Args:
      path: as in `read`.
      space: that of a run, for instance.

    Returns:
      One graph a row, in the order of the file.

    Raises:
      BadRows: a ValueError that lists every row that is no architecture of the space;
        its cause is the `NoRoom` of the largest graph that it has no room for, if any.
      ValueError: one sentence: a file that is missing or damaged.
    """
    path = Path(path)
    _, rows = read_rows(path)
    cells, problems = _graphs(rows)
    outside = _outside(cells, rows, space)
    problems += list(outside)
    if problems:
        room = [each for each in outside.values() if isinstance(each, custom.NoRoom)]
        cause = max(room, key=lambda each: each.num_nodes or 0, default=None)
        raise BadRows(path, list(map(str, _first_of_each(problems)))) from cause
    return list(cells.values())


def _check(
    path: Path,
    rows: list[Row],
    names: Sequence[str],
    percent: bool,
    space: Mapping[str, Any],
) -> _Content:
    """Rows with their labels `names`, the one to learn from first, and their mistakes."""
    known = columns_of(rows)
    for name in names:
        if name not in known:
            raise ValueError(no_column(path, name, known))
        if name in GRAPH_COLUMNS:
            raise ValueError(f"{path}: {name!r} describes graphs, it is no label")
    cells, made, problems = _cells(rows, space)
    labels: dict[str, np.ndarray] = {}
    columns: list[BadColumn] = []
    faulty: list[str] = []
    for name in names:
        found = read_label(rows, name, percent=percent, learnt=name == names[0])
        labels[name] = found.values
        problems += found.problems
        if found.fault:
            columns.append(BadColumn(f"{path}: {found.fault}", found.fault.percent))
            faulty.append(name)
    right = [name for name in names if name not in faulty]
    if right and columns and columns[0].percent is not None:
        words = ("percentages", "fractions")[:: -1 if percent else 1]
        sentence = f"{faulty[0]} reads as {words[0]}, {right[0]} as {words[1]}"
        columns = [BadColumn(f"{path}: {sentence}; write both in one unit")]
    return _Content(cells, made, labels, problems, columns)


def _repeats(content: _Content, names: Sequence[str]) -> tuple[int, Quarrel | None]:
    """`Findings.repeats` and `Findings.quarrel`."""
    bad = {problem.row for problem in content.problems}
    rows = np.array([row for row in content.cells if row not in bad], int)
    if content.space is None or not len(rows):
        return 0, None
    graphs = content.space.to_graphs([content.cells[row] for row in rows])
    groups = table_lib.group_ids(graphs)
    repeats = len(rows) - len(np.unique(groups))
    if not names:
        return repeats, None
    labels = content.labels[names[0]][rows]
    return repeats, quarrel_of(groups, labels, names[0], rows)


def suspects(table: Table) -> list[str]:
    """Sentences on operations that may be slips of the pen: rare, and like another;
    and on one graph that has different labels."""
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
    name, rows = table.train_target, np.arange(len(table))
    quarrel = quarrel_of(np.asarray(table.hashes), table.label(name), name, rows)
    return found if quarrel is None else [*found, str(quarrel)]


def _cells(
    rows: list[Row], space: Mapping[str, Any]
) -> tuple[dict[int, Cell], CustomSpace | None, list[Problem]]:
    """The graphs, the space of those that are any, and every row that is none."""
    cells, problems = _graphs(rows)
    if not cells:
        return {}, None, problems
    made = custom.of_cells(cells.values(), **space)
    return cells, made, problems + list(_outside(cells, rows, made))


def _graphs(rows: list[Row]) -> tuple[dict[int, Cell], list[Problem]]:
    """The graphs by their row, and every row that is none."""
    cells: dict[int, Cell] = {}
    problems = []
    for number, row in enumerate(rows):
        try:
            if row.problem:
                raise ValueError(row.problem)
            cells[number] = _cell(row.fields)
        except ValueError as error:
            problems.append(Problem(number, row.line, str(error)))
    return cells, problems


def _outside(
    cells: Mapping[int, Cell], rows: list[Row], space: CustomSpace
) -> dict[Problem, ValueError]:
    """Graphs that a space does not hold, and why."""
    problems = {}
    for number, cell in cells.items():
        try:
            space.check(cell)
        except ValueError as error:
            problems[Problem(number, rows[number].line, str(error))] = error
    return problems


def _cell(fields: Mapping[str, Any]) -> Cell:
    """A graph of fields that are texts, as in csv, or lists."""
    values = dict(fields)
    if isinstance(values.get("ops"), str):
        values["ops"] = custom_cells.split_ops(values["ops"])
    if isinstance(values.get("edges"), str):
        values["edges"] = custom_cells.split_edges(values["edges"])
    return custom_cells.read_cell(values)


def _first_of_each(problems: list[Problem]) -> list[Problem]:
    """One problem a row, the rows ascending."""
    first: dict[int, Problem] = {}
    for problem in problems:
        first.setdefault(problem.row, problem)
    return [first[row] for row in sorted(first)]
