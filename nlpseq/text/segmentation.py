"""Cutting long text where it hurts least."""

from __future__ import annotations

import re
from collections.abc import Callable

_SENTENCE_END = re.compile(r"""(?<=[.!?…])\s+|(?<=[.!?…]["'»”’)\]])\s+|\n+|(?<=[。！？])""")


def segments(text: str, fits: Callable[[str], bool]) -> list[str]:
    """Parts of the text, in order, each of which ``fits``: whole if possible, else sentences, else runs of words.

    A word that does not fit by itself is cut in the middle. Spaces between parts are dropped.
    """
    if fits(text):
        return [text] if text.strip() else []
    parts = [part.strip() for part in _SENTENCE_END.split(text) if part and part.strip()]
    if len(parts) < 2:
        return _runs_of_words(text, fits)
    return [segment for part in parts for segment in segments(part, fits)]


def _runs_of_words(text: str, fits: Callable[[str], bool]) -> list[str]:
    """Greedily as many words as fit; halves a run while it does not fit, so that long text costs few calls."""
    words = text.split()
    if len(words) == 1:
        middle = len(text) // 2
        return (
            [text]
            if middle == 0 or fits(text)
            else [part for half in (text[:middle], text[middle:]) for part in _runs_of_words(half, fits)]
        )
    if fits(text):
        return [text]
    middle = len(words) // 2
    return [part for half in (words[:middle], words[middle:]) for part in _runs_of_words(" ".join(half), fits)]
