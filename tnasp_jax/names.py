"""What to say of a name that is not known."""

import difflib
from collections.abc import Iterable


def unknown(
    kind: str, name: str, known: Iterable[str], also: Iterable[str] = ()
) -> str:
    """A sentence: the name, the nearest known one if any is near, and all of them.

    Args:
      kind: what the name should be of, such as "predictor".
      name: what was given.
      known: what could have been.
      also: what could have been too, but is not listed.
    """
    known = list(known)
    near = difflib.get_close_matches(str(name), [*known, *also], 1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"unknown {kind} {name!r}; {hint}expected one of {', '.join(known)}"
