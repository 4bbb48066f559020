"""What a reader of a text may keep track of: where it is in a line or a word, whether a quote is open, and the like."""

from __future__ import annotations

import re
from collections.abc import Sequence

_QUOTES = re.compile(r'"[^"]*"|“[^”]*”|«[^»]*»')
_BRACKETS = re.compile(r"\([^()]*\)|\[[^\[\]]*\]")
_NEGATED = re.compile(r"(?:\b(?:not|no|never|nothing|nobody|without)\b|n['’]t\b)[^.,;:!?\n]*", re.IGNORECASE)
_LINE_END, _NO_LETTER = re.compile(r"\n"), re.compile(r"\W")
_BYTE, _SPECIAL = re.compile(r"<0x([0-9A-F]{2})>"), ("<s>", "</s>", "<pad>", "<unk>")
_WORD = re.compile(r"\w+")
_CAPITALS = re.compile(r"\b[A-Z][A-Z ]+\b")
_END = re.compile(r"[.!?…。！？]")


def landmarks(pieces: Sequence[str]) -> dict[str, list[float]]:
    """Returns for each landmark a number at each piece: a distance, or 1 and 0 for yes and no.

    Args:
        pieces: which make up the text when they are put together; "▁" stands for a space, "<0x28>" for a byte, "</s>"
            and the like for nothing. A piece gets what holds at its last character.
    """
    characters = [_BYTE.sub(_of_byte, "" if piece in _SPECIAL else piece.replace("▁", " ")) for piece in pieces]
    text = "".join(characters)
    ends, at = [], 0
    for piece in characters:
        at += len(piece)
        ends.append(at - 1)
    marks = {
        "position in the text": [float(index) for index in range(len(text))],
        "position in the line": _since(text, _LINE_END),
        "position in the word": _since(text, _NO_LETTER),
        "end of a word": _marked(len(text), [(word.end() - 1, word.end()) for word in _WORD.finditer(text)]),
        "end of a sentence": _spans(text, _END),
        "inside quotes": _spans(text, _QUOTES),
        "inside brackets": _spans(text, _BRACKETS),
        "in capitals": _spans(text, _CAPITALS),
        "after a negation": _spans(text, _NEGATED),
    }
    return {name: [values[max(end, 0)] for end in ends] for name, values in marks.items() if text}


def _of_byte(match: re.Match[str]) -> str:
    """A byte of a longer character is one letter of a text that nobody reads."""
    value = int(match.group(1), 16)
    return chr(value) if value < 0x80 else "x"


def _since(text: str, pattern: re.Pattern[str]) -> list[float]:
    """Counts the characters since the last one that matches, from 1 on; 0 at one that does."""
    counts, count = [], 0
    for character in text:
        count = 0 if pattern.fullmatch(character) else count + 1
        counts.append(float(count))
    return counts


def _spans(text: str, pattern: re.Pattern[str]) -> list[float]:
    return _marked(len(text), [match.span() for match in pattern.finditer(text)])


def _marked(length: int, spans: Sequence[tuple[int, int]]) -> list[float]:
    marks = [0.0] * length
    for start, stop in spans:
        marks[start:stop] = [1.0] * (stop - start)
    return marks
