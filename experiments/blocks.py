"""Makes again the marked blocks of README.md and docs/, from results and tables.

python -m experiments.blocks [NAME ...]

A block stands between `<!-- NAME -->` and `<!-- /NAME -->`. Without names, all are made
but `quickstart`, which trains for a minute.
"""

import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from absl import flags

from experiments import tables, targets
from experiments.cells import ranked
from experiments.reports import search_tables
from experiments.shell import command
from experiments.shell.command import UserError
from tnasp_jax import benchmarks

FILES = tuple(
    Path(name)
    for name in (
        "README.md",
        "docs/index.md",
        "docs/which_accuracy.md",
        "docs/darts.md",
        "docs/chains.md",
        "docs/results.md",
        "docs/search.md",
        "docs/best.md",
        "docs/supernets.md",
    )
)
QUICKSTART = "python -m experiments.quickstart --workdir=runs/quickstart --overwrite"


def define(values: flags.FlagValues) -> None:
    command.define_shared(values, ("data_dir",))


def main(values: flags.FlagValues, names: list[str]) -> None:
    makers = all_blocks(command.data_dir(values))
    unknown = [name for name in names if name not in makers]
    if unknown:
        raise UserError(f"no block {unknown[0]!r}; there are {', '.join(makers)}")
    wanted = names or [name for name in makers if name != "quickstart"]
    for path in FILES:
        text = path.read_text()
        for name in wanted:
            if marked(text, name) is not None:
                text = filled(text, name, makers[name]())
                print(f"{path}: {name}")
        path.write_text(text)


def all_blocks(data_dir: Path | None) -> dict[str, Callable[[], str]]:
    """Of each block by name, the function that makes it."""
    makers: dict[str, Callable[[], str]] = {
        "tables": lambda: tables.document(Path("results"), "markdown", short=True),
        "all_tables": lambda: tables.document(Path("results"), "markdown"),
        "ranking_darts": lambda: tables.of_spaces(Path("results"), ranked.DARTS),
        "ranking_mnasnet": lambda: tables.of_spaces(Path("results"), ranked.MNASNET),
        "ablations": lambda: tables.of_ablations(Path("results")),
        "supernets": lambda: tables.of_supernets(Path("results")),
        "trained_darts": lambda: tables.of_trained(Path("results")),
        "search_methods": lambda: search_tables.document(Path("results")),
        "quickstart": _quickstart,
    }
    for name in benchmarks.NAMES:
        makers[name] = lambda name=name: targets.document(
            benchmarks.load(name, data_dir)
        )
    return makers


def marked(text: str, name: str) -> str | None:
    """What stands in a block now; None if the text has no such block."""
    found = re.search(_pattern(name), text, re.DOTALL)
    return found and found[2]


def filled(text: str, name: str, content: str) -> str:
    """The text with the content in the block."""
    return re.sub(
        _pattern(name),
        lambda found: f"{found[1]}{content}{found[3]}",
        text,
        flags=re.DOTALL,
    )


def _pattern(name: str) -> str:
    return rf"(<!-- {name} -->\n)(.*?)(<!-- /{name} -->)"


def _quickstart() -> str:
    """What the first run prints on stdout, without the lines of progress."""
    words = [sys.executable, *shlex.split(QUICKSTART)[1:]]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
    return f"```text\n{done.stdout.rstrip()}\n```\n"


if __name__ == "__main__":
    command.run(main, define, words="NAME ...")
