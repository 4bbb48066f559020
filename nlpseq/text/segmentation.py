"""Cuts long text into parts that fit a model, and joins the texts that were made of the parts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

_SENTENCE_END = re.compile(r"""(?<=[.!?…])\s+|(?<=[.!?…]["'»”’)\]])\s+|\n+|(?<=[。！？])""")
_SPACING = re.compile(r"\s+")
_ENDS_WITHOUT_SPACE = tuple("。！？")


class Segment(NamedTuple):
    """A part of a text.

    Attributes:
        text: the part, without space around it.
        spacing: the spaces and line ends before the next part; "" after the last part, and where a word was cut.
    """

    text: str
    spacing: str


def segments(text: str, fits: Callable[[str], bool], *, sentences: bool = False) -> list[Segment]:
    """Cuts a text into parts that fit: the whole text, else sentences, else runs of words, else parts of a word.

    Only the space around the whole text is lost. A single character stays a part even where it does not fit.

    Args:
        text: of any length.
        fits: says whether a part fits.
        sentences: cut into sentences even where the whole text fits.

    Returns:
        The parts, in their order.
    """
    text = text.strip()
    if not text:
        return []
    parts = _sentences(text)
    if not (sentences and len(parts) > 1) and fits(text):
        return [Segment(text, "")]
    if len(parts) < 2:
        return list(_runs_of_words(text, fits))
    found: list[Segment] = []
    for part in parts:
        *before, last = segments(part.text, fits)
        found += [*before, Segment(last.text, part.spacing)]
    return found


def rejoined(parts: Sequence[Segment], texts: Sequence[str]) -> str:
    """Joins the texts that were made of the parts, such as their translations. They are spaced as the parts were.

    Chinese and Japanese have no space between sentences. Where they are translated, a space is added.
    """
    pieces: list[str] = []
    for part, text in zip(parts, texts, strict=True):
        spacing = part.spacing
        if not spacing and part.text.endswith(_ENDS_WITHOUT_SPACE) and not text.endswith(_ENDS_WITHOUT_SPACE):
            spacing = " "
        pieces += [text, spacing]
    return "".join(pieces).strip()


def is_one_sentence(text: str) -> bool:
    """Says whether no sentence and no line ends within the text."""
    return len(_sentences(text)) < 2


def _sentences(text: str) -> list[Segment]:
    """Cuts at the ends of sentences and lines. All space between two parts is spacing, a line's indentation too."""
    found: list[Segment] = []
    start = end_of_last = 0
    for border in [*(match.start() for match in _SENTENCE_END.finditer(text)), len(text)]:
        stripped = text[start:border].strip()
        if stripped:
            first = text.index(stripped, start)
            if found:
                found[-1] = Segment(found[-1].text, text[end_of_last:first])
            found.append(Segment(stripped, ""))
            end_of_last = first + len(stripped)
        start = border
    return found


def _runs_of_words(text: str, fits: Callable[[str], bool]) -> Iterator[Segment]:
    """Cuts in half until each half fits. So a long text needs few calls of ``fits``."""
    if len(text) < 2 or fits(text):
        yield Segment(text, "")
        return
    gaps = list(_SPACING.finditer(text))
    if gaps:
        gap = gaps[(len(gaps) - 1) // 2]
        halves = text[: gap.start()], text[gap.end() :]
    else:
        gap = None
        halves = text[: len(text) // 2], text[len(text) // 2 :]
    *before, last = _runs_of_words(halves[0], fits)
    yield from before
    yield Segment(last.text, gap.group() if gap else "")
    yield from _runs_of_words(halves[1], fits)
