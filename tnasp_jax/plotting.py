"""Plots with matplotlib (the extra `plots`), imported where they are drawn."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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

    known = np.isfinite(predicted) & np.isfinite(measured)
    limits = _limits(100 * predicted[known], 100 * measured[known])
    inside = known & (100 * np.minimum(predicted, measured) >= limits[0])
    dots = f"{inside.sum():,} architectures"
    if known.sum() > inside.sum():
        dots += f", {known.sum() - inside.sum():,} lie below the axes"
    figure = Figure(figsize=(6.4, 5.6), layout="constrained", dpi=130)
    axes = figure.subplots()
    axes.scatter(
        100 * measured[inside],
        100 * predicted[inside],
        s=4,
        alpha=0.25,
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
        title=title,
        xlabel=f"{measured_label}, %",
        ylabel=f"{predicted_label}, %",
    )
    legend = axes.legend(loc="upper left", frameon=False, markerscale=2)
    for handle in legend.legend_handles:
        if handle is not None:
            handle.set_alpha(1)
    return figure


def _limits(predicted: np.ndarray, measured: np.ndarray) -> tuple[float, float]:
    """Common axes, without the failed few that would squeeze all others together."""
    low = min(np.quantile(predicted, 0.03), np.quantile(measured, 0.03))
    high = max(predicted.max(), measured.max())
    pad = 0.04 * (high - low)
    return float(low - pad), float(high + pad)
