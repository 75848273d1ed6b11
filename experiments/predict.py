"""Scores architectures by a finished run.

python -m experiments.predict --run=DIR ARCHITECTURE ...

Without an architecture on the command line they are read from stdin, one a line. Prints
`architecture<TAB>score`, the score a fraction; its target stands on stderr.
"""

import sys

from absl import flags

from experiments.shell import command
from experiments.shell.command import UserError
from tnasp_jax import runs


def define(values: flags.FlagValues) -> None:
    flags.DEFINE_string("run", None, "folder of a finished run", flag_values=values)
    flags.DEFINE_bool(
        "std",
        False,
        "third column: standard deviation, of a label around the score where the "
        "predictor knows it, else of the draws",
        flag_values=values,
    )
    flags.DEFINE_bool("quiet", False, "no line on stderr", flag_values=values)


def main(values: flags.FlagValues, texts: list[str]) -> int:
    if not values.run:
        raise UserError("--run is missing; give the --workdir of a finished run")
    run = runs.load(values.run)
    texts = texts or [line.strip() for line in sys.stdin if line.strip()]
    if not texts:
        raise UserError("no architecture on the command line nor on stdin")
    if values.std:
        scores, deviations = run.predict(texts, return_std=True)
    else:
        scores = deviations = run.predict(texts)
    if not values.quiet:
        print(
            f"predicting {run.target} as a fraction ({run.description}); "
            f"mean of {run.draws} draws",
            file=sys.stderr,
        )
    for text, score, deviation in zip(texts, scores, deviations, strict=True):
        extra = f"\t{deviation:.6f}" if values.std else ""
        print(f"{text}\t{score:.6f}{extra}")
    return 0


if __name__ == "__main__":
    command.run(main, define, words="ARCHITECTURE ...")
