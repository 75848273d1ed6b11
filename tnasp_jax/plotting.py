"""Plots with matplotlib (the extra `plots`), imported where they are drawn."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, told apart by colour-blind readers; without the yellow, which
# is too faint for a line on white.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")


class Panel(NamedTuple):
    """Curves over a few points, which stand at equal distances.

    Attributes:
      title: of the panel, which is what the vertical axis shows.
      xlabel: of the horizontal axis.
      ticks: P texts, one a point.
      curves: means [P] and standard deviations [P] by name; NaN leaves a gap, and a
        deviation that is NaN has no bar.
      positive: values are never below zero; the axis starts there, and bars are cut.
      linear_to: where the vertical axis turns from linear to logarithmic; None for
        never.
      level: of a dashed line across the panel, such as a ceiling; None for no line.
    """

    title: str
    xlabel: str
    ticks: Sequence[str]
    curves: Mapping[str, tuple[np.ndarray, np.ndarray]]
    positive: bool = False
    linear_to: float | None = None
    level: float | None = None


def curves(rows: Mapping[str, Sequence[Panel]]) -> "Figure":
    """Rows of panels under one legend, each curve with bars of one deviation.

    Curves of a point are moved apart a little, so that bars do not hide each other. A
    name has one colour and marker everywhere.

    Args:
      rows: panels by the row's title, which should name what was measured on what.

    Returns:
      A figure as wide as a page's text; `figure.savefig(path)` writes it.
    """
    from matplotlib.figure import Figure

    names = dict.fromkeys(
        name for panels in rows.values() for panel in panels for name in panel.curves
    )
    height = 2.6 * len(rows) + 0.2 * -(-len(names) // 5)
    figure = Figure(figsize=(7.4, height), layout="constrained", dpi=150)
    handles = {}
    parts = figure.subfigures(len(rows), 1, squeeze=False)[:, 0]
    for part, (title, panels) in zip(parts, rows.items(), strict=True):
        part.suptitle(title, fontsize=8.5, x=0.01, ha="left")
        axes_of = part.subplots(1, len(panels), squeeze=False)[0]
        for axes, panel in zip(axes_of, panels, strict=True):
            handles |= _draw(axes, panel, list(names))
    _legend(figure, {name: handles[name] for name in names}, min(len(names), 5))
    return figure


def _draw(axes: "Axes", panel: Panel, names: list[str]) -> dict:
    """Draws one panel; the handle of each curve."""
    handles = {}
    points = np.arange(len(panel.ticks))
    step = min(0.06, 0.5 / len(names))
    for at, name in enumerate(names):
        if name not in panel.curves:
            continue
        mean, deviation = panel.curves[name]
        line, caps, bars = handles[name] = axes.errorbar(
            points + step * (at - (len(names) - 1) / 2),
            mean,
            yerr=np.nan_to_num(deviation),
            elinewidth=0.8,
            **_look(at),
        )
        line.set_clip_on(False)  # A marker on the edge is seen whole.
        for part in (*caps, *bars):
            part.set_alpha(0.5)
    axes.set_xticks(points, panel.ticks)
    _describe(axes, panel.title, panel.xlabel)
    if panel.linear_to is not None:
        axes.set_yscale("symlog", linthresh=panel.linear_to)
        low, high = axes.get_ylim()
        ticks = panel.linear_to * np.array([0, 0.5, 1, 10, 100, 1000])
        axes.set_yticks(ticks[(low <= ticks) & (ticks <= high)])
        axes.yaxis.set_major_formatter("{x:g}")
    if panel.positive:
        axes.set_ylim(bottom=0)
    if panel.level is not None:
        axes.axhline(panel.level, color="0.5", linewidth=0.8, linestyle=(0, (4, 3)))
    axes.grid(axis="y", color="0.9", linewidth=0.6)
    return handles


def bands(
    x: np.ndarray,
    panels: Mapping[str, Mapping[str, tuple[np.ndarray, np.ndarray]]],
    *,
    xlabel: str,
    ylabel: str,
    linear_to: float,
) -> "Figure":
    """Curves with a band around each, panels side by side under one legend.

    Args:
      x: [P] ascending.
      panels: by title, centres [P] and half widths [P] by name; NaN leaves a gap.
      xlabel: of every panel.
      ylabel: of the first panel; values are never below zero.
      linear_to: where the vertical axis turns from linear to logarithmic.

    Returns:
      A figure; `figure.savefig(path)` writes it.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.7 * len(panels), 3.6), layout="constrained", dpi=150)
    names = list(dict.fromkeys(name for found in panels.values() for name in found))
    handles = {}
    axes_of = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (title, found) in zip(axes_of, panels.items(), strict=True):
        for name, (centre, half) in found.items():
            at = names.index(name)
            look = _look(at)
            (handles[name],) = axes.plot(
                x,
                centre,
                # Markers of two curves stand in different places.
                markevery=(at * 0.02, 0.15),
                **look,
            )
            low, high = np.maximum(centre - half, 0), centre + half
            axes.fill_between(
                x, low, high, color=look["color"], alpha=0.15, linewidth=0
            )
        axes.set_yscale("symlog", linthresh=linear_to)
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter("{x:g}")
        axes.grid(axis="y", color="0.9", linewidth=0.6)
        _describe(axes, title, xlabel)
    axes_of[0].set_ylabel(ylabel, fontsize=8)
    _legend(figure, handles, min(len(names), 2 * len(panels)))
    return figure


def calibration(
    levels: np.ndarray,
    panels: Mapping[str, Mapping[str, tuple[np.ndarray, np.ndarray]]],
) -> "Figure":
    """Observed against nominal coverage of central intervals; the diagonal is exact.

    Args:
      levels: [P] nominal, percent.
      panels: by title, observed means [P] and standard deviations [P] by name, percent.

    Returns:
      A figure; `figure.savefig(path)` writes it.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.4 * len(panels), 4.05), layout="constrained", dpi=150)
    names = list(dict.fromkeys(name for found in panels.values() for name in found))
    handles = {}
    axes_of = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (title, found) in zip(axes_of, panels.items(), strict=True):
        axes.plot([0, 100], [0, 100], color="0.6", linewidth=0.8, zorder=0)
        for name, (mean, deviation) in found.items():
            at = names.index(name)
            handles[name] = axes.errorbar(
                levels,
                mean,
                yerr=np.nan_to_num(deviation),
                elinewidth=0.8,
                **_look(at),
            )
        axes.set(xlim=(0, 100), ylim=(0, 100), aspect="equal")
        axes.set_ylabel("held-out labels inside, %", fontsize=8)
        _describe(axes, title, "level of the interval, %")
    _legend(figure, handles, 5)
    return figure


class FrontPanel(NamedTuple):
    """Score against one cost.

    Attributes:
      cost: its name and unit.
      score: its name and unit; "" where the panel before it says it.
      points: [P, 2] of cost and score by name; the first ones are drawn as a line.
      title: above the panel.
    """

    cost: str
    score: str
    points: Mapping[str, np.ndarray]
    title: str = ""


def fronts(panels: Sequence[FrontPanel], *, title: str) -> "Figure":
    """Score against cost, panels side by side, two in a row.

    Args:
      panels: at least one; a name has one look in all of them.
      title: of the figure.

    Returns:
      A figure; `figure.savefig(path)` writes it.
    """
    from matplotlib.figure import Figure

    across = min(2, len(panels))
    down = -(-len(panels) // across)
    size = max(4.8, 3.7 * across), 0.5 + 3.3 * down
    figure = Figure(figsize=size, layout="constrained", dpi=150)
    names = list(dict.fromkeys(name for panel in panels for name in panel.points))
    handles = {}
    axes_of = figure.subplots(down, across, squeeze=False).ravel()
    for unused in axes_of[len(panels) :]:
        unused.remove()
    for axes, panel in zip(axes_of, panels, strict=False):
        for name, points in panel.points.items():
            look = _look(names.index(name))
            ordered = points[np.argsort(points[:, 0], kind="stable")]
            if name == names[0]:  # A step: what is affordable at each cost.
                look |= {"drawstyle": "steps-post", "marker": "", "linewidth": 1.2}
            else:
                look |= {"linestyle": "none", "markersize": 5}
            (handles[name],) = axes.plot(ordered[:, 0], ordered[:, 1], **look)
        axes.grid(color="0.9", linewidth=0.6)
        _describe(axes, panel.title, panel.cost)
        axes.set_ylabel(panel.score, fontsize=8)
    figure.suptitle(title, fontsize=8)
    _legend(figure, handles, min(len(names), 2 * across))
    return figure


def scatter(
    predicted: np.ndarray,
    measured: np.ndarray,
    *,
    title: str,
    predicted_label: str,
    measured_label: str,
    highlighted: np.ndarray | None = None,
) -> "Figure":
    """Predicted against measured accuracy, in percent, one dot an architecture.

    Args:
      predicted: [M] fractions.
      measured: [M] fractions; rows with NaN are left out, and the axes leave out the
        failed few far below all others, with their number in the legend.
      title: above the plot; it should name the table, the split and tau.
      predicted_label: of the vertical axis.
      measured_label: of the horizontal axis.
      highlighted: rows to mark, such as the training cells.

    Returns:
      A figure; `figure.savefig(path)` writes it.
    """
    from matplotlib.figure import Figure

    limits, inside, dots = _inside(predicted, measured)
    figure = Figure(figsize=(6.4, 5.6), layout="constrained", dpi=130)
    axes = figure.subplots()
    few = inside.sum() < 1000
    axes.scatter(
        100 * measured[inside],
        100 * predicted[inside],
        s=16 if few else 4,
        alpha=0.7 if few else 0.25,
        linewidths=0,
        color="#2a6fbb",
        label=dots,
        rasterized=True,
    )
    if highlighted is not None:
        axes.scatter(
            100 * measured[highlighted],
            100 * predicted[highlighted],
            s=22,
            facecolors="none",
            edgecolors="#c8452c",
            label=f"{len(highlighted)} training architectures",
        )
    axes.plot(limits, limits, color="0.6", linewidth=0.8, zorder=0)
    axes.set(
        xlim=limits,
        ylim=limits,
        xlabel=_in_percent(measured_label),
        ylabel=_in_percent(predicted_label),
    )
    axes.set_title(title, fontsize=9, loc="left")
    legend = axes.legend(loc="upper left", frameon=False, markerscale=1 if few else 2)
    for handle in legend.legend_handles:
        if handle is not None:
            handle.set_alpha(1)
    return figure


def _in_percent(label: str) -> str:
    """With its unit, unless the label names it, as columns of people's files do."""
    return label if label.endswith("%") else f"{label}, %"


def _look(at: int) -> dict[str, Any]:
    """How the curve of a number looks; a colour's second one has another marker."""
    again = at >= len(_COLOURS)
    return {
        "color": _COLOURS[at % len(_COLOURS)],
        "marker": _MARKERS[(at + again) % len(_MARKERS)],
        "markerfacecolor": "white" if again else None,
        "linestyle": "--" if again else "-",
        "markersize": 3.5,
        "linewidth": 1,
    }


def _describe(axes: "Axes", title: str, xlabel: str) -> None:
    """Title and texts in the size of a panel, without a frame."""
    axes.set_title(title, fontsize=8, loc="left")
    axes.set_xlabel(xlabel, fontsize=8)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def _legend(figure: "Figure", handles: Mapping[str, Any], columns: int) -> None:
    figure.legend(
        list(handles.values()),
        list(handles),
        loc="outside lower center",
        ncols=columns,
        frameon=False,
        fontsize=8,
    )


def _inside(
    predicted: np.ndarray, measured: np.ndarray
) -> tuple[tuple[float, float], np.ndarray, str]:
    """Axes in percent, the rows [M] that lie in them, and how many those are."""
    known = np.isfinite(predicted) & np.isfinite(measured)
    limits = _limits(100 * predicted[known], 100 * measured[known])
    inside = known & (100 * np.minimum(predicted, measured) >= limits[0])
    dots = f"{inside.sum():,} architectures"
    if known.sum() > inside.sum():
        dots += f", {known.sum() - inside.sum():,} lie below the axes"
    return limits, inside, dots


def _limits(predicted: np.ndarray, measured: np.ndarray) -> tuple[float, float]:
    """Common axes, without the failed few that would squeeze all others together."""
    low = min(np.quantile(predicted, 0.03), np.quantile(measured, 0.03))
    high = max(predicted.max(), measured.max())
    pad = 0.04 * (high - low)
    return float(low - pad), float(high + pad)
