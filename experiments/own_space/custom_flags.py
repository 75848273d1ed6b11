"""The flags of experiments.custom, and those on its file that validate shares."""

from absl import flags

from experiments.cells import recipe
from experiments.shell import command
from experiments.shell.command import NAMES, Kind, UserError
from tnasp_jax.benchmarks.custom_labels import BadColumn

SHARED = (
    *("predictor", "units", *recipe.FLAGS, "workdir"),
    *("resume", "overwrite", "quiet", "debug"),
)


def _ascending(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split(","))


_NAMES_OR_NONE = Kind(
    lambda text: NAMES.convert(text) if text else (),
    NAMES.accept,
    NAMES.syntactic_help,
)
_SIZES = Kind(
    _ascending,
    lambda sizes: sizes[0] >= 2 and list(sizes) == sorted(set(sizes)),
    "whole numbers >= 2, ascending, separated by commas",
)

_FORMS = (
    ("csv", "file with a header and the columns ops and edges"),
    ("jsonl", "file with an object a line: ops, and adjacency or edges"),
)
_COSTS = 'JSON file, operation -> {"flops": ..., "params": ...} of one node'
_LABELS = (
    ("train_label", "column of the accuracy to learn"),
    ("test_label", "column of the accuracy to rank by; default: the training label"),
)
_WHOLE = (
    ("folds", 2, 5, "parts of the rows, each ranked by a model of the others"),
    ("seed", 0, 0, "of the order in which rows are parted into folds"),
)


def define_forms(values: flags.FlagValues) -> None:
    """--csv and --jsonl."""
    for name, text in _FORMS:
        flags.DEFINE_string(name, None, text, values)


def define_file(values: flags.FlagValues) -> None:
    """Its labels and their unit, and what makes a space wider or narrower than it."""
    for name, text in _LABELS:
        flags.DEFINE_string(name, None, text, values)
    flags.DEFINE_boolean("percent", False, "accuracies are percentages", values)
    _define_list(
        values, "ops", _NAMES_OR_NONE, "operations of inner nodes; default: the file's"
    )
    flags.DEFINE_integer(
        "num_nodes",
        None,
        "nodes of the largest architecture; default: the file's",
        lower_bound=2,
        flag_values=values,
    )


def define(values: flags.FlagValues) -> None:
    """All flags of experiments.custom; lists are tuples, or None where none is given."""
    define_forms(values)
    values["csv"].help += "; it or --jsonl is needed"
    flags.DEFINE_string("op_costs", None, _COSTS, values)
    for name, least, default, text in _WHOLE:
        flags.DEFINE_integer(name, default, text, least, 2**32 - 1, values)
    _define_list(
        values,
        "learning_curve",
        _SIZES,
        "numbers of labels, such as 50,100; the folds are trained again with each",
    )
    _define_list(
        values,
        "identity_ops",
        _NAMES_OR_NONE,
        "operations that pass their input on; default: identity, skip, skip_connect",
    )
    define_file(values)
    values["train_label"].help += "; needed"
    command.define_shared(values, SHARED)


def check(values: flags.FlagValues) -> None:
    """UserError where flags are missing or do not go together."""
    if bool(values.csv) == bool(values.jsonl):
        raise UserError("give either --csv=FILE or --jsonl=FILE")
    check_forms(values)
    if not values.train_label:
        raise UserError("--train_label is missing; name the column to learn from")
    labels(values)
    if not values.workdir:
        raise UserError("--workdir is missing; name the folder for the run")
    if values.resume and values.overwrite:
        raise UserError("--resume keeps the run that --overwrite removes; give one")


def check_forms(values: flags.FlagValues) -> None:
    """UserError where the name of a file is not that of its form."""
    if values.csv and not values.csv.lower().endswith(".csv"):
        other = values.csv.lower().endswith((".jsonl", ".json"))
        advice = "; give it as --jsonl" if other else ""
        raise UserError(
            f"--csv={values.csv}: expected a name that ends in .csv{advice}"
        )
    if values.jsonl and values.jsonl.lower().endswith(".csv"):
        raise UserError(f"--jsonl={values.jsonl}: a csv file; give it as --csv")


def labels(values: flags.FlagValues) -> list[str]:
    """The columns of labels that are named, the one to learn from first."""
    if values.test_label and not values.train_label:
        raise UserError("--test_label is given alone; name --train_label too")
    if values.test_label and values.test_label == values.train_label:
        raise UserError("--test_label is the training label; leave it out")
    return [name for name in (values.train_label, values.test_label) if name]


def advised(bad: BadColumn) -> str:
    """What is wrong with a column, and the flag that reads it right where there is one."""
    if bad.percent is None:
        return str(bad)
    add = "add --percent if these are percentages"
    return f"{bad}; {add if bad.percent else 'leave --percent out'}"


def _define_list(values: flags.FlagValues, name: str, kind: Kind, text: str) -> None:
    flags.DEFINE(kind, name, None, text, values, flags.ListSerializer(","))
