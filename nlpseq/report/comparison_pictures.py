"""The pictures of ``nlpseq compare``: memory, loss, gradients through time, and what single changes do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nlpseq.report import figures
from nlpseq.report.comparison_facts import CELLS, Effect, MemoryFacts, MemoryRun, TextCell, mean_by_place
from nlpseq.report.figures import SERIES, text_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SMALLEST = 1e-12  # smaller parts of a gradient are not drawn
_LINES = ("-", (0, (5, 2)), (0, (1.2, 1.5)), "-.")
_STYLES = {cell: (SERIES[number], _LINES[number]) for number, cell in enumerate(CELLS)}
_TIMES = ("start", "middle", "end")
_POINTS = 60  # of a smoothed curve


def memory_picture(memory: Sequence[MemoryFacts], lag: int) -> bytes:
    """Draws for each problem the share solved by lag, and below it the share solved at one lag by training step.

    The faint area reaches from the worst to the best seed.

    Returns:
        A PNG file.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figure, axes = _grid(2, len(memory), height=3.0)
    for column, facts in enumerate(memory):
        upper, lower = axes[0][column], axes[1][column]
        for cell in CELLS:
            runs = facts.of(cell)
            if not runs:
                continue
            _area(upper, cell, np.arange(len(facts.lags)), [[run.share(each) for each in facts.lags] for run in runs])
            checks = sorted({check for run in runs for check in run.checks})
            held = [_held(run, lag, checks) for run in runs if lag in run.shares]
            _area(lower, cell, np.array(checks), held)
        upper.set_xticks(np.arange(len(facts.lags)), [str(each) for each in facts.lags])
        for each in (upper, lower):
            each.set_ylim(-0.03, 1.03)
            each.axhline(facts.chance, color=figures.MUTED, linewidth=0.8, linestyle=":")
        _words(upper, facts.problem, "lag", "share solved" if column == 0 else "")
        _words(lower, "", "training step", f"share solved at lag {lag}" if column == 0 else "")
    figures.legend(axes[0][0], "lower left")
    return _png(figure)


def memory_gradient_picture(facts: MemoryFacts) -> bytes:
    """Draws the gradient by lag of a memory problem for each cell, at the start, in the middle and at the end."""
    figure, (row,) = _grid(1, 3)
    for axes, cell in zip(row, CELLS, strict=True):
        for number, when in enumerate(_TIMES):
            norms = mean_by_place([run.gradients[when] for run in facts.of(cell) if when in run.gradients])
            _gradient(axes, norms, when, SERIES[number], _LINES[number])
        _words(axes, cell.upper(), "steps before the last", "norm, relative to the largest" if cell == "rnn" else "")
    figures.legend(row[0], "lower left")
    return _png(figure)


def text_picture(text: Sequence[TextCell], tokens_per_step: int) -> bytes:
    """Draws the training loss by step and by time, the mean of all seeds."""
    figure, (row,) = _grid(1, 2)
    for cell in text:
        losses = mean_by_place([run.losses for run in cell.runs])
        steps, smooth = smoothed(losses)
        equal = steps <= cell.runs[0].equal_steps
        label = f"{cell.cell.upper()} (validation {cell.nats.mean:.3f})"
        color, line = _STYLES[cell.cell]
        row[0].plot(steps[equal], smooth[equal], color=color, linestyle=line, linewidth=1.8, label=label)
        label = f"{cell.cell.upper()} (validation {cell.timed_nats.mean:.3f})"
        seconds = steps * tokens_per_step / cell.tokens_per_second
        row[1].plot(seconds, smooth, color=color, linestyle=line, linewidth=1.8, label=label)
    _words(row[0], "equal weights, equal steps", "training step", "training loss (nats per character)")
    _words(row[1], "equal weights, equal time", "seconds on one core", "")
    for axes in row:
        figures.legend(axes, "upper right")
    return _png(figure)


def text_gradient_picture(text: Sequence[TextCell]) -> bytes:
    """Draws the gradient by lag of every cell at the start, in the middle and at the end of training on a text."""

    def draw(axes: Axes, cell: TextCell, when: str) -> None:
        _gradient(axes, cell.gradient(when), cell.cell.upper(), *_STYLES[cell.cell])

    return _over_time(text, _TIMES, draw, "lag: steps before the loss", "norm, relative to the largest")


def singular_value_picture(text: Sequence[TextCell]) -> bytes:
    """Draws the largest singular value of the product of so many Jacobians, at the start and at the end of training."""

    def draw(axes: Axes, cell: TextCell, when: str) -> None:
        values = cell.singular_values(when)
        color, line = _STYLES[cell.cell]
        drawn = np.maximum(list(values.values()), _SMALLEST)
        axes.plot(list(values), drawn, color=color, linestyle=line, marker="o", markersize=3.5, label=cell.cell.upper())
        axes.axhline(1, color=figures.MUTED, linewidth=0.8)
        axes.set(xscale="log", yscale="log")
        axes.set_xticks(list(values), [str(lag) for lag in values], minor=False)
        axes.minorticks_off()

    return _over_time(text, ("start", "end"), draw, "lag: steps back", "largest singular value")


def effect_picture(effect: Effect) -> bytes:
    """Draws an experiment by training step: the gradient's norm or the share solved, and the loss; mean of seeds."""
    figure, (row,) = _grid(1, 2)
    norms = effect.name == "clipping"
    for number, variant in enumerate(effect.variants):
        color, line = SERIES[number], _LINES[number % len(_LINES)]
        style: dict[str, Any] = {"color": color, "linestyle": line, "linewidth": 1.8, "label": variant.label}
        if norms:
            row[0].plot(*smoothed(_geometric_mean([run.norms for run in variant.runs])), **style)
        else:
            checks = sorted({check for run in variant.runs for check in run.checks})
            shares = [_held(run, lag, checks) for run in variant.runs for lag in run.shares]
            row[0].plot(checks, np.mean(shares, axis=0), **style)
        row[1].plot(*smoothed(mean_by_place([run.losses for run in variant.runs])), **style)
    if norms:
        row[0].axhline(effect.clip_norm, color=figures.MUTED, linewidth=0.8)
        row[0].set_yscale("log")
    _words(row[0], effect.title, "training step", "norm of the gradient" if norms else "share solved")
    _words(row[1], "", "training step", "training loss")
    figures.legend(row[1], "upper right")
    return _png(figure)


def smoothed(values: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """Returns the places and the means of about 60 stretches of the values; fewer values stay as they are."""
    parts = np.array_split(np.arange(len(values)), min(_POINTS, max(len(values), 1)))
    parts = [part for part in parts if len(part)]
    every = np.array(values, float)
    return np.array([part[-1] + 1 for part in parts]), np.array([every[part].mean() for part in parts])


def _over_time(
    text: Sequence[TextCell], times: Sequence[str], draw: Callable[[Axes, TextCell, str], None], below: str, left: str
) -> bytes:
    figure, (row,) = _grid(1, len(times))
    for axes, when in zip(row, times, strict=True):
        for cell in text:
            draw(axes, cell, when)
        title = "middle of training" if when == "middle" else f"{when} of training"
        _words(axes, title, below, left if when == times[0] else "")
    figures.legend(row[0], "lower left")
    return _png(figure)


def _gradient(axes: Axes, norms: Sequence[float], label: str, color: str, line: Any) -> None:
    values = np.array(norms, float)
    largest = np.max(values[np.isfinite(values)], initial=0)
    if largest <= 0:
        return
    parts = np.where(np.isfinite(values) & (values > _SMALLEST * largest), values / largest, np.nan)
    axes.plot(np.arange(len(parts)), parts, color=color, linestyle=line, linewidth=1.6, label=label)
    axes.set_yscale("log")


def _area(axes: Axes, cell: str, x: np.ndarray, rows: Sequence[Sequence[float]]) -> None:
    if not rows:
        return
    color, line = _STYLES[cell]
    values = np.array(rows, float)
    axes.fill_between(x, values.min(axis=0), values.max(axis=0), color=color, alpha=0.15, linewidth=0)
    axes.plot(x, values.mean(axis=0), color=color, linestyle=line, linewidth=1.8, label=cell.upper())


def _held(run: MemoryRun, lag: int, checks: Sequence[int]) -> list[float]:
    """Returns the shares at the checks of all runs: a run that ended stays where it was."""
    return list(np.interp(checks, run.checks, run.shares[lag]))


def _geometric_mean(rows: Sequence[Sequence[float]]) -> list[float]:
    """Of the first norms, of the second ones and so on; what is no number counts as very large."""
    logs = [np.log(np.clip(np.nan_to_num(norms, nan=1e30, posinf=1e30), 1e-30, 1e30)).tolist() for norms in rows]
    return np.exp(mean_by_place(logs)).tolist()


def _grid(rows: int, columns: int, *, height: float = 3.4) -> tuple[Figure, np.ndarray]:
    figures.require_matplotlib()
    figure = figures.new_figure(11, rows * height)
    axes = figure.subplots(rows, columns, squeeze=False)
    for each in axes.flat:
        figures.tidy(each)
    return figure, axes


def _words(axes: Axes, title: str, below: str, left: str) -> None:
    axes.set_title(title, loc="left", **text_style(11))
    axes.set_xlabel(below, **text_style(9.5))
    axes.set_ylabel(left, **text_style(9.5))


def _png(figure: Figure) -> bytes:
    rows = figure.axes[0].get_subplotspec().get_gridspec().nrows  # type: ignore[union-attr]
    figure.subplots_adjust(left=0.07, right=0.985, top=1 - 0.09 / rows, bottom=0.16 / rows, wspace=0.2, hspace=0.35)
    return figures.png(figure)
