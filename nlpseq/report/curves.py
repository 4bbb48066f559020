"""The picture of how a training went."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nlpseq.metrics import Metric
from nlpseq.report import figures
from nlpseq.report.figures import INK, MUTED, SERIES, text_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def curves_picture(history: Sequence[dict[str, Any]], metric: Metric) -> bytes:
    """Draws the training loss and a validation metric over the time of training, and marks the best epoch.

    Args:
        history: the lines of ``history.jsonl``; x is minutes if all of them have seconds, else epochs.
        metric: the one to draw; a line of the history calls it "valid_" and its key.

    Returns:
        A PNG file.

    Raises:
        MissingExtraError: matplotlib is not installed.
        ValueError: no line has the metric.
    """
    figures.require_matplotlib()
    from matplotlib.ticker import MaxNLocator

    if not history:
        return figures.message_picture("no epoch is finished yet")
    key = f"valid_{metric.key}"
    if not any(key in line for line in history):
        raise ValueError(f"no line of the history has '{key}': the lines have {', '.join(history[0])}")
    by_time = all("seconds" in line for line in history)
    x = np.array([line["seconds"] / 60 if by_time else line["epoch"] for line in history], float)
    values = _series(history, key)
    words = f"validation: {metric.words}" + (f" ({metric.unit.strip()})" if metric.unit else "")
    figure = figures.new_figure(7.5, 5.2)
    upper, lower = figure.subplots(2, 1, sharex=True)
    for axes, heights, label, color in (
        (upper, _series(history, "loss"), "training loss (nats)", SERIES[0]),
        (lower, metric.scale * values, words, SERIES[1]),
    ):
        figures.tidy(axes)
        axes.plot(x, heights, color=color, linewidth=1.8, marker="o", markersize=4 if len(x) <= 40 else 0)
        axes.set_ylabel(label, **text_style(9.5))
        axes.margins(y=0.15)
    if (best := _best(values, metric)) is not None:
        words = f"best: epoch {history[best]['epoch']}, {metric.words} {metric.shown(float(values[best]))}"
        _mark(upper, lower, x, best, metric.scale * values[best], words)
    lower.set_xlim(0, 1.04 * max(x.max(), 1e-3))
    if not by_time:
        lower.xaxis.set_major_locator(MaxNLocator(integer=True))
    lower.set_xlabel("minutes" if by_time else "epoch", **text_style(9.5))
    figure.align_ylabels()
    figure.subplots_adjust(left=0.11, right=0.97, top=0.95, bottom=0.1, hspace=0.12)
    return figures.png(figure)


def _series(history: Sequence[dict[str, Any]], key: str) -> np.ndarray:
    """Returns float [epochs]; NaN where a line lacks the key."""
    return np.array([math.nan if line.get(key) is None else line[key] for line in history], float)


def _best(values: np.ndarray, metric: Metric) -> int | None:
    """Returns the index of the first best value; None where there is no number."""
    best = None
    for index, value in enumerate(values):
        if metric.better(value, None if best is None else values[best]):
            best = index
    return best


def _mark(upper: Axes, lower: Axes, x: np.ndarray, best: int, height: float, words: str) -> None:
    """Draws a line through both panels at the best epoch, a ring around its value, and words."""
    for axes in (upper, lower):
        axes.axvline(x[best], color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
    lower.plot(x[best], height, "o", markersize=9, markerfacecolor="none", markeredgecolor=INK, zorder=4)
    right_half = x[best] > x.max() / 2
    upper.annotate(
        words,
        (x[best], 1),
        xycoords=("data", "axes fraction"),
        xytext=(-6 if right_half else 6, -4),
        textcoords="offset points",
        ha="right" if right_half else "left",
        va="top",
        **text_style(9),
    )
