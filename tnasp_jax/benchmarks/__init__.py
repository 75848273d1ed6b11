"""Benchmarks as tables: official files, the embedded digits, and splits of them.

table = benchmarks.load("nb201", data_dir="data")
split = benchmarks.draw_split(table, jax.random.key(0), n_train=78, n_val=200)
"""

from pathlib import Path

from tnasp_jax.benchmarks.splits import (
    Split,
    ceiling,
    draw_split,
    heldout_mask,
    split_sha256,
)
from tnasp_jax.benchmarks.table import MissingData, Table
from tnasp_jax.names import unknown

NAMES = (
    "nb101",
    "nb201",
    "nb201digits",
    "darts545",
    "darts214",
    "nb301xgb",
    "nb301yahpo",
    "accel",
)

__all__ = [
    "NAMES",
    "MissingData",
    "Split",
    "Table",
    "ceiling",
    "draw_split",
    "heldout_mask",
    "load",
    "split_sha256",
]


def load(name: str, data_dir: str | Path | None = None) -> Table:
    """Reads a benchmark.

    Args:
      name: one of `NAMES`; "nb201digits" comes with the package.
      data_dir: folder of the official data: nasbench101/nasbench101_108ep.npz,
        nasbench201/nb201_accuracy.csv, those of `darts.FILES` and the two in
        accel_nasbench_imagenet/, with or without their folders; None for the working
        directory. The embedded table needs none.

    Raises:
      MissingData: a ValueError, if the file is not there: path, size, how to make it.
      ValueError: for an unknown name and for a damaged file, in one line.
    """
    # A reader builds its space, which users of the other tables need not wait for.
    from tnasp_jax.benchmarks import (
        accel_nasbench,
        darts,
        digits,
        nasbench101,
        nasbench201,
    )

    if name == "nb101":
        return nasbench101.read(data_dir)
    if name == "nb201":
        return nasbench201.read(data_dir)
    if name == "nb201digits":
        return digits.read()
    if name == "accel":
        return accel_nasbench.read(data_dir)
    if name in darts.FILES:
        return darts.read(name, data_dir)
    raise ValueError(unknown("table", name, NAMES))
