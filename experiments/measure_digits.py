r"""Measures the embedded table: every NAS-Bench-201 cell, trained on 8 x 8 digits.

    python -m experiments.measure_digits --workdir=DIR --out=FILE [--workers=N]

About an hour on one core. Cells run in chunks, in a fixed shuffled order, so that the
chunks finished at any time are a random sample of the space. Each finished chunk is one
file in the work directory; the same command after a kill goes on with the missing ones.
The result is the file that `tnasp_jax.benchmarks.digits` reads.
"""

import concurrent.futures
import datetime
import importlib.metadata
import json
import multiprocessing
import os
import platform
import sys
import time
from pathlib import Path

import numpy as np
from absl import flags

from experiments.shell import command
from experiments.shell.command import UserError

SEEDS = (0, 1)
CHUNK = 32
ORDER_SEED = 0
SECONDS_BETWEEN_LINES = 60
ONE_THREAD = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
COMMAND = "python -m experiments.measure_digits --workdir=DIR --out=FILE"


def recipe() -> dict:
    """All that a count of correct images depends on, versions aside."""
    from experiments.networks import digits_cells

    train, val, test = digits_cells.split_sizes()
    return {
        "images": {"train": train, "val": val, "test": test},
        "network": (
            "stem conv 3x3, cell, ReLU, conv 3x3 stride 2, cell, normalisation, ReLU, "
            "global average pooling, linear; normalisation without scale and shift, "
            "its statistics taken over the training part after training"
        ),
        "channels": list(digits_cells.CHANNELS),
        "epochs": digits_cells.EPOCHS,
        "batch": digits_cells.BATCH,
        "optimizer": "SGD with momentum, cosine to 0, no weight decay",
        "learning_rate": digits_cells.LEARNING_RATE,
        "momentum": digits_cells.MOMENTUM,
        "seeds": list(SEEDS),
        "chunk": CHUNK,
        "order_seed": ORDER_SEED,
    }


def chunks(num_cells: int) -> list[np.ndarray]:
    """Rows of the distinct cells, shuffled, `CHUNK` at a time; fewer at the end."""
    order = np.random.default_rng(ORDER_SEED).permutation(num_cells)
    return np.split(order, range(CHUNK, num_cells, CHUNK))


def chunk_file(workdir: Path, index: int) -> Path:
    """The file of one chunk: [2, rows, seeds] uint16, validation and test counts."""
    return workdir / f"chunk_{index:04d}.npy"


def missing(workdir: Path, num_chunks: int) -> list[int]:
    """The chunks yet to measure."""
    return [i for i in range(num_chunks) if not chunk_file(workdir, i).exists()]


def measure_chunk(workdir: Path, index: int) -> int:
    """Trains the cells of one chunk under every seed and writes the chunk's file."""
    import jax

    from experiments.networks import digits_cells

    cells, _ = digits_cells.distinct_cells()
    rows = chunks(len(cells))[index]
    # One shape for all chunks, one compilation: the last is filled up by repetition.
    batch = cells[np.resize(rows, CHUNK)].astype(np.int32)
    counts = [digits_cells.train_cells(batch, jax.random.key(seed)) for seed in SEEDS]
    counts = np.asarray(counts).transpose(1, 2, 0)[:, : len(rows)]
    write(chunk_file(workdir, index), lambda file: np.save(file, counts.astype("u2")))
    return index


def write(path: Path, save) -> None:
    """Writes a file as a whole or not at all: `save` gets the open file."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with open(temporary, "wb") as file:
        save(file)
    os.replace(temporary, path)


def check_recipe(workdir: Path) -> None:
    """Notes the recipe in the work directory, or compares it with the one there.

    Raises:
      ValueError: if the directory holds chunks of another recipe.
    """
    path, ours = workdir / "recipe.json", json.dumps(recipe(), indent=2)
    if path.exists() and path.read_text() != ours:
        raise ValueError(f"{path}: chunks of another recipe; choose another --workdir")
    write(path, lambda file: file.write(ours.encode()))


def pin(cpus) -> None:
    """Ties this process to one of the CPUs in a queue; a worker's first act."""
    cpu = cpus.get()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {cpu})


def run(workdir: Path, todo: list[int], num_chunks: int, workers: int) -> None:
    """Measures the chunks `todo` in worker processes; reports on stderr."""
    # XLA reads its flags when it starts, hence the environment and fresh processes.
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {ONE_THREAD}".strip()
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    context = multiprocessing.get_context("spawn")
    allowed = [0]
    if hasattr(os, "sched_getaffinity"):
        allowed = sorted(os.sched_getaffinity(0))
    cpus = context.Queue()
    for worker in range(workers):
        cpus.put(allowed[worker % len(allowed)])
    start = last = time.monotonic()
    with concurrent.futures.ProcessPoolExecutor(
        workers, context, initializer=pin, initargs=(cpus,)
    ) as pool:
        futures = [pool.submit(measure_chunk, workdir, index) for index in todo]
        try:
            finished = concurrent.futures.as_completed(futures)
            for done, future in enumerate(finished, start=1):
                future.result()
                now = time.monotonic()
                if now - last > SECONDS_BETWEEN_LINES or done in (1, len(todo)):
                    last, left = now, len(todo) - done
                    minutes = (now - start) / done * left / 60
                    total = num_chunks - len(missing(workdir, num_chunks))
                    line = f"{total} of {num_chunks} chunks, {minutes:.0f} minutes left"
                    print(line, file=sys.stderr)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def provenance() -> str:
    """JSON: what was measured, on what, how, with what, when."""
    packages = "jax", "jaxlib", "numpy", "scikit-learn"
    versions = {name: importlib.metadata.version(name) for name in packages}
    return json.dumps(
        {
            "data": (
                "E. Alpaydin, C. Kaynak: Optical Recognition of Handwritten Digits, "
                "UCI Machine Learning Repository, 1998, doi 10.24432/C50P49; the 1,797 "
                "images that scikit-learn's load_digits carries"
            ),
            "licence_of_data": "CC BY 4.0",
            "labels": "counts of correctly classified images, one column a seed",
            "recipe": recipe(),
            "versions": {"python": platform.python_version(), **versions},
            "machine": f"{platform.system()} {platform.machine()}, CPU, float32",
            "date": datetime.date.today().isoformat(),
            "command": COMMAND,
        }
    )


def collect(workdir: Path, out: Path) -> None:
    """Writes the table from the finished chunks."""
    from experiments.networks import digits_cells

    cells, cell_of_code = digits_cells.distinct_cells()
    counts = np.zeros((2, len(cells), len(SEEDS)), np.uint16)
    for index, rows in enumerate(chunks(len(cells))):
        counts[:, rows] = np.load(chunk_file(workdir, index))
    _, num_val, num_test = digits_cells.split_sizes()
    columns = {
        "val_correct": counts[0],
        "test_correct": counts[1],
        "n_val": np.uint16(num_val),
        "n_test": np.uint16(num_test),
        "cell": cells,
        "cell_of_code": cell_of_code,
        "provenance": provenance(),
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    write(out, lambda file: np.savez_compressed(file, **columns))


def measure(workdir: Path, out: Path, workers: int = 1) -> None:
    """Measures the missing chunks, then writes the table."""
    from experiments.networks import digits_cells

    workdir.mkdir(parents=True, exist_ok=True)
    check_recipe(workdir)
    num_chunks = len(chunks(len(digits_cells.distinct_cells()[0])))
    todo = missing(workdir, num_chunks)
    if todo:
        run(workdir, todo, num_chunks, workers)
    collect(workdir, out)
    print(f"{out}: {out.stat().st_size / 1e3:.0f} kB", file=sys.stderr)


def define(values: flags.FlagValues) -> None:
    flags.DEFINE_string(
        "workdir", None, "folder of the finished chunks", flag_values=values
    )
    flags.DEFINE_string("out", None, "file to write, .npz", flag_values=values)
    flags.DEFINE_integer(
        "workers", 1, "processes, one thread each", lower_bound=1, flag_values=values
    )
    command.define_shared(values, ("overwrite",))


def main(values: flags.FlagValues) -> None:
    for name in ("workdir", "out"):
        if not values[name].value:
            raise UserError(f"--{name} is missing; name the {values[name].help}")
    command.check_free(values, Path(values.out))
    measure(Path(values.workdir), Path(values.out), values.workers)


if __name__ == "__main__":
    command.run(main, define)
