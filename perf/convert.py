"""Seconds and memory in which a file of NAS-Bench-101's official size is converted.

    python -m perf.convert --out=runs/perf_convert.json

Writes a made file in the official form: every cell of the table in --data_dir, three
repeats of 4, 12, 36 and 108 epochs, 5,083,488 records. The test accuracies of the three
repeats have the table's mean; validation accuracies are the table's where it has them.
Then `experiments.convert` runs on it as a process of its own, and what it wrote is
compared with the table.
"""

import base64
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from absl import flags

from experiments.shell import command
from experiments.shell.command import UserError
from tnasp_jax.benchmarks import tfrecord
from tnasp_jax.benchmarks.nasbench101 import VAL_EPOCHS
from tnasp_jax.spaces.nasbench101 import from_row

TARGETS = {"seconds": 120.0, "peak_mib": 1024.0}
REPEATS = 3
APART = 0.01  # Between the repeats' test accuracies.
BLOCK = 2_000  # Cells framed at once.


def define(values: flags.FlagValues) -> None:
    command.define_shared(values, ("data_dir", "debug"))
    flags.DEFINE_string("out", None, "file to write, JSON", flag_values=values)


def main(values: flags.FlagValues) -> int:
    if not values.out or not Path(values.out).parent.is_dir():
        raise UserError(
            f"--out={values.out or ''}: name a file in a folder that exists"
        )
    folder = command.data_dir(values)
    if folder is None:
        raise UserError("--data_dir or TNASP_DATA: name the folder of the table")
    with np.load(folder / "nasbench101/nasbench101_108ep.npz") as file:
        table = {name: file[name] for name in file.files}
    with tempfile.TemporaryDirectory() as home:
        source, made = Path(home, "made.tfrecord"), Path(home, "made.npz")
        write(source, table)
        told = {
            "records": len(table["hash"]) * REPEATS * len(VAL_EPOCHS),
            "megabytes": round(source.stat().st_size / 1e6),
            "load_average": os.getloadavg()[0],
            **converted(source, made),
        }
        with np.load(made) as file:
            told["differences"] = differences(file, table)
    for name, target in TARGETS.items():
        verdict = "met" if told[name] <= target else "missed"
        print(f"{name:<10}{told[name]:8.1f}, target {target:g}: {verdict}")
    Path(values.out).write_text(json.dumps(told, indent=2) + "\n")
    return 0


def converted(source: Path, made: Path) -> dict[str, float]:
    """Wall and CPU seconds of the command and the most memory that it held."""
    words = ["--space=nasbench101", str(source), f"--out={made}", "--quiet"]
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "experiments.convert", *words],
        check=False,
        capture_output=True,
        text=True,
    )
    seconds = time.perf_counter() - began
    if not made.exists():
        raise UserError(f"experiments.convert: {done.stderr.strip()}")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "seconds": round(seconds, 1),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
        "peak_mib": round(used.ru_maxrss / 1024, 1),
    }


def differences(made, table: dict[str, np.ndarray]) -> dict[str, float]:
    """The largest difference between what was converted and the table, by column."""
    order = np.lexsort(table["hash"].T[::-1])
    labelled = np.full((len(order), len(VAL_EPOCHS)), np.nan, np.float32)
    labelled[table["val_row"]] = table["val_acc"]
    validation = np.empty_like(labelled)
    validation[made["val_row"]] = made["val_acc"]
    found = {
        name: int(np.max(np.abs(made[name].astype(int) - table[name][order])))
        for name in ("hash", "num_vertices", "edge_bits", "ops", "params")
    }
    test = np.max(np.abs(made["test_acc_mean"] - table["test_acc_mean"][order]))
    val = np.nanmax(np.abs(validation - labelled[order]))
    return {**found, "test_acc_mean": float(test), "val_acc": float(val)}


def write(path: Path, table: dict[str, np.ndarray]) -> None:
    """The cells of the table in the official form."""
    num_cells = len(table["hash"])
    validation = np.random.default_rng(0).uniform(0.1, 0.95, (num_cells, 4))
    validation[table["val_row"]] = table["val_acc"]
    with path.open("wb") as file:
        for first in range(0, num_cells, BLOCK):
            rows = range(first, min(first + BLOCK, num_cells))
            data = [each for row in rows for each in _records(table, validation, row)]
            lengths = np.array([len(each) for each in data], "<u8")
            heads = [length.tobytes() for length in lengths]
            sums = [
                tfrecord.masked_crc32c(part).astype("<u4") for part in (heads, data)
            ]
            for head, head_sum, each, its_sum in zip(
                heads, sums[0], data, sums[1], strict=True
            ):
                file.write(head + head_sum.tobytes() + each + its_sum.tobytes())


def _records(table: dict[str, np.ndarray], validation: np.ndarray, row: int):
    """The data of all records of a cell."""
    columns = (table[name][row] for name in ("num_vertices", "edge_bits", "ops"))
    cell = from_row(*columns)
    matrix = "".join(str(int(entry)) for line in cell.matrix for entry in line)
    start = f'["{table["hash"][row].tobytes().hex()}", '
    middle = f', "{matrix}", "{",".join(cell.ops)}", "'
    params, mean = int(table["params"][row]), float(table["test_acc_mean"][row])
    for budget, epochs in enumerate(VAL_EPOCHS):
        for repeat in range(REPEATS):
            val = float(validation[row, budget]) - APART * repeat
            test = mean + APART * (repeat - 1)
            metrics = base64.b64encode(_metrics(epochs, params, val, test)).decode()
            yield f'{start}{epochs}{middle}{metrics}"]'.encode()


def _metrics(epochs: int, params: int, val: float, test: float) -> bytes:
    """A `ModelMetrics`: three evaluations, the last with both accuracies."""
    # Doubles of fields 1 to 5, each after its tag.
    evaluation = np.zeros(5, [("tag", "u1"), ("value", "<f8")])
    evaluation["tag"] = np.arange(1, 6) << 3 | 1
    message = b""
    for share in (0.0, 0.5, 1.0):
        evaluation["value"] = share * epochs, share * 1000, share, share * val, test
        message += bytes([1 << 3 | 2, evaluation.nbytes]) + evaluation.tobytes()
    groups = [params >> shift & 127 for shift in (0, 7, 14, 21, 28)]
    varint = bytes([*(group | 128 for group in groups[:-1]), groups[-1]])
    return message + bytes([2 << 3]) + varint


if __name__ == "__main__":
    command.run(main, define)
