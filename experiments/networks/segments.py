"""A long training in segments: progress, a journal, checkpoints to go on from."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from experiments.cells.training import CHECKPOINT_SECONDS, Journal
from experiments.shell.progress import Progress
from tnasp_jax.checkpoints import Checkpoints


class Trained(NamedTuple):
    """A training that is finished.

    Attributes:
      state: the last one.
      last: the last line of the journal.
      seconds: in all, those before a cut among them.
    """

    state: Any
    last: dict[str, Any]
    seconds: float


def train(
    folder: Path,
    *,
    label: str,
    unit: str,
    total: int,
    size: int,
    begin: Callable[[], Any],
    shapes: Callable[[], Any],
    advance: Callable[[Any], tuple[Any, dict[str, Any], str]],
    quiet: bool,
) -> Trained:
    """Trains to the end, or goes on from the folder's newest checkpoint.

    Args:
      folder: gets metrics.jsonl, a line a segment, and checkpoints.
      label: of the progress line.
      unit: what is counted, "step" or "epoch".
      total: how many there are.
      size: of a segment; divides `total`.
      begin: the first state.
      shapes: of a state, to read a checkpoint by.
      advance: one segment: the next state, its line of the journal, and its note.
      quiet: no progress.
    """
    folder.mkdir(parents=True, exist_ok=True)
    checkpoints = Checkpoints(folder)
    about = checkpoints.about() or {"done": 0, "seconds": 0.0, "lines": []}
    done, began = about["done"], time.monotonic() - about["seconds"]
    state = checkpoints.restore(shapes()) if done else begin()
    journal = Journal(folder / "metrics.jsonl", about["lines"])
    progress, saved = Progress(total, label, quiet, done=done), time.monotonic()
    while done < total:
        state, line, note = advance(state)
        done += size
        journal.add({unit: done, **line})
        progress.update(done, note)
        if done == total or time.monotonic() - saved > CHECKPOINT_SECONDS:
            saved = time.monotonic()
            about = {"done": done, "seconds": saved - began, "lines": journal.lines}
            checkpoints.save(done, state, about)
    checkpoints.close()
    return Trained(state, journal.lines[-1], round(time.monotonic() - began, 1))
