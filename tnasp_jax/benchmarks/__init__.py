"""Benchmarks as tables: official files, the embedded digits, and splits of them.

table = benchmarks.load("nb201", data_dir="data")
split = benchmarks.draw_split(table, jax.random.key(0), n_train=78, n_val=200)
surrogate = benchmarks.load_surrogate("nb301yahpo_surrogate", data_dir="data")
"""

from pathlib import Path

from tnasp_jax.benchmarks.splits import (
    Split,
    ceiling,
    draw_split,
    heldout_mask,
    split_sha256,
)
from tnasp_jax.benchmarks.surrogate import Surrogate
from tnasp_jax.benchmarks.table import MissingData, Table
from tnasp_jax.names import unknown

NAMES = (
    "nb101",
    "nb201",
    "nb201digits",
    "darts545",
    "darts214",
    "nb301",
    "nb301xgb",
    "nb301yahpo",
    "accel",
)
SURROGATES = (
    "ofa_mobilenetv3_surrogate",
    "ofa_proxyless_surrogate",
    "nb301yahpo_surrogate",
)

__all__ = [
    "NAMES",
    "SURROGATES",
    "MissingData",
    "Split",
    "Surrogate",
    "Table",
    "ceiling",
    "draw_split",
    "heldout_mask",
    "load",
    "load_surrogate",
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


def load_surrogate(name: str, data_dir: str | Path | None = None) -> Surrogate:
    """Reads a network that predicts accuracies, which were not measured.

    Args:
      name: one of `SURROGATES`.
      data_dir: folder of ofa_accuracy_predictors/ or nasbench301_surrogate/ with the
        file, or the folder of the file itself; None for the working directory.

    Raises:
      MissingData: a ValueError, if the file is not there.
      ValueError: for an unknown name and for a damaged file, in one line.
    """
    from tnasp_jax.benchmarks import ofa_surrogates, yahpo_surrogate

    if name == yahpo_surrogate.NAME:
        return yahpo_surrogate.read(data_dir)
    if name in ofa_surrogates.NAMES:
        return ofa_surrogates.read(name, data_dir)
    raise ValueError(unknown("surrogate", name, SURROGATES))
