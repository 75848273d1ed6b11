"""The embedded table: every NAS-Bench-201 cell trained on 8 x 8 digits.

No download: networks small enough to be trained here for all 9,445 distinct cells, on
the digits of Alpaydin and Kaynak (1998) that scikit-learn carries. The labels are real
measurements, of another and easier task than CIFAR-10. The file holds counts:

    val_correct, test_correct [C, S] int   images classified correctly, one column a seed
    n_val, n_test [] int                   images in the validation and the test part
    cell_of_code [15625] uint16            row in 0 .. C - 1 of each architecture, by
                                           code = sum of op_e 5 ** (5 - e) over the six
                                           edges, operations in the official order
    provenance [] str                      JSON: how it was measured

Measured by `python -m experiments.measure_digits`.
"""

import json
from pathlib import Path

import numpy as np

from tnasp_jax.benchmarks import table as table_lib
from tnasp_jax.benchmarks.table import Table
from tnasp_jax.spaces.nasbench201 import NASBench201

FILE = Path(__file__).with_name("nb201_digits.npz")
COMMAND = "python -m experiments.measure_digits"
REMEDY = f"the package should hold it; install it again, or measure it by {COMMAND}"
NUM_OPS, NUM_EDGES = 5, 6

_COLUMNS = (
    "val_correct",
    "test_correct",
    "n_val",
    "n_test",
    "cell_of_code",
    "provenance",
)


def read(path: Path = FILE) -> Table:
    """Reads the table "nb201digits"; rows in the official order of NAS-Bench-201.

    Labels: `digits_val` (train target) and `digits_test` (eval target), means over the
    seeds; `digits_val_seed0`, `digits_test_seed0` and so on, one seed each, which show
    how far two measurements of one cell agree.

    Raises:
      MissingData: if the package lacks the file.
      ValueError: if it is damaged, naming the array.
    """
    data = table_lib.read_file(path, REMEDY)
    columns = table_lib.read_npz(path, data, _COLUMNS)
    _check(path, columns)
    space = NASBench201()
    cells = space.all_architectures()
    graphs = space.to_graphs(cells)
    labels, describe = _labels(columns, columns["cell_of_code"][codes(cells)])
    return Table(
        name="nb201digits",
        space=space,
        graphs=graphs,
        labels=labels,
        train_target="digits_val",
        eval_targets=("digits_test",),
        hashes=table_lib.group_ids(graphs),
        texts=lambda row: space.format(cells[row]),
        describe=describe,
        sha256=table_lib.sha256(data),
    )


def provenance(path: Path = FILE) -> dict:
    """How the table was measured: data, network, training, versions.

    Raises:
      MissingData, ValueError: as `read` does.
    """
    data = table_lib.read_file(path, REMEDY)
    return json.loads(
        str(table_lib.read_npz(path, data, ("provenance",))["provenance"])
    )


def codes(cells) -> np.ndarray:
    """[B] int: the six operations of each cell as one number in base 5."""
    digits = np.array(cells).reshape(-1, NUM_EDGES)
    return digits @ NUM_OPS ** np.arange(NUM_EDGES - 1, -1, -1)


def _labels(columns, rows: np.ndarray) -> tuple[dict, dict]:
    labels, describe = {}, {}
    for part, words in (("val", "validation"), ("test", "test")):
        total = int(columns[f"n_{part}"])
        correct = columns[f"{part}_correct"][rows].astype(np.float64)
        origin = f"fraction of {total} images; measured by {COMMAND.split()[-1]}"
        seeds = correct.shape[1]
        labels[f"digits_{part}"] = (correct.mean(axis=1) / total).astype(np.float32)
        describe[f"digits_{part}"] = (
            f"8 x 8 digits, {words} accuracy, mean of {seeds} seeds, {origin}"
        )
        for seed in range(seeds):
            name = f"digits_{part}_seed{seed}"
            labels[name] = (correct[:, seed] / total).astype(np.float32)
            describe[name] = f"8 x 8 digits, {words} accuracy, seed {seed}, {origin}"
    return labels, describe


def _check(path: Path, columns: dict[str, np.ndarray]) -> None:
    shape = columns["val_correct"].shape
    if len(shape) != 2 or columns["test_correct"].shape != shape:
        raise ValueError(
            f"{path}: val_correct and test_correct: expected one shape [C, S], "
            f"got {shape} and {columns['test_correct'].shape}"
        )
    cell_of_code = columns["cell_of_code"]
    if cell_of_code.shape != (NUM_OPS**NUM_EDGES,) or cell_of_code.max() >= shape[0]:
        raise ValueError(
            f"{path}: cell_of_code: expected {NUM_OPS**NUM_EDGES} rows "
            f"in 0 .. {shape[0] - 1}"
        )
    for part in ("val", "test"):
        correct, total = columns[f"{part}_correct"], columns[f"n_{part}"]
        if correct.min() < 0 or correct.max() > total:
            raise ValueError(f"{path}: {part}_correct: expected counts in 0 .. {total}")
