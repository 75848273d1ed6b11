"""Tables 1 and 2: every published method, and ours under it, from results/.

python -m experiments.tables [--format=text|markdown|csv] [--results=results] [--short]

A row of ours is the mean (sd) over ten draws, or as many as it says. `--short` prints
the one table of the README: the methods that this library has. Missing cells are `-`.
"""

import csv
import io
import textwrap
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from absl import flags

from experiments import command, published, results
from experiments.cell import SUFFIXES
from experiments.command import UserError
from experiments.published import Column, Published
from tnasp_jax import PREDICTORS

FORMATS = ("text", "markdown", "csv")
USUAL_DRAWS = 10
PLAIN = "Without scores of the validation cells"
EVOLVED = "With T scores of the hidden validation cells (SE, self-evolution)"
_HOW = {
    "off": "",
    "minimax": "SE, ",
    "projection": "SE by projection, ",
    "control": "control without scores, ",
}

Results = dict[str, dict[str, Any]]
Measure = Callable[[dict[str, Any]], dict[str, Any] | None]


class Value(NamedTuple):
    """One tau: a published number has neither deviation nor draws."""

    mean: float | None
    std: float | None = None
    draws: int | None = None


class Line(NamedTuple):
    """One row, a value or None for each column."""

    label: str
    source: str
    ours: bool
    values: list[Value | None]


class Block(NamedTuple):
    """One printed table: a title, notes, columns, and parts (heading, lines)."""

    title: str
    notes: list[str]
    columns: list[Column]
    parts: list[tuple[str, list[Line]]]


def define(values: flags.FlagValues) -> None:
    flags.DEFINE_enum("format", "text", FORMATS, "form of the output", values)
    flags.DEFINE_string("results", "results", "folder of finished results", values)
    flags.DEFINE_bool("short", False, "the one table of the README", values)
    flags.DEFINE_bool("debug", False, "traceback of an error", values)


def main(values: flags.FlagValues) -> None:
    print(document(Path(values.results), values.format, short=values.short), end="")


def document(folder: Path, form: str, *, short: bool = False) -> str:
    """The tables as text of the form, which ends with a line break."""
    found = read_results(folder)
    blocks = [short_block(found)] if short else all_blocks(found)
    if form == "csv":
        return _csv(blocks)
    show = _markdown if form == "markdown" else _text
    return "\n".join(show(block, sources=not short) for block in blocks)


def read_results(folder: Path) -> Results:
    """results/NAME.json by name.

    Raises:
      UserError: for a missing folder, a damaged file, a file under another cell's
        name, and a result that was trained on another label than its table's.
    """
    if not folder.is_dir():
        raise UserError(f"--results={folder}: no such folder")
    targets = {table.table: table.train_target for table in published.TABLES}
    found = {}
    for path in sorted(folder.glob("*.json")):
        summary = results.read_json(path)
        if summary.get("name") != path.stem:
            raise UserError(f"{path}: holds the result of cell {summary.get('name')}")
        wanted = targets.get(summary["table"])
        if summary["train_target"] != wanted:
            raise UserError(
                f"{path}: trained on {summary['train_target']}, but the cells of table "
                f"{summary['table']} are trained on {wanted}"
            )
        found[path.stem] = summary
    return found


# What stands in the tables.


def all_blocks(found: Results) -> list[Block]:
    """Of each table: the main label, further test labels, held-out."""
    blocks = []
    for table in published.TABLES:
        mine = {n: s for n, s in found.items() if s["table"] == table.table}
        if not table.rows and not mine:
            continue
        columns = _columns(table, mine.values())
        for target in _eval_targets(mine.values()) or [None]:
            first = not blocks or blocks[-1].columns != columns
            parts = _parts([table], columns, mine, _by_target(target), papers=first)
            title = table.title if first else f"The same, ranked by {target}"
            blocks.append(Block(title, _notes(mine, target), columns, parts))
        held_out = _parts([table], columns, mine, _held_out, papers=False)
        if held_out:
            note = "the main test label; cells isomorphic to a training cell left out"
            blocks.append(Block("The same, held out", [note], columns, held_out))
    return blocks


def short_block(found: Results) -> Block:
    """One table of both benchmarks: the methods that this library has, the highest
    published numbers, and our own predictors."""
    tables = [table for table in published.TABLES if table.rows]
    names = [table.table for table in tables]
    mine = {n: s for n, s in found.items() if s["table"] in names}
    columns = [column for table in tables for column in table.columns]
    parts = _parts(tables, columns, mine, _by_target(None), papers=True, short=True)
    notes = [
        "Kendall tau-b; columns: number of training cells, on NAS-Bench-101 (101) and "
        "NAS-Bench-201 (201)",
        "trained on validation accuracy, ranked by test accuracy; all cells of the "
        "benchmark, the training cells among them, or 100 other cells where the column "
        "says so",
        _draws_note(),
    ]
    return Block("", notes, columns, parts)


def _columns(table: Published, summaries: Iterable[dict[str, Any]]) -> list[Column]:
    """Those published, and after them any other that there are results for."""
    others = {_column(summary) for summary in summaries} - set(table.columns)
    return [*table.columns, *sorted(others, key=lambda c: (c.n_train, c.n_test or 0))]


def _column(summary: dict[str, Any]) -> Column:
    sampled = summary["name"].endswith(f"_test{summary['n_test']}")
    n_test = summary["n_test"] if sampled else None
    return Column(summary["table"], summary["n_train"], n_test)


def _eval_targets(summaries: Iterable[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(t for s in summaries for t in s["kendall_tau_by_target"]))


def _by_target(target: str | None) -> Measure:
    if target is None:
        return lambda summary: summary["kendall_tau"]
    return lambda summary: summary["kendall_tau_by_target"].get(target)


def _held_out(summary: dict[str, Any]) -> dict[str, Any]:
    return summary["kendall_tau_heldout"]


def _parts(
    tables: Sequence[Published],
    columns: list[Column],
    found: Results,
    measure: Measure,
    *,
    papers: bool,
    short: bool = False,
) -> list[tuple[str, list[Line]]]:
    """The rows without and those with scores of validation cells."""
    parts = []
    for evolution, heading in ((False, PLAIN), (True, EVOLVED)):
        modes = [mode for mode in SUFFIXES if (mode != "off") == evolution]
        lines: list[Line] = []
        rows = [r for t in tables for r in t.rows if r.evolution == evolution]
        rest = dict.fromkeys(str(s["predictor"]) for s in found.values())
        for method in dict.fromkeys(row.method for row in rows):
            same = [row for row in rows if row.method == method]
            predictors = dict.fromkeys(name for row in same for name in row.ours)
            if short and not any(name in PREDICTORS for name in predictors):
                continue
            if papers:
                lines.append(_paper_line(same, columns))
            for name in predictors:
                rest.pop(name, None)
                lines += _our_lines(name, modes, tables, columns, found, measure)
        if short and not evolution:
            lines.append(_highest_line(rows, columns))
        for name in rest:
            lines += _our_lines(name, modes, tables, columns, found, measure)
        if lines:
            parts.append((heading, lines))
    return parts


def _paper_line(rows: Sequence[published.Row], columns: list[Column]) -> Line:
    known = {column: value for row in rows for column, value in row.values.items()}
    values = [Value(known[c]) if c in known else None for c in columns]
    return Line(rows[0].method, rows[0].source, False, values)


def _highest_line(rows: Sequence[published.Row], columns: list[Column]) -> Line:
    """Of each column, over all methods that are published without further labels."""
    values = [max((r.values.get(c, -1.0) for r in rows), default=-1.0) for c in columns]
    shown = [Value(value) if value >= 0 else None for value in values]
    return Line("the highest published number that we found", "", False, shown)


def _our_lines(
    predictor: str,
    modes: Sequence[str],
    tables: Sequence[Published],
    columns: list[Column],
    found: Results,
    measure: Measure,
) -> list[Line]:
    """Our rows of one predictor: one a way of training that has any result."""
    lines = []
    for mode in modes:
        stem = f"{predictor}{SUFFIXES[mode]}"
        summaries = [found.get(_name(stem, column)) for column in columns]
        known = [summary for summary in summaries if summary]
        if not known:
            continue
        rounds = sorted({s["se_rounds"] for s in known if s["se_rounds"]})
        words = [t.words[predictor] for t in tables if predictor in t.words]
        about = [f"ours: {_HOW[mode]}{predictor}", *words[:1]]
        if rounds:
            about.append(f"T = {' or '.join(map(str, rounds))}")
        prefix = tables[0].table if len(tables) == 1 else "TABLE"
        source = f"results/{prefix}_{stem}_*.json"
        values = [_value(s, measure) for s in summaries]
        lines.append(Line(", ".join(about), source, True, values))
    return lines


def _name(stem: str, column: Column) -> str:
    test = "" if column.n_test is None else f"_test{column.n_test}"
    return f"{column.table}_{stem}_{column.n_train}{test}"


def _value(summary: dict[str, Any] | None, measure: Measure) -> Value | None:
    tau = measure(summary) if summary else None
    if summary is None or tau is None:
        return None
    return Value(tau["mean"], tau["std"], len(summary["seeds"]))


def _notes(found: Results, target: str | None) -> list[str]:
    """Which accuracies these are, as the results themselves say."""
    notes = ["trained on validation accuracy, ranked by test accuracy"]
    for summary in found.values():
        target = target or summary["eval_target"]
        if target in summary["kendall_tau_by_target"]:
            learnt = summary["train_target"]
            agreement = summary["ceiling_by_target"][target]
            notes = [
                f"trained on {learnt}: {summary['targets'][learnt]}",
                f"ranked by {target}: {summary['targets'][target]}",
                "agreement of the two labels: tau "
                + ("undefined" if agreement is None else f"{agreement:.3f}"),
            ]
            break
    notes.append(
        "columns: number of training cells; ranked: all cells, the training cells among "
        "them, or that many other cells"
    )
    return [*notes, _draws_note()]


def _draws_note() -> str:
    return (
        f"ours: mean (sd) over {USUAL_DRAWS} draws of training cells and seeds, or as "
        "many as it says; the published numbers are single"
    )


# How they look.


def _heading(column: Column, several: bool) -> str:
    start = f"{column.table.removeprefix('nb')}: " if several else ""
    test = "" if column.n_test is None else f", {column.n_test} cells"
    return f"{start}{column.n_train}{test}"


def _shown(value: Value | None) -> str:
    if value is None:
        return "-"
    if value.mean is None:
        return "undefined"
    inside = [] if value.std is None else [f"{value.std:.3f}"]
    if value.draws not in (None, USUAL_DRAWS):
        inside.append(f"{value.draws} draw{'s' if value.draws != 1 else ''}")
    return f"{value.mean:.3f}" + (f" ({', '.join(inside)})" if inside else "")


def _grid(block: Block, sources: bool, indent: str) -> list[list[str]]:
    """Header and rows as texts; a part's heading is a row of one text."""
    several = len({column.table for column in block.columns}) > 1
    header = ["method", *(_heading(column, several) for column in block.columns)]
    grid = [header + ["source"] * sources]
    for heading, lines in block.parts:
        grid.append([heading])
        for line in lines:
            label = (indent if line.ours else "") + line.label
            cells = [label, *map(_shown, line.values)]
            grid.append(cells + [line.source] * sources)
    return grid


def _text(block: Block, sources: bool) -> str:
    grid = _grid(block, sources, "  ")
    full = [row for row in grid if len(row) > 1]
    widths = [max(len(row[at]) for row in full) for at in range(len(full[0]))]
    lines = [block.title] * bool(block.title)
    for note in block.notes:
        first, rest = "  ", " " * 4
        lines += textwrap.wrap(note, 96, initial_indent=first, subsequent_indent=rest)
    lines.append("")
    for row in grid:
        cells = [c.ljust(w) for c, w in zip(row, widths, strict=False)]
        lines += ["", row[0]] if len(row) == 1 else ["  ".join(cells).rstrip()]
    return "\n".join(lines) + "\n"


def _markdown(block: Block, sources: bool) -> str:
    header, *rows = _grid(block, sources, "&nbsp;&nbsp;")
    lines = [f"**{block.title}**", ""] * bool(block.title)
    lines += [f"| {' | '.join(header)} |", "| --- " * len(header) + "|"]
    for row in rows:
        if len(row) == 1:
            row = [f"*{row[0]}*"] + [""] * (len(header) - 1)
        lines.append(f"| {' | '.join(row)} |")
    lines += ["", *(f"- {note}" for note in block.notes)]
    return "\n".join(lines) + "\n"


def _csv(blocks: list[Block]) -> str:
    """One record a value; published ones have neither std nor draws."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = ("block", "part", "method", "source", "ours", "table", "n_train", "n_test")
    writer.writerow([*names, "mean", "std", "draws"])
    for block in blocks:
        for heading, lines in block.parts:
            for line in lines:
                about = [block.title, heading, line.label, line.source, int(line.ours)]
                for column, value in zip(block.columns, line.values, strict=True):
                    if value is None:
                        value = Value(None)
                    cells = [column.table, column.n_train, column.n_test or "all"]
                    shown = ["-" if part is None else part for part in value]
                    writer.writerow(about + cells + shown)
    return out.getvalue()


if __name__ == "__main__":
    command.run(main, define)
