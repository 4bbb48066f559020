"""The table and the picture of ``nlpseq compare``: RNN, LSTM and GRU side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nlpseq.report import figures
from nlpseq.report.figures import SERIES, text_style
from nlpseq.report.plain_table import plain_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LAGS = (1, 8, 32, 64)
_NOTHING = "–"
_SMOOTHED_FROM = 60  # points: fewer are drawn as they are
_SMALLEST = 1e-12  # a gradient below this part of the one at lag 0 is not drawn
_LINES = ("-", (0, (5, 2)), (0, (1.2, 1.5)), "-.")


@dataclass(frozen=True)
class CellResult:
    """What one kind of cell reached in a comparison.

    Attributes:
        cell: such as "lstm".
        parameters: of the whole model.
        losses: (step, training loss in nats), in order.
        valid_nats: nats per character on the validation part.
        tokens_per_second: in training.
        gradient_norms: norm of the gradient of the loss at the last step by the input k steps earlier, for k = 0, 1, …
    """

    cell: str
    parameters: int
    losses: list[tuple[int, float]]
    valid_nats: float
    tokens_per_second: float
    gradient_norms: list[float]


def comparison_table(results: Sequence[CellResult]) -> str:
    """Returns the results as aligned plain text; gradient norms are parts of the one at lag 0."""
    above = ["", "", "validation", "training", "gradient", *("" for _ in _LAGS[1:])]
    header = ["cell", "parameters", "nats/char", "tokens/s", *(f"lag {lag}" for lag in _LAGS)]
    table = plain_table([above, header], [_row(result) for result in results])
    note = "gradient: norm of d loss at the last step / d input so many steps earlier, as a part of the one at lag 0"
    return f"{table}\n\n{note}"


def comparison_picture(results: Sequence[CellResult]) -> bytes:
    """Draws two panels: training loss against step, and gradient norm against lag on a logarithmic axis.

    Returns:
        A PNG file.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figures.require_matplotlib()
    if not results:
        return figures.message_picture("nothing to compare")
    figure = figures.new_figure(11, 4.4)
    left, right = figure.subplots(1, 2)
    for axes in (left, right):
        figures.tidy(axes)
    for number, result in enumerate(results):
        color, line = SERIES[number % len(SERIES)], _LINES[number % len(_LINES)]
        _draw_losses(left, result, color, line)
        _draw_gradients(right, result, color, line)
    left.set_title("How fast it learns", loc="left", **text_style(11))
    left.set_xlabel("training step", **text_style(9.5))
    left.set_ylabel("training loss (nats per character)", **text_style(9.5))
    right.set_title("How far back the gradient reaches", loc="left", **text_style(11))
    right.set_xlabel("lag: steps before the loss", **text_style(9.5))
    right.set_ylabel("gradient norm, relative to lag 0", **text_style(9.5))
    right.set_yscale("log")
    figures.legend(left, "upper right")
    figures.legend(right, "lower left")
    figure.subplots_adjust(left=0.065, right=0.985, top=0.91, bottom=0.12, wspace=0.2)
    return figures.png(figure)


def _row(result: CellResult) -> list[str]:
    relative = relative_gradients(result)
    return [
        result.cell,
        f"{result.parameters:,}",
        f"{result.valid_nats:.3f}" if math.isfinite(result.valid_nats) else _NOTHING,
        f"{result.tokens_per_second:,.0f}" if math.isfinite(result.tokens_per_second) else _NOTHING,
        *(_part(relative[lag]) if lag < len(relative) else _NOTHING for lag in _LAGS),
    ]


def relative_gradients(result: CellResult) -> list[float]:
    """Returns gradient norms as parts of the one at lag 0; empty if that one is 0 or not a number."""
    norms = result.gradient_norms
    if not norms or not math.isfinite(norms[0]) or norms[0] <= 0:
        return []
    return [norm / norms[0] for norm in norms]


def _part(value: float) -> str:
    if not math.isfinite(value):
        return _NOTHING
    return f"{value:.3f}" if value >= 0.001 or value == 0 else f"{value:.0e}"


def _draw_losses(axes: Axes, result: CellResult, color: str, line: object) -> None:
    points = [(step, loss) for step, loss in result.losses if math.isfinite(loss)]
    steps, losses = np.array(points, float).reshape(-1, 2).T
    if len(points) >= _SMOOTHED_FROM:
        axes.plot(steps, losses, color=color, linewidth=0.7, alpha=0.25)
        losses = _smoothed(losses, len(points) // 30)
    label = _shown(result.cell)
    if math.isfinite(result.valid_nats):
        label += f" (validation {result.valid_nats:.3f})"
    axes.plot(steps, losses, color=color, linestyle=line, linewidth=1.9, label=label)


def _smoothed(values: np.ndarray, reach: int) -> np.ndarray:
    """Returns the mean of each value and its neighbors, at most ``reach`` of them on either side."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    at = np.arange(len(values))
    before = np.minimum(at, reach)
    # As many after as before: at the start losses fall fast, and a lopsided mean would be too low.
    after = np.minimum(before, len(values) - 1 - at)
    return (sums[at + after + 1] - sums[at - before]) / (before + after + 1)


def _draw_gradients(axes: Axes, result: CellResult, color: str, line: object) -> None:
    relative = np.array(relative_gradients(result), float)
    relative = np.where(relative >= _SMALLEST, relative, np.nan)
    axes.plot(
        np.arange(len(relative)),
        relative,
        color=color,
        linestyle=line,
        linewidth=1.9,
        label=_shown(result.cell),
    )


def _shown(cell: str) -> str:
    return figures.drawable(cell.upper() if cell in ("rnn", "lstm", "gru") else cell)
