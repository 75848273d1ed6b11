"""NAS-Bench-201 as a table: 15,625 cells, CIFAR-10.

Dong and Yang, "NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture
Search", ICLR 2020. The file is a csv with one row per cell, accuracies in percent:

    index        the official number of the cell, 0 .. 15,624, each once
    arch_str     the official string
    c10v_val_acc, c10v_test_acc, c10_test_acc, and any other column of `COLUMNS`

Empty fields are values that were not measured. `nasbench201_official` makes such columns
from the benchmark's own files.
"""

from pathlib import Path

import numpy as np

from tnasp_jax.benchmarks import table as table_lib
from tnasp_jax.benchmarks.table import Table
from tnasp_jax.spaces.nasbench201 import NASBench201

FILE = "nb201_accuracy.csv"
SIZE = "3.3 MB"
REMEDY = (
    f"make the file ({SIZE}) from NATS-tss-v1_0-3ffb9-simple of NATS-Bench, or take the "
    "table nb201digits, which comes with the package"
)
ORIGIN = "NAS-Bench-201 (Dong and Yang, ICLR 2020)"
NUM_CELLS = 15_625


_SPLIT = "200 epochs on the cifar10-valid training half, mean over seeds, fraction"
_WHOLE = "200 epochs on training and validation half, mean over seeds, fraction"
_SHORT = "12 epochs, one seed, fraction"
_SUITE = f"{ORIGIN}, as in NAS-Bench-Suite-Zero"
_FEWSHOT = "few-shot NAS (Zhao et al., ICML 2021)"
COLUMNS = {
    "c10v_val": ("c10v_val_acc", f"CIFAR-10 validation accuracy, {_SPLIT}; {ORIGIN}"),
    "c10_test": ("c10_test_acc", f"CIFAR-10 test accuracy, {_WHOLE}; {ORIGIN}"),
    "c10v_test": ("c10v_test_acc", f"CIFAR-10 test accuracy, {_SPLIT}; {ORIGIN}"),
    "c10v_train": ("c10v_train_acc", f"CIFAR-10 training accuracy, {_SPLIT}; {ORIGIN}"),
    "c10_val_12ep": (
        "c10_val_12ep",
        f"CIFAR-10 validation accuracy, {_SHORT}; {ORIGIN}",
    ),
    "c10_test_12ep": ("c10_test_12ep", f"CIFAR-10 test accuracy, {_SHORT}; {ORIGIN}"),
    "c10v_val_one_seed": (
        "c10_suitezero_val_acc",
        f"CIFAR-10 validation accuracy, 200 epochs, one seed, fraction; {_SUITE}",
    ),
    "oneshot": (
        "oneshot_supernet_acc",
        f"CIFAR-10 accuracy with the weights of one supernet, fraction; {_FEWSHOT}",
    ),
    "fewshot": (
        "fewshot_supernet_acc",
        f"CIFAR-10 accuracy with the weights of several supernets, fraction; {_FEWSHOT}",
    ),
}
"""Target -> column of the file and what it holds."""

REQUIRED = ("c10v_val", "c10_test", "c10v_test")
"""Targets without which a file is no table."""


def read(data_dir: str | Path | None = None) -> Table:
    """Reads the table "nb201".

    Labels: `c10v_val` (train target), `c10_test` and `c10v_test` (eval targets), and
    those others of `COLUMNS` that the file has.

    Args:
      data_dir: folder that holds nasbench201/nb201_accuracy.csv, or that file.

    Raises:
      MissingData: if the file is not there.
      ValueError: if it is damaged, naming row and column.
    """
    return read_file(table_lib.locate(data_dir, "nasbench201", FILE))


def read_file(path: Path) -> Table:
    """`read` of the file at a path; raises what it raises."""
    data = table_lib.read_file(path, REMEDY, official="nasbench201")
    needed = ["index", "arch_str", *(COLUMNS[target][0] for target in REQUIRED)]
    columns = table_lib.read_csv(path, data, needed, NUM_CELLS)
    space = NASBench201()
    cells = space.all_architectures()
    rows = _rows(path, columns, [space.format(cell) for cell in cells])
    labels = {
        target: table_lib.read_percent(path, column, columns[column])[rows]
        for target, (column, _) in COLUMNS.items()
        if column in columns
    }
    graphs = space.to_graphs(cells)
    return Table(
        name="nb201",
        space=space,
        graphs=graphs,
        labels=labels,
        train_target="c10v_val",
        eval_targets=("c10_test", "c10v_test"),
        hashes=table_lib.group_ids(graphs),
        texts=lambda row: space.format(cells[row]),
        describe={target: COLUMNS[target][1] for target in labels},
        sha256=table_lib.sha256(data),
    )


def _rows(path: Path, columns, texts: list[str]) -> np.ndarray:
    """[M] int: the row of the file of each official number, checked by its string."""
    order = np.full(NUM_CELLS, -1)
    for row, field in enumerate(columns["index"]):
        if not field.isdecimal() or int(field) >= NUM_CELLS:
            raise ValueError(
                f"{path}: row {row}: index: expected 0 .. {NUM_CELLS - 1}, got {field!r}"
            )
        order[row] = int(field)
        if columns["arch_str"][row] != texts[order[row]]:
            raise ValueError(
                f"{path}: row {row}: arch_str: expected {texts[order[row]]} "
                f"for index {field}, got {columns['arch_str'][row]!r}"
            )
    if len(np.unique(order)) != NUM_CELLS:
        raise ValueError(f"{path}: index: expected each number once")
    return np.argsort(order)
