"""One cell of a results table: what is trained on what, and its name."""

import dataclasses
from typing import Any

from tnasp_jax.predictors.recipe import FitConfig
from tnasp_jax.training.labels import Units
from tnasp_jax.training.self_evolution import EvolutionConfig

SUFFIXES = {"off": "", "minimax": "_se", "projection": "_seproj", "control": "_control"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cell:
    """The settings that decide a result; two equal cells give equal results.

    Attributes:
      table: "nb101", "nb201", "nb201digits" or one of `ranked.TABLES`.
      predictor: name in the registry of predictors.
      self_evolution: "off", "minimax", "projection" or "control".
      n_train, n_val: cells to learn from, and cells whose labels stay hidden.
      n_test: None for the whole table, or that many cells for each draw.
      seeds: one draw each.
      train_target: label learnt from.
      eval_targets: labels that the ranking is compared with, the main one first.
      units: training units of the labels, "rank" or "zscore".
      fit: the supervised recipe.
      evolution: the self-evolution recipe; None without.
    """

    table: str
    predictor: str
    self_evolution: str
    n_train: int
    n_val: int
    n_test: int | None
    seeds: tuple[int, ...]
    train_target: str
    eval_targets: tuple[str, ...]
    units: Units
    fit: FitConfig
    evolution: EvolutionConfig | None

    @property
    def name(self) -> str:
        """TABLE_PREDICTOR[_se|_seproj|_control]_N[_testM], a file in results/."""
        return self._name(SUFFIXES[self.self_evolution])

    @property
    def plain_name(self) -> str:
        """The name of the same cell without self-evolution."""
        return self._name("")

    def _name(self, suffix: str) -> str:
        test = "" if self.n_test is None else f"_test{self.n_test}"
        return f"{self.table}_{self.predictor}{suffix}_{self.n_train}{test}"

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for config.json and to compare two cells."""
        values = dataclasses.asdict(self)
        values["fit"]["loss"] = self.fit.loss.__name__
        values["seeds"] = list(self.seeds)
        values["eval_targets"] = list(self.eval_targets)
        return values

    def supervised_part(self) -> dict[str, Any]:
        """What decides the network before self-evolution; equal cells can share it."""
        values = self.as_dict()
        for name in ("self_evolution", "evolution", "eval_targets"):
            del values[name]
        return values
