"""Tables 1, 2, 3 and 8 with every published method, and other spaces, from results/.

python -m experiments.tables [--format=text|markdown|csv] [--results=results] [--short]

A row of ours is the mean (sd) over ten draws, or as many as it says; under each table
stand what our rows cost, and why they differ from the published ones where they do.
Other spaces (experiments.rank) have no published rows; what a surrogate computed is
called so. Rankings by supernets follow, and Tables 3 and 8, of networks that searches
found. csv holds Kendall's taus alone; `--short` prints the one table of the README: TNASP,
the highest published numbers and the library's own. Missing cells are `-`.
"""

from collections.abc import Sequence
from pathlib import Path

from absl import flags

from experiments.cells import ranked, results
from experiments.cells.columns import Published
from experiments.reports import network_tables, published, table_format, table_rows
from experiments.reports.table_rows import Results
from experiments.shell import command
from experiments.shell.command import UserError
from tnasp_jax.predictors.best import ABLATIONS

FORMATS = ("text", "markdown", "csv")


def define(values: flags.FlagValues) -> None:
    flags.DEFINE_enum("format", "text", FORMATS, "form of the output", values)
    flags.DEFINE_string("results", "results", "folder of finished results", values)
    flags.DEFINE_bool("short", False, "the one table of the README", values)


def main(values: flags.FlagValues) -> None:
    print(document(Path(values.results), values.format, short=values.short), end="")


def document(folder: Path, form: str, *, short: bool = False) -> str:
    """The tables as text of the form, which ends with a line break."""
    found = read_results(folder)
    blocks = [table_rows.short_block(found)] if short else table_rows.all_blocks(found)
    if form == "csv":
        return table_format.records(blocks)
    show = table_format.markdown if form == "markdown" else table_format.text
    more = [] if short else network_tables.sections(folder)
    return show(blocks, details=not short, more=more)


def of_spaces(folder: Path, which: Sequence[Published]) -> str:
    """Some of the tables of other spaces as markdown, for a block of the docs."""
    blocks = table_rows.main_blocks(read_results(folder), which)
    return table_format.markdown(blocks, details=False)


def of_ablations(folder: Path) -> str:
    """`best` and what is left of it without each ingredient, for a block of the docs."""
    ablations = read_results(folder / "ablation")
    seen = {summary["table"] for summary in ablations.values()}
    whole = {
        name: summary
        for name, summary in read_results(folder).items()
        if summary["predictor"] == "best"
        and summary["table"] in seen
        and summary["self_evolution"] == "off"
    }
    every = (*published.TABLES, *ranked.DARTS, *ranked.MNASNET)
    which = [table for table in every if table.table in seen]
    blocks = [
        table_rows.only(block, lambda line: line.predictor in ("best", *ABLATIONS))
        for block in table_rows.main_blocks(whole | ablations, which)
    ]
    return table_format.markdown(blocks, details=False)


def of_supernets(folder: Path) -> str:
    """The ranking by supernets as markdown, for a block of the docs."""
    return table_format.markdown(
        [], details=False, more=network_tables.supernets(folder)
    )


def of_trained(folder: Path) -> str:
    """The DARTS networks that were trained here as markdown, for a block of the docs."""
    return table_format.markdown([], details=False, more=network_tables.trained(folder))


def read_results(folder: Path) -> Results:
    """results/NAME.json by name.

    Raises:
      UserError: for a missing folder, a damaged file, a file under another cell's
        name, and a result that was trained on another label than its table's.
    """
    if not folder.is_dir():
        raise UserError(f"--results={folder}: no such folder")
    every = (*published.TABLES, *ranked.TABLES.values())
    targets = {table.table: table.train_target for table in every}
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


if __name__ == "__main__":
    command.run(main, define)
