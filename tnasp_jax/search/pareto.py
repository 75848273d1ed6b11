"""Pareto fronts, sorts by dominance, crowding.

Deb, Pratap, Agarwal and Meyarivan, "A Fast and Elitist Multiobjective Genetic Algorithm:
NSGA-II", IEEE Transactions on Evolutionary Computation 2002. One row dominates another if
it is at least as high in all objectives and higher in one. All objectives are maximised;
negate a cost. Host functions of numpy. Axis letters: n rows, K objectives.
"""

import numpy as np


def front(values: np.ndarray) -> np.ndarray:
    """Rows that no other row dominates, ascending; equal rows are all there.

    Args:
      values: [n, K]; a row with a NaN is never on the front.

    Returns:
      [F] int.

    Raises:
      ValueError: for values of another shape.
    """
    values = _checked("front", values)
    rows = np.flatnonzero(~np.isnan(values).any(axis=1))
    # After this sort a row can be dominated by an earlier one only.
    rows = rows[np.lexsort(-values[rows].T[::-1])]
    found = np.zeros(0, int)
    for row in rows:
        if not _dominates(values[found], values[row]).any():
            found = np.append(found, row)
    return np.sort(found)


def non_dominated_sort(values: np.ndarray) -> np.ndarray:
    """The front that each row is on, when fronts are taken away one by one.

    Section III-A of the paper.

    Args:
      values: [n, K]; rows with a NaN are together on one front behind all others.

    Returns:
      [n] int, 0 for the first front.

    Raises:
      ValueError: for values of another shape.
    """
    values = _checked("non_dominated_sort", values)
    failed = np.isnan(values).any(axis=1)
    beats = _dominates(values[:, None], values[None])  # [n, n], False beside a NaN
    waits_for = beats.sum(axis=0)
    ranks = np.full(len(values), -1)
    left, rank = ~failed, 0
    while left.any():
        free = left & (waits_for == 0)
        ranks[free] = rank
        left &= ~free
        waits_for -= beats[free].sum(axis=0)
        rank += 1
    ranks[failed] = rank
    return ranks


def crowding_distance(values: np.ndarray) -> np.ndarray:
    """How far apart the neighbours of each row of one front are.

    Section III-B of the paper: the sum over objectives of the distance between the next
    lower and the next higher row, in units of the objective's range; infinite at either
    end. An objective that is equal in all rows adds nothing; equal values of some rows
    stand in the order of their rows.

    Args:
      values: [n, K] without NaN.

    Returns:
      [n] float64.

    Raises:
      ValueError: for values of another shape.
    """
    values = _checked("crowding_distance", values)
    distance = np.zeros(len(values))
    for column in values.T:
        order = np.argsort(column, kind="stable")
        ordered = column[order]
        if not len(column) or ordered[0] == ordered[-1]:
            continue
        gaps = np.full(len(column), np.inf)
        gaps[1:-1] = (ordered[2:] - ordered[:-2]) / (ordered[-1] - ordered[0])
        distance[order] += gaps
    return distance


def _dominates(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Whether rows [..., K] of the first dominate those of the second, broadcast."""
    return np.all(first >= second, axis=-1) & np.any(first > second, axis=-1)


def _checked(name: str, values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, np.float64)
    if values.ndim != 2:
        raise ValueError(f"{name}: expected values of shape [n, K], got {values.shape}")
    return values
