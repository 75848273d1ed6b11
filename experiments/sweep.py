"""Runs cells of the tables by name; skips the finished, resumes the cut.

python -m experiments.sweep nb201_tnasp_78 nb201_tnasp_se_78 nb101_tnasp_424_test100

A name is TABLE_PREDICTOR[_se|_seproj|_control]_N[_testM] with TABLE nb101, nb201,
nb201digits or a table of experiments.rank; its recipe is
experiments/flagfiles/SPACE_PREDICTOR.flags. The run goes into --runs/NAME, its
results.json to --results/NAME.json. A cell with self-evolution starts from the trained
draws of the same cell without, where --runs holds them.
"""

import re
import sys
import time
from pathlib import Path
from typing import NamedTuple

import jax
from absl import flags

from experiments.cells import pipeline, ranked, results, table_command
from experiments.cells.cell import SUFFIXES, Cell
from experiments.shell import command, devices, strict_flags
from experiments.shell.command import UserError
from experiments.shell.progress import Progress
from tnasp_jax import runs
from tnasp_jax.benchmarks import Table

FLAGFILES = Path(__file__).parent / "flagfiles"
_NAME = re.compile(
    rf"(?P<table>nb101|nb201digits|nb201|{'|'.join(ranked.TABLES)})"
    r"_(?P<predictor>[a-z0-9_]+?)"
    r"(?P<evolution>_se|_seproj|_control)?_(?P<n>\d+)(?:_test(?P<test>\d+))?"
)


class Named(NamedTuple):
    """A cell by name: the command's module and arguments that make it.

    Attributes:
      name: of the cell.
      module: of `experiments`, "nb101", "nb201" or "rank".
      arguments: its flags.
    """

    name: str
    module: str
    arguments: list[str]


def define(values: flags.FlagValues) -> None:
    flags.DEFINE_string("runs", "runs", "folder of run folders", flag_values=values)
    flags.DEFINE_string(
        "results", "results", "folder of finished results", flag_values=values
    )
    command.define_shared(values, ("data_dir",))
    flags.DEFINE_bool("quiet", False, "one line a cell", flag_values=values)


def main(values: flags.FlagValues, names: list[str]) -> int:
    if not names:
        raise UserError("no cell named; see --help for the form of a name")
    named = [read_name(name) for name in names]
    devices.use_all_cores()
    done_folder = Path(values.results)
    waiting = [n for n in named if not (done_folder / f"{n.name}.json").exists()]
    tables: dict[str, Table] = {}
    cells = [(n, *_prepare(n, values, tables)) for n in waiting]
    costs = [cost(cell, table) for _, cell, table, _ in cells]
    progress = Progress(sum(costs), f"{len(cells)} of {len(named)} cells", False)
    for at, (n, cell, table, flags_text) in enumerate(cells):
        began = time.monotonic()
        summary = pipeline.run_cell(
            cell,
            table,
            Path(values.runs) / n.name,
            flags_text=flags_text,
            argv=["python", "-m", f"experiments.{n.module}", *n.arguments],
            from_run=_plain_run(cell, Path(values.runs)),
            resume=True,
            quiet=True,
        )
        done_folder.mkdir(parents=True, exist_ok=True)
        runs.write_json(done_folder / f"{n.name}.json", summary)
        jax.clear_caches()  # The next cell has other shapes.
        tau = results.mean_std(summary["kendall_tau"])
        seconds = time.monotonic() - began
        progress.update(sum(costs[: at + 1]), f"{n.name} tau {tau}, {seconds:.0f} s")
        if not values.quiet:
            print(f"{n.name}\ttau {tau}\t{seconds:.0f} s", flush=True)
    return 0


def read_name(name: str) -> Named:
    """The command of a cell's name.

    Raises:
      UserError: for a name of another form, or a predictor without a flag file.
    """
    match = _NAME.fullmatch(name)
    if not match:
        raise UserError(
            f"{name}: expected TABLE_PREDICTOR[_se|_seproj|_control]_N[_testM], "
            f"such as nb201_tnasp_se_78{_near(name)}"
        )
    module, space = _module_and_space(match["table"])
    flagfile = FLAGFILES / f"{space}_{match['predictor']}.flags"
    if not flagfile.is_file():
        known = ", ".join(_predictors(space))
        raise UserError(
            f"{name}: no recipe of {match['predictor']} for {match['table']}; there are "
            f"those of {known}{_near(name)}"
        )
    mode = next(m for m, s in SUFFIXES.items() if s == (match["evolution"] or ""))
    arguments = [
        f"--flagfile=experiments/flagfiles/{flagfile.name}",
        f"--n_train={match['n']}",
        f"--self_evolution={mode}",
    ]
    if match["test"]:
        arguments.append(f"--n_test={match['test']}")
    if match["table"] == "nb201digits":
        arguments.append("--table=digits")
    if module == "rank":
        arguments.append(f"--table={match['table']}")
    return Named(name, module, arguments)


def _predictors(space: str) -> list[str]:
    """Those that have a flag file for a space."""
    stems = (path.stem for path in FLAGFILES.glob(f"{space}_*.flags"))
    return sorted(stem.removeprefix(f"{space}_") for stem in stems)


def _near(name: str) -> str:
    """`; did you mean ...?` with the nearest cell of the same numbers, or nothing."""
    parts = re.fullmatch(r"(?P<begin>.+?)(?P<numbers>_\d+(_test\d+)?)", name)
    if not parts:
        return ""
    known = [
        f"{table}_{predictor}{suffix}"
        for table in ("nb101", "nb201", "nb201digits", *ranked.TABLES)
        for predictor in _predictors(_module_and_space(table)[1])
        for suffix in SUFFIXES.values()
    ]
    found = strict_flags.near(parts["begin"], known)
    return found.replace("?", f"{parts['numbers']}?")


def _module_and_space(table: str) -> tuple[str, str]:
    """The module that runs a table, and what its flag files begin with."""
    if table in ranked.SPACES:
        return "rank", ranked.SPACES[table]
    return ("nb101", "nb101") if table == "nb101" else ("nb201", "nb201")


def cost(cell: Cell, table: Table) -> int:
    """Work of a cell, in steps of ten cells: what the time left is reckoned by."""
    scored = cell.n_test or len(table)
    # What is fitted at once takes no steps, but about as long as so many.
    steps = results.train_steps(cell, table) or 1000 + 4 * cell.n_train
    return len(cell.seeds) * (steps + scored // 50) + 2000


def _prepare(
    named: Named, values: flags.FlagValues, tables: dict[str, Table]
) -> tuple[Cell, Table, str]:
    flag_values = strict_flags.create(
        ranked.define if named.module == "rank" else command.define_shared
    )
    absolute = named.arguments[0].replace("experiments/flagfiles", FLAGFILES.as_posix())
    arguments = [absolute, *named.arguments[1:]]
    if values.data_dir:
        arguments.append(f"--data_dir={values.data_dir}")
    strict_flags.parse(flag_values, arguments)
    key = f"{named.module} {flag_values.table}"
    if key not in tables:
        tables[key] = table_command.load_table(flag_values, named.module)
    cell = table_command.cell_of(flag_values, tables[key])
    if cell.name != named.name:
        raise UserError(f"{named.name}: write {cell.name}")
    return cell, tables[key], command.resolved(flag_values)


def _plain_run(cell: Cell, folder: Path) -> Path | None:
    if cell.evolution is None:
        return None
    plain = folder / cell.plain_name
    return plain if (plain / "results.json").exists() else None


if __name__ == "__main__":
    if len(sys.argv) == 1:
        sys.argv.append("--help")
    command.run(main, define, words="NAME ...")
