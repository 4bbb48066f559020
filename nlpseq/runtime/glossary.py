"""Terms whose translations are given: reading them, and finding them in texts."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from nlpseq.errors import DataError, UserError

_FIRST_MARKER = 0xF0000  # of a private use area: no text means anything by these characters
# Scripts without spaces between words, where a term may stand anywhere: Thai to Burmese, Khmer, kana, Chinese.
_UNSPACED = "\u0e00-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
_JOINS = "@._-"  # within compounds, addresses and names of files


@dataclass(frozen=True)
class Term:
    """A term where it stands in a text.

    Attributes:
        source: as it stands there.
        target: what shall stand for it in the translation.
    """

    source: str
    target: str


class Glossary:
    """Terms and what they are called in the other language.

    A term is found as a whole word or several, longer terms before shorter ones. A small letter of a term stands for
    the capital too: "station" is found in "Station" and in "STATION", and "IT" only in "IT". Other forms, such as
    plurals, are terms of their own.

    Args:
        terms: what is called how.

    Raises:
        UserError: a term is blank, or no text.
    """

    def __init__(self, terms: Mapping[str, str]) -> None:
        self._terms: dict[str, str] = {}
        for source, target in terms.items():
            if not (isinstance(source, str) and isinstance(target, str) and source.strip() and target.strip()):
                raise UserError(f"glossary: {source!r} is to be {target!r}: give two texts that are not blank")
            self._terms[" ".join(source.split())] = " ".join(target.split())
        self._longest_first = sorted(self._terms, key=lambda term: (-len(term), term))

    @classmethod
    def read(cls, file: Path) -> Glossary:
        """Reads a UTF-8 file of lines with a term, a tab and its translation; "#" at the beginning makes a comment.

        Raises:
            DataError: a line is something else, or gives a term another translation than a line before.
            UserError: there is no such file.
        """
        if not file.is_file():
            raise UserError(f"{file}: no such file")
        terms: dict[str, str] = {}
        lines: dict[str, int] = {}
        for number, line in enumerate(file.read_bytes().splitlines(), start=1):
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError:
                message = "not UTF-8: convert it, such as iconv -f latin1 -t utf-8"
                raise DataError(message, file=file, line=number) from None
            if not text.strip() or text.startswith("#"):
                continue
            cells = [" ".join(cell.split()) for cell in text.split("\t")]
            if len(cells) != 2 or not all(cells):
                message = "a line of a glossary is a term, one tab, and its translation; a comment begins with #"
                raise DataError(message, file=file, line=number)
            source, target = cells
            if terms.setdefault(source, target) != target:
                message = f"'{source}' has another translation in line {lines[source]}: leave one of them"
                raise DataError(message, file=file, line=number)
            lines.setdefault(source, number)
        return cls(terms)

    def marked(self, text: str) -> tuple[str, dict[str, Term]]:
        """The text with a single character in the place of each term, and which term each of them stands for."""
        marker = (chr(code) for code in range(_FIRST_MARKER, 0x10FFFE) if chr(code) not in text)
        pieces, known, start = [], {}, 0
        for begin, end, target in sorted(self._places(text)):
            sign = next(marker)
            known[sign] = Term(text[begin:end], target)
            pieces += [text[start:begin], sign]
            start = end
        return "".join([*pieces, text[start:]]), known

    def _places(self, text: str) -> Iterator[tuple[int, int, str]]:
        taken = bytearray(len(text))
        folded = text.casefold()
        for term in self._longest_first:
            if term.split(" ", 1)[0].casefold() not in folded:  # a large glossary is searched fast so
                continue
            for match in term_pattern(term).finditer(text):
                begin, end = match.span()
                if not any(taken[begin:end]):
                    taken[begin:end] = b"\1" * (end - begin)
                    yield begin, end, self._terms[term]


@functools.lru_cache(4096)
def term_pattern(term: str) -> re.Pattern[str]:
    """What finds a term in a text: whole words, in either case where the term has small letters."""
    letters = "".join(r"\s+" if letter == " " else _either_case(letter) for letter in term)
    spaced = rf"(?![{_UNSPACED}])\w"
    before = rf"(?<!\w)(?<!\w[{_JOINS}])" if re.match(spaced, term[0]) else ""
    after = rf"(?![{_JOINS}]?\w)" if re.match(spaced, term[-1]) else ""
    return re.compile(before + letters + after)


def _either_case(letter: str) -> str:
    upper = letter.upper()
    other = len(upper) == 1 and upper != letter
    return f"[{re.escape(letter)}{re.escape(upper)}]" if other else re.escape(letter)
