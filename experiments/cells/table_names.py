"""The names of tables on the command line, the same for every command."""

from collections.abc import Sequence

from experiments.shell.command import Kind

SHORT = {"digits": "nb201digits"}
"""Shorter names of tables."""

HOMES = {"nb101": "nb101", "nb201": "nb201", "nb201digits": "nb201"}
"""The tables of NAS-Bench-101 and NAS-Bench-201 -> the command that trains on them."""


def full_name(text: str) -> str:
    """The name as `benchmarks.load` takes it."""
    return SHORT.get(text, text)


def one_of(names: Sequence[str]) -> Kind:
    """The kind of a flag that names one of some tables, in full or short."""
    known = [*names, *(short for short, name in SHORT.items() if name in names)]
    return Kind(
        full_name, lambda name: name in names, f"one of {', '.join(known)}", known
    )
