"""What an architecture is expected to be worth, from its choices and their pairs.

Kernel ridge regression in numpy: fitted to thousands of values in a fraction of a second,
so that a search may ask it about a thousand architectures before it asks for one. Slots
weigh as much as their choices matter (automatic relevance determination, MacKay 1992, in
one step of a linear regression). Axis letters: n known architectures, C candidates, N
slots, K choices.
"""

from typing import NamedTuple

import numpy as np
import scipy.linalg

BEST, OTHERS = 1000, 1500
"""Of the known ones so many are learnt from, at most: the best, and others, evenly spread
over the rest. Without these, what lies far from the best would be expected as high."""
RIDGE = 0.01


class Pairwise(NamedTuple):
    """A fitted regression.

    Attributes:
      chosen: [n, N] int, the choices that were learnt from.
      slots: [N] float32, the weights of the slots; their sum is 1.
      weights: [n] float32, one of each that was learnt from.
      mean: of the values.
      spread: their standard deviation.
    """

    chosen: np.ndarray
    slots: np.ndarray
    weights: np.ndarray
    mean: float
    spread: float

    def __call__(self, chosen: np.ndarray) -> np.ndarray:
        """[C] in the units of the values, of choices [C, N]."""
        kernel = _kernel(chosen, self.chosen, self.slots)
        return self.mean + self.spread * (kernel @ self.weights).astype(np.float64)


def fit(chosen: np.ndarray, values: np.ndarray) -> Pairwise:
    """Learns from the best and some of the others.

    Args:
      chosen: [n, N] int; see `niches.choices`.
      values: [n], higher is better.
    """
    rows = learnt_from(values)
    chosen, values = chosen[rows], values[rows]
    slots = relevance(chosen, values)
    mean, spread = float(values.mean()), float(values.std()) or 1.0
    gram = _kernel(chosen, chosen, slots) + np.float32(RIDGE) * np.eye(
        len(rows), dtype=np.float32
    )
    target = ((values - mean) / spread).astype(np.float32)
    weights = scipy.linalg.solve(gram, target, assume_a="pos", overwrite_a=True)
    return Pairwise(chosen, slots, weights, mean, spread)


def learnt_from(values: np.ndarray) -> np.ndarray:
    """Rows, the highest value first; see `BEST`."""
    rows = np.argsort(-values, kind="stable")
    rest = rows[BEST:]
    spread = np.linspace(0, len(rest), min(OTHERS, len(rest)), endpoint=False)
    return np.concatenate([rows[:BEST], rest[spread.astype(int)]])


def relevance(chosen: np.ndarray, values: np.ndarray) -> np.ndarray:
    """How much each slot matters, [N] float32 of sum 1.

    The standard deviation, over the known, of what a linear ridge regression says that
    the slot brings; equal shares where all values are equal.
    """
    count, slots = chosen.shape
    known = _one_hot(chosen, 1 + int(chosen.max())).astype(np.float64)
    features = known.reshape(count, -1) / np.sqrt(slots)
    deviations = values - values.mean()
    gram = features.T @ features
    gram[np.diag_indices(len(gram))] += RIDGE
    worth = scipy.linalg.solve(gram, features.T @ deviations, assume_a="pos")
    brought = np.take_along_axis(worth.reshape(slots, -1), chosen.T, axis=1)
    share = brought.std(axis=1)
    total = share.sum()
    if total == 0:
        return np.full(slots, 1 / slots, np.float32)
    return (share / total).astype(np.float32)


def _kernel(first: np.ndarray, second: np.ndarray, slots: np.ndarray) -> np.ndarray:
    """`s + s^2`, s the weight of the slots with the same choice: linear in choices and in
    their pairs. [F, S] float32 of choices [F, N] and [S, N]."""
    size = 1 + int(max(first.max(), second.max()))
    root = np.sqrt(slots)[:, None]
    one, other = (
        (_one_hot(some, size) * root).reshape(len(some), -1) for some in (first, second)
    )
    share = one @ other.T
    return share + share**2


def _one_hot(chosen: np.ndarray, size: int) -> np.ndarray:
    """[n, N, K] float32."""
    return (chosen[:, :, None] == np.arange(size)).astype(np.float32)
