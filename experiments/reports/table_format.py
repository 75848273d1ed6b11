"""How the tables look: as text, as Markdown, as csv."""

import csv
import io
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from experiments.cells.columns import Column
from experiments.reports import reasons
from experiments.reports.table_rows import NOTABLE, USUAL_DRAWS, Block, Value, only

_COST = "What our rows cost: training steps of a draw / wall seconds of the run"
_COST_NOTES = [
    "steps: gradient steps, those before self-evolution among them; 0 where a predictor "
    "is fitted at once",
    "seconds: all draws, training and scoring together; a run that went on from trained "
    "draws, its own or those of the row without self-evolution, counts its own part; "
    "other runs may have shared the device",
]
_GAPS = (
    f"Ours minus the published number, where more than {NOTABLE:g} sd of ours, and why"
)

Show = Callable[[Value | None], str]
Grid = list[list[str]]


class Section(NamedTuple):
    """What is printed under one title; a row of one text heads the rows below it."""

    title: str
    notes: list[str]
    grid: Grid
    of_last: bool = False  # It says more about the section before it.


def text(blocks: list[Block], *, details: bool, more: Iterable[Section] = ()) -> str:
    """Aligned columns; `details` are sources, costs and reasons; `more` comes last."""
    parts = []
    for section in (*_sections(blocks, "  ", details), *more):
        parts += [section.title] * bool(section.title)
        for note in section.notes:
            first, rest = "  ", " " * 4
            parts += textwrap.wrap(
                note, 96, initial_indent=first, subsequent_indent=rest
            )
        if section.grid:
            parts += ["", *_aligned(section.grid)]
        parts.append("")
    return "\n".join(parts)


def markdown(
    blocks: list[Block], *, details: bool, more: Iterable[Section] = ()
) -> str:
    """Pipe tables with their notes under them; `details` and `more` as for `text`."""
    parts = []
    for section in (*_sections(blocks, "&nbsp;&nbsp;", details), *more):
        head = f"**{section.title}**" if section.of_last else f"### {section.title}"
        parts += [head, ""] * bool(section.title)
        if section.grid:
            parts += [*_piped(section.grid), ""]
        parts += [*(f"- {note}" for note in section.notes), ""]
    return "\n".join(parts)


def records(blocks: list[Block]) -> str:
    """csv, one record a value; what a published one does not have is `-`."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = ("block", "part", "method", "source", "ours", "table", "n_train", "n_test")
    writer.writerow([*names, *Value._fields, "reason"])
    for block in blocks:
        for heading, lines in block.parts:
            for line in lines:
                ours = int(line.predictor is not None)
                about = [block.title, heading, line.label, line.source, ours]
                for column, known in zip(block.columns, line.values, strict=True):
                    value = known or Value(None)
                    why = None
                    if line.predictor and value.gap is not None:
                        why = reasons.reason(line.predictor, column.table)
                    where = [column.table, column.n_train, column.n_test or "all"]
                    cells = ["-" if cell is None else cell for cell in (*value, why)]
                    writer.writerow(about + where + cells)
    return out.getvalue()


def _tau(value: Value | None) -> str:
    if value is None:
        return "-"
    if value.mean is None:
        return "undefined"
    inside = [] if value.std is None else [f"{value.std:.3f}"]
    if value.draws not in (None, USUAL_DRAWS):
        inside.append(f"{value.draws} draw{'s' if value.draws != 1 else ''}")
    return f"{value.mean:.3f}" + (f" ({', '.join(inside)})" if inside else "")


# What is printed of a block.


def _sections(blocks: list[Block], indent: str, details: bool) -> Iterator[Section]:
    for block in blocks:
        grid = _grid(block, _tau, indent, sources=details)
        yield Section(block.title, block.notes, grid, of_last=not block.main)
        if details and block.main:
            yield from _cost(block, indent)
            yield from _gaps(block, indent)


def _cost(block: Block, indent: str) -> Iterator[Section]:
    ours = only(block, lambda line: line.predictor is not None)
    values = [v for _, lines in ours.parts for line in lines for v in line.values if v]
    if not values:
        return
    (usual, _), *others = Counter(value.device for value in values).most_common()
    letters = {device: chr(ord("a") + at) for at, (device, _) in enumerate(others)}

    def show(value: Value | None) -> str:
        if value is None:
            return "-"
        elsewhere = letters.get(value.device)
        mark = f" ({elsewhere})" if elsewhere else ""
        return f"{value.steps:,} / {value.seconds:,.0f}{mark}"

    named = [f"({letter}) {device}" for device, letter in letters.items()]
    device = "; ".join([f"device: {usual}", *named])
    yield Section(
        _COST, [*_COST_NOTES, device], _grid(ours, show, indent), of_last=True
    )


def _gaps(block: Block, indent: str) -> Iterator[Section]:
    apart = only(block, lambda line: any(v and v.gap for v in line.values))
    predictors = dict.fromkeys(line.predictor for _, of in apart.parts for line in of)
    table = block.columns[0].table
    notes = [f"{name}: {reasons.reason(name, table)}" for name in predictors if name]

    def show(value: Value | None) -> str:
        return "" if value is None or value.gap is None else f"{value.gap:+.3f}"

    if notes:
        yield Section(_GAPS, notes, _grid(apart, show, indent), of_last=True)


def _grid(block: Block, show: Show, indent: str, *, sources: bool = False) -> Grid:
    """Header and rows as texts."""
    several = len({column.table for column in block.columns}) > 1
    header = ["method", *(_heading(column, several) for column in block.columns)]
    grid = [header + ["source"] * sources]
    for heading, lines in block.parts:
        grid.append([heading])
        for line in lines:
            label = (indent if line.predictor else "") + line.label
            grid.append([label, *map(show, line.values)] + [line.source] * sources)
    return grid


def _heading(column: Column, several: bool) -> str:
    start = f"{column.table.removeprefix('nb')}: " if several else ""
    test = "" if column.n_test is None else f", {column.n_test} cells"
    return f"{start}{column.n_train}{test}"


def _aligned(grid: Grid) -> list[str]:
    full = [row for row in grid if len(row) > 1]
    widths = [max(len(row[at]) for row in full) for at in range(len(full[0]))]
    lines = []
    for row in grid:
        cells = [c.ljust(w) for c, w in zip(row, widths, strict=False)]
        lines += ["", row[0]] if len(row) == 1 else ["  ".join(cells).rstrip()]
    return lines


def _piped(grid: Grid) -> list[str]:
    header, *rows = grid
    lines = [f"| {' | '.join(header)} |", "| --- " * len(header) + "|"]
    for row in rows:
        if len(row) == 1:
            row = [f"*{row[0]}*"] + [""] * (len(header) - 1)
        lines.append(f"| {' | '.join(row)} |")
    return lines
