"""What the commands of figures share: the runs of a column, and the folder of a figure.

A column is TABLE_N[_testM], as in the names of cells.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from absl import flags

from experiments.cells import results
from experiments.cells.columns import Column
from experiments.reports.table_rows import column_of
from experiments.shell import command
from experiments.shell.command import UserError
from tnasp_jax import PREDICTORS, runs

COLUMNS = ("nb101_424", "nb201_469")
"""Those that a command takes where none is named."""

TITLES = {
    "nb101": "NAS-Bench-101",
    "nb201": "NAS-Bench-201",
    "nb201digits": "NAS-Bench-201 on digits",
    "darts545": "DARTS, 545 networks of 50 epochs",
    "darts214": "DARTS, 214 networks of 600 epochs",
    "nb301": "DARTS, trainings of NAS-Bench-301",
    "nb301xgb": "DARTS, XGBoost surrogate",
    "nb301yahpo": "DARTS, YAHPO surrogate",
    "nb301yahpo_surrogate": "DARTS, YAHPO surrogate",
    "ofa_proxyless_surrogate": "OFA ProxylessNAS, surrogate",
    "ofa_mobilenetv3_surrogate": "OFA MobileNetV3, surrogate",
    "accel": "Accel-NASBench",
}
"""What a figure calls a table."""

Value = TypeVar("Value")

_COLUMN = re.compile(r"(nb101|nb201digits|nb201)_([1-9]\d*)(?:_test([1-9]\d*))?")

Found = dict[str, tuple[Path, dict[str, Any]]]
"""Run folder and its results.json by predictor."""


def define(values: flags.FlagValues) -> None:
    """The flags of a command that makes a figure from run folders."""
    flags.DEFINE_string("out", None, "folder of the two files", flag_values=values)
    flags.DEFINE_string("runs", "runs", "folder of run folders", flag_values=values)
    command.define_shared(values, ("data_dir", "overwrite", "quiet", "debug"))


def out_folder(values: flags.FlagValues) -> Path:
    """--out, which need not exist yet.

    Raises:
      UserError: if it is missing or a file.
    """
    if not values.out:
        raise UserError("--out is missing; name the folder for the figure")
    out = Path(values.out)
    if out.exists() and not out.is_dir():
        raise UserError(f"--out={out}: is a file; name a folder")
    return out


def find_runs(home: Path, name: str) -> Found:
    """The finished runs of a column without self-evolution, in the registry's order.

    Args:
      home: the folder of run folders.
      name: of the column.

    Raises:
      UserError: for a name of another form, a missing folder, no run, and two runs of
        one cell or runs that are ranked by different labels.
    """
    match = _COLUMN.fullmatch(name)
    if not match:
        raise UserError(f"{name}: expected TABLE_N, such as nb201_469")
    column = Column(match[1], int(match[2]), int(match[3]) if match[3] else None)
    if not home.is_dir():
        raise UserError(f"--runs={home}: no such folder")
    found: Found = {}
    for folder, summary in _finished(home):
        if column_of(summary) != column or summary["self_evolution"] != "off":
            continue
        predictor = summary["predictor"]
        if predictor in found:
            other = found[predictor][0]
            raise UserError(f"{folder} and {other} are runs of one cell; keep one")
        found[predictor] = (folder, summary)
    if not found:
        raise UserError(
            f"{home}: no finished run of column {name}; python -m experiments.sweep "
            f"--runs={home} {name.replace('_', '_tnasp_', 1)}"
        )
    labels = {summary["eval_target"] for _, summary in found.values()}
    if len(labels) > 1:
        raise UserError(
            f"{name}: runs are ranked by different labels, {sorted(labels)}"
        )
    return in_order(found)


def in_order(of_predictors: dict[str, Value]) -> dict[str, Value]:
    """By predictor in the registry's order; those that it lacks last, by name."""
    order = [*PREDICTORS, *sorted(of_predictors)]
    return {
        name: of_predictors[name] for name in sorted(of_predictors, key=order.index)
    }


def save_plot(path: Path, draw: Callable[[], Any], quiet: bool = False) -> None:
    """Draws a Matplotlib figure into a png, or says how to install what is missing.

    Prints its path, unless quiet.
    """
    try:
        figure = draw()
    except ModuleNotFoundError:
        print("no plot: matplotlib is missing; pip install '.[plots]'")
        return
    with runs.replacing(path) as temporary:
        figure.savefig(temporary, format="png", bbox_inches="tight", pad_inches=0.06)
    if not quiet:
        print(path)


def _finished(home: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Runs of predictors; the folder may hold those of supernets beside them."""
    for path in sorted(home.glob("*/results.json")):
        summary = results.read_json(path)
        if "predictor" in summary:
            yield path.parent, summary
