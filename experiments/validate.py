"""Lists every bad row of a file of architectures.

python -m experiments.validate --space=NAME FILE

FILE has one architecture a line, as text of the space; of the space `custom` it is a csv
file with the columns ops and edges, or a jsonl file, and its labels are looked at too:
those that --train_label and --test_label name, or every column of accuracies. Prints a
line for each bad row, with its number (from 0), the line of the file (from 1) and what is
wrong, and a line for each label of which nothing can be learnt. Exits 1 if there is any.
Of the space `custom`, whose operations are the file's own, it also lists these and the
sizes of the graphs: a name that one row alone has may be a slip.
"""

from collections.abc import Sequence
from pathlib import Path

from absl import flags

from experiments.own_space import custom_flags
from experiments.shell import command
from experiments.shell.command import UserError
from tnasp_jax.benchmarks import custom
from tnasp_jax.benchmarks.custom_contents import Contents, Operation, nearest
from tnasp_jax.benchmarks.custom_rows import Problem
from tnasp_jax.spaces import SPACES, get_space
from tnasp_jax.spaces import custom as custom_space
from tnasp_jax.spaces.base import validate

BAD = 1
SHOWN = 20  # The most and the least used operations that are listed.
OF_CUSTOM = ("train_label", "test_label", "percent", "ops", "num_nodes")


def define(values: flags.FlagValues) -> None:
    names = ", ".join((*SPACES, custom_space.NAME))
    flags.DEFINE_string("space", None, f"one of {names}; needed", flag_values=values)
    custom_flags.define_file(values)


def main(values: flags.FlagValues, files: list[str]) -> int:
    if not values.space:
        raise UserError(
            "--space is missing; name the space of the architectures, custom for a csv or "
            "jsonl file of your own"
        )
    if len(files) != 1:
        raise UserError(f"expected one file of architectures, got {len(files)}")
    path = Path(files[0])
    if values.space == custom_space.NAME:
        return _custom(values, path)
    for name in OF_CUSTOM:
        if values[name].present:
            raise UserError(f"--{name} is of the space {custom_space.NAME}")
    count, problems = find_problems(values.space, path)
    return _tell(values.space, count, problems)


def _custom(values: flags.FlagValues, path: Path) -> int:
    """Tells of a user's own file; the exit code."""
    found = custom.find_problems(
        path,
        labels=custom_flags.labels(values) or None,
        percent=values.percent,
        ops=values.ops,
        num_nodes=values.num_nodes,
    )
    for column in found.columns:
        print(custom_flags.advised(column))
    code = _tell(values.space, found.num_rows, found.problems)
    if found.labels:
        print(f"labels looked at: {', '.join(found.labels)}")
    if found.others and not values.train_label:
        print(
            f"not looked at: {', '.join(found.others)}; name labels by --train_label "
            "and --test_label"
        )
    if found.others and not found.labels:
        print("no column reads as accuracies, which custom needs to learn from")
    if found.repeats:
        print(f"rows whose graph an earlier row has: {found.repeats}")
    if found.quarrel:
        print(found.quarrel)
    if found.contents:
        print("\n".join(listed(found.contents)))
    if found.columns or code:
        return BAD
    if found.labels:
        flags_of_custom = _flags_of_custom(values, path, found.labels)
        print(f"\nnext:\n  {command.typed('custom', *flags_of_custom)}")
    return 0


def _flags_of_custom(
    values: flags.FlagValues, path: Path, labels: Sequence[str]
) -> list[str]:
    """The flags of a run on a file that is right."""
    form = "csv" if path.suffix.lower() == ".csv" else "jsonl"
    learnt, judged = values.train_label, values.test_label
    if not learnt:
        learnt = next((name for name in labels if not _of_test(name)), labels[0])
        judged = next((n for n in labels if _of_test(n) and n != learnt), None)
    found = [f"--{form}={path}", f"--train_label={learnt}"]
    if judged:
        found.append(f"--test_label={judged}")
    given = ("percent", "ops", "num_nodes")
    found += [values[name].serialize() for name in given if values[name].present]
    return [*found, "--workdir=runs/own"]


def _of_test(label: str) -> bool:
    """Whether the name says so: what is ranked by is not to be learnt from."""
    return "test" in label.lower()


def listed(contents: Contents) -> list[str]:
    """Lines on the graphs of a file: their sizes and operations."""
    nodes, edges = (_range(each) for each in (contents.nodes, contents.edges))
    found = contents.operations
    ends, more = found, []
    if len(found) > 2 * SHOWN:
        ends = [*found[:SHOWN], *found[-SHOWN:]]
        more = [f"  ... {len(found) - 2 * SHOWN} more"]
    width = max(len(each.name) for each in ends)
    lines = [_use(each, found, width) for each in ends]
    return [
        f"{contents.graphs} graphs of {nodes} nodes and {edges} edges",
        "operations, and how many graphs have them:",
        *(lines[:SHOWN] + more + lines[SHOWN:]),
    ]


def _range(ends: tuple[int, int]) -> str:
    return str(ends[0]) if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"


def _use(operation: Operation, known: list[Operation], width: int) -> str:
    line = f"  {operation.name:{width}} {operation.count:>7,}"
    if operation.count > 1 or not (near := nearest(operation.name, known)):
        return line
    return (
        f"{line}  row {operation.row}, line {operation.line} alone; nearest: {near!r}"
    )


def _tell(space: str, count: int, problems: list[Problem]) -> int:
    """Prints every bad row, or that there is none; the exit code."""
    for problem in problems:
        print(problem)
    if problems:
        print(f"{len(problems)} of {count} rows are bad")
        return BAD
    print(f"all {count} rows are architectures of {space}")
    return 0


def find_problems(name: str, path: Path) -> tuple[int, list[Problem]]:
    """Number of architectures in a file of text, and every one that is bad.

    Raises:
      UserError: for a file that cannot be read or holds none.
    """
    space = get_space(name)
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from None
    texts = {at: line.strip() for at, line in enumerate(lines, 1) if line.strip()}
    if not texts:
        raise UserError(f"{path}: holds no architectures")
    places = list(texts)
    found = validate(space, list(texts.values()))
    return len(texts), [
        Problem(row, places[row], said.removeprefix(f"{name}: ")) for row, said in found
    ]


if __name__ == "__main__":
    command.run(main, define, words="FILE")
