"""NAS-Bench-101 as a table: 423,624 cells, CIFAR-10.

Ying et al., "NAS-Bench-101: Towards Reproducible Neural Architecture Search", ICML
2019. The file is an npz of plain numeric arrays; M rows, and R of them with validation
accuracies:

    hash [M, 16] uint8           the official MD5 of the cell
    num_vertices [M] uint8       V, 2 .. 7
    edge_bits [M] uint32         bit x + y (y - 1) / 2 is the edge x -> y
    ops [M, 5] uint8             of vertices 1 .. V - 2, 255 where unused
    test_acc_mean [M] float32    fraction, mean of three repeats, 108 epochs
    val_row [R] int32            rows with a validation accuracy
    val_acc [R, 4] float32       fraction, one repeat, 4, 12, 36 and 108 epochs

`nasbench101_official` makes such arrays from the benchmark's own file; NaN in `val_acc`
is an accuracy that the file lacks. Other arrays are not read.
"""

from pathlib import Path

import numpy as np

from tnasp_jax.benchmarks import table as table_lib
from tnasp_jax.benchmarks.table import Table
from tnasp_jax.spaces import nasbench101 as space_lib

FILE = "nasbench101_108ep.npz"
SIZE = "10.3 MB"
REMEDY = (
    f"make the file ({SIZE}) from the benchmark's nasbench_full.tfrecord, or take the "
    "table nb201digits, which comes with the package"
)
ORIGIN = "NAS-Bench-101 (Ying et al., ICML 2019)"
VAL_EPOCHS = (4, 12, 36, 108)
"""Columns of `val_acc`."""

_COLUMNS = (
    "hash",
    "num_vertices",
    "edge_bits",
    "ops",
    "test_acc_mean",
    "val_row",
    "val_acc",
)


def read(data_dir: str | Path | None = None) -> Table:
    """Reads the table "nb101".

    Labels: `val_acc` (train target), `val_acc_4`, `val_acc_12`, `val_acc_36`, NaN
    outside the rows where the file has a validation accuracy; `test_acc` (eval target),
    all rows.

    Args:
      data_dir: folder that holds nasbench101/nasbench101_108ep.npz, or that file.

    Raises:
      MissingData: if the file is not there.
      ValueError: if it is damaged, naming the array.
    """
    return read_file(table_lib.locate(data_dir, "nasbench101", FILE))


def read_file(path: Path) -> Table:
    """`read` of the file at a path; raises what it raises."""
    data = table_lib.read_file(path, REMEDY, official="nasbench101")
    columns = table_lib.read_npz(path, data, _COLUMNS)
    _check_shapes(path, columns)
    vertices, bits, ops = (
        columns[name] for name in ("num_vertices", "edge_bits", "ops")
    )
    try:
        graphs = space_lib.from_arrays(vertices, bits, ops)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    space = space_lib.NASBench101()
    return Table(
        name="nb101",
        space=space,
        graphs=graphs,
        labels=_labels(path, columns),
        train_target="val_acc",
        eval_targets=("test_acc",),
        hashes=_groups(columns["hash"]),
        texts=lambda row: space.format(
            space_lib.from_row(vertices[row], bits[row], ops[row])
        ),
        describe=_describe(),
        sha256=table_lib.sha256(data),
    )


def _check_shapes(path: Path, columns: dict[str, np.ndarray]) -> None:
    count, measured = len(columns["hash"]), len(columns["val_row"])
    expected = {
        "hash": (count, 16),
        "num_vertices": (count,),
        "edge_bits": (count,),
        "ops": (count, 5),
        "test_acc_mean": (count,),
        "val_row": (measured,),
        "val_acc": (measured, len(VAL_EPOCHS)),
    }
    for name, shape in expected.items():
        if columns[name].shape != shape:
            raise ValueError(
                f"{path}: {name}: expected shape {shape}, got {columns[name].shape}"
            )
    rows = columns["val_row"]
    if measured and not (rows.min() >= 0 and rows.max() < count):
        raise ValueError(f"{path}: val_row: expected rows in 0 .. {count - 1}")


def _labels(path: Path, columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    accuracy = columns["test_acc_mean"]
    labels = {"test_acc": table_lib.check_fractions(f"{path}: test_acc_mean", accuracy)}
    for column, epochs in enumerate(VAL_EPOCHS):
        label = np.full(len(accuracy), np.nan, np.float32)
        label[columns["val_row"]] = columns["val_acc"][:, column]
        name = "val_acc" if epochs == VAL_EPOCHS[-1] else f"val_acc_{epochs}"
        labels[name] = table_lib.check_fractions(f"{path}: {name}", label)
    return labels


def _groups(hashes: np.ndarray) -> np.ndarray:
    """[M] int32, rows with the same 16 bytes alike."""
    words = np.ascontiguousarray(hashes, np.uint8).view(">u8").astype(np.uint64)
    order = np.lexsort((words[:, 1], words[:, 0]))
    changed = (words[order[1:]] != words[order[:-1]]).any(axis=1)
    groups = np.empty(len(words), np.int32)
    groups[order] = np.concatenate([[0], np.cumsum(changed)])[: len(words)]
    return groups


def _describe() -> dict[str, str]:
    sentences = {
        "test_acc": "CIFAR-10 test accuracy, mean of 3 repeats, 108 epochs",
        "val_acc": "CIFAR-10 validation accuracy, one repeat, 108 epochs",
    }
    for epochs in VAL_EPOCHS[:-1]:
        sentences[f"val_acc_{epochs}"] = (
            f"CIFAR-10 validation accuracy, one repeat, {epochs} epochs"
        )
    return {
        target: f"{sentence}, fraction; {ORIGIN}"
        for target, sentence in sentences.items()
    }
