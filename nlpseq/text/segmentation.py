"""Cutting long text where it hurts least, and putting together what was made of its parts."""

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
        spacing: the spaces and line ends between it and the next part; "" at the end, and where a word was cut.
    """

    text: str
    spacing: str


def segments(text: str, fits: Callable[[str], bool], *, sentences: bool = False) -> list[Segment]:
    """Parts of the text, in order, each of which ``fits``: whole if possible, else sentences, else runs of words.

    A word that does not fit by itself is cut in the middle. Nothing is lost but the space around the whole text.

    Args:
        text: of any length.
        fits: whether a part can stay in one piece.
        sentences: cut into sentences what would fit as well.
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
    """One text out of those that were made of the parts, such as their translations, spaced as the parts were.

    Chinese and Japanese have no space between sentences; other languages want one there.
    """
    pieces: list[str] = []
    for part, text in zip(parts, texts, strict=True):
        spacing = part.spacing
        if not spacing and part.text.endswith(_ENDS_WITHOUT_SPACE) and not text.endswith(_ENDS_WITHOUT_SPACE):
            spacing = " "
        pieces += [text, spacing]
    return "".join(pieces).strip()


def is_one_sentence(text: str) -> bool:
    """Whether there is no end of a sentence or line within the text."""
    return len(_sentences(text)) < 2


def _sentences(text: str) -> list[Segment]:
    """Sentences and lines; all space between two of them, at the begin of a line too, is their spacing."""
    found: list[Segment] = []
    begin = end_of_last = 0
    for border in [*(match.start() for match in _SENTENCE_END.finditer(text)), len(text)]:
        stripped = text[begin:border].strip()
        if stripped:
            start = text.index(stripped, begin)
            if found:
                found[-1] = Segment(found[-1].text, text[end_of_last:start])
            found.append(Segment(stripped, ""))
            end_of_last = start + len(stripped)
        begin = border
    return found


def _runs_of_words(text: str, fits: Callable[[str], bool]) -> Iterator[Segment]:
    """Halves a run of words while it does not fit, so that long text costs few calls."""
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
