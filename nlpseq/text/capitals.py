"""Texts in capitals, read as if they were in small letters.

SENTENCES IN CAPITALS are spelt in pieces of one letter, which a model that learnt from other sentences cannot read.
Letters are those of ASCII, Latin-1, and basic Greek and Cyrillic: in UTF-8 their small letters take as many bytes.
"""

from __future__ import annotations

FEWEST = 6  # letters of a text in capitals; with less, it may be an abbreviation

# First byte of a capital, its last bytes, and what makes it small: added to the first byte and to the last.
TWO_BYTES = (
    (0xC3, 0x80, 0x96, 0, 0x20),
    (0xC3, 0x98, 0x9E, 0, 0x20),
    (0xCE, 0x91, 0x9F, 0, 0x20),
    (0xCE, 0xA0, 0xA1, 1, -0x20),
    (0xCE, 0xA3, 0xA9, 1, -0x20),
    (0xD0, 0x80, 0x8F, 1, 0x10),
    (0xD0, 0x90, 0x9F, 0, 0x20),
    (0xD0, 0xA0, 0xAF, 1, -0x20),
)


def _small_letters() -> dict[str, str]:
    """Each capital with its small letter."""
    letters = {chr(code): chr(code + 0x20) for code in range(ord("A"), ord("Z") + 1)}
    for first, low, high, to_first, to_last in TWO_BYTES:
        for last in range(low, high + 1):
            letters[bytes((first, last)).decode()] = bytes((first + to_first, last + to_last)).decode()
    return letters


_SMALL = str.maketrans(_small_letters())
_CAPITALS = frozenset(_small_letters())
_SMALL_LETTERS = frozenset(_small_letters().values())


def without_capitals(text: str) -> str:
    """The text in small letters if it has several words, all in capitals; else the text."""
    if " " not in text or any(letter in _SMALL_LETTERS for letter in text):
        return text
    return text.translate(_SMALL) if sum(letter in _CAPITALS for letter in text) >= FEWEST else text
