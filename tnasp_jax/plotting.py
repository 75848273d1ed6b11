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
      measured: [M] fractions; rows with NaN are left out.
      title: above the plot; it should name the table, the split and tau.
      predicted_label: of the vertical axis.
      measured_label: of the horizontal axis.
      highlighted: rows to mark, such as the training cells.

    Returns:
      A figure; `figure.savefig(path)` writes it.
    """
    from matplotlib.figure import Figure

    known = np.isfinite(predicted) & np.isfinite(measured)
    figure = Figure(figsize=(6.4, 5.6), layout="constrained", dpi=130)
    axes = figure.subplots()
    axes.scatter(
        100 * measured[known],
        100 * predicted[known],
        s=4,
        alpha=0.25,
        linewidths=0,
        color="#2a6fbb",
        label=f"{known.sum():,} architectures",
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
    both = np.concatenate([predicted[known], measured[known]])
    low, high = 100 * np.quantile(both, [0.01, 1.0])
    pad = 0.04 * (high - low)
    limits = (low - pad, high + pad)
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
