"""What this project does with Python strings that are not Unicode text."""

from __future__ import annotations

import re
import unicodedata

_SURROGATE = re.compile("[\ud800-\udfff]")
# Marks of order and of direction, soft hyphens and spaces of no width; the joiners are letters of some scripts.
_INVISIBLE = "\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff"
_INVISIBLE_CHARACTER = re.compile(f"[{_INVISIBLE}]")


def without_surrogates(text: str) -> str:
    """Writes U+FFFD for each lone surrogate.

    Python has surrogates in a string for bytes of a command line that are not UTF-8, and for half of a character that
    JSON spells in two. They are not characters, and UTF-8 cannot hold them.
    """
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def is_invisible(character: str) -> bool:
    """Returns whether nothing is seen of a character, though it is no space."""
    return not character.isascii() and _INVISIBLE_CHARACTER.match(character) is not None


def clean_label(label: str) -> str:
    """Returns a label as people see it: no invisible characters, one plain space between words, composed letters."""
    return " ".join(unicodedata.normalize("NFC", _INVISIBLE_CHARACTER.sub("", label)).split())
