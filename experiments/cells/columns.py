"""What a results table consists of: columns, rows that were published, their table."""

from typing import NamedTuple


class Column(NamedTuple):
    """A column: the table, its training cells, its test cells (None for all)."""

    table: str
    n_train: int
    n_test: int | None = None


class Row(NamedTuple):
    """A published method.

    Attributes:
      method: its name.
      source: the paper, who reports the numbers, and how sure they are.
      values: tau by column, None where nothing was published.
      ours: predictors of this library that are this method.
      evolution: whether it uses scores of validation cells ("SE").
    """

    method: str
    source: str
    values: dict[Column, float]
    ours: tuple[str, ...] = ()
    evolution: bool = False


class Published(NamedTuple):
    """A table of the paper.

    Attributes:
      table: name of the benchmark table.
      title: what is printed above it.
      train_target: the label that a result must have been trained on to stand here.
      columns: in print order.
      rows: in print order.
      words: of our predictors, what sets them apart on this benchmark.
    """

    table: str
    title: str
    train_target: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    words: dict[str, str]
