"""Our side: tnasp_jax as the experiments use it, and the cells that both sides get."""

import functools
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np

from experiments.shell import devices
from tnasp_jax import evaluation
from tnasp_jax.benchmarks import MissingData, nasbench101
from tnasp_jax.graphs import Graphs
from tnasp_jax.predictors import tnasp
from tnasp_jax.spaces import NASBENCH101
from tnasp_jax.training import supervised
from tnasp_jax.training.draws import over_draws

TRAIN_CELLS, BATCH = 100, 10


class Ours:
    """tnasp_jax, on as many host devices as the process has cores."""

    def __init__(self, folder: str, draws: int, epochs: int):
        devices.use_all_cores()
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
        params = self.predictor.init(jax.random.key(0), self.graphs[:2])
        score = evaluation.scorer(self.predictor, mesh=self.mesh)
        few = self.graphs[: 2 * self.chunk]
        score_few = functools.partial(score, params, few)
        compile_seconds = _first_call(score_few)
        before = _peak_memory()
        self.score_once = functools.partial(score, params, self.graphs)
        self.score()
        return {
            "compile_seconds": compile_seconds,
            "peak_memory_mib_before": before,
            "peak_memory_mib_after": _peak_memory(),
        }

    def score(self) -> None:
        jax.block_until_ready(self.score_once())

    def compile_training(self) -> dict[str, float]:
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
        train = over_draws(train, self.mesh)
        self.train_once = functools.partial(train, cells, labels, state)
        return {"compile_seconds": _first_call(self.train_once)}

    def train(self) -> None:
        jax.block_until_ready(self.train_once())


def _first_call(function) -> float:
    """Seconds that a first call takes longer than a second one."""
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        jax.block_until_ready(function())
        seconds.append(time.perf_counter() - start)
    return seconds[0] - seconds[1]


def _peak_memory() -> float:
    """Most memory that this process has held, MiB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def write_cells(path: Path, count: int, data_dir: str | None) -> str:
    """Writes NB101 cells, official or random; returns a sentence about them.

    Raises:
      MissingData: if `data_dir` lacks them; with $TNASP_DATA random ones serve instead.
    """
    folder = data_dir or os.environ.get("TNASP_DATA")
    fields = official_cells(folder, count, required=bool(data_dir)) if folder else None
    source = "NAS-Bench-101, official cells"
    if fields is None:
        fields = random_cells(count)
        source = "random valid graphs of NAS-Bench-101's shape, all 7 nodes live"
    ops, adjacency, mask = fields
    num_ops = len(NASBENCH101.ops)
    np.savez(path, ops=ops, adjacency=adjacency, mask=mask, num_ops=num_ops)
    return source


def official_cells(folder: str, count: int, required: bool):
    """Fields of `count` rows spread over the table; None if it is not there."""
    try:
        graphs = nasbench101.read(Path(folder).expanduser()).graphs
    except MissingData:
        if required:
            raise
        return None
    rows = np.linspace(0, len(graphs) - 1, min(count, len(graphs))).astype(int)
    return graphs.ops[rows], graphs.adjacency[rows], graphs.mask[rows]


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
