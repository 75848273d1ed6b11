"""Scores architectures by a finished run.

python -m experiments.predict --run=DIR ARCHITECTURE ...
python -m experiments.predict --run=DIR --csv=FILE

Without an architecture on the command line they are read from stdin, one a line. Of a run
of experiments.custom they may also stand in a file of the form that it learnt from, whose
labels are not read. Prints `architecture<TAB>score`, the score a fraction, in the order of
the file; its target stands on stderr.
"""

import sys

from absl import flags

from experiments.own_space import bad_rows, custom_flags
from experiments.shell import command
from experiments.shell.command import UserError
from tnasp_jax import runs
from tnasp_jax.benchmarks import custom
from tnasp_jax.spaces.custom import CustomSpace


def define(values: flags.FlagValues) -> None:
    flags.DEFINE_string(
        "run", None, "folder of a finished run; needed", flag_values=values
    )
    custom_flags.define_forms(values)
    flags.DEFINE_bool(
        "std",
        False,
        "a third column: the standard deviation of a label, or of the models",
        flag_values=values,
    )
    flags.DEFINE_bool("quiet", False, "no line on stderr", flag_values=values)


def main(values: flags.FlagValues, texts: list[str]) -> int:
    if not values.run:
        raise UserError("--run is missing; give the --workdir of a finished run")
    custom_flags.check_forms(values)
    if sum(map(bool, (texts, values.csv, values.jsonl))) > 1:
        raise UserError("give architectures, --csv or --jsonl, one of them")
    run = runs.load(values.run)
    if values.csv or values.jsonl:
        texts = of_file(values.csv or values.jsonl, run)
    elif not texts:
        texts = of_stdin()
    if values.std:
        scores, deviations = run.predict(texts, return_std=True)
    else:
        scores = deviations = run.predict(texts)
    if not values.quiet:
        print(
            f"predicting {run.target} as a fraction ({run.description}); "
            f"mean of {run.draws} trained models",
            file=sys.stderr,
        )
    for text, score, deviation in zip(texts, scores, deviations, strict=True):
        extra = f"\t{deviation:.6f}" if values.std else ""
        print(f"{text}\t{score:.6f}{extra}")
    return 0


def of_file(path: str, run: runs.Run) -> list[str]:
    """The architectures of a csv or jsonl file."""
    if not isinstance(run.space, CustomSpace):
        raise UserError(
            f"{path}: a file is of runs of experiments.custom; this one is on "
            f"{run.space.name}, give its architectures on stdin, one a line"
        )
    with bad_rows.told(path):
        return [run.space.format(cell) for cell in custom.read_cells(path, run.space)]


def of_stdin() -> list[str]:
    """The architectures on stdin, one a line."""
    if sys.stdin.isatty():
        print("architectures, one a line, ctrl-D at the end:", file=sys.stderr)
    texts = [line.strip() for line in sys.stdin if line.strip()]
    if not texts:
        raise UserError("no architecture on the command line nor on stdin")
    return texts


if __name__ == "__main__":
    command.run(main, define, words="ARCHITECTURE ...")
