"""The shell around every command: its flags, its mistakes, its exit codes.

    def define(values):
        command.define_shared(values)

    def main(values):
        ...

    if __name__ == "__main__":
        command.run(main, define)

A user's mistake is one line on stderr and exit code 2; a bug keeps its traceback.
"""

import inspect
import math
import os
import shlex
import sys
import traceback
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, NoReturn

from absl import flags

from experiments.shell import help_page, interrupts, strict_flags
from experiments.shell.advice import advised
from experiments.shell.strict_flags import UserError, parse

__all__ = [
    "UserError",
    "check_free",
    "check_n_train",
    "check_out",
    "check_shared",
    "data_dir",
    "define_shared",
    "parse",
    "resolved",
    "run",
    "typed",
]

MISTAKE = 2
INTERRUPTED = 130
BROKEN_PIPE = 141
# Flags that say where and how a command runs, not what it computes.
_NOT_RECIPE = {"workdir", "resume", "overwrite", "quiet", "debug", "data_dir"}
_NOT_RECIPE |= {"flagfile", "from_run", "help"}


def run(
    main: Callable[..., int | None],
    define: Callable[[flags.FlagValues], None],
    argv: Sequence[str] | None = None,
    *,
    words: str = "",
) -> NoReturn:
    """Runs a command and exits with the code that main returns, None for 0.

    Args:
      main: called as `main(values)`; with `words` as `main(values, list of words)`.
        The docstring of its module is the text of `--help`.
      define: defines the command's flags on the FlagValues that it is given.
      argv: the arguments, without the program's name; default: the command line's.
      words: what the command takes beside flags, as "ARCHITECTURE ..."; "" for nothing.
    """
    argv = sys.argv[1:] if argv is None else list(argv)
    values = strict_flags.create(define)
    try:
        if "--help" in argv:
            print(_help(main, values, words))
            sys.exit(0)
        found = parse(values, argv, words=words)
        with interrupts.sent_again():
            code = main(values, found) if words else main(values)
        sys.stdout.flush()
        sys.exit(code)
    except BrokenPipeError:  # Whoever read our output has seen enough, like `head`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(BROKEN_PIPE)
    except KeyboardInterrupt:
        advice = "; --resume goes on from here" if "resume" in values else ""
        start = "\n" if sys.stderr.isatty() else ""  # After ^C or a line of progress.
        print(f"{start}interrupted{advice}", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except ValueError as error:
        if "--debug" in argv or values["debug"].value:
            traceback.print_exc()
        text = advised(error, values)
        message = " ".join(line.strip() for line in text.splitlines())
        print(f"error: {message}", file=sys.stderr)
        sys.exit(MISTAKE)


def _help(main: Callable, values: flags.FlagValues, words: str) -> str:
    about = inspect.cleandoc(sys.modules[main.__module__].__doc__ or "")
    return help_page.page(about, values, words)


# Kinds of values.


class Kind(flags.ArgumentParser):
    """Text to a value by `convert`; what `accept` does not accept is a mistake.

    `names` are all that it accepts, where these are few.
    """

    def __init__(
        self,
        convert: Callable[[str], Any],
        accept: Callable[[Any], bool],
        expected: str,
        names: Collection[str] = (),
    ):
        super().__init__()
        self.convert, self.accept, self.syntactic_help = convert, accept, expected
        self.enum_values = list(names)

    def parse(self, argument: str) -> Any:
        value = self.convert(argument)
        if not self.accept(value):
            raise ValueError(f"expected {self.syntactic_help}")
        return value


def _whole(least: int) -> Kind:
    return Kind(int, lambda n: n >= least, f"a whole number >= {least}")


def _one_of(*names: str) -> Kind:
    return Kind(str, lambda name: name in names, f"one of {', '.join(names)}", names)


def _seeds(text: str) -> tuple[int, ...]:
    return tuple(int(seed) for seed in text.split(","))


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(","))


_TEXT = Kind(str, bool, "a word")
_POSITIVE = Kind(float, lambda x: 0 < x < math.inf, "a number > 0")
_POSITIVE_OR_INF = Kind(float, lambda x: x > 0, "a number > 0, or inf")
_BELOW_1 = Kind(float, lambda x: 0 <= x < 1, "a number >= 0 and < 1")
_NOT_NEGATIVE = Kind(float, lambda x: 0 <= x < math.inf, "a number >= 0")
_SEEDS = Kind(  # JAX takes seeds modulo 2^32.
    _seeds,
    lambda seeds: len(set(seeds)) == len(seeds) and all(0 <= s < 2**32 for s in seeds),
    "distinct whole numbers from 0 to 4294967295, separated by commas",
)
NAMES = Kind(
    _names,
    lambda names: len(set(names)) == len(names) and all(names),
    "distinct names, separated by commas",
)


_PREDICTOR = "what predicts: best, gp, forest, trees, tnasp, ...; docs/ tells of each"
_OWN = "; default: the predictor's own"
# The flags that the tables' commands share: name, kind, default as text, help.
_SHARED: list[tuple[str, Kind, str | None, str]] = [
    (
        "table",
        _one_of("official", "digits", "nb101", "nb201", "nb201digits"),
        "official",
        "official (nb101, nb201) or digits, in the package (nb201digits)",
    ),
    ("predictor", _TEXT, "best", _PREDICTOR),
    (
        "self_evolution",
        _one_of("off", "minimax", "projection", "control"),
        "off",
        "off; minimax, the paper's; projection, closed form; control, no scores",
    ),
    (
        "se_rounds",
        _whole(1),
        None,
        "rounds of self-evolution; default: 6, or 20 of what is fitted at once",
    ),
    ("se_steps", _whole(1), "150", "steps of a round"),
    ("se_alpha", _NOT_NEGATIVE, "1.0", "weight of the proxy labels' loss"),
    ("se_proxy_rate", _NOT_NEGATIVE, "1e-3", "learning rate of the proxy labels"),
    ("se_multiplier_rate", _NOT_NEGATIVE, "1e-2", "learning rate of the multipliers"),
    ("n_train", _whole(2), None, "labelled architectures to learn from; needed"),
    ("n_val", _whole(1), "200", "architectures for validation and self-evolution"),
    ("n_test", _whole(2), None, "architectures to test on; default: all"),
    ("seeds", _SEEDS, "0,1,2,3,4,5,6,7,8,9", "one draw for each"),
    ("train_target", _TEXT, None, "label to learn; default: the table's"),
    ("eval_target", NAMES, None, "labels to compare with; default: the table's"),
    ("epochs", _whole(1), None, "passes over the training architectures" + _OWN),
    ("batch_size", _whole(1), None, "architectures in a step" + _OWN),
    ("learning_rate", _POSITIVE, None, "of Adam" + _OWN),
    ("weight_decay", _NOT_NEGATIVE, None, "of Adam" + _OWN),
    ("schedule", _one_of("cosine", "constant"), None, "cosine or constant" + _OWN),
    ("first_moment", _BELOW_1, None, "Adam's decay of the mean gradient" + _OWN),
    ("clip", _POSITIVE_OR_INF, None, "largest norm of a gradient, inf: any" + _OWN),
    ("units", _one_of("rank", "zscore"), "rank", "scale on which labels are learnt"),
    ("data_dir", _TEXT, None, "folder of the official tables; default: $TNASP_DATA"),
    ("workdir", _TEXT, None, "folder of the run; needed"),
    (
        "from_run",
        _TEXT,
        None,
        "finished run without self-evolution, whose trained draws are taken",
    ),
]
_SHARED_SWITCHES = [
    ("resume", "go on with the run that --workdir holds"),
    ("overwrite", "replace the run or the files that are there"),
    ("quiet", "no progress, a short result"),
    ("debug", "show tracebacks"),
]


def define_shared(
    values: flags.FlagValues,
    only: Collection[str] | None = None,
    but: Collection[str] = (),
) -> None:
    """The flags of every table's command, or those of the names in `only`; not `but`.

    `values.set_default(name, text)` alters one.

    Values outside their range are refused as they are parsed; what goes together is for
    `check_shared`. seeds and eval_target are tuples; what has no default here is None
    where the user says nothing.
    """
    for name, kind, default, text in _SHARED:
        if name in but or (only is not None and name not in only):
            continue
        lists = kind in (_SEEDS, NAMES)
        serializer = flags.ListSerializer(",") if lists else flags.ArgumentSerializer()
        flags.DEFINE(kind, name, default, text, values, serializer)
    for name, text in _SHARED_SWITCHES:
        if name not in but and (only is None or name in only):
            flags.DEFINE_boolean(name, False, text, values)


def check_shared(values: flags.FlagValues) -> None:
    """UserError where shared flags are missing or do not go together."""
    check_n_train(values)
    if values.resume and values.overwrite:
        raise UserError("--resume keeps the run that --overwrite removes; give one")
    if values.from_run and values.self_evolution == "off":
        raise UserError("--from_run is where self-evolution starts; it is off here")


def check_n_train(values: flags.FlagValues) -> None:
    """UserError if it is missing."""
    if values.n_train is None:
        raise UserError(
            "--n_train is missing; say how many architectures to learn from"
        )


# What commands write.


def check_free(values: flags.FlagValues, *paths: Path) -> None:
    """UserError if a file is there that --overwrite was not given for."""
    for path in paths:
        if path.exists() and not values.overwrite:
            raise UserError(
                f"{path} exists; --overwrite replaces it, or name another --out"
            )


def check_out(values: flags.FlagValues, out: Path) -> None:
    """UserError if --out cannot be written: it is a folder, in none, or not free."""
    if out.is_dir() or not out.parent.is_dir():
        wrong = "is a folder" if out.is_dir() else "its folder does not exist"
        raise UserError(f"--out={out}: {wrong}; name a file in a folder that is there")
    check_free(values, out)


def typed(module: str, *arguments: str) -> str:
    """A command as it is typed in a shell, for what is printed as the next one."""
    return " ".join(["python -m", f"experiments.{module}", *map(_quoted, arguments)])


def _quoted(text: str) -> str:
    """As `shlex.quote`, and a text full of quotes, such as a Genotype, is readable."""
    if "'" in text and not set(text) & set('"$`\\!'):
        return f'"{text}"'
    return shlex.quote(text)


# What commands read.


def data_dir(values: flags.FlagValues) -> Path | None:
    """`--data_dir`, else $TNASP_DATA, else None."""
    folder = values["data_dir"].value or os.environ.get("TNASP_DATA")
    return Path(folder).expanduser() if folder else None


def resolved(values: flags.FlagValues) -> str:
    """The flags as used, one a line, sorted: a flag file that repeats the result.

    Flags without a value are left out, and those that say where and how to run.
    """
    names = sorted(name for name in values if name not in _NOT_RECIPE)
    lines = [values[name].serialize() for name in names]
    return "".join(f"{line}\n" for line in lines if line)
