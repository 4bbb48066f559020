"""Cutting long text where it hurts least."""

from __future__ import annotations

import re
from collections.abc import Callable

_SENTENCE_END = re.compile(r"""(?<=[.!?…])\s+|(?<=[.!?…]["'»”’)\]])\s+|\n+|(?<=[。！？])""")


def segments(text: str, fits: Callable[[str], bool]) -> list[str]:
    """Parts of the text, in order, each of which ``fits``: whole if possible, else sentences, else runs of words.

    A word that does not fit by itself is cut in the middle. Spaces between parts are dropped.
    """
    if not text.strip():
        return []
    if fits(text):
        return [text]
    parts = [part.strip() for part in _SENTENCE_END.split(text) if part and part.strip()]
    if len(parts) < 2:
        return _runs_of_words(text.strip(), fits)
    return [segment for part in parts for segment in segments(part, fits)]


def _runs_of_words(text: str, fits: Callable[[str], bool]) -> list[str]:
    """Halves a run of words while it does not fit, so that long text costs few calls."""
    if len(text) < 2 or fits(text):
        return [text]
    words = text.split()
    if len(words) > 1:
        middle = len(words) // 2
        halves = " ".join(words[:middle]), " ".join(words[middle:])
    else:
        middle = len(text) // 2
        halves = text[:middle], text[middle:]
    return [part for half in halves for part in _runs_of_words(half, fits)]
