"""Seconds and ratios against PyTorch, scoring and training, all measured in one run.

    python -m perf.run --out=runs/perf.json

The peer is the same network and recipe in eager PyTorch (perf/torch_peer.py), on the
CPU. Every arrangement lives in processes of its own, all are timed in turn, and what
counts is the median of the repeats. perf/README.md says what is measured.
"""

import importlib.metadata
import importlib.util
import json
import multiprocessing
import os
import platform
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from absl import flags

ALL_CELLS = 423_624
SUBSET = 32_768  # cells that the peer is timed on
CHUNKS = (64, 256, 4_096, 16_384)  # of the peer
AS_USERS_RUN = 4_096
TRAIN_CELLS, BATCH = 100, 10
AGREEMENT = 1e-5
TARGETS = {
    "scoring_vs_torch_as_users_run": 3.0,
    "scoring_vs_torch_best": 1.8,
    "training_vs_torch_as_users_run": 5.0,
    "training_vs_torch_best": 1.6,
}
SCORING_SECONDS = 25.0  # target for all cells on two cores


# Processes.


class Worker:
    """An object in a process of its own, made there by `make(*arguments)`.

    Args:
      make: "module:name" of a class, imported in the process.
      arguments: of the class.
      cores: that the process may run on.
      environment: variables set before anything is imported there.
    """

    def __init__(self, make: str, *arguments, cores, environment=()):
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(
            target=_serve,
            args=(theirs, make, arguments, set(cores), dict(environment)),
            daemon=True,
        )
        self.process.start()
        theirs.close()
        self.call("ready")

    def begin(self, method: str, *arguments) -> None:
        self.connection.send((method, arguments))

    def end(self) -> Any:
        try:
            answer, failed = self.connection.recv()
        except EOFError:
            raise RuntimeError(f"a process of perf.run ended: {self.process}") from None
        if failed:
            raise answer
        return answer

    def call(self, method: str, *arguments) -> Any:
        self.begin(method, *arguments)
        return self.end()

    def close(self) -> None:
        self.connection.close()
        self.process.join(30)


def _serve(connection, make, arguments, cores, environment) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)
    os.environ.update(environment)
    served = None
    while True:
        try:
            method, values = connection.recv()
        except EOFError:
            return
        try:
            if method == "ready":
                module, _, name = make.partition(":")
                served = getattr(importlib.import_module(module), name)(*arguments)
                answer = None
            else:
                answer = getattr(served, method)(*values)
            connection.send((answer, False))
        except Exception as error:
            connection.send((error, True))


class Arrangement(NamedTuple):
    """Calls that run side by side, and what there is to say about them."""

    workers: list[Worker]
    method: str
    arguments: tuple
    about: dict[str, Any]

    def seconds(self) -> float:
        """Wall time until the last worker is done."""
        start = time.perf_counter()
        for worker in self.workers:
            worker.begin(self.method, *self.arguments)
        for worker in self.workers:
            worker.end()
        return time.perf_counter() - start


def interleaved(arrangements: dict[str, Arrangement], repeats: int) -> dict[str, dict]:
    """Times all in turn, `repeats` times; `about`, the seconds and their median."""
    times = {name: [] for name in arrangements}
    for repeat in range(repeats):
        for name, arrangement in arrangements.items():
            _report(f"repeat {repeat + 1} of {repeats}: {name}")
            times[name].append(arrangement.seconds())
    return {
        name: {
            **arrangement.about,
            "measured_seconds": times[name],
            "median_seconds": statistics.median(times[name]),
        }
        for name, arrangement in arrangements.items()
    }


def faster(candidates: list[Arrangement]) -> Arrangement:
    """The fastest of several, each run once to warm up and once timed."""
    for candidate in candidates:
        candidate.seconds()
    return min(candidates, key=Arrangement.seconds)


# What is measured.


class Ours:
    """tnasp_jax, on as many host devices as the process has cores."""

    def __init__(self, folder: str, draws: int, epochs: int):
        from experiments import devices

        devices.use_all_cores()
        import jax

        from tnasp_jax import evaluation
        from tnasp_jax.graphs import Graphs
        from tnasp_jax.predictors import tnasp

        self.folder, self.draws, self.epochs = Path(folder), draws, epochs
        self.mesh = devices.mesh()
        with np.load(self.folder / "cells.npz") as cells:
            fields = (cells[name] for name in ("ops", "adjacency", "mask"))
            self.graphs = Graphs(*fields)
            self.predictor = tnasp(int(cells["num_ops"]))
        self.chunk = evaluation.default_chunk()
        self.devices = len(jax.local_devices())

    def write_reference(self) -> None:
        """Parameters, their scores and random labels of the training cells."""
        import flax.traverse_util
        import jax

        cells = self.graphs[:TRAIN_CELLS]
        params = self.predictor.init(jax.random.key(0), cells)
        flat = flax.traverse_util.flatten_dict(params, sep="/")
        np.savez(self.folder / "params.npz", **flat)
        scores = jax.jit(self.predictor.apply)(params, cells)
        labels = np.random.default_rng(0).normal(size=TRAIN_CELLS).astype(np.float32)
        np.savez(self.folder / "labels.npz", scores=scores, labels=labels)

    def facts(self) -> dict[str, Any]:
        return {"devices": self.devices, "chunk": self.chunk}

    def compile_scoring(self) -> dict[str, float]:
        import jax

        from tnasp_jax import evaluation

        params = self.predictor.init(jax.random.key(0), self.graphs[:2])
        score = evaluation.scorer(self.predictor, mesh=self.mesh)
        start = time.perf_counter()
        compiled = score.lower(params, self.graphs).compile()
        compile_seconds = time.perf_counter() - start
        self.score_once = lambda: jax.block_until_ready(compiled(params, self.graphs))
        before = _peak_memory()
        self.score()
        return {
            "compile_seconds": compile_seconds,
            "peak_memory_mib_before": before,
            "peak_memory_mib_after": _peak_memory(),
        }

    def score(self) -> None:
        self.score_once()

    def compile_training(self) -> dict[str, float]:
        import functools

        import jax
        import jax.numpy as jnp

        from tnasp_jax.training import supervised
        from tnasp_jax.training.draws import over_draws

        config = supervised.FitConfig(batch_size=BATCH)
        cells = jax.tree.map(
            lambda leaf: jnp.stack([leaf] * self.draws), self.graphs[:TRAIN_CELLS]
        )
        with np.load(self.folder / "labels.npz") as saved:
            labels = jnp.stack([saved["labels"]] * self.draws)
        keys = jax.random.split(jax.random.key(0), self.draws)
        start = functools.partial(supervised.start, self.predictor, config=config)
        train = functools.partial(
            supervised.train_epochs,
            self.predictor,
            config=config,
            num_epochs=self.epochs,
        )
        state = over_draws(start, self.mesh)(cells, keys)
        begin = time.perf_counter()
        compiled = over_draws(train, self.mesh).lower(cells, labels, state).compile()
        compile_seconds = time.perf_counter() - begin
        self.train_once = lambda: jax.block_until_ready(compiled(cells, labels, state))
        self.train()
        return {"compile_seconds": compile_seconds}

    def train(self) -> None:
        self.train_once()


class Bench:
    """The processes of both sides."""

    def __init__(self, folder: str, num_cells: int, draws: int, epochs: int):
        cores = sorted(os.sched_getaffinity(0))
        cpu = {"JAX_PLATFORMS": "cpu"}
        ours, peer = "perf.run:Ours", "perf.torch_peer:Peer"
        timed = min(SUBSET, num_cells)
        self.num_cells, self.num_timed = num_cells, timed
        self.draws, self.steps = draws, epochs * TRAIN_CELLS // BATCH
        self.epochs = epochs
        # One that writes what the others read; its memory is not looked at.
        with_reference = Worker(ours, folder, draws, epochs, cores=cores, environment=cpu)
        with_reference.call("write_reference")
        with_reference.close()
        self.ours = {
            "ours_one_device": Worker(
                ours, folder, draws, epochs, cores=cores[:1], environment=cpu
            )
        }
        if len(cores) > 1:
            self.ours[f"ours_{_word(len(cores))}_devices"] = Worker(
                ours, folder, draws, epochs, cores=cores, environment=cpu
            )
        self.best = list(self.ours)[-1]
        self.default_torch = Worker(peer, folder, None, (0, 1), timed, cores=cores)
        self.side_by_side = [
            Worker(peer, folder, 1, (i, len(cores)), timed, cores=[core])
            for i, core in enumerate(cores)
        ]
        self.workers = [*self.ours.values(), self.default_torch, *self.side_by_side]

    def close(self) -> None:
        for worker in self.workers:
            worker.close()

    def peers(self) -> dict[str, tuple[list[Worker], dict[str, Any]]]:
        """PyTorch's arrangements: its default threads, one-thread processes."""
        threads = self.default_torch.call("facts")["threads"]
        processes = len(self.side_by_side)
        return {
            "threads": ([self.default_torch], {"processes": 1, "threads": threads}),
            "processes": (self.side_by_side, {"processes": processes, "threads": 1}),
        }

    def scoring(self, repeats: int) -> dict[str, dict]:
        arrangements = {}
        for name, worker in self.ours.items():
            _report(f"compiling the scoring of {name}")
            about = {**worker.call("facts"), **worker.call("compile_scoring")}
            about |= {"cells_timed": self.num_cells}
            arrangements[name] = Arrangement([worker], "score", (), about)
        for kind, (workers, facts) in self.peers().items():
            for chunk in CHUNKS:
                _report(f"choosing the attention of torch, {kind}, chunk {chunk}")
                arrangements[f"torch_{kind}_chunk_{chunk}"] = faster(
                    [
                        Arrangement(
                            workers,
                            "score",
                            (chunk, attention),
                            {
                                **facts,
                                "chunk": chunk,
                                "attention": attention,
                                "cells_timed": self.num_timed,
                            },
                        )
                        for attention in ("plain", "sdpa")
                    ]
                )
        results = interleaved(arrangements, repeats)
        for result in results.values():
            scale = self.num_cells / result["cells_timed"]
            result["seconds"] = result["median_seconds"] * scale
            result["extrapolated"] = scale != 1
        return results

    def training(self, repeats: int) -> dict[str, dict]:
        arrangements = {}
        for name, worker in self.ours.items():
            _report(f"compiling the training of {name}")
            about = {"devices": worker.call("facts")["devices"], "draws": self.draws}
            about |= worker.call("compile_training")
            arrangements[name] = Arrangement([worker], "train", (), about)
        for kind, optimizers in (
            ("threads", ("default",)),
            ("processes", ("default", "foreach", "fused")),
        ):
            workers, facts = self.peers()[kind]
            _report(f"choosing the attention and Adam of torch, {kind}")
            arrangements[f"torch_{kind}"] = faster(
                [
                    Arrangement(
                        workers,
                        "train",
                        (optimizer, attention, self.epochs),
                        {
                            **facts,
                            "draws": len(workers),
                            "adam": optimizer,
                            "attention": attention,
                        },
                    )
                    for optimizer in optimizers
                    for attention in ("plain", "sdpa")
                ]
            )
        results = interleaved(arrangements, repeats)
        for result in results.values():
            updates = self.steps * result["draws"]
            result["steps_per_draw"] = self.steps
            result["ms_per_step_and_draw"] = 1000 * result["median_seconds"] / updates
        return results


# Cells.


def write_cells(path: Path, count: int, data_dir: str | None) -> str:
    """Writes NB101 cells, official or random; returns a sentence about them."""
    from tnasp_jax.benchmarks import MissingData, nasbench101
    from tnasp_jax.spaces import NASBENCH101

    try:
        graphs = nasbench101.read(data_dir).graphs
        rows = np.linspace(0, len(graphs) - 1, min(count, len(graphs))).astype(int)
        fields = graphs.ops[rows], graphs.adjacency[rows], graphs.mask[rows]
        source = "NAS-Bench-101, official cells"
    except MissingData:
        if data_dir:
            raise
        fields = random_cells(count)
        source = "random valid graphs of NAS-Bench-101's shape, all 7 nodes live"
    ops, adjacency, mask = fields
    num_ops = len(NASBENCH101.ops)
    np.savez(path, ops=ops, adjacency=adjacency, mask=mask, num_ops=num_ops)
    return source


def random_cells(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Operations, adjacency and masks of cells with 7 live nodes and 6 to 9 edges."""
    rng = np.random.default_rng(0)
    kept, have = [], 0
    while have < count:
        size = 2 * (count - have) + 100
        draws = np.arange(size)
        adjacency = np.zeros((size, 7, 7), bool)
        for node in range(1, 7):
            adjacency[draws, rng.integers(0, node, size), node] = True
        for node in range(6):
            target = rng.integers(node + 1, 7, size)
            adjacency[draws, node, target] |= ~adjacency[:, node].any(axis=1)
        kept.append(adjacency[adjacency.sum((1, 2)) <= 9])
        have += len(kept[-1])
    ops = np.zeros((count, 7), np.int32)
    ops[:, 1:6], ops[:, 6] = rng.integers(1, 4, (count, 5)), 4
    return ops, np.concatenate(kept)[:count], np.ones((count, 7), bool)


# The command.


def define(values: flags.FlagValues) -> None:
    flags.DEFINE_string("out", None, "file to write, JSON", flag_values=values)
    flags.DEFINE_enum(
        "only", None, ["scoring", "training"], "leave the rest out", flag_values=values
    )
    for name, default, least, text in (
        ("cells", ALL_CELLS, 1_000, "cells to score"),
        ("steps", 200, 10, "training steps per draw, in epochs of 10"),
        ("draws", 10, 1, "draws to train"),
        ("repeats", 3, 1, "times that everything is timed"),
    ):
        flags.DEFINE_integer(name, default, text, least, flag_values=values)
    flags.DEFINE_string(
        "data_dir",
        None,
        "folder with the official cells; default: $TNASP_DATA, else random cells",
        flag_values=values,
    )


def main(values: flags.FlagValues) -> int:
    if not values.out:
        raise ValueError("--out=FILE is missing")
    out = Path(values.out)
    if not out.parent.is_dir():
        raise ValueError(f"--out={out}: no folder {out.parent}")
    if importlib.util.find_spec("torch") is None:
        raise ValueError(
            "perf.run needs PyTorch as the peer: pip install 'tnasp_jax[perf]'"
        )
    with tempfile.TemporaryDirectory() as folder:
        result = measure(values, folder)
    out.write_text(json.dumps(result, indent=2, allow_nan=False) + "\n")
    print("\n".join(table(result)))
    return 0


def measure(values: flags.FlagValues, folder: str) -> dict[str, Any]:
    started = time.perf_counter()
    source = write_cells(Path(folder) / "cells.npz", values.cells, values.data_dir)
    with np.load(Path(folder) / "cells.npz") as cells:
        num_cells = len(cells["ops"])
    bench = Bench(folder, num_cells, values.draws, max(1, values.steps // 10))
    try:
        disagreement = bench.default_torch.call("disagreement")
        if not disagreement <= AGREEMENT:
            raise RuntimeError(f"the networks differ by {disagreement}, not timed")
        result: dict[str, Any] = {
            "machine": machine(bench),
            "cells": {
                "count": num_cells,
                "source": source,
                "peer_timed_on": bench.num_timed,
                "peer_seconds": "of the cells timed, scaled linearly to all cells",
            },
            "largest_score_difference": disagreement,
            "repeats": values.repeats,
        }
        if values.only != "training":
            result["scoring"] = bench.scoring(values.repeats)
        if values.only != "scoring":
            result["training"] = bench.training(values.repeats)
        result["ratios"] = ratios(result, bench.best)
    finally:
        bench.close()
    result["targets"] = {**TARGETS, "scoring_seconds_two_cores": SCORING_SECONDS}
    result["wall_seconds"] = time.perf_counter() - started
    return result


def ratios(result: dict[str, Any], best: str) -> dict[str, float]:
    """The peer's time over ours on all cores."""
    found = {}
    if "scoring" in result:
        scoring = {name: each["seconds"] for name, each in result["scoring"].items()}
        peers = [value for name, value in scoring.items() if name.startswith("torch")]
        users = scoring[f"torch_threads_chunk_{AS_USERS_RUN}"]
        found["scoring_vs_torch_as_users_run"] = users / scoring[best]
        found["scoring_vs_torch_best"] = min(peers) / scoring[best]
    if "training" in result:
        step = {
            name: each["ms_per_step_and_draw"]
            for name, each in result["training"].items()
        }
        found["training_vs_torch_as_users_run"] = step["torch_threads"] / step[best]
        fastest = min(step["torch_threads"], step["torch_processes"])
        found["training_vs_torch_best"] = fastest / step[best]
    return found


def machine(bench: Bench) -> dict[str, Any]:
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text().splitlines()
        names = [line.split(":")[1].strip() for line in lines if "model name" in line]
        cpu = names[0] if names else cpu
    packages = ("jax", "jaxlib", "flax", "optax", "numpy")
    return {
        "cpu": cpu,
        "cores": len(bench.side_by_side),
        "load_average_at_start": os.getloadavg()[0],
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
        "versions": {
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in packages},
            "torch": bench.default_torch.call("facts")["version"],
        },
    }


def table(result: dict[str, Any]) -> list[str]:
    """The figures for people, one a line."""
    facts, cells = result["machine"], result["cells"]
    lines = [
        f"{facts['cpu']}, {facts['cores']} cores; "
        + ", ".join(f"{name} {each}" for name, each in facts["versions"].items()),
        f"scores agree to {result['largest_score_difference']:.1e}; "
        f"medians of {result['repeats']} interleaved repeats",
    ]
    if "scoring" in result:
        lines += ["", f"Scoring {cells['count']:,} cells ({cells['source']}), seconds"]
        for name, each in result["scoring"].items():
            lines.append(f"  {name:<30}{each['seconds']:9.2f}   {_scoring_note(each)}")
    if "training" in result:
        lines += ["", f"Training, batch {BATCH}, ms a step and draw"]
        for name, each in result["training"].items():
            lines.append(
                f"  {name:<30}{each['ms_per_step_and_draw']:9.2f}   "
                + _training_note(each)
            )
    lines += ["", "PyTorch's time over ours on all cores"]
    for name, ratio in result["ratios"].items():
        target = TARGETS[name]
        verdict = "met" if ratio >= target else "missed"
        lines.append(f"  {name:<30}{ratio:9.2f}   target {target} {verdict}")
    return [
        *lines,
        "",
        "as_users_run: one process with PyTorch's default threads, the default Adam, "
        f"scoring in chunks of {AS_USERS_RUN:,}, one draw after the other;",
        "best: the fastest line of the peer, of all chunks, and of one-thread processes "
        "side by side, one a core, with the fastest Adam. The attention is",
        "everywhere the faster of plain and scaled_dot_product_attention; Laplacian "
        "rows are made beforehand for the peer only.",
    ]


def _scoring_note(each: dict[str, Any]) -> str:
    if "devices" in each:
        return (
            f"chunk {each['chunk']}, {each['devices']} devices, compile "
            f"{each['compile_seconds']:.1f} s, peak memory "
            f"{each['peak_memory_mib_before']:.0f} to "
            f"{each['peak_memory_mib_after']:.0f} MiB"
        )
    note = (
        f"{each['processes']} x {each['threads']} threads, {each['attention']} attention"
    )
    if each["extrapolated"]:
        note += f", scaled from {each['cells_timed']:,} cells"
    return note


def _training_note(each: dict[str, Any]) -> str:
    if "devices" in each:
        return (
            f"{each['draws']} draws, {each['devices']} devices, "
            f"compile {each['compile_seconds']:.1f} s"
        )
    return (
        f"{each['processes']} x {each['threads']} threads, "
        f"Adam {each['adam']}, {each['attention']} attention"
    )


def _peak_memory() -> float:
    """Most memory that this process has held, MiB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def _word(count: int) -> str:
    return {2: "two"}.get(count, str(count))


def _report(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    from experiments import command

    command.run(main, define)
