"""Which accuracies a benchmark table holds, and how far they agree.

python -m experiments.targets [TABLE ...]

Prints a markdown table for each of them, or of all whose files are there: every label,
its split, repeats, epochs and unit, the cells where it was measured, and Kendall's tau-b
between it and the training label.
"""

import sys

from absl import flags

from experiments.cells import table_names
from experiments.shell import command
from tnasp_jax import benchmarks
from tnasp_jax.benchmarks import Table


def define(values: flags.FlagValues) -> None:
    command.define_shared(values, ("data_dir",))


def main(values: flags.FlagValues, names: list[str]) -> None:
    folder = command.data_dir(values)
    tables = []
    for name in map(table_names.full_name, names or benchmarks.NAMES):
        try:
            tables.append(benchmarks.load(name, folder))
        except benchmarks.MissingData as error:
            if names:
                raise
            print(f"{name} is left out: no file {error.path}", file=sys.stderr)
    print("\n".join(document(table) for table in tables), end="")


def document(table: Table) -> str:
    """The labels of one table as markdown, the training label first."""
    uses = {table.train_target: "trained on"}
    for target in table.eval_targets:
        learnt = target in uses
        uses[target] = "trained on; other cells ranked by" if learnt else "ranked by"
    order = [*uses, *(target for target in table.labels if target not in uses)]
    lines = [
        f"| target | what it is | used | cells | tau with {table.train_target} |",
        "| --- | --- | --- | ---: | ---: |",
    ]
    for target in order:
        agreement = benchmarks.ceiling(table, table.train_target, target)
        cells = len(table.candidates(target))
        lines.append(
            f"| `{target}` | {table.describe[target]} | {uses.get(target, '-')} "
            f"| {cells:,} | {agreement:.3f} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    command.run(main, define, words="TABLE ...")
