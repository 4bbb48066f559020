"""What this project does with Python strings that are not Unicode text."""

from __future__ import annotations

import re

_SURROGATE = re.compile("[\ud800-\udfff]")


def without_surrogates(text: str) -> str:
    """Writes U+FFFD for each lone surrogate.

    Python has surrogates in a string for bytes of a command line that are not UTF-8, and for half of a character that
    JSON spells in two. They are not characters, and UTF-8 cannot hold them.
    """
    return _SURROGATE.sub("\ufffd", text)
