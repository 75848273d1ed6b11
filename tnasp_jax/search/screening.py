"""Which proposals are worth asking: a quadratic ridge regression on what is known.

The pre-selection of surrogate-assisted evolution; Jin, "Surrogate-Assisted Evolutionary
Computation: Recent Advances and Future Challenges", Swarm and Evolutionary Computation
2011. Here the surrogate is linear in the choices of an architecture and in their pairs,
so that it is fitted to a thousand values in milliseconds. Axis letters: n known
architectures, C candidates, N node slots.
"""

import numpy as np
import scipy.linalg

from tnasp_jax.graphs import Graphs

LEARNT = 1000
"""The best known ones that are learnt from, at most: what lies far below says little of
what lies above."""
RIDGE = 0.01


def choices(graphs: Graphs, num_ops: int) -> np.ndarray:
    """What stands in each slot, [B, N] int: an operation, or `num_ops` for none."""
    return np.where(np.asarray(graphs.mask), np.asarray(graphs.ops), num_ops)


def expected(
    known: np.ndarray, values: np.ndarray, candidates: np.ndarray
) -> np.ndarray:
    """What candidates are expected to be worth.

    Kernel ridge regression with `s + s^2`, s the share of slots with the same choice,
    which is linear in choices and in pairs of choices.

    Args:
      known: [n, N] int, their choices.
      values: [n], higher is better; the best `LEARNT` count.
      candidates: [C, N] int.

    Returns:
      [C] float64, in the units of the values.
    """
    rows = np.argsort(-values, kind="stable")[:LEARNT]
    known, values = known[rows], values[rows]
    mean = values.mean()
    spread = values.std() or 1.0
    gram = _kernel(known, known) + RIDGE * np.eye(len(rows))
    weights = scipy.linalg.solve(gram, (values - mean) / spread, assume_a="pos")
    return mean + spread * (_kernel(candidates, known) @ weights)


def _kernel(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """[F, S] of choices [F, N] and [S, N]."""
    size = 1 + max(first.max(), second.max())
    one_hots = (np.eye(size)[each].reshape(len(each), -1) for each in (first, second))
    one, other = one_hots
    share = one @ other.T / first.shape[1]
    return share + share**2
