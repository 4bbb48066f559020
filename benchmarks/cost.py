"""What a token costs as sequences, batches and models grow: the table and the picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import numpy as np

from benchmarks.race import Turn
from benchmarks.report import markdown
from benchmarks.workload import CharLM


@dataclass(frozen=True)
class Axis:
    """One size that grows while the others stay.

    Attributes:
        name: the attribute of :class:`CharLM`.
        values: in ascending order.
        workload: what stays.
    """

    name: str
    values: tuple[int, ...]
    workload: CharLM

    def workloads(self) -> dict[int, CharLM]:
        sizes: list[dict[str, Any]] = [{self.name: value} for value in self.values]
        return {value: replace(self.workload, **size) for value, size in zip(self.values, sizes, strict=True)}


@dataclass(frozen=True)
class Point:
    """Medians over rounds, in seconds."""

    value: int
    per_token: float
    per_step: float
    peak_bytes: int


def axes(cell: str) -> tuple[Axis, ...]:
    """Length, batch and layers, about a model of 2 x 256 units."""
    return (
        Axis("length", (32, 64, 128, 256, 512, 1024), CharLM(cell=cell, batch=32)),
        Axis("batch", (16, 32, 64, 128, 256), CharLM(cell=cell)),
        Axis("layers", (1, 2, 3, 4), CharLM(cell=cell)),
    )


def points(turns: Mapping[int, Sequence[Turn]], workloads: Mapping[int, CharLM]) -> list[Point]:
    """From the turns for each value of an axis."""
    return [
        Point(
            value=value,
            per_token=(per_token := median(turn.seconds / turn.tokens for turn in own)),
            per_step=per_token * workloads[value].tokens(0),
            peak_bytes=max(turn.peak_bytes for turn in own),
        )
        for value, own in turns.items()
    ]


def straight_line(measured: Sequence[Point]) -> tuple[float, float, float]:
    """A step's seconds as a + b x value, fitted to relative errors: a, b, and the largest relative error."""
    values, seconds = (np.array([getattr(point, name) for point in measured]) for name in ("value", "per_step"))
    system = np.stack([1 / seconds, values / seconds], axis=1)
    a, b = np.linalg.lstsq(system, np.ones(len(values)), rcond=None)[0]
    return float(a), float(b), float(np.abs(system @ [a, b] - 1).max())


def table(axis: Axis, measured: Sequence[Point]) -> str:
    """The axis' points as a Markdown table, and how straight they lie."""
    first = measured[0].per_token
    lines = [
        [
            str(point.value),
            f"{1 / point.per_token:,.0f}",
            f"{1e6 * point.per_token:.1f}",
            f"{point.per_token / first:.2f}",
            f"{1e3 * point.per_step:,.1f}",
            f"{point.peak_bytes / 1e6:,.0f}",
        ]
        for point in measured
    ]
    a, b, error = straight_line(measured)
    return (
        markdown([axis.name, "tokens/s", "µs a token", "to the first", "ms a step", "peak MB"], lines)
        + f"\nA step takes {1e3 * a:.1f} ms + {1e3 * b:.3f} ms x {axis.name}, to within {100 * error:.0f} %.\n"
    )


def picture(measured: Mapping[str, Sequence[Point]], title: str) -> bytes:
    """A PNG: microseconds a token against each size, a panel each."""
    from matplotlib.ticker import NullLocator

    from nlpseq.report import figures

    figures.require_matplotlib()
    figure = figures.new_figure(3.4 * len(measured), 3.2)
    panels = figure.subplots(1, len(measured), sharey=True, squeeze=False)[0]
    for panel, (name, line) in zip(panels, measured.items(), strict=True):
        values = [point.value for point in line]
        panel.plot(values, [1e6 * point.per_token for point in line], "o-", color=figures.SERIES[0])
        if name != "layers":
            panel.set_xscale("log", base=2)
        panel.xaxis.set_minor_locator(NullLocator())
        panel.set_xticks(values, map(str, values))
        panel.set_xlabel(name)
        panel.grid(axis="y", color=figures.FAINT)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylim(bottom=0)
    panels[0].set_ylabel("µs a token")
    figure.suptitle(title, color=figures.INK)
    figure.tight_layout()
    return figures.png(figure)
