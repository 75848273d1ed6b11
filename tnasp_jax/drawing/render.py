"""Pictures as figures and files by matplotlib (the extra `plots`)."""

import io
import itertools
from typing import TYPE_CHECKING, Any

from tnasp_jax.drawing.picture import FONT, LINE_HEIGHT, Box, Curve, Picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = ("svg", "png")
_DOTS_PER_INCH = 300
_INK, _PALE = "#222222", "#A0A0A0"
_ARROW = (0.045, 0.075)  # Width and length, inches.
# Text stays text, and nothing depends on chance or the date.
_SETTINGS: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "tnasp_jax",
    "font.family": "DejaVu Sans",
    "path.simplify": False,
}


def file_of(picture: Picture, kind: str) -> bytes:
    """A picture as the bytes of an svg or png file, equal for equal pictures.

    Raises:
      ValueError: for another kind.
      ModuleNotFoundError: without matplotlib.
    """
    if kind not in FORMATS:
        raise ValueError(f"expected one of {', '.join(FORMATS)}, got {kind!r}")
    import matplotlib

    held = io.BytesIO()
    about = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
    with matplotlib.rc_context(_SETTINGS):
        figure(picture).savefig(
            held, format=kind, dpi=_DOTS_PER_INCH, metadata=about, facecolor="white"
        )
    return held.getvalue()


def figure(picture: Picture) -> "Figure":
    """A figure of the picture's size."""
    from matplotlib.figure import Figure

    made = Figure(figsize=(picture.width, picture.height))
    axes = made.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, picture.width), ylim=(picture.height, 0))
    axes.set_axis_off()
    for curve in sorted(picture.curves, key=lambda curve: curve.live):
        _draw_curve(axes, curve)
    for at, box in enumerate(picture.boxes):
        _draw_box(axes, at, box)
    for note in picture.notes:
        axes.text(
            note.x,
            note.y,
            note.text,
            fontsize=note.size,
            fontweight="bold" if note.bold else "normal",
            color=_INK,
            ha="center",
            va="center",
            parse_math=False,
        )
    return made


def _draw_curve(axes: "Axes", curve: Curve) -> None:
    from matplotlib.patches import PathPatch, Polygon
    from matplotlib.path import Path

    ink = _INK if curve.live else _PALE
    stops = list(curve.stops)
    tip = stops[-1]
    if curve.arrow:
        stops[-1] = (tip[0], tip[1] - 0.8 * _ARROW[1])
    vertices, codes = [stops[0]], [Path.MOVETO]
    for (x, y), (to_x, to_y) in itertools.pairwise(stops):
        middle = (y + to_y) / 2
        vertices += [(x, middle), (to_x, middle), (to_x, to_y)]
        codes += [Path.CURVE4] * 3
    path = PathPatch(
        Path(vertices, codes),
        facecolor="none",
        edgecolor=ink,
        linewidth=0.8,
        linestyle="-" if curve.live else (0, (2, 2)),
        gid=f"edge-{curve.source}-{curve.target}",
    )
    axes.add_patch(path)
    if curve.arrow:
        half, length = _ARROW[0] / 2, _ARROW[1]
        corners = [
            tip,
            (tip[0] - half, tip[1] - length),
            (tip[0] + half, tip[1] - length),
        ]
        axes.add_patch(Polygon(corners, facecolor=ink, edgecolor="none"))


def _draw_box(axes: "Axes", at: int, box: Box) -> None:
    from matplotlib.patches import FancyBboxPatch

    ink = _INK if box.live else _PALE
    round_ = 0.02 if box.kind == "box" else min(box.height, box.width) * 0.45
    patch = FancyBboxPatch(
        (box.x - box.width / 2, box.y - box.height / 2),
        box.width,
        box.height,
        boxstyle=f"round,pad=0,rounding_size={round_:.3f}",
        facecolor=box.colour if box.live else "white",
        edgecolor=ink,
        linewidth=0.4 if box.kind == "label" else 0.7,
        linestyle="-" if box.live else (0, (2, 2)),
        gid=f"node-{at}-{box.name}",
    )
    axes.add_patch(patch)
    for row, line in enumerate(box.lines):
        axes.text(
            box.x,
            box.y + LINE_HEIGHT * (row - (len(box.lines) - 1) / 2),
            line,
            fontsize=FONT,
            color=_INK if box.live else "#707070",
            ha="center",
            va="center",
            parse_math=False,
        )
