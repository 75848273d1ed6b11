"""What an architecture is expected to be worth, from its choices and their pairs.

Kernel ridge regression in numpy: fitted to a thousand values in milliseconds, so that a
search may ask it about thousands of architectures before it asks for one. Axis letters: n
known architectures, C candidates, N slots.
"""

from typing import NamedTuple

import numpy as np
import scipy.linalg

LEARNT = 1000
"""The best known ones that are learnt from, at most: what lies far below says little of
what lies above."""
RIDGE = 0.01


class Pairwise(NamedTuple):
    """A fitted regression.

    Attributes:
      chosen: [n, N] int, the choices that were learnt from.
      weights: [n], one of each.
      mean: of the values.
      spread: their standard deviation.
    """

    chosen: np.ndarray
    weights: np.ndarray
    mean: float
    spread: float

    def __call__(self, chosen: np.ndarray) -> np.ndarray:
        """[C] in the units of the values, of choices [C, N]."""
        return self.mean + self.spread * (_kernel(chosen, self.chosen) @ self.weights)


def fit(chosen: np.ndarray, values: np.ndarray) -> Pairwise:
    """Learns from the best `LEARNT`.

    Args:
      chosen: [n, N] int; see `niches.choices`.
      values: [n], higher is better.
    """
    rows = np.argsort(-values, kind="stable")[:LEARNT]
    chosen, values = chosen[rows], values[rows]
    mean, spread = float(values.mean()), float(values.std()) or 1.0
    gram = _kernel(chosen, chosen) + RIDGE * np.eye(len(rows))
    weights = scipy.linalg.solve(gram, (values - mean) / spread, assume_a="pos")
    return Pairwise(chosen, weights, mean, spread)


def _kernel(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """`s + s^2`, s the share of slots with the same choice: linear in choices and in
    their pairs. [F, S] of choices [F, N] and [S, N]."""
    share = np.mean(first[:, None] == second[None], axis=2)
    return share + share**2
