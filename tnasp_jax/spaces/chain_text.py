"""Dicts of choices as one line of JSON: what each key may hold, reading, writing.

A chain's architecture is a tuple with one item for each field, in the order of the
fields: a tuple of values, or a single value.
"""

import difflib
import json
import operator
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tnasp_jax.spaces.reading import plain, short

Value = bool | int | float | str

Architecture = tuple
"""One item for each field: a tuple of values, or the value of a single field."""


class Field(NamedTuple):
    """One key of the dict.

    Attributes:
      key: its name.
      choices: for each entry of its list, the values that the entry may have.
      single: whether it holds one value by itself, no list.
      drawn: the values that chance gives its entries; None for all choices.
      default: of a single field, where a text lacks the key; None if it must be there.
      aliases: other names under which people keep it.
      reason: why an entry cannot have a value that other entries may have.
    """

    key: str
    choices: tuple[tuple[Value, ...], ...]
    single: bool = False
    drawn: tuple[Value, ...] | None = None
    default: Value | None = None
    aliases: tuple[str, ...] = ()
    reason: str = ""


def read(space: str, fields: Sequence[Field], text: str) -> Architecture:
    """The architecture of one line of JSON.

    Args:
      space: its name starts every message.
      fields: what the dict holds.
      text: a JSON object.

    Raises:
      ValueError: one sentence that names the field and what was expected.
    """
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        raise error(
            space,
            f"expected one line of JSON like {_example(fields)}, got {short(text)}",
        )
    return from_dict(space, fields, given)


def from_dict(
    space: str, fields: Sequence[Field], given: Mapping[str, Any]
) -> Architecture:
    """The architecture of a dict; a key whose value is None counts as missing.

    Raises:
      ValueError: as `read` does.
    """
    names = {
        name: field.key for field in fields for name in (field.key, *field.aliases)
    }
    values = {}
    for name, value in given.items():
        if name not in names:
            near = difflib.get_close_matches(str(name), names, 1, 0.5)
            known = ", ".join(field.key for field in fields)
            hint = f'did you mean "{near[0]}"?' if near else f"expected {known}"
            raise error(space, f"unknown key {short(name)}; {hint}")
        if value is None:
            continue
        if names[name] in values:
            raise error(
                space, f'key "{names[name]}": expected once, got two names of it'
            )
        values[names[name]] = plain(value)
    return tuple(_read_field(space, field, values) for field in fields)


def check(space: str, fields: Sequence[Field], architecture: Any) -> Architecture:
    """The architecture, if it is one.

    Raises:
      ValueError: as `read` does.
    """
    if not isinstance(architecture, tuple) or len(architecture) != len(fields):
        keys = ", ".join(field.key for field in fields)
        raise error(space, f"expected a tuple of {keys}, got {short(architecture)}")
    if all(map(_stands, fields, architecture)):  # The common case, made quick.
        return architecture
    return from_dict(space, fields, as_dict(fields, architecture))


def as_dict(fields: Sequence[Field], architecture: Architecture) -> dict[str, Any]:
    """The dict that people hold: key -> list of values, or value."""
    return {
        field.key: list(item) if isinstance(item, tuple) else item
        for field, item in zip(fields, architecture, strict=True)
    }


def write(fields: Sequence[Field], architecture: Architecture) -> str:
    """One line of JSON, keys in the order of the fields."""
    return json.dumps(as_dict(fields, architecture))


def draw(
    fields: Sequence[Field], rng: np.random.Generator, count: int
) -> list[Architecture]:
    """Architectures whose entries are uniform and independent."""
    items = []
    for field in fields:
        columns = [
            [values[at] for at in rng.integers(len(values), size=count).tolist()]
            for values in (drawn(field, choices) for choices in field.choices)
        ]
        rows = list(zip(*columns, strict=True))
        items.append([row[0] for row in rows] if field.single else rows)
    return list(zip(*items, strict=True))


def drawn(field: Field, choices: tuple[Value, ...]) -> tuple[Value, ...]:
    """The choices of an entry that chance gives it."""
    return choices if field.drawn is None else field.drawn


def entries(fields: Sequence[Field]) -> Iterator[tuple[int, int]]:
    """(field, entry) of every entry of an architecture."""
    for number, field in enumerate(fields):
        for entry in range(len(field.choices)):
            yield number, entry


def get(architecture: Architecture, field: int, entry: int) -> Value:
    """The value of an entry."""
    item = architecture[field]
    return item[entry] if isinstance(item, tuple) else item


def replaced(
    architecture: Architecture, field: int, entry: int, value: Value
) -> Architecture:
    """The architecture with another value of one entry."""
    item = architecture[field]
    new = value
    if isinstance(item, tuple):
        new = (*item[:entry], value, *item[entry + 1 :])
    return (*architecture[:field], new, *architecture[field + 1 :])


def error(space: str, sentence: str) -> ValueError:
    """The ValueError of an architecture: the space's name, then the sentence."""
    return ValueError(f"{space}: {sentence}")


def _read_field(space: str, field: Field, values: Mapping[str, Any]) -> Any:
    value = values.get(field.key, field.default)
    if value is None:
        raise error(space, f'key "{field.key}" is missing')
    if field.single:
        if isinstance(value, list | tuple) and len(value) == 1:
            value = value[0]
        return _choice(space, field, 0, value)
    if not isinstance(value, list | tuple) or len(value) != len(field.choices):
        got = len(value) if isinstance(value, list | tuple) else short(value)
        raise error(
            space,
            f"{field.key}: expected a list of {len(field.choices)} values, got {got}",
        )
    return tuple(_choice(space, field, at, entry) for at, entry in enumerate(value))


def _stands(field: Field, item: Any) -> bool:
    """Whether every value of an item is one of its choices."""
    if field.single:
        return item in field.choices[0]
    return (
        isinstance(item, tuple)
        and len(item) == len(field.choices)
        and all(map(operator.contains, field.choices, item))
    )


def _choice(space: str, field: Field, at: int, value: Any) -> Value:
    """The choice that a value equals: 3 for 3.0, True for 1 where it is a choice."""
    choices = field.choices[at]
    for choice in choices:
        if _equal(value, choice):
            return choice
    where = field.key if field.single else f"{field.key}[{at}]"
    near = (
        difflib.get_close_matches(value, map(str, choices), 1, 0.5)
        if isinstance(value, str)
        else []
    )
    hint = f"; did you mean {near[0]!r}?" if near else ""
    if any(_equal(value, other) for entry in field.choices for other in entry):
        hint = f"; {field.reason}"
    raise error(
        space, f"{where}: expected {_listed(choices)}, got {short(value)}{hint}"
    )


def _equal(value: Any, choice: Value) -> bool:
    """Equal, and no boolean in place of a number."""
    if isinstance(value, bool) and not isinstance(choice, bool):
        return False
    return isinstance(value, bool | int | float | str) and value == choice


def _listed(choices: tuple[Value, ...]) -> str:
    shown = [json.dumps(choice) for choice in choices]
    if len(shown) > 8:
        return f"{shown[0]}, {shown[1]}, ... or {shown[-1]}"
    return " or ".join(filter(None, (", ".join(shown[:-1]), shown[-1])))


def _example(fields: Sequence[Field]) -> str:
    parts = []
    for field in fields:
        first = json.dumps(field.choices[0][0])
        parts.append(f'"{field.key}": {first if field.single else f"[{first}, ...]"}')
    return f"{{{', '.join(parts)}}}"
