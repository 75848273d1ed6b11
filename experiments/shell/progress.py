"""One line of progress: share done, time left, a note."""

import shutil
import sys
import time
from collections.abc import Callable
from typing import TextIO

# A log gets a line when both have passed since the last one, and the line of the end.
SECONDS_BETWEEN_LINES = 20.0
SHARE_BETWEEN_LINES = 0.1
SECONDS_BETWEEN_REWRITES = 0.2


class Progress:
    """Tells how far a loop is: a rewritten line on a terminal, few lines elsewhere."""

    def __init__(
        self,
        total: int,
        label: str,
        quiet: bool = False,
        *,
        done: int = 0,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        """Starts the clock.

        Args:
          total: steps of the whole loop.
          label: first word of the line.
          quiet: print nothing.
          done: steps that an earlier, resumed run has done; not counted in the speed.
          stream: default: sys.stderr.
          clock: seconds.
        """
        self.total, self.label, self.quiet = total, label, quiet
        self.stream = sys.stderr if stream is None else stream
        self.rewrites = self.stream.isatty()
        self.clock = clock
        self.first = self.shown = done
        self.start = self.shown_at = clock()
        self.width = 0
        self.ended = False

    def update(self, done: int, note: str = "") -> None:
        """Reports `done` steps of the total; the last report ends the line."""
        if self.quiet or self.ended:
            return
        self.ended = done >= self.total
        if self.ended or self._due(done):
            self._show(self._line(done, note))
            self.shown, self.shown_at = done, self.clock()

    def _due(self, done: int) -> bool:
        seconds = self.clock() - self.shown_at
        if self.rewrites:
            return seconds >= SECONDS_BETWEEN_REWRITES
        share = (done - self.shown) / self.total
        return seconds >= SECONDS_BETWEEN_LINES and share >= SHARE_BETWEEN_LINES

    def _line(self, done: int, note: str) -> str:
        seconds = self.clock() - self.start
        percent = 100 * done // self.total if self.total else 100
        time_text = f"in {duration(seconds)}"
        if not self.ended and done > self.first:
            left = seconds / (done - self.first) * (self.total - done)
            time_text = f"{duration(left)} left"
        return f"{self.label} {percent:3d} %  {time_text}  {note}".rstrip()

    def _show(self, line: str) -> None:
        if self.rewrites:
            line = line[: shutil.get_terminal_size().columns - 1]
            blank = " " * (self.width - len(line))
            self.width = len(line)
            line = f"\r{line}{blank}"
        end = "\n" if self.ended or not self.rewrites else ""
        print(line, end=end, file=self.stream, flush=True)


def duration(seconds: float) -> str:
    """Seconds as `45 s`, `3 min` or `1 h 05 min`."""
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"
