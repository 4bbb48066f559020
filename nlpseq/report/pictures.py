"""Pictures of what a model looked at. The same input gives the same PNG bytes."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nlpseq.report import figures
from nlpseq.report.figures import FAINT, INK, MUTED, drawable, fitted, text_style, text_width
from nlpseq.runtime.results import Classification, Translation
from nlpseq.runtime.word_alignment import by_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Sizes are in inches, those of fonts in points.

MOST_MAPS = 12
_MOST_CELLS = 6.0  # a map's longer side
_CELL = 0.27
_PIECE_FONT = 8.0
_LABEL_PITCH = 0.145  # labels nearer than this would touch
_LONGEST_PIECE = 1.1
_GRID_FROM = 0.12  # lines between cells smaller than this would hide them

_MOST_TEXTS = 24
_MOST_PIECES = 60
_TEXT_FONT = 10.5
_LINE = 0.25
_TEXT_LEFT, _TEXT_WIDTH = 1.75, 7.9
_FOR, _AGAINST = "#F5961D", "#5AAEEA"
_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_SPECIAL = {"<s>", "</s>", "<pad>"}


# Attention


def attention_picture(translations: Sequence[Translation]) -> bytes:
    """Draws heat maps of the attention that each target piece (row) pays to each source piece (column).

    Args:
        translations: at most the first 12 with pieces are drawn, two in a row.

    Returns:
        A PNG file.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figures.require_matplotlib()
    maps = [_AttentionMap.of(each) for each in translations if each.pieces and each.source_pieces][:MOST_MAPS]
    if not maps:
        return figures.message_picture("no attention to show")
    rows = [maps[start : start + 2] for start in range(0, len(maps), 2)]
    widths = [max(column.outer_width for column in columns if column) for columns in itertools.zip_longest(*rows)]
    label_spaces = [max(each.label_space for each in row) for row in rows]
    heights = [space + max(each.height for each in row) for row, space in zip(rows, label_spaces, strict=True)]
    bar_space, margin = 0.95, 0.2
    figure = figures.new_figure(sum(widths) + bar_space + margin, max(sum(heights), 2.2) + 2 * margin)
    page = figures.page(figure)
    top, image = margin, None
    for row, height, label_space in zip(rows, heights, label_spaces, strict=True):
        left = margin
        for each, width in zip(row, widths, strict=False):
            image = each.draw(figure, page, left, top, label_space)
            left += width
        top += height
    _attention_bar(figure, image)
    return figures.png(figure)


def heatmap(translation: Translation) -> bytes:
    """Draws the attention that each word of a translation (row) pays to each word of its text (column).

    Args:
        translation: each of its parts has a map of its own; at most the first 12 are drawn.

    Returns:
        A PNG file.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    return attention_picture([by_words(part) for part in (translation.parts or (translation,))[:MOST_MAPS]])


@dataclass(frozen=True)
class _AttentionMap:
    """One heat map and the room that it takes."""

    title: str
    weights: np.ndarray  # float [target, source]
    columns: tuple[str, ...]
    rows: tuple[str, ...]

    @classmethod
    def of(cls, translation: Translation) -> _AttentionMap:
        shape = (len(translation.pieces), len(translation.source_pieces))
        weights = np.zeros(shape)
        for target, row in enumerate(translation.alignment[: shape[0]]):
            weights[target, : len(row)] = row[: shape[1]]
        return cls(
            drawable(" ".join(translation.source.split())),
            np.nan_to_num(weights, nan=0.0, posinf=1.0, neginf=0.0),
            tuple(map(_piece_label, translation.source_pieces)),
            tuple(map(_piece_label, translation.pieces)),
        )

    @property
    def cell(self) -> float:
        return min(_CELL, _MOST_CELLS / max(self.weights.shape))

    @property
    def label_step(self) -> int:
        """The first piece of each so many gets a label. Labels do not touch, and there are at most 40."""
        return max(math.ceil(_LABEL_PITCH / self.cell), math.ceil(max(self.weights.shape) / 40))

    @property
    def left_space(self) -> float:
        return max(text_width(label, _PIECE_FONT) for label in self.rows[:: self.label_step]) + 0.12

    @property
    def label_space(self) -> float:
        """Inches above the map, for the title and the source pieces."""
        return max(text_width(label, _PIECE_FONT) for label in self.columns[:: self.label_step]) + 0.45

    @property
    def outer_width(self) -> float:
        return max(self.left_space + self.weights.shape[1] * self.cell, 2.6) + 0.35

    @property
    def height(self) -> float:
        return self.weights.shape[0] * self.cell + 0.3

    def draw(self, figure: Figure, page: Axes, left: float, top: float, label_space: float) -> Any:
        """Draws the map with its upper left corner at (left, top), in inches; returns its image, for the color bar."""
        width, height = figure.get_size_inches()
        targets, sources = self.weights.shape
        title = fitted(self.title, 10, self.outer_width - 0.3)
        page.text(left, top + 0.14, title, va="baseline", **text_style(10))
        axes = figure.add_axes(
            (
                (left + self.left_space) / width,
                1 - (top + label_space + targets * self.cell) / height,
                sources * self.cell / width,
                targets * self.cell / height,
            )
        )
        image = axes.imshow(self.weights, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        step = self.label_step
        style = text_style(_PIECE_FONT)
        axes.set_xticks(range(0, sources, step), self.columns[::step], rotation=90, **style)
        axes.set_yticks(range(0, targets, step), self.rows[::step], **style)
        labeled_all = step == 1
        axes.tick_params(length=0 if labeled_all else 2.5, width=0.6, pad=3, color=MUTED)
        axes.tick_params(axis="x", top=True, bottom=False, labeltop=True, labelbottom=False)
        for spine in axes.spines.values():
            spine.set(color=MUTED, linewidth=0.6)
        if self.cell >= _GRID_FROM:
            axes.set_xticks(np.arange(0.5, sources - 1), minor=True)
            axes.set_yticks(np.arange(0.5, targets - 1), minor=True)
            axes.grid(which="minor", color="#e9eef5", linewidth=0.6)
            axes.tick_params(which="minor", length=0)
        return image


def _attention_bar(figure: Figure, image: Any) -> None:
    width, height = figure.get_size_inches()
    length = min(2.0, height - 0.7)
    axes = figure.add_axes((1 - 0.8 / width, 1 - (0.55 + length) / height, 0.14 / width, length / height))
    bar = figure.colorbar(image, cax=axes, ticks=[0, 0.5, 1])
    bar.outline.set(color=MUTED, linewidth=0.6)
    axes.tick_params(labelsize=8, length=2.5, width=0.6, color=MUTED, labelcolor=INK)
    axes.set_title("attention", pad=6, **text_style(8, color=MUTED))


def _piece_label(piece: str) -> str:
    if piece == "</s>":
        return "‹end›"
    return fitted(drawable(piece), _PIECE_FONT, _LONGEST_PIECE) or "·"


# Relevance


def relevance_picture(classifications: Sequence[Classification]) -> bytes:
    """Draws texts; the color of a piece says how much it spoke for the predicted label (orange) or against it (blue).

    The strongest piece of each text has full color. A text of more than 60 pieces is cut to 60 around its strongest.

    Args:
        classifications: at most the first 24 are drawn.

    Returns:
        A PNG file.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figures.require_matplotlib()
    if not classifications:
        return figures.message_picture("no text to show")
    texts = [(each, _lines(_excerpt(_chips(each)))) for each in classifications[:_MOST_TEXTS]]
    top, between = 0.75, 0.26
    heights = [max(len(lines), 2) * _LINE + between for _, lines in texts]
    figure = figures.new_figure(_TEXT_LEFT + _TEXT_WIDTH + 0.25, top + sum(heights) + 0.05)
    page = figures.page(figure)
    _relevance_legend(page)
    for (each, lines), height in zip(texts, heights, strict=True):
        page.plot([0.25, _TEXT_LEFT + _TEXT_WIDTH], [top - between / 2] * 2, color=FAINT, linewidth=0.8)
        _draw_label(page, each, top)
        _draw_lines(page, lines, top)
        top += height
    return figures.png(figure)


@dataclass(frozen=True)
class _Chip:
    """A stretch of the text with one color; ``strength`` is from -1 (against) to 1 (for)."""

    text: str
    strength: float
    starts_word: bool = False


@dataclass(frozen=True)
class _Placed:
    """A chip with its place in a line; sizes in inches."""

    chip: _Chip
    left: float
    width: float


def _chips(classification: Classification) -> list[_Chip]:
    """Returns the text's pieces. The bytes of a character are put together; BOS, EOS and padding are left out."""
    relevance = [value if math.isfinite(value) else 0.0 for value in classification.relevance]
    scale = max(map(abs, relevance), default=0.0) or 1.0
    chips = []
    for piece, value in _characters_of_bytes(classification.pieces, relevance):
        text = " ".join(re.split(r"[▁\s]", piece))
        shown = drawable(text.lstrip(" "))
        if shown or text:
            chips.append(_Chip(shown or " ", max(-1.0, min(1.0, value / scale)), starts_word=text.startswith(" ")))
    return chips


def _characters_of_bytes(pieces: Sequence[str], relevance: Sequence[float]) -> Iterator[tuple[str, float]]:
    """Yields pieces with their relevance; a run of bytes such as <0xC3><0xA9> becomes one, with the strongest."""
    pairs = [pair for pair in zip(pieces, relevance, strict=False) if pair[0] not in _SPECIAL]
    for is_byte, run in itertools.groupby(pairs, key=lambda pair: _BYTE.fullmatch(pair[0]) is not None):
        if not is_byte:
            yield from run
            continue
        group = list(run)
        text = bytes(int(piece[3:5], 16) for piece, _ in group).decode("utf-8", "replace")
        yield text, max((value for _, value in group), key=abs)


def _excerpt(chips: list[_Chip]) -> list[_Chip]:
    """Returns 60 chips around the strongest relevance, with "…" where something is left out."""
    if len(chips) <= _MOST_PIECES:
        return chips
    # So that the strongest pieces stand in the middle of the excerpt.
    near_the_middle = np.hanning(_MOST_PIECES + 2)[1:-1]
    sums = np.convolve([chip.strength**2 for chip in chips], near_the_middle, mode="valid")
    start = int(np.argmax(np.round(sums, 9)))
    nearby = range(start, max(start - _MOST_PIECES // 4, -1), -1)
    start = next((earlier for earlier in nearby if chips[earlier].starts_word), start)
    window = chips[start : start + _MOST_PIECES]
    before = [_Chip("…", 0.0)] if start > 0 else []
    after = [_Chip("…", 0.0, starts_word=True)] if start + _MOST_PIECES < len(chips) else []
    return [*before, *window, *after]


def _lines(chips: list[_Chip]) -> list[list[_Placed]]:
    """Places chips in lines. A line ends between words, or inside a word that is longer than a line."""
    space = text_width("n n", _TEXT_FONT) - text_width("nn", _TEXT_FONT)
    lines: list[list[_Placed]] = [[]]
    at = 0.0
    for word in _words(chips):
        chips_and_widths = [(chip, space if chip.text == " " else text_width(chip.text, _TEXT_FONT)) for chip in word]
        gap = space if lines[-1] and word[0].starts_word and word[0].text != " " else 0.0
        if lines[-1] and at + gap + sum(width for _, width in chips_and_widths) > _TEXT_WIDTH:
            lines.append([])
            at, gap = 0.0, 0.0
        at += gap
        for chip, width in chips_and_widths:
            if width > _TEXT_WIDTH:
                chip = _Chip(fitted(chip.text, _TEXT_FONT, _TEXT_WIDTH), chip.strength, chip.starts_word)
                width = text_width(chip.text, _TEXT_FONT)
            if lines[-1] and at + width > _TEXT_WIDTH:
                lines.append([])
                at = 0.0
            lines[-1].append(_Placed(chip, at, width))
            at += width
    return lines


def _words(chips: list[_Chip]) -> Iterator[list[_Chip]]:
    word: list[_Chip] = []
    for chip in chips:
        if chip.starts_word and word:
            yield word
            word = []
        word.append(chip)
    if word:
        yield word


def _draw_lines(page: Axes, lines: list[list[_Placed]], top: float) -> None:
    from matplotlib.patches import Rectangle

    style = text_style(_TEXT_FONT)
    for number, line in enumerate(lines):
        baseline = top + number * _LINE + 0.16
        for place in line:
            left = _TEXT_LEFT + place.left
            box = (left, baseline - 0.148)
            page.add_patch(Rectangle(box, place.width, 0.2, facecolor=_color(place.chip.strength), linewidth=0))
            page.text(left, baseline, place.chip.text, va="baseline", **style)


def _draw_label(page: Axes, classification: Classification, top: float) -> None:
    room = _TEXT_LEFT - 0.5
    label = fitted(drawable(classification.label), _TEXT_FONT, room, bold=True)
    page.text(0.25, top + 0.16, label, va="baseline", **text_style(_TEXT_FONT, fontweight="bold"))
    probability = classification.probabilities.get(classification.label, math.nan)
    if math.isfinite(probability):
        shown = f"{100 * probability:.1f} %" if probability < 0.9995 else "> 99.9 %"
        page.text(0.25, top + 0.16 + _LINE, shown, va="baseline", **text_style(9.5, color=MUTED))


def _relevance_legend(page: Axes) -> None:
    from matplotlib.patches import Rectangle

    steps, width = 41, 1.6
    left, right = _TEXT_LEFT, _TEXT_LEFT + width
    for step in range(steps):
        at = left + width * step / steps
        color = _color(2 * step / (steps - 1) - 1)
        page.add_patch(Rectangle((at, 0.24), width / steps + 0.01, 0.14, facecolor=color, linewidth=0))
    page.text(0.25, 0.37, "predicted label", va="baseline", **text_style(9, color=MUTED))
    words = "orange speaks for the predicted label, blue against; each text on its own scale"
    page.text(right + 0.15, 0.37, words, va="baseline", **text_style(9, color=MUTED))


def _color(strength: float) -> tuple[float, ...]:
    """Returns RGB from blue (-1) over white (0) to orange (1)."""
    from matplotlib.colors import to_rgb

    full = to_rgb(_FOR if strength > 0 else _AGAINST)
    return tuple(1 - abs(strength) * (1 - channel) for channel in full)
