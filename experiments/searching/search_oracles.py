"""What answers when a search asks: a table's label, or the score of a predictor."""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import jax
import numpy as np

from experiments.cells import table_names
from experiments.shell.command import UserError
from tnasp_jax import benchmarks, runs
from tnasp_jax.benchmarks import Table
from tnasp_jax.graphs import pad_batch
from tnasp_jax.search import AtMost, State, known
from tnasp_jax.search.constraints import Allowed
from tnasp_jax.spaces.base import Architecture, Space, host_rng

TABLES = benchmarks.NAMES
WHOLE = tuple(table_names.HOMES)
"""Tables that hold every architecture of their space."""

MUTATIONS = 32
"""Tries of a mutation to be a candidate, where a part of all architectures are."""


class Incumbent(NamedTuple):
    """The best so far by the training label, since it took the lead.

    Attributes:
      queries: labels that were asked for until then.
      label: its training label.
      test: its test label, NaN where it was not measured.
    """

    queries: int
    label: float
    test: float


def _incumbents(state: State, test: Callable[[str, float], float]) -> list[Incumbent]:
    """Those of a search; `test` tells the test label of a text and its answer."""
    found: list[Incumbent] = []
    for at in np.flatnonzero(known(state)).tolist():
        label = float(state.values[at, 0])
        if not found or label > found[-1].label:
            found.append(Incumbent(at + 1, label, test(str(state.texts[at]), label)))
    return found


class RunOracle:
    """Answers with the score of a finished run, a fraction."""

    def __init__(self, folder: str):
        self.run = runs.load(folder)
        self.space, self.target = self.run.space, self.run.target
        self.description = (
            f"score of {self.run.predictor_name} in {folder}, mean of {self.run.draws} "
            f"draws, trained on {self.run.description}"
        )
        self.source: dict[str, Any] = {"run": str(folder)}
        self.allowed: list = []

    def evaluate(self, architectures: Sequence[Architecture]) -> np.ndarray:
        """[B] scores; NaN where the predictor says none."""
        texts = [self.space.format(architecture) for architecture in architectures]
        return np.asarray(self.run.predict(texts))


class SurrogateOracle:
    """Answers with the accuracy that a published surrogate predicts, a fraction."""

    def __init__(self, name: str, data_dir: Path | None):
        surrogate = benchmarks.load_surrogate(name, data_dir)
        self.space, self.target = surrogate.space, surrogate.target
        self.description = surrogate.describe
        self.source: dict[str, Any] = {
            "surrogate": name,
            "data_sha256": surrogate.sha256,
        }
        self.allowed: list = []
        self._score = functools.partial(jax.jit(surrogate.apply), surrogate.params)

    def evaluate(self, architectures: Sequence[Architecture]) -> np.ndarray:
        """[B] accuracies; NaN where the surrogate knows none."""
        count = len(architectures)  # Padded, so that few sizes are compiled.
        size = max(8, 1 << (count - 1).bit_length())
        graphs = pad_batch(self.space.to_graphs(architectures), size)
        return np.asarray(self._score(graphs))[:count]

    def incumbents(self, state: State) -> list[Incumbent]:
        """Who was best, and when; what is asked is also what judges."""
        return _incumbents(state, lambda text, score: score)


class Candidates:
    """A space of which few architectures may be asked: proposals are made of these.

    Everything else is the space's own.

    Args:
      table: holds the candidates.
      rows: of the candidates.
      is_candidate: whether an architecture is one.
      tries: mutations that a proposal may take; 0 where hardly any is a candidate.
    """

    def __init__(
        self,
        table: Table,
        rows: np.ndarray,
        is_candidate: Allowed,
        tries: int = MUTATIONS,
    ):
        self._space: Space = table.space
        self._table, self._rows, self._is_candidate = table, rows, is_candidate
        self._tries = tries
        self._of_row = functools.lru_cache(1 << 16)(self._read)

    def __getattr__(self, name: str):
        return getattr(self._space, name)

    def sample(self, key: jax.Array, count: int) -> list[Architecture]:
        """Candidates, each as likely as any other."""
        rows = host_rng(key).choice(self._rows, count)
        return [self._of_row(row) for row in rows.tolist()]

    def mutate(self, key: jax.Array, architecture: Architecture) -> Architecture:
        """A mutation that is a candidate, where one of the tries is; any candidate
        without tries."""
        if not self._tries:
            return self.sample(key, 1)[0]
        mutant = architecture
        for each in jax.random.split(key, self._tries):
            mutant = self._space.mutate(each, architecture)
            if self._is_candidate(mutant):
                break
        return mutant

    def _read(self, row: int) -> Architecture:
        return self._space.parse(self._table.texts(row))


class TableOracle:
    """Answers with the training label of a table, and knows the test label.

    Only rows that have both labels are candidates: no answer is made up for others.
    """

    def __init__(self, name: str, data_dir: Path | None):
        self.table: Table = benchmarks.load(name, data_dir)
        self.space, self.target = self.table.space, self.table.train_target
        self.eval_target = self.table.eval_targets[0]
        self.description = self.table.describe[self.target]
        self.source = {
            "table": self.table.name,
            "eval_target": self.eval_target,
            "targets": {
                target: self.table.describe[target]
                for target in (self.target, self.eval_target)
            },
            "data_sha256": self.table.sha256,
        }
        self.labels = self.table.label(self.target)
        self.test = self.table.label(self.eval_target)
        measured = ~np.isnan(self.labels) & ~np.isnan(self.test)
        self.rows = np.flatnonzero(measured)
        self.candidates = f"{len(self.rows):,} architectures with both labels"
        whole = self.table.name in WHOLE
        if len(self.rows) < len(self.table) or not whole:
            tries = MUTATIONS if whole else 0
            self.space = cast(
                Space, Candidates(self.table, self.rows, self.is_candidate, tries)
            )
            if len(self.rows) < len(self.table):
                self.candidates += f", of {len(self.table):,} in the table"
            self.candidates += (
                "; no other one is ever asked, and random ones are drawn from these"
            )
            if not whole:
                self.candidates += "; so are mutations, hardly one of which is there"
        self.source["candidates"] = self.candidates
        self.allowed = [self.is_candidate]

    @functools.cached_property
    def _by_text(self) -> dict[str, int]:
        return {self.table.texts(row): row for row in self.rows.tolist()}

    @functools.cached_property
    def _by_hash(self) -> dict[str, int]:
        return {
            self.space.canonical_hash(self.space.parse(text)): row
            for text, row in self._by_text.items()
        }

    @functools.lru_cache(maxsize=1 << 16)  # noqa: B019 - lives as long as its command
    def row(self, architecture: Architecture) -> int | None:
        """The row of an architecture, or of its isomorphic copy; None if it has none."""
        found = self._by_text.get(self.space.format(architecture))
        if found is None:
            found = self._by_hash.get(self.space.canonical_hash(architecture))
        return found

    def is_candidate(self, architecture: Architecture) -> bool:
        """Whether both its labels were measured."""
        return self.row(architecture) is not None

    def evaluate(self, architectures: Sequence[Architecture]) -> np.ndarray:
        """[B] training labels."""
        rows = [self.row(one) for one in architectures]
        return np.array([np.nan if row is None else self.labels[row] for row in rows])

    def optimum(self, limits: Sequence[AtMost] = ()) -> float:
        """The highest test label of a candidate within all limits.

        Raises:
          UserError: if no candidate is.
        """
        rows = self.rows
        if limits:
            cells = [self.space.parse(self.table.texts(row)) for row in rows.tolist()]
            allowed = [all(limit(cell) for limit in limits) for cell in cells]
            rows = rows[np.array(allowed, bool)]
        if not len(rows):
            raise UserError("no architecture of the table is within the limits")
        return float(self.test[rows].max())

    def regret_of_best(self) -> float:
        """How far the test label of the candidate that is best by the training label
        stays below the highest one: what a search that asks all is left with."""
        return self.optimum() - float(
            self.test[self.rows[np.argmax(self.labels[self.rows])]]
        )

    def incumbents(self, state: State) -> list[Incumbent]:
        """Who was best by the training label, and when; the first among equals."""

        def test(text: str, label: float) -> float:
            return float(self.test[self.row(self.space.parse(text))])

        return _incumbents(state, test)


Oracle = RunOracle | SurrogateOracle | TableOracle
"""What a search can ask."""
