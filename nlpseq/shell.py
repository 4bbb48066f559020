"""Commands in messages, written so that they can be pasted into a shell."""

from __future__ import annotations

import shlex
from pathlib import Path


def command(*words: str | Path) -> str:
    """The words as one line for a shell, each quoted where it must be."""
    return " ".join(map(quoted, words))


def quoted(word: str | Path) -> str:
    r"""One word for a shell. A path that begins with "-" becomes ``./-…``, which no program takes for an option.

    Characters that cannot be seen, and bytes that are not UTF-8, are written as ``$'\xe9'``, which bash and zsh know.
    """
    text = str(word)
    if isinstance(word, Path) and text.startswith("-"):
        text = f"./{text}"
    if text.isprintable():
        return shlex.quote(text)
    return "$'" + "".join(map(_escaped, text)) + "'"


def _escaped(character: str) -> str:
    if character.isprintable() and character not in "\\'":
        return character
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogateescape"))
