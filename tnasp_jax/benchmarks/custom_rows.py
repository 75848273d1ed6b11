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


SEPARATORS = (",", ";", "\t")
"""What may stand between the fields of a csv file; the header decides."""


SHEETS = (".xlsx", ".xls", ".ods")


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
    if path.suffix.lower() in SHEETS:
        raise ValueError(f"{path}: a spreadsheet; save it as csv")
    if not path.exists():
        raise ValueError(f"{path}: no such file; name a csv or jsonl file")
    data = table_lib.read_file(path, "name a csv or jsonl file of architectures")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path}: no text in UTF-8; save it as such") from None
    if path.suffix.lower() == ".csv":
        rows = _csv_rows(path, text)
    else:
        rows = _jsonl_rows(path, text)
    if not rows:
        raise ValueError(f"{path}: holds no architectures")
    return data, rows


def _csv_rows(path: Path, text: str) -> list[Row]:
    file = io.StringIO(text, newline="")
    reader = csv.reader(file, delimiter=_separator(text), strict=True)
    rows: list[Row] = []
    header: list[str] = []
    try:
        for fields in reader:
            if not any(map(str.strip, fields)):  # Spreadsheets end with such rows.
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


def _separator(text: str) -> str:
    """That of the first line which has a field `ops` by it; spreadsheets of countries
    that write 0,5 put semicolons between fields."""
    for separator in SEPARATORS:
        if "ops" in _header(text, separator):
            return separator
    return SEPARATORS[0]


def _header(text: str, separator: str) -> list[str]:
    """The fields of the first line, if a csv file it is."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    return [field.strip(' "') for field in first.split(separator)]


def _check_header(path: Path, header: list[str]) -> None:
    for name in ("ops", "edges"):
        if name not in header:
            raise ValueError(no_column(path, name, header))
    for name in header:
        if header.count(name) > 1:
            raise ValueError(f"{path}: the column {name!r} stands twice")


def _jsonl_rows(path: Path, text: str) -> list[Row]:
    if text.lstrip().startswith("["):
        raise ValueError(f"{path}: a list of JSON; write an object a line, no list")
    rows = []
    # Not splitlines: JSON may hold other characters that end a line in Unicode.
    for number, line in enumerate(io.StringIO(text, newline=None), 1):
        if line.strip():
            try:
                rows.append(Row(number, custom_cells.read_object(line)))
            except ValueError as error:
                rows.append(Row(number, {}, str(error)))
    if any(row.fields for row in rows):
        _check_keys(path, columns_of(rows))
    elif "ops" in _header(text, _separator(text)):
        raise ValueError(f"{path}: reads as csv; give it a name that ends in .csv")
    return rows


def _check_keys(path: Path, known: list[str]) -> None:
    """ValueError for what no row of a jsonl file has."""
    if "ops" not in known:
        raise ValueError(no_column(path, "ops", known))
    if not {"edges", "adjacency"} & set(known):
        sentence = no_column(path, "edges", known)
        raise ValueError(sentence.replace("'edges'", "'edges' or 'adjacency'", 1))


def columns_of(rows: list[Row]) -> list[str]:
    """Names of the fields, in the order of their first appearance; not of a csv column
    that has none."""
    return list(dict.fromkeys(name for row in rows for name in row.fields if name))


def no_column(path: Path, name: str, known: Sequence[str]) -> str:
    """The sentence for a column that a file lacks, with the nearest that it has."""
    near = difflib.get_close_matches(name, known, 1, 0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{path}: no column {name!r}; {hint}it has {', '.join(known) or 'none'}"
