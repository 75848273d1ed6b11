"""Seconds and ratios against PyTorch, scoring and training, all measured in one run.

    python -m perf.run --out=runs/perf.json

The peer is the same network and recipe in eager PyTorch (perf/torch_peer.py), on the
CPU. Every arrangement lives in processes of its own, all are timed in turn, and what
counts is the median of the repeats. perf/README.md says what is measured.
"""

import importlib.metadata
import importlib.util
import json
import os
import platform
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from experiments.shell import command
from perf.processes import Arrangement, Worker, faster, interleaved, report

ALL_CELLS = 423_624
SUBSET = 32_768  # cells that the peer is timed on
CHUNKS = (64, 256, 4_096, 16_384)  # of the peer
AS_USERS_RUN = 4_096
BATCH, STEPS_PER_EPOCH = 10, 10
AGREEMENT = 1e-5
TARGETS = {
    "scoring_vs_torch_as_users_run": 3.0,
    "scoring_vs_torch_best": 1.8,
    "training_vs_torch_as_users_run": 5.0,
    "training_vs_torch_best": 1.6,
}
SCORING_SECONDS = 25.0  # target for all cells on two cores


class Bench:
    """The processes of both sides."""

    def __init__(self, folder: str, num_cells: int, draws: int, epochs: int):
        cores = sorted(os.sched_getaffinity(0))
        cpu = {"JAX_PLATFORMS": "cpu"}
        ours, peer = "perf.ours:Ours", "perf.torch_peer:Peer"
        timed = min(SUBSET, num_cells)
        self.num_cells, self.num_timed = num_cells, timed
        self.draws, self.steps = draws, epochs * STEPS_PER_EPOCH
        self.epochs = epochs
        # One that writes what the others read; its memory is not looked at.
        with_reference = Worker(
            ours, folder, draws, epochs, cores=cores, environment=cpu
        )
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
            report(f"compiling the scoring of {name}")
            about = {**worker.call("facts"), **worker.call("compile_scoring")}
            about |= {"cells_timed": self.num_cells}
            arrangements[name] = Arrangement([worker], "score", (), about)
        for kind, (workers, facts) in self.peers().items():
            for chunk in CHUNKS:
                report(f"choosing the attention of torch, {kind}, chunk {chunk}")
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
            report(f"compiling the training of {name}")
            about = {"devices": worker.call("facts")["devices"], "draws": self.draws}
            about |= worker.call("compile_training")
            arrangements[name] = Arrangement([worker], "train", (), about)
        for kind, optimizers in (
            ("threads", ("default",)),
            ("processes", ("default", "foreach", "fused")),
        ):
            workers, facts = self.peers()[kind]
            report(f"choosing the attention and Adam of torch, {kind}")
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


def define(values: flags.FlagValues) -> None:
    flags.DEFINE_string("out", None, "file to write, JSON", flag_values=values)
    command.define_shared(values, ("overwrite",))
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
    command.check_out(values, out)
    if importlib.util.find_spec("torch") is None:
        raise ValueError("perf.run needs PyTorch as the peer: pip install '.[perf]'")
    with tempfile.TemporaryDirectory() as folder:
        result = measure(values, folder)
    out.write_text(json.dumps(result, indent=2, allow_nan=False) + "\n")
    print("\n".join(table(result)))
    return 0


def measure(values: flags.FlagValues, folder: str) -> dict[str, Any]:
    from perf import ours  # Not above: that starts JAX in every process.

    started = time.perf_counter()
    source = ours.write_cells(Path(folder) / "cells.npz", values.cells, values.data_dir)
    with np.load(Path(folder) / "cells.npz") as cells:
        num_cells = len(cells["ops"])
    bench = Bench(
        folder, num_cells, values.draws, max(1, values.steps // STEPS_PER_EPOCH)
    )
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
    note = f"{each['processes']} x {each['threads']} threads, {each['attention']} attention"
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


def _word(count: int) -> str:
    return {2: "two"}.get(count, str(count))


if __name__ == "__main__":
    command.run(main, define)
