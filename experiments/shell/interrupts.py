"""Ctrl-C ends a command wherever it falls.

Python drops an exception that rises in a finalizer or in a callback of the garbage
collector. JAX has such callbacks, so that now and then an interrupt would be a traceback
on stderr, and the training would go on.
"""

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator

SECONDS = 0.05  # After which the callback has ended.


@contextlib.contextmanager
def sent_again() -> Iterator[None]:
    """Inside, an interrupt that Python drops is sent once more, in silence."""
    before = sys.unraisablehook

    def hook(dropped) -> None:
        if not issubclass(dropped.exc_type, KeyboardInterrupt):
            return before(dropped)
        timer = threading.Timer(SECONDS, _interrupt)
        timer.daemon = True  # A command that has ended meanwhile is not held.
        return timer.start()

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = before


def _interrupt() -> None:
    main = threading.main_thread().ident
    assert main is not None
    signal.pthread_kill(main, signal.SIGINT)
