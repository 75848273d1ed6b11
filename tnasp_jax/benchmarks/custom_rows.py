"""The rows of a user's own csv or jsonl file, before their meaning is looked at."""

import csv
import difflib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tnasp_jax.benchmarks import table as table_lib
from tnasp_jax.spaces import custom_cells

GRAPH_COLUMNS = ("ops", "edges", "adjacency")
"""What describes a graph; all other columns are labels or notes."""


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
        sentence = self.sentence.removeprefix(f"{custom_cells.NAME}: ")
        return f"row {self.row}, line {self.line}: {sentence}"


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
    for separator, word in ((";", "semicolons"), ("\t", "tabs")):
        if len(header) == 1 and separator in header[0]:
            raise ValueError(f"{path}: fields stand between {word}; put commas there")
    for name in ("ops", "edges"):
        if name not in header:
            raise ValueError(no_column(path, name, header))
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


def columns_of(rows: list[Row]) -> list[str]:
    """Names of the fields, in the order of their first appearance."""
    return list(dict.fromkeys(name for row in rows for name in row.fields))


def no_column(path: Path, name: str, known: Sequence[str]) -> str:
    """The sentence for a column that a file lacks, with the nearest that it has."""
    near = difflib.get_close_matches(name, known, 1, 0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{path}: no column {name!r}; {hint}it has {', '.join(known) or 'none'}"
