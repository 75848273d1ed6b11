"""Every bad row of a user's own file, a line each."""

import contextlib
import sys
from collections.abc import Iterator

from experiments.shell.command import UserError
from tnasp_jax.benchmarks import custom


@contextlib.contextmanager
def told(path: str) -> Iterator[None]:
    """Reading a file inside tells of all its bad rows on stderr, then a UserError."""
    try:
        yield
    except custom.BadRows as bad:
        if len(bad.problems) == 1:
            raise
        for problem in bad.problems:
            print(f"{path}: {problem}", file=sys.stderr)
        raise UserError(
            f"{path}: {len(bad.problems)} bad rows; correct or remove them"
        ) from bad.__cause__
