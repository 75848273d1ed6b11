"""The tables of other spaces: what each is, its columns, how its cells are split.

None has a published number to stand beside: papers rank these tables with other cells
and other labels. Each is learnt from and ranked by one label, never on the same cells.
"""

import difflib

from absl import flags

from experiments.cells.columns import Column, Published
from experiments.cells.table_names import HOMES, full_name
from experiments.shell import command
from experiments.shell.command import UserError
from tnasp_jax import benchmarks
from tnasp_jax.benchmarks import Table


def _table(table: str, title: str, train_target: str, *n_train: int) -> Published:
    columns = tuple(Column(table, n) for n in n_train)
    return Published(table, f"Other spaces: {title}", train_target, columns, (), {})


DARTS = (
    _table(
        "darts545",
        "545 DARTS networks, CIFAR-10 after 50 epochs (darts545)",
        "test_50ep",
        *(50, 54, 100, 200, 272),
    ),
    _table(
        "darts214",
        "214 DARTS networks, CIFAR-10 after 600 epochs (darts214)",
        "test_600ep",
        *(21, 107),
    ),
    _table(
        "nb301",
        "DARTS networks that NAS-Bench-301 trained, CIFAR-10 after 100 epochs (nb301)",
        "best_val_100ep",
        *(50, 100, 200),
    ),
    _table(
        "nb301xgb",
        "1,218 DARTS networks, surrogate, not measured: XGBoost of NAS-Bench-301 "
        "(nb301xgb)",
        "xgb_val",
        *(50, 100, 121, 200, 609),
    ),
    _table(
        "nb301yahpo",
        "11,221 DARTS networks, surrogate, not measured: YAHPO on NAS-Bench-301 "
        "(nb301yahpo)",
        "yahpo_val",
        *(50, 100, 200, 1122, 5610),
    ),
)
MNASNET = (
    _table(
        "accel",
        "5,138 MnasNet networks, ImageNet top-1 of a shortened training (accel)",
        "top1",
        *(50, 100, 200, 400, 410, 2050, 4100),
    ),
)
TABLES = {table.table: table for table in (*DARTS, *MNASNET)}
"""By name, as `--table` and the names of cells have it."""

SPACES = {
    **{table.table: "darts" for table in DARTS},
    **{table.table: "mnasnet" for table in MNASNET},
}
"""The space of each, with which its flag files begin."""

_VALIDATION = {"darts545": 50, "darts214": 20}


def define(values: flags.FlagValues) -> None:
    """The shared flags; `--table` names one of `TABLES` and `--n_val` follows from it."""
    command.define_shared(values, but=("table",))
    flags.DEFINE_string(
        "table", None, f"one of {', '.join(TABLES)}; needed", flag_values=values
    )
    values.set_default("n_val", None)
    text = "validation; default: 50 of darts545, 20 of darts214, else 200"
    values["n_val"].help = text


def num_validation(table: str) -> int:
    """Validation cells unless the user says otherwise: 200, as in Tables 1 and 2, or
    fewer where that would leave too few to rank beside the half that is learnt from."""
    return _VALIDATION.get(table, 200)


def load(values: flags.FlagValues) -> Table:
    """The table that `--table` names."""
    name = values.table
    if name not in TABLES:
        near = difflib.get_close_matches(name or "", TABLES, 1)
        hint = f"did you mean --table={near[0]}? " if near else ""
        start = f"no table {name!r}" if name else "--table is missing"
        if home := HOMES.get(full_name(name or "")):
            raise UserError(
                f"--table={name}: use python -m experiments.{home}, whose table it is"
            )
        raise UserError(f"{start}; {hint}there are {', '.join(TABLES)}")
    return benchmarks.load(name, command.data_dir(values))
