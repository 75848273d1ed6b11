"""Which rows of a table a predictor learns from, is chosen by, and is judged on."""

import hashlib
from typing import NamedTuple

import jax
import numpy as np

from tnasp_jax import metrics
from tnasp_jax.benchmarks.table import Table
from tnasp_jax.spaces.base import host_rng


class Split(NamedTuple):
    """Rows of a table.

    Attributes:
      train_index: [n_train] int32, distinct rows in random order.
      val_index: [n_val] int32, distinct rows in random order, none of train_index.
      test_index: [n_test] int32, ascending; all M rows, those of training and
        validation among them, unless a number was asked for or the label learnt from
        is one that rankings are judged by: then none of those.
    """

    train_index: np.ndarray
    val_index: np.ndarray
    test_index: np.ndarray


def draw_split(
    table: Table,
    key: jax.Array,
    n_train: int,
    n_val: int,
    n_test: int | None = None,
    train_target: str | None = None,
) -> Split:
    """Draws a split at random from the rows whose training label was measured.

    The validation rows are drawn first: for one key and n_val, a larger training set
    contains the smaller one.

    Args:
      table: M rows.
      key: a typed JAX key; the split is a function of it.
      n_train: rows to learn from, at least 1.
      n_val: rows to choose by, at least 0.
      n_test: None for all M rows, as the papers do, or, where the training label is
        among the table's eval targets, for all that are neither training nor
        validation rows; or a number of such rows whose first eval label was measured.
        Of a table with `test_rows`, those.
      train_target: label to learn from; None for the table's own.

    Raises:
      ValueError: for numbers that the table cannot serve, or an unknown target.
    """
    target = train_target or table.train_target
    rows = table.candidates(target)
    if table.test_rows is not None:
        rows = np.setdiff1d(rows, table.test_rows)
    if n_train < 1 or n_val < 0 or (n_test is not None and n_test < 1):
        raise ValueError(
            "split: expected n_train >= 1, n_val >= 0 and n_test >= 1, "
            f"got {n_train}, {n_val} and {'all' if n_test is None else n_test}"
        )
    if n_train + n_val > len(rows):
        raise ValueError(
            f"split: n_train + n_val = {n_train} + {n_val} is more than the {len(rows)} "
            f"rows of table {table.name} with a label {target!r}"
        )
    rng = host_rng(key)
    drawn = rng.permutation(rows)[: n_val + n_train]
    if n_test is not None:
        test = _draw_test(table, rng, drawn, n_test)
    elif target in table.eval_targets or table.test_rows is not None:
        # Ranked by what was learnt, or kept for tests: other rows only.
        test = _rest(table, drawn)
        if not len(test):
            raise ValueError(
                f"split: n_train + n_val = {n_train} + {n_val} leaves none of the "
                f"{len(table)} rows of table {table.name} to rank by {target!r}"
            )
    else:
        test = np.arange(len(table), dtype=np.int32)
    return Split(train_index=drawn[n_val:], val_index=drawn[:n_val], test_index=test)


def split_sha256(split: Split) -> str:
    """Names a split: equal for equal splits, on any machine.

    Returns:
      Hexadecimal digest over the three lengths and then the rows of training,
      validation and test, all as little-endian int32.
    """
    lengths = np.array([len(rows) for rows in split])
    return hashlib.sha256(
        b"".join(rows.astype("<i4").tobytes() for rows in (lengths, *split))
    ).hexdigest()


def ceiling(table: Table, train_target: str, eval_target: str) -> float:
    """How well the training label itself ranks the test label: an agreement, no bound.

    Returns:
      Kendall's tau-b over the rows where both were measured.

    Raises:
      ValueError: for an unknown target.
    """
    train, test = table.label(train_target), table.label(eval_target)
    both = ~(np.isnan(train) | np.isnan(test))
    return metrics.kendall_tau_host(train[both], test[both])


def heldout_mask(table: Table, train_index: np.ndarray) -> np.ndarray:
    """[M] bool: rows that are not isomorphic to any training cell.

    Duplicates among the other rows stay.
    """
    return ~np.isin(table.hashes, table.hashes[train_index])


def _rest(table: Table, drawn: np.ndarray) -> np.ndarray:
    """Rows that were not drawn, ascending; of those kept for tests, if there are any."""
    if table.test_rows is not None:
        return table.test_rows
    free = np.ones(len(table), bool)
    free[drawn] = False
    return np.flatnonzero(free).astype(np.int32)


def _draw_test(table, rng, drawn, n_test) -> np.ndarray:
    rest = _rest(table, drawn)
    rest = rest[~np.isnan(table.label(table.eval_targets[0])[rest])]
    if n_test > len(rest):
        raise ValueError(
            f"split: n_test = {n_test} is more than the {len(rest)} rows of table "
            f"{table.name} with a label {table.eval_targets[0]!r} outside training and "
            "validation; leave it out for all rows"
        )
    return np.sort(rng.choice(rest, n_test, replace=False))
