"""The accuracies of a user's own file: one column, read and checked.

Axis letters: M rows of the file.
"""

import re
from typing import NamedTuple

import numpy as np

from tnasp_jax.benchmarks.custom_rows import Problem, Row
from tnasp_jax.spaces.reading import short

LEAST_PERCENT = 10
"""Half of a column that is taken for percentages are at least so many: what chance gives
among ten classes."""


class BadColumn(ValueError):
    """A column of which nothing can be learnt, whatever its rows.

    Attributes:
      percent: the unit to read the file in, where another one than asked for would do.
    """

    def __init__(self, sentence: str, percent: bool | None = None):
        self.percent = percent
        super().__init__(sentence)


class Label(NamedTuple):
    """A column of accuracies.

    Attributes:
      values: [M] float64 as written, NaN where there is none.
      problems: rows whose label is no accuracy of the unit, or is missing where it is
        to be learnt from; none beside a fault.
      fault: what is wrong with the whole column.
    """

    values: np.ndarray
    problems: list[Problem]
    fault: BadColumn | None


def read_label(rows: list[Row], name: str, *, percent: bool, learnt: bool) -> Label:
    """Reads and checks a column.

    Args:
      rows: [M] of the file.
      name: of the column.
      percent: whether accuracies are percentages.
      learnt: whether it is learnt from, so that every row needs one.
    """
    values, texts = _numbers(rows, name)
    fault = _fault(name, values, percent, learnt, texts)
    if fault:
        return Label(values, [], fault)
    problems = texts + _misfits(rows, name, values, percent)
    if learnt:
        problems += _missing(rows, name, values, {text.row for text in texts})
    return Label(values, problems, None)


def is_accuracy(rows: list[Row], name: str, percent: bool) -> bool:
    """Whether most fields of a column are accuracies, and not all of these are equal."""
    good = _accuracies(rows, name, percent)
    if not len(good) or np.ptp(good) == 0:
        return False
    # Counts, sizes and times lie in 0 .. 100 too.
    return not percent or (np.median(good) >= LEAST_PERCENT and _has_parts(good))


def would_be_accuracy(rows: list[Row], name: str, percent: bool) -> bool:
    """Whether a column would be one in the other unit, if its values differed, or if its
    numbers were written as such."""
    good = _accuracies(rows, name, percent)
    equal = len(good) > 1 and np.ptp(good) == 0 and _has_parts(good)
    texts = [rows[text.row].fields[name] for text in _numbers(rows, name)[1]]
    nearly = 2 * sum(bool(_as_number(text)) for text in texts) > len(rows)
    return equal or nearly or is_accuracy(rows, name, not percent)


def _accuracies(rows: list[Row], name: str, percent: bool) -> np.ndarray:
    """The accuracies of a column, none where they are not most of its fields."""
    values, texts = _numbers(rows, name)
    known = values[~np.isnan(values)]
    good = known[~_outside(known, percent)]
    return good if 2 * len(good) > len(known) + len(texts) else good[:0]


def _has_parts(values: np.ndarray) -> bool:
    return bool(np.any(values % 1 != 0))


def _numbers(rows: list[Row], name: str) -> tuple[np.ndarray, list[Problem]]:
    """[M] float64, NaN where there is none, and the fields that are no numbers."""
    values, problems = np.full(len(rows), np.nan), []
    for number, row in enumerate(rows):
        given = row.fields.get(name)
        if _is_empty(given):
            continue
        try:
            if isinstance(given, bool) or not isinstance(given, str | int | float):
                raise ValueError
            values[number] = float(given)
        except (ValueError, OverflowError):
            sentence = (
                f"{name}: expected a number, got {short(given)}{_as_number(given)}"
            )
            problems.append(Problem(number, row.line, sentence))
    return values, problems


def _as_number(given: object) -> str:
    """How to write what is nearly a number."""
    found = re.fullmatch(r"\s*(\d+)([.,]\d+)?\s*%?\s*", str(given))
    if not isinstance(given, str) or not found:
        return ""
    return f"; write {found[1]}{(found[2] or '').replace(',', '.')}"


def _is_empty(given: object) -> bool:
    return given is None or (isinstance(given, str) and not given.strip())


def _outside(values: np.ndarray, percent: bool) -> np.ndarray:
    """[M] bool: values that are known and no accuracies."""
    top = 100 if percent else 1
    return ~np.isnan(values) & ~((values >= 0) & (values <= top))


def _fault(
    name: str, values: np.ndarray, percent: bool, learnt: bool, texts: list[Problem]
) -> BadColumn | None:
    """What is wrong with a column as a whole."""
    known = values[~np.isnan(values)]
    if len(texts) > max(len(known), 1):
        said = texts[0].sentence.removeprefix(f"{name}: ")
        return BadColumn(f"{name}: row {texts[0].row}: {said} ({len(texts)} such rows)")
    if not len(known):
        return None if texts else BadColumn(f"{name}: no row has an accuracy")
    if percent and known.max() <= 1:
        return BadColumn(
            f"{name}: no value is above 1, so these are fractions", percent=False
        )
    bad = np.flatnonzero(_outside(values, percent))
    if 2 * len(bad) > len(known):
        unit = "percentages in 0 .. 100" if percent else "fractions in 0 .. 1"
        found = (
            f"{name}: row {bad[0]} has {values[bad[0]]:g}, expected {unit} "
            f"({len(bad)} such rows)"
        )
        if not percent and known.min() >= 0 and known.max() <= 100:
            return BadColumn(found, percent=True)
        return BadColumn(f"{found}; only accuracies can be learnt")
    good = known[~_outside(known, percent)].astype(np.float32)
    purpose = "learnt from" if learnt else "ranked by"
    if len(good) == 1:
        return BadColumn(
            f"{name}: only one row has an accuracy; two that differ are needed"
        )
    if np.ptp(good) == 0:
        return BadColumn(
            f"{name}: all {len(good)} accuracies are {good[0]:g}; nothing can be "
            f"{purpose} equal ones"
        )
    return None


def _misfits(
    rows: list[Row], name: str, values: np.ndarray, percent: bool
) -> list[Problem]:
    """Rows whose label is not of the column's unit."""
    problems = []
    kind = "percentage in 0 .. 100" if percent else "fraction in 0 .. 1"
    for row in np.flatnonzero(_outside(values, percent)).tolist():
        sentence = f"{name}: expected a {kind}, got {values[row]:g}"
        if not percent and 1 < values[row] <= 100:
            sentence += ", which reads as a percentage"
        problems.append(Problem(row, rows[row].line, sentence))
    for row in np.flatnonzero(_stray_fractions(values)).tolist() if percent else ():
        sentence = (
            f"{name}: {values[row]:g} among percentages reads as a fraction; write "
            f"{100 * values[row]:g}, or all of the column as fractions"
        )
        problems.append(Problem(row, rows[row].line, sentence))
    return problems


def _stray_fractions(values: np.ndarray) -> np.ndarray:
    """[M] bool: values up to 1 that, as fractions, lie among the percentages above 1."""
    others = values[(values > 1) & (values <= 100)] / 100
    if not len(others):
        return np.zeros(len(values), bool)
    return (values >= others.min()) & (values <= min(others.max(), 1))


def _missing(
    rows: list[Row], name: str, values: np.ndarray, but: set[int]
) -> list[Problem]:
    """Rows without a label, those in `but` left out."""
    problems = []
    for row in sorted(set(np.flatnonzero(np.isnan(values)).tolist()) - but):
        given = rows[row].fields.get(name)
        got = "none" if _is_empty(given) else short(given)
        sentence = f"{name}: expected an accuracy to learn from, got {got}"
        problems.append(Problem(row, rows[row].line, sentence))
    return problems
