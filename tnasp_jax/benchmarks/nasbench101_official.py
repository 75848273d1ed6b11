"""NAS-Bench-101's own file, nasbench_full.tfrecord or nasbench_only108.tfrecord.

Ying et al., ICML 2019. A TFRecord file with one record a trained network, a list in
JSON: the cell's hash, the epochs, the adjacency matrix as a string of 0 and 1, the
operations joined by commas, and the measurements in base64, a protocol buffer. Axis
letters: M cells, K records, E = 4 numbers of epochs.
"""

import array
import binascii
import functools
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tnasp_jax.benchmarks import messages, tfrecord
from tnasp_jax.benchmarks.messages import Field
from tnasp_jax.benchmarks.nasbench101 import VAL_EPOCHS
from tnasp_jax.benchmarks.tfrecord import Record
from tnasp_jax.spaces.nasbench101_cells import (
    INPUT,
    MAX_VERTICES,
    OPERATIONS,
    OUTPUT,
    edge_bit,
)

NUM_CELLS = 423_624
NUM_REPEATS = 3
RELEASES = {
    "3d64db8180fb1b0207212f9032205064312b6907a3bbc81eabea10db2f5c7e9c": (
        "nasbench_full.tfrecord"
    ),
    "4c39c3936e36a85269881d659e44e61a245babcb72cb374eacacf75d0e5f4fd1": (
        "nasbench_only108.tfrecord"
    ),
}
"""SHA-256 -> file, as the benchmark's authors give them."""

_FINAL = 2  # of the evaluations: at the start, halfway, and at the end of training
_UNUSED = 255
_MESSAGES = {
    "EvaluationData": {
        "current_epoch": Field(1, "double"),
        "training_time": Field(2, "double"),
        "train_accuracy": Field(3, "double"),
        "validation_accuracy": Field(4, "double"),
        "test_accuracy": Field(5, "double"),
        "checkpoint_path": Field(6, "string"),
    },
    "ModelMetrics": {
        "evaluation_data": Field(1, "EvaluationData", repeated=True),
        "trainable_parameters": Field(2, "int32"),
        "total_time": Field(3, "double"),
    },
}
"""Fields of the benchmark's protocol buffers."""


def read(
    path: Path, on_block: Callable[[bytes], object] = lambda block: None
) -> dict[str, np.ndarray]:
    """The arrays of `benchmarks.nasbench101`, and some more, from the official file.

    `test_acc_mean` is the mean of the three repeats of 108 epochs; `val_acc` is the
    first repeat in the file, `val_acc_mean` the mean of the three, both after 4, 12, 36
    and 108 epochs and NaN where the file has no such records; `val_train_time_s` is the
    first repeat's training time of 108 epochs in seconds; `params` counts the trainable
    parameters. Rows are in ascending order of the hash.

    Args:
      path: of the official file.
      on_block: called with each block of bytes as it comes.

    Raises:
      ValueError: one line: if the file is damaged, with the position; if a record is
        none of NAS-Bench-101; if cells or repeats are missing; without `protobuf`.
    """
    collected = _Collected()
    for records in tfrecord.read(path, on_block):
        for record in records:
            try:
                collected.add(record.data)
            except _NotThisBenchmark as error:
                raise ValueError(f"{path}: {_place(record)}: {error}") from None
    try:
        return collected.columns()
    except _NotThisBenchmark as error:
        raise ValueError(f"{path}: {error}") from None


class _NotThisBenchmark(ValueError):
    """What is wrong, without its place."""


def _place(record: Record) -> str:
    return f"record {record.number} at byte {record.position}"


class _Collected:
    """What the records say: of each cell once, and of each record a few numbers."""

    def __init__(self):
        self.parse = message_class().FromString
        self.rows: dict[str, int] = {}
        self.cells: list[tuple[int, int, bytes, int]] = []
        self.row, self.budget = array.array("i"), array.array("b")
        self.val, self.test = array.array("d"), array.array("d")
        self.time = array.array("d")

    def add(self, data: bytes) -> None:
        """Takes the data of one record."""
        name, epochs, matrix, ops, metrics = _fields(data)
        try:
            message = self.parse(binascii.a2b_base64(metrics))
            final = message.evaluation_data[_FINAL]
            budget = VAL_EPOCHS.index(epochs)
        except (binascii.Error, IndexError, messages.decode_error()):
            raise _NotThisBenchmark("no measurements of NAS-Bench-101") from None
        except ValueError:
            raise _NotThisBenchmark(
                f"epochs: expected one of {VAL_EPOCHS}, got {epochs!r}"
            ) from None
        row = self.rows.get(name)
        if row is None:
            if not re.fullmatch("[0-9a-f]{32}", name):
                raise _NotThisBenchmark(f"hash: expected 32 digits, got {name!r}")
            cell = (*read_cell(matrix, ops), message.trainable_parameters)
            row = self.rows[name] = len(self.cells)
            self.cells.append(cell)
        self.row.append(row)
        self.budget.append(budget)
        self.val.append(final.validation_accuracy)
        self.test.append(final.test_accuracy)
        self.time.append(final.training_time)

    def columns(self) -> dict[str, np.ndarray]:
        """The arrays of the npz file, rows in ascending order of the hash."""
        num_cells, num_budgets = len(self.cells), len(VAL_EPOCHS)
        if num_cells != NUM_CELLS:
            raise _NotThisBenchmark(
                f"expected {NUM_CELLS} cells, got {num_cells}; the file may be cut off"
            )
        hashes = np.frombuffer(bytes.fromhex("".join(self.rows)), np.uint8)
        hashes = hashes.reshape(num_cells, 16)
        order = np.argsort(hashes.view("S16")[:, 0], kind="stable")
        place = np.empty(num_cells, np.int64)
        place[order] = np.arange(num_cells)
        budget = np.frombuffer(self.budget, np.int8)
        slot = place[np.frombuffer(self.row, np.int32)] * num_budgets + budget
        _check_repeats(np.bincount(slot, minlength=num_cells * num_budgets))
        means = functools.partial(_means, slot, num_cells)
        firsts = functools.partial(_firsts, slot, num_cells)
        sizes, bits, ops, params = zip(*self.cells, strict=True)
        full = num_budgets - 1
        return {
            "hash": hashes[order],
            "num_vertices": np.array(sizes, np.uint8)[order],
            "edge_bits": np.array(bits, np.uint32)[order],
            "ops": np.frombuffer(b"".join(ops), np.uint8).reshape(-1, 5)[order],
            "params": np.array(params, np.int32)[order],
            "test_acc_mean": means(self.test)[:, full].astype(np.float32),
            "val_row": np.arange(num_cells, dtype=np.int32),
            "val_acc": firsts(self.val).astype(np.float32),
            "val_acc_mean": means(self.val).astype(np.float32),
            "val_train_time_s": firsts(self.time)[:, full].astype(np.float32),
        }


def _fields(data: bytes) -> tuple[str, int, str, str, str]:
    """Hash, epochs, matrix, operations and measurements of a record."""
    try:
        fields = json.loads(data.decode())
        name, epochs, matrix, ops, metrics = fields
    except (ValueError, TypeError, RecursionError):
        fields = None
    if not isinstance(fields, list) or [*map(type, fields)] != [
        str,
        int,
        str,
        str,
        str,
    ]:
        raise _NotThisBenchmark(
            "expected a list in JSON: hash, epochs, matrix, operations, measurements"
        )
    return name, epochs, matrix, ops, metrics


def read_cell(matrix: str, ops: str) -> tuple[int, int, bytes]:
    """A cell as the table holds it: vertices, edge bits and five operations.

    Args:
      matrix: V^2 characters 0 or 1, row after row.
      ops: V names, joined by commas.

    Raises:
      ValueError: one sentence.
    """
    names = ops.split(",")
    size = len(names)
    if not 2 <= size <= MAX_VERTICES or len(matrix) != size**2:
        raise _NotThisBenchmark(
            f"matrix: expected {size**2} characters for {size} operations, at most "
            f"{MAX_VERTICES}, got {len(matrix)}"
        )
    inner = [_codes().get(name, _UNUSED) for name in names[1:-1]]
    if (names[0], names[-1]) != (INPUT, OUTPUT) or _UNUSED in inner:
        raise _NotThisBenchmark(f"operations: expected official names, got {ops!r}")
    bits = sum(bit for place, bit in _edges(size) if matrix[place] == "1")
    if bits.bit_count() + matrix.count("0") != size**2:
        raise _NotThisBenchmark(
            f"matrix: expected 0 and 1, 1 above the diagonal alone, got {matrix!r}"
        )
    return size, bits, bytes(inner).ljust(MAX_VERTICES - 2, bytes([_UNUSED]))


@functools.cache
def _codes() -> dict[str, int]:
    return {name: code for code, name in enumerate(OPERATIONS)}


@functools.cache
def _edges(size: int) -> list[tuple[int, int]]:
    """Place in the string and bit in `edge_bits` of each possible edge."""
    return [
        (source * size + target, 1 << edge_bit(source, target))
        for target in range(size)
        for source in range(target)
    ]


def _check_repeats(counts: np.ndarray) -> None:
    """Every cell has three repeats of 108 epochs, and three or none of the others."""
    for epochs, found in zip(VAL_EPOCHS, counts.reshape(-1, 4).T, strict=True):
        missing = epochs != VAL_EPOCHS[-1] and not found.any()
        if not missing and (found != NUM_REPEATS).any():
            row = int(np.argmax(found != NUM_REPEATS))
            raise _NotThisBenchmark(
                f"{epochs} epochs: expected {NUM_REPEATS} repeats of every cell, got "
                f"{found[row]} of the cell that comes at place {row} by its hash; the "
                "file may be cut off"
            )


def _means(slot: np.ndarray, num_cells: int, values: array.array) -> np.ndarray:
    """[M, E] float64 means of the [K] values of each slot, NaN where there is none."""
    size = num_cells * len(VAL_EPOCHS)
    counts = np.bincount(slot, minlength=size)
    sums = np.bincount(slot, np.frombuffer(values, np.float64), minlength=size)
    means = np.divide(sums, counts, out=np.full(size, np.nan), where=counts > 0)
    return means.reshape(num_cells, -1)


def _firsts(slot: np.ndarray, num_cells: int, values: array.array) -> np.ndarray:
    """[M, E] float64, the first of the [K] values of each slot, NaN without one."""
    firsts = np.full(num_cells * len(VAL_EPOCHS), np.nan)
    firsts[slot[::-1]] = np.frombuffer(values, np.float64)[::-1]
    return firsts.reshape(num_cells, -1)


@functools.cache
def message_class() -> Any:
    """The class of the protocol buffer `ModelMetrics`.

    Raises:
      ValueError: without the package `protobuf`.
    """
    return messages.message_class("ModelMetrics", _MESSAGES, "NAS-Bench-101's own file")
