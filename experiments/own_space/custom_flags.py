"""The flags of experiments.custom, and those on its space that validate shares."""

from absl import flags

from experiments.shell.command import NAMES, Kind, UserError


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

_TEXTS = (
    ("csv", "file with a header and the columns ops and edges"),
    ("jsonl", "file with an object a line: ops, and adjacency or edges"),
    ("train_label", "column of the accuracy to learn; needed"),
    ("test_label", "column of the accuracy to rank by; default: the training label"),
    ("op_costs", 'JSON file, operation -> {"flops": ..., "params": ...} of one node'),
    ("workdir", "folder of the run"),
)
_SWITCHES = (
    ("percent", "accuracies are percentages"),
    ("resume", "go on with the run that --workdir holds"),
    ("overwrite", "replace the run that --workdir holds"),
    ("quiet", "no progress"),
    ("debug", "show tracebacks"),
)
_WHOLE = (
    ("folds", 2, 5, "parts of the rows, each ranked by a model of the others"),
    ("seed", 0, 0, "of the order in which rows are parted into folds"),
    ("epochs", 1, 300, "passes over the rows, of a predictor that is trained by steps"),
)


def define_space(values: flags.FlagValues) -> None:
    """--ops and --num_nodes, which make a space wider or narrower than its file."""
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
    for name, text in _TEXTS:
        flags.DEFINE_string(name, None, text, values)
    flags.DEFINE_string("predictor", "best", "the network that predicts", values)
    for name, least, default, text in _WHOLE:
        flags.DEFINE_integer(name, default, text, least, 2**32 - 1, values)
    _define_list(
        values,
        "learning_curve",
        _SIZES,
        "numbers of labels whose tau is measured too",
    )
    _define_list(
        values,
        "identity_ops",
        _NAMES_OR_NONE,
        "operations that pass their input on, empty for none; default: those named "
        "identity, skip or skip_connect",
    )
    define_space(values)
    for name, text in _SWITCHES:
        flags.DEFINE_boolean(name, False, text, values)


def check(values: flags.FlagValues) -> None:
    """UserError where flags are missing or do not go together."""
    if bool(values.csv) == bool(values.jsonl):
        raise UserError("give either --csv=FILE or --jsonl=FILE")
    if values.csv and not values.csv.lower().endswith(".csv"):
        raise UserError(f"--csv={values.csv}: expected a name that ends in .csv")
    if values.jsonl and values.jsonl.lower().endswith(".csv"):
        raise UserError(f"--jsonl={values.jsonl}: a csv file; give it as --csv")
    if not values.train_label:
        raise UserError("--train_label is missing; name the column to learn from")
    if values.test_label == values.train_label:
        raise UserError("--test_label is the training label; leave it out")
    if not values.workdir:
        raise UserError("--workdir is missing; name the folder for the run")
    if values.resume and values.overwrite:
        raise UserError("--resume keeps the run that --overwrite removes; give one")


def _define_list(values: flags.FlagValues, name: str, kind: Kind, text: str) -> None:
    flags.DEFINE(kind, name, None, text, values, flags.ListSerializer(","))
