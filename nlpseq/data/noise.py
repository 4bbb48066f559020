"""What people do to a text when they type it: capitals, typos, marks that are missing, and the like.

Each kind takes a text and a generator of random numbers, and returns the text with that noise. The same text and the
same state of the generator give the same result.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from random import Random

# Neighbours on the keyboards QWERTY, AZERTY and QWERTZ that most people hit by mistake.
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm", "azertyuiop", "qsdfghjklm", "wxcvbn", "qwertzuiop", "yxcvbnm")
_NEIGHBORS: dict[str, str] = {}
for _row in _ROWS:
    for _at, _key in enumerate(_row):
        _NEIGHBORS[_key] = _NEIGHBORS.get(_key, "") + _row[max(0, _at - 1) : _at] + _row[_at + 1 : _at + 2]

_FINAL_MARK = re.compile(r"\s*[.!?…。！？।؟]+(?=[\"'”’»」』)\]]*\s*$)")  # also before a closing quote
_APOSTROPHE = re.compile(r"(?<=\w)['’](?=\w)")
_MARK = re.compile(r"(?<=\w)([.!?,])(?=\s|$)")
_WORD = re.compile(r"[^\W\d_]{3,}")
_NO_WORDS = re.compile(r"[\d@/_\\]|\w\.\w")  # numbers, codes and addresses: another letter makes another one
_EMOJI = "😀😂😊😍👍🙏🎉❤😢😅🔥🤔"
_LONGEST = 400  # characters from which a typo is made for each so many
_STRAIGHT = str.maketrans("’‘“”„«»", '\'\'"""""')
_LIGATURES = str.maketrans(
    {"œ": "oe", "Œ": "OE", "æ": "ae", "Æ": "AE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "ß": "ss"}
)


def capitals(text: str, random: Random) -> str:
    """In capitals."""
    return text.upper()


def small_letters(text: str, random: Random) -> str:
    """In small letters."""
    return text.lower()


def no_final_mark(text: str, random: Random) -> str:
    """Without the mark at the end."""
    shorter = _FINAL_MARK.sub("", text)
    return shorter if shorter.strip() else text


def typo(text: str, random: Random) -> str:
    """With a word that is mistyped, or several in a long text: two letters swapped, one lost, doubled or missed.

    Numbers, codes and addresses stay as they are.
    """
    for _ in range(1 + len(text) // _LONGEST):
        words = [
            (token.start() + word.start(), word[0])
            for token in re.finditer(r"\S+", text)
            if not _NO_WORDS.search(token[0])
            for word in _WORD.finditer(token[0])
        ]
        if not words:
            return text
        at, word = random.choice(words)
        text = text[:at] + _mistyped(word, random) + text[at + len(word) :]
    return text


def quotes(text: str, random: Random) -> str:
    """With straight quotes where they were curly, and the other way round."""
    if any(mark in text for mark in "’‘“”„«»"):
        return re.sub(r"(?<=«)\s+|\s+(?=»)", "", text).translate(_STRAIGHT)
    return re.sub(r'"([^"]*)"', "“\\1”", text).replace("'", "’")


def no_apostrophes(text: str, random: Random) -> str:
    """Without the apostrophes inside of words: "dont", "its"."""
    return _APOSTROPHE.sub("", text)


def no_accents(text: str, random: Random) -> str:
    """Without accents over Latin letters, and with ligatures as two letters."""
    decomposed = unicodedata.normalize("NFD", text.translate(_LIGATURES))
    plain = re.sub("([A-Za-z])[\u0300-\u036f]+", "\\1", decomposed)
    return unicodedata.normalize("NFC", plain)


def spaces(text: str, random: Random) -> str:
    """With doubled spaces, or one before a mark."""
    if random.random() < 0.5:
        return _MARK.sub(" \\1", text)
    return text.replace(" ", "  ", random.randrange(1, 4))


def emoji(text: str, random: Random) -> str:
    """With an emoji at the end."""
    return f"{text} {random.choice(_EMOJI)}"


KINDS: dict[str, Callable[[str, Random], str]] = {
    each.__name__: each
    for each in (capitals, small_letters, no_final_mark, typo, quotes, no_apostrophes, no_accents, spaces, emoji)
}


def _mistyped(word: str, random: Random) -> str:
    at = random.randrange(len(word))
    match random.choice(("swapped", "lost", "doubled", "neighbor")):
        case "swapped" if at + 1 < len(word) and word[at] != word[at + 1]:
            return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        case "lost":
            return word[:at] + word[at + 1 :]
        case "doubled":
            return word[:at] + word[at] + word[at:]
    near = _NEIGHBORS.get(word[at].lower())
    if not near:
        return word[:at] + word[at + 1 :]
    letter = random.choice(near)
    return word[:at] + (letter.upper() if word[at].isupper() else letter) + word[at + 1 :]
