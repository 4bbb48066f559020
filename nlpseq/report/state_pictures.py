"""Heat maps of gates and states over a text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nlpseq.report import figures
from nlpseq.report.figures import MUTED, drawable, fitted, text_style
from nlpseq.report.state_facts import LayerStates, Reading

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Sizes are in inches, those of fonts in points.
_MOST_PIECES = 160
_ROW, _COLUMN = 0.13, 0.13
_WIDEST, _NARROWEST = 18.0, 5.0
_LEFT, _RIGHT, _ABOVE, _BETWEEN, _BELOW = 2.4, 0.3, 0.5, 0.35, 0.2
_LABEL = 0.75  # of a piece that is longer than a character


def state_picture(reading: Reading, layer: LayerStates, units: int) -> bytes:
    """Draws what a layer remembers and its gates, a row for a unit and a column for a piece of the text.

    Args:
        reading: its first 160 pieces are drawn.
        layer: one of its layers.
        units: how many, those that follow each landmark most closely.

    Returns:
        A PNG file.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figures.require_matplotlib()
    rows = shown_units(layer, units)
    pieces = [drawable(piece) or " " for piece in reading.pieces[:_MOST_PIECES]]
    panels = {"tanh of the cell state" if "cell state" in layer.values else "state": layer.memory, **layer.gates}
    width = min(max(len(pieces) * _COLUMN, _NARROWEST), _WIDEST)
    letters = max(map(len, pieces)) == 1
    above = _ABOVE if letters else _ABOVE + _LABEL
    height = len(rows) * _ROW
    whole = _BELOW + len(panels) * height + above + (len(panels) - 1) * (_BETWEEN + (0 if letters else _LABEL))
    figure = figures.new_figure(_LEFT + width + _RIGHT, whole)
    top = above
    for name, values in panels.items():
        place = (
            _LEFT / (_LEFT + width + _RIGHT),
            1 - (top + height) / whole,
            width / (_LEFT + width + _RIGHT),
            height / whole,
        )
        axes = figure.add_axes(place)
        signed = not name.endswith("gate")
        drawn = values[: len(pieces), [each for each, _ in rows]].T
        axes.imshow(drawn, aspect="auto", cmap="RdBu_r" if signed else "Greys", vmin=-1 if signed else 0, vmax=1)
        _label(axes, pieces, [words for _, words in rows], name, letters)
        top += height + _BETWEEN + (0 if letters else _LABEL)
    return figures.png(figure)


def shown_units(layer: LayerStates, units: int) -> list[tuple[int, str]]:
    """Returns units with words for what they follow: as many for each landmark; without landmarks the first units."""
    if not layer.followed:
        return [(unit, f"unit {unit}") for unit in range(min(units, layer.memory.shape[1]))]
    of_each = max(1, units // len(layer.followed))
    chosen = [each for of_landmark in layer.followed.values() for each in of_landmark[:of_each]]
    return [(each.unit, f"{each.landmark} {each.correlation:+.2f}  {each.unit}") for each in chosen]


def _label(axes: Axes, pieces: list[str], rows: list[str], name: str, letters: bool) -> None:
    step = max(1, int(np.ceil(len(pieces) / (_WIDEST / _COLUMN))))
    style = text_style(6.5)
    labels = [fitted(piece, 6.5, _LABEL) for piece in pieces[::step]]
    axes.set_xticks(range(0, len(pieces), step), labels, rotation=0 if letters else 90, **style)
    axes.set_yticks(range(len(rows)), rows, **style)
    axes.tick_params(length=0, pad=2, top=False, bottom=False, labeltop=True, labelbottom=False)
    for spine in axes.spines.values():
        spine.set(color=MUTED, linewidth=0.5)
    axes.set_title(name, loc="left", pad=4, **text_style(9.5))
