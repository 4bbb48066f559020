"""Pictures of a model: what it looked at, and how its training went. PNG bytes, the same for the same input."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nlpseq.report import figures
from nlpseq.report.figures import FAINT, INK, MUTED, SERIES, drawable, fitted, text_style, text_width
from nlpseq.report.metric_names import lower_is_better, metric_name, metric_words, shown_metric
from nlpseq.runtime.results import Classification, Translation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Sizes are in inches, those of fonts in points.

_MOST_MAPS = 12
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
    """Heat maps of the attention that each target piece (row) pays to each source piece (column).

    Args:
        translations: at most the first 12 are drawn, two a row; those without pieces are left out.

    Returns:
        A PNG file.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figures.require_matplotlib()
    maps = [_AttentionMap.of(each) for each in translations if each.pieces and each.source_pieces][:_MOST_MAPS]
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
        """Every so many pieces get a label: so that they do not touch, and at most 40 of them."""
        return max(math.ceil(_LABEL_PITCH / self.cell), math.ceil(max(self.weights.shape) / 40))

    @property
    def left_space(self) -> float:
        return max(text_width(label, _PIECE_FONT) for label in self.rows[:: self.label_step]) + 0.12

    @property
    def label_space(self) -> float:
        """Above the map: the title and the source pieces."""
        return max(text_width(label, _PIECE_FONT) for label in self.columns[:: self.label_step]) + 0.45

    @property
    def outer_width(self) -> float:
        return max(self.left_space + self.weights.shape[1] * self.cell, 2.6) + 0.35

    @property
    def height(self) -> float:
        return self.weights.shape[0] * self.cell + 0.3

    def draw(self, figure: Figure, page: Axes, left: float, top: float, label_space: float) -> Any:
        """Draws the map into a corner of the page; returns what a colour bar needs."""
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
        labelled_all = step == 1
        axes.tick_params(length=0 if labelled_all else 2.5, width=0.6, pad=3, color=MUTED)
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
    """Texts whose pieces are coloured by how much they spoke for the predicted label (orange) or against it (blue).

    The colours of a text are relative to its own strongest piece. Of a text of more than 60 pieces, 60 around the
    strongest are shown.

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
    texts = [(each, _lines(_telling(_chips(each)))) for each in classifications[:_MOST_TEXTS]]
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
    """A stretch of the text with one colour; ``strength`` from -1 (against) to 1 (for)."""

    text: str
    strength: float
    starts_word: bool = False


@dataclass(frozen=True)
class _Placed:
    """A chip with its place in a line, in inches."""

    chip: _Chip
    left: float
    width: float


def _chips(classification: Classification) -> list[_Chip]:
    """The text's pieces; the bytes of a character are put together, marks of start and end are left out."""
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
    """Pieces and their relevance, where a run of pieces such as <0xC3><0xA9> is one, with the strongest relevance."""
    pairs = [pair for pair in zip(pieces, relevance, strict=False) if pair[0] not in _SPECIAL]
    for is_byte, run in itertools.groupby(pairs, key=lambda pair: _BYTE.fullmatch(pair[0]) is not None):
        if not is_byte:
            yield from run
            continue
        group = list(run)
        text = bytes(int(piece[3:5], 16) for piece, _ in group).decode("utf-8", "replace")
        yield text, max((value for _, value in group), key=abs)


def _telling(chips: list[_Chip]) -> list[_Chip]:
    """60 chips around the strongest relevance, "…" where something is left out."""
    if len(chips) <= _MOST_PIECES:
        return chips
    # So that the strongest are shown with what stands before and after them.
    near_the_middle = np.hanning(_MOST_PIECES + 2)[1:-1]
    sums = np.convolve([chip.strength**2 for chip in chips], near_the_middle, mode="valid")
    start = int(np.argmax(np.round(sums, 9)))
    while start > 0 and not chips[start].starts_word and len(chips) - start < 2 * _MOST_PIECES:
        start -= 1
    window = chips[start : start + _MOST_PIECES]
    before = [_Chip("…", 0.0)] if start > 0 else []
    after = [_Chip("…", 0.0, starts_word=True)] if start + _MOST_PIECES < len(chips) else []
    return [*before, *window, *after]


def _lines(chips: list[_Chip]) -> list[list[_Placed]]:
    """Places chips in lines: broken between words, or inside of a word that is longer than a line."""
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
            page.add_patch(Rectangle(box, place.width, 0.2, facecolor=_colour(place.chip.strength), linewidth=0))
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
        colour = _colour(2 * step / (steps - 1) - 1)
        page.add_patch(Rectangle((at, 0.24), width / steps + 0.01, 0.14, facecolor=colour, linewidth=0))
    page.text(0.25, 0.37, "predicted label", va="baseline", **text_style(9, color=MUTED))
    words = "orange speaks for the predicted label, blue against; each text on its own scale"
    page.text(right + 0.15, 0.37, words, va="baseline", **text_style(9, color=MUTED))


def _colour(strength: float) -> tuple[float, ...]:
    """From blue (-1) over white (0) to orange (1)."""
    from matplotlib.colors import to_rgb

    full = to_rgb(_FOR if strength > 0 else _AGAINST)
    return tuple(1 - abs(strength) * (1 - channel) for channel in full)


# Curves


def curves_picture(history: Sequence[dict[str, Any]], metric: str) -> bytes:
    """The training loss and a validation metric over the time of training, the best epoch marked.

    Args:
        history: the lines of ``history.jsonl``; x is minutes where all of them have seconds, else epochs.
        metric: such as "bleu", for what the lines call "valid_bleu".

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
    if not any(f"valid_{metric}" in line for line in history):
        raise ValueError(f"no line of the history has 'valid_{metric}': the lines have {', '.join(history[0])}")
    by_time = all("seconds" in line for line in history)
    x = np.array([line["seconds"] / 60 if by_time else line["epoch"] for line in history], float)
    known = metric_name(metric)
    scale = known.scale if known else 1.0
    validated = scale * _series(history, f"valid_{metric}")
    words = f"validation: {metric_words(metric)}" + (" (%)" if known and known.unit == " %" else "")
    figure = figures.new_figure(7.5, 5.2)
    upper, lower = figure.subplots(2, 1, sharex=True)
    for axes, values, label, colour in (
        (upper, _series(history, "loss"), "training loss (nats)", SERIES[0]),
        (lower, validated, words, SERIES[1]),
    ):
        figures.tidy(axes)
        axes.plot(x, values, color=colour, linewidth=1.8, marker="o", markersize=4 if len(x) <= 40 else 0)
        axes.set_ylabel(label, **text_style(9.5))
        axes.margins(y=0.15)
    _mark_best(upper, lower, x, history, metric, scale)
    lower.set_xlim(0, 1.04 * max(x.max(), 1e-3))
    if not by_time:
        lower.xaxis.set_major_locator(MaxNLocator(integer=True))
    lower.set_xlabel("minutes" if by_time else "epoch", **text_style(9.5))
    figure.align_ylabels()
    figure.subplots_adjust(left=0.11, right=0.97, top=0.95, bottom=0.1, hspace=0.12)
    return figures.png(figure)


def _series(history: Sequence[dict[str, Any]], key: str) -> np.ndarray:
    """float [epochs]; not a number where a line lacks the key."""
    return np.array([math.nan if line.get(key) is None else line[key] for line in history], float)


def _mark_best(
    upper: Axes, lower: Axes, x: np.ndarray, history: Sequence[dict[str, Any]], metric: str, scale: float
) -> None:
    values = _series(history, f"valid_{metric}")
    if not np.isfinite(values).any():
        return
    is_low = lower_is_better(metric)
    best = int(np.nanargmin(values) if is_low else np.nanargmax(values))
    for axes in (upper, lower):
        axes.axvline(x[best], color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
    lower.plot(x[best], scale * values[best], "o", markersize=9, markerfacecolor="none", markeredgecolor=INK, zorder=4)
    right_half = x[best] > x.max() / 2
    upper.annotate(
        f"best: epoch {history[best]['epoch']}, {metric_words(metric)} {shown_metric(metric, float(values[best]))}",
        (x[best], 1),
        xycoords=("data", "axes fraction"),
        xytext=(-6 if right_half else 6, -4),
        textcoords="offset points",
        ha="right" if right_half else "left",
        va="top",
        **text_style(9),
    )
