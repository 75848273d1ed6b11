"""What a drawing is before anything draws it: boxes, curves and notes, in inches.

The origin is the upper left corner, y grows downward, as a page is read.
"""

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

POINT = 1 / 72
"""Inches."""

FONT = 7.0
"""Size of all text but notes, points."""

MARGIN = 0.06
LINE_HEIGHT = 1.25 * FONT * POINT
_CHARACTER = 0.61 * FONT * POINT  # The mean width in DejaVu Sans, a wide typeface.
_LONGEST_LINE, _MOST_LINES = 13, 3

Kind = Literal["box", "label", "dot"]


class Box(NamedTuple):
    """A rectangle with text in it.

    Attributes:
      name: of the operation or node, whole.
      lines: of the text, centred.
      x: of the centre,
      y: and its other coordinate.
      width: of the rectangle.
      height: of the rectangle.
      kind: "box" has an outline, "label" stands on an edge, "dot" is a node between
        operations.
      colour: of the face, as matplotlib reads it.
      live: whether it computes anything that the output sees.
    """

    name: str
    lines: tuple[str, ...]
    x: float
    y: float
    width: float
    height: float
    kind: Kind = "box"
    colour: str = "white"
    live: bool = True


class Curve(NamedTuple):
    """An edge; it leaves and enters every stop vertically.

    Attributes:
      source: number of the box where it begins.
      target: number of the box where it ends.
      stops: points (x, y), downward, at least two.
      arrow: whether it ends in an arrow.
      live: whether anything flows along it that the output sees.
    """

    source: int
    target: int
    stops: tuple[tuple[float, float], ...]
    arrow: bool = True
    live: bool = True


class Note(NamedTuple):
    """Text without a box, its first line centred on (x, y)."""

    text: str
    x: float
    y: float
    size: float = FONT
    bold: bool = False


class Picture(NamedTuple):
    """A drawing of `width` times `height` inches."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    curves: tuple[Curve, ...] = ()
    notes: tuple[Note, ...] = ()


def wrapped(name: str) -> tuple[str, ...]:
    """A name in lines short enough for a box, broken after `-`, `_` and blanks.

    The lines are as even as that allows; what is beyond the third line is cut.
    """
    if len(name) <= _LONGEST_LINE:
        return (name,)
    lines = _broken(name, _LONGEST_LINE)
    for width in range(_LONGEST_LINE, 3, -1):
        if len(narrower := _broken(name, width)) > len(lines):
            break
        lines = narrower
    if len(lines) > _MOST_LINES:
        lines = [*lines[: _MOST_LINES - 1], lines[_MOST_LINES - 1][:-1] + "…"]
    return tuple(lines)


def _broken(name: str, width: int) -> list[str]:
    lines = [""]
    for part in re.findall(r"[^-_\s]+[-_\s]*|[-_\s]+", name):
        while part:
            if lines[-1] and len(part.rstrip()) > width - len(lines[-1]):
                lines.append("")
            lines[-1] += part[:width]
            part = part[width:]
    return [line.strip() for line in lines]


def size_of(lines: Sequence[str]) -> tuple[float, float]:
    """Width and height of a box that holds some lines."""
    longest = max(map(len, lines))
    return longest * _CHARACTER + 0.08, len(lines) * LINE_HEIGHT + 0.06


def beside(pictures: Sequence[Picture], gap: float = 0.15) -> Picture:
    """Pictures from left to right, their upper edges in line."""
    boxes: list[Box] = []
    curves: list[Curve] = []
    notes: list[Note] = []
    left = 0.0
    for one in pictures:
        first = len(boxes)
        boxes += [box._replace(x=box.x + left) for box in one.boxes]
        curves += [
            curve._replace(
                source=curve.source + first,
                target=curve.target + first,
                stops=tuple((x + left, y) for x, y in curve.stops),
            )
            for curve in one.curves
        ]
        notes += [note._replace(x=note.x + left) for note in one.notes]
        left += one.width + gap
    height = max(one.height for one in pictures)
    return Picture(left - gap, height, tuple(boxes), tuple(curves), tuple(notes))


def titled(picture: Picture, title: str) -> Picture:
    """A picture under a title in bold."""
    down = 1.6 * LINE_HEIGHT
    return Picture(
        picture.width,
        picture.height + down,
        tuple(box._replace(y=box.y + down) for box in picture.boxes),
        tuple(
            curve._replace(stops=tuple((x, y + down) for x, y in curve.stops))
            for curve in picture.curves
        ),
        (
            Note(title, picture.width / 2, MARGIN + LINE_HEIGHT / 2, FONT + 1, True),
            *(note._replace(y=note.y + down) for note in picture.notes),
        ),
    )
