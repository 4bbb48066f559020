"""Faults of an answer that show without a reference: it repeats itself, or loses figures and words of the text."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

_LONGEST_UNIT = 8  # words of what is said again and again
_REPEATED_WORDS = 3  # times in a row
_REPEATED_LETTERS = re.compile(r"([^\W\d_]{1,8}?)\1{3,}")
_BETWEEN_THOUSANDS = re.compile(r"(?<=\d)[.,'’\s](?=\d{3}(?!\d))")


def loops(text: str) -> bool:
    """Whether words stand three times in a row, or letters four times."""
    words = text.casefold().split()
    for length in range(1, _LONGEST_UNIT + 1):
        in_a_row = 0  # words that are those of `length` words before
        for place in range(length, len(words)):
            in_a_row = in_a_row + 1 if words[place] == words[place - length] else 0
            if in_a_row == length * (_REPEATED_WORDS - 1):
                return True
    return bool(_REPEATED_LETTERS.search(text.casefold()))


def figures(text: str) -> tuple[str, ...]:
    """The runs of digits in a text, sorted; marks and spaces between thousands do not count."""
    digits = "".join(str(unicodedata.decimal(character)) if character.isdecimal() else character for character in text)
    return tuple(sorted(re.findall(r"\d+", _BETWEEN_THOUSANDS.sub("", digits))))


def loses_figures(source: str, target: str) -> bool:
    """Whether a figure of the first text is missing in the second, in its digits."""
    return bool(Counter(figures(source)) - Counter(figures(target)))


def not_written(target: str, written: str) -> list[str]:
    """What a target has that the model cannot write, in words."""
    if written == target:
        return []
    lost = sorted(set(target) - set(written))
    whats = [f"targets with {character!r}, which this model writes otherwise" for character in lost]
    return whats or ["targets with several spaces in a row: one is written"]


def stands_in(word: str, text: str) -> bool:
    """Whether a word, or several, stands in a text letter by letter and is no part of a longer one."""
    pattern = rf"(?<![\w@/.,:-]){re.escape(_plain_spaces(word))}(?![\w@/-]|[.,:]\w)"
    return bool(re.search(pattern, _plain_spaces(text)))


def amount_stands_in(amount: str, text: str) -> bool:
    """Whether the number and the sign of an amount stand in a text: "€49.90" may be written as "49,90 €"."""
    number = re.search(r"\d[\d.,]*", amount)
    if number is None:
        return stands_in(amount, text)
    sign = amount.replace(number[0], "").strip()
    without_sign = text.replace(sign, " ")
    written = (number[0], number[0].translate(str.maketrans(".,", ",.")), number[0].replace(",", " "))
    return sign in text and any(stands_in(each, without_sign) for each in written)


def _plain_spaces(text: str) -> str:
    return re.sub(r"\s", " ", text)
