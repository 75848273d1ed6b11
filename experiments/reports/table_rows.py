"""What stands in Tables 1 and 2 and those of other spaces: papers' rows and ours."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from experiments.cells import ranked
from experiments.cells.cell import SUFFIXES
from experiments.cells.columns import Column, Published, Row
from experiments.reports import published

USUAL_DRAWS = 10
# Gaps between ours and a published number, in sds of ours, above which they need a reason.
NOTABLE = 2.0
SHORT = ("tnasp", "best", "gp")
"""Predictors of the table of the README."""

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
    """One tau; a published number has its mean alone.

    Attributes:
      mean, std, draws: over the draws; std is None of a single draw.
      steps: training steps of one draw.
      seconds: of the whole run.
      device: that it ran on.
      published: the paper's number for the same method and column.
    """

    mean: float | None
    std: float | None = None
    draws: int | None = None
    steps: int | None = None
    seconds: float | None = None
    device: str | None = None
    published: float | None = None

    @property
    def gap(self) -> float | None:
        """Ours minus the published number, where that is more than NOTABLE sds."""
        if self.mean is None or self.std is None or self.published is None:
            return None
        gap = self.mean - self.published
        return gap if abs(gap) > NOTABLE * self.std else None


class Line(NamedTuple):
    """One row, a value or None for each column; `predictor` is None of a paper's row."""

    label: str
    source: str
    predictor: str | None
    values: list[Value | None]


class Block(NamedTuple):
    """One table: a title, notes, columns, and parts (heading, lines).

    Attributes:
      main: the block of its columns that holds the papers' rows; costs and reasons are
        told once, beside it.
    """

    title: str
    notes: list[str]
    columns: list[Column]
    parts: list[tuple[str, list[Line]]]
    main: bool = False


def all_blocks(found: Results) -> list[Block]:
    """Of each table: the main label, further test labels, held-out."""
    blocks = []
    for table in (*published.TABLES, *ranked.TABLES.values()):
        mine = {n: s for n, s in found.items() if s["table"] == table.table}
        if not table.rows and not mine:
            continue
        columns = _columns(table, mine.values())
        for target in _eval_targets(mine.values()) or [None]:
            first = not blocks or blocks[-1].columns != columns
            parts = _parts([table], columns, mine, _by_target(target), papers=first)
            title = table.title if first else f"The same, ranked by {target}"
            blocks.append(Block(title, _notes(mine, target), columns, parts, first))
        held_out = _parts([table], columns, mine, _held_out, papers=False)
        if held_out:
            note = "the main test label; cells isomorphic to a training cell left out"
            blocks.append(Block("The same, held out", [note], columns, held_out))
    return blocks


def main_blocks(found: Results, tables: Sequence[Published]) -> list[Block]:
    """Of each of these tables that has results the main block alone."""
    titles = [table.title for table in tables]
    return [block for block in all_blocks(found) if block.title in titles]


def short_block(found: Results) -> Block:
    """One table of both benchmarks: TNASP, the highest published numbers, and our own
    predictors, without scores of validation cells."""
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
        published.HIGHEST,
    ]
    return Block("", notes, columns, parts)


def only(block: Block, wanted: Callable[[Line], bool]) -> Block:
    """The block with some of its lines, without the parts that are left empty."""
    parts = [
        (head, [line for line in lines if wanted(line)]) for head, lines in block.parts
    ]
    return block._replace(parts=[(head, lines) for head, lines in parts if lines])


def column_of(summary: dict[str, Any]) -> Column:
    """The column that a results.json belongs to."""
    sampled = summary["name"].endswith(f"_test{summary['n_test']}")
    n_test = summary["n_test"] if sampled else None
    return Column(summary["table"], summary["n_train"], n_test)


def _columns(table: Published, summaries: Iterable[dict[str, Any]]) -> list[Column]:
    """Those published, and after them any other that there are results for."""
    others = {column_of(summary) for summary in summaries} - set(table.columns)
    return [*table.columns, *sorted(others, key=lambda c: (c.n_train, c.n_test or 0))]


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
        if short and evolution:
            break
        modes = [mode for mode in SUFFIXES if (mode != "off") == evolution]
        lines: list[Line] = []
        rows = [r for t in tables for r in t.rows if r.evolution == evolution]
        rest = dict.fromkeys(str(s["predictor"]) for s in found.values())
        for method in dict.fromkeys(row.method for row in rows):
            same = [row for row in rows if row.method == method]
            predictors = dict.fromkeys(name for row in same for name in row.ours)
            if short and not set(SHORT) & set(predictors):
                continue
            known = _known(same) if papers else {}
            if papers:
                lines.append(_paper_line(same[0], known, columns))
            for name in predictors:
                rest.pop(name, None)
                if short and name not in SHORT:
                    continue
                lines += _our_lines(name, modes, tables, columns, found, measure, known)
        if short and not evolution:
            lines.append(_highest_line(rows, columns))
        for name in (name for name in rest if not short or name in SHORT):
            lines += _our_lines(name, modes, tables, columns, found, measure, {})
        if lines:
            parts.append((heading, lines))
    return parts


def _known(rows: Sequence[Row]) -> dict[Column, float]:
    """What was published of a method, over its tables."""
    return {column: value for row in rows for column, value in row.values.items()}


def _paper_line(row: Row, known: dict[Column, float], columns: list[Column]) -> Line:
    values = [Value(known[c]) if c in known else None for c in columns]
    return Line(row.method, row.source, None, values)


def _highest_line(rows: Sequence[Row], columns: list[Column]) -> Line:
    """Of each column, over all methods without scores of validation cells."""
    values = [max((r.values.get(c, -1.0) for r in rows), default=-1.0) for c in columns]
    shown = [Value(value) if value >= 0 else None for value in values]
    return Line("the highest published number that we found", "", None, shown)


def _our_lines(
    predictor: str,
    modes: Sequence[str],
    tables: Sequence[Published],
    columns: list[Column],
    found: Results,
    measure: Measure,
    known: dict[Column, float],
) -> list[Line]:
    """Our rows of one predictor: one a way of training that has any result."""
    lines = []
    for mode in modes:
        stem = f"{predictor}{SUFFIXES[mode]}"
        summaries = [found.get(_name(stem, column)) for column in columns]
        present = [summary for summary in summaries if summary]
        if not present:
            continue
        rounds = sorted({s["se_rounds"] for s in present if s["se_rounds"]})
        words = [t.words[predictor] for t in tables if predictor in t.words]
        about = [f"ours: {_HOW[mode]}{predictor}", *words[:1]]
        if rounds:
            about.append(f"T = {' or '.join(map(str, rounds))}")
        prefix = tables[0].table if len(tables) == 1 else "TABLE"
        source = f"results/{prefix}_{stem}_*.json"
        # The control is no published method.
        paper = {} if mode == "control" else known
        values = [
            _value(summary, measure, paper.get(column))
            for summary, column in zip(summaries, columns, strict=True)
        ]
        lines.append(Line(", ".join(about), source, predictor, values))
    return lines


def _name(stem: str, column: Column) -> str:
    test = "" if column.n_test is None else f"_test{column.n_test}"
    return f"{column.table}_{stem}_{column.n_train}{test}"


def _value(
    summary: dict[str, Any] | None, measure: Measure, paper: float | None
) -> Value | None:
    tau = measure(summary) if summary else None
    if summary is None or tau is None:
        return None
    return Value(
        tau["mean"],
        tau["std"],
        len(summary["seeds"]),
        summary["train_steps"],
        summary["wall_seconds"],
        summary["device"],
        paper,
    )


def _notes(found: Results, target: str | None) -> list[str]:
    """Which accuracies these are, as the results themselves say."""
    summaries = list(found.values())
    if summaries and summaries[0]["table"] in ranked.TABLES:
        return _notes_of_one_label(summaries)
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
    return [*notes, _draws_note(), *_asking_notes(found)]


def _asking_notes(found: Results) -> list[str]:
    """How predictors without gradient steps evolve, where a row is of one."""
    asked = {
        summary["predictor"]
        for summary in found.values()
        if summary["self_evolution"] == "projection" and summary["train_steps"] == 0
    }
    if not asked:
        return []
    return [
        f"SE by projection of {' and '.join(sorted(asked))}: the predictor chooses the T "
        "submissions by what it knows least, and is fitted again "
        "(docs/self_evolution.md); not the paper's way of asking"
    ]


def _notes_of_one_label(summaries: Sequence[dict[str, Any]]) -> list[str]:
    """Those of a table whose networks are learnt from and ranked by one label."""
    first = summaries[0]
    target = first["train_target"]
    hidden = sorted({s["n_val"] for s in summaries})
    sizes = sorted({s["n_test"] for s in summaries})
    ranked_ones = f"{sizes[0]:,}" + f" to {sizes[-1]:,}" * (len(sizes) > 1)
    return [
        f"{target}: {first['targets'][target]}",
        f"columns: number of training networks; ranked: {ranked_ones} others, without "
        f"the {' or '.join(map(str, hidden))} validation networks",
        _ours_note(),
    ]


def _draws_note() -> str:
    return f"{_ours_note()}; the published numbers are single"


def _ours_note() -> str:
    return (
        f"ours: mean (sd) over {USUAL_DRAWS} draws of training cells and seeds, or as "
        "many as it says"
    )
