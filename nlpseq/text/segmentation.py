"""Cuts long text into parts that fit a model, and joins the texts that were made of the parts.

docs/browser/segmentation.js does the same in JavaScript; tests/text/sentences.json is held against both.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

_SPACING = re.compile(r"\s+")
_LINE_END = re.compile(r"\s*[\n\r\v\f\u2028\u2029]\s*")

_ENDS_WITHOUT_SPACE = tuple("。！？｡")
_UNSPACED = "。！？｡।॥؟۔։።။។"  # what ends a sentence where no space follows
_CLOSING = "\"'“”‘’»«›‹)\\]」』）】》〉"
_END = re.compile(rf"([.!?…‼⁇⁈⁉{_UNSPACED}]+)((?:[{_CLOSING}]|[ \u00a0\u202f][»›])*)")
_OPENING = re.compile("[\"'“”‘’„‚«»‹›¿¡(\\[「『（《【〈—–-]|\\s")
_OPENS = "\"'“‘「『（《【〈("

_LAST_WORD = re.compile(r"\S*$")
_FIRST_LETTERS = re.compile(r"[^\W\d_]*")
_INITIALS = re.compile(r"(?:[^\W\d_]\.-?)*[^\W\d_]")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# In English, French, German and Spanish; in small letters, without the full stop.
_ABBREVIATIONS = _words(
    """
    mr mrs ms mx dr drs prof rev hon gen col maj capt cpt cmdr lt sgt cpl gov sen rep pres supt st ste mt ft messrs vs
    viz approx cf ph.d mme mmes mlle mlles mgr env av bd boul hr hrn fr frl dipl ing mag bzw vgl evtl ggf inkl exkl zzgl
    sog geb gest ca tel sr sra sres srta srtas dra dres dña avda ej aprox ud uds ee
    """
)
_BEFORE_NUMBERS = _words(
    """
    no nos nr num núm fig figs vol vols pp ch chap sec art abs kap pág págs cap tab eq str abb jan feb mar apr jun jul
    aug sep sept oct okt nov dec dez janv févr avr juil ene abr ago dic
    """
)
_AFTER_ORDINALS = _words(
    """
    januar jänner februar feber märz april mai juni juli august september oktober november dezember jahrhundert
    jahrhunderts
    """
)
_BEFORE_ORDINALS = _words(
    """
    am ab beim bis das dem den der des die im ins jede jeden jeder jedes seit und vom zum zur mein meine meinem meinen
    meiner sein seine seinem seinen seiner ihr ihre ihrem ihren ihrer unser unsere unserem unseren unserer
    """
)


class Segment(NamedTuple):
    """A part of a text.

    Attributes:
        text: the part, without space around it.
        spacing: the spaces and line ends before the next part; "" after the last part, and where a word was cut.
    """

    text: str
    spacing: str


def segments(text: str, fits: Callable[[str], bool], *, unit: str = "text", together: int = 0) -> list[Segment]:
    """Cuts a text into parts that fit: the whole text, else lines, sentences, runs of words, or parts of a word.

    Only the space around the whole text is lost. A single character stays a part even where it does not fit.

    Args:
        text: of any length.
        fits: says whether a part fits.
        unit: what a part has at most: one sentence, one line, or any text.
        together: where the unit is a sentence, bytes of sentences that stay together in a line.

    Returns:
        The parts, in their order.
    """
    text = text.strip()
    if not text:
        return []
    found: list[Segment] = []
    lines = _lines(text)
    if len(lines) > 1 and unit == "text" and fits(text):
        return [Segment(text, "")]
    for line in lines:
        sentences = _sentences(line.text)
        many = unit == "sentence" and _are_apart(line.text, sentences, together)
        if len(sentences) > 1 and not many and fits(line.text):
            found.append(line)
            continue
        for sentence in sentences:
            found += _runs_of_words(sentence.text, fits)
            found[-1] = Segment(found[-1].text, sentence.spacing)
        found[-1] = Segment(found[-1].text, line.spacing)
    return found


def rejoined(parts: Sequence[Segment], texts: Sequence[str]) -> str:
    """Joins the texts that were made of the parts, such as their translations. They are spaced as the parts were.

    Where nothing was made of a part, the part itself stays. Chinese and Japanese have no space between sentences. Where
    they are translated, a space is added.
    """
    pieces: list[str] = []
    for part, made in zip(parts, texts, strict=True):
        text, spacing = made.strip() or part.text, part.spacing
        if not spacing and part.text.endswith(_ENDS_WITHOUT_SPACE) and not text.endswith(_ENDS_WITHOUT_SPACE):
            spacing = " "
        pieces += [text, spacing]
    return "".join(pieces).strip()


def has_letters(text: str) -> bool:
    """Says whether there is a letter of any script: figures, marks and emoji are none."""
    return any(map(str.isalpha, text))


def is_one_sentence(text: str) -> bool:
    """Says whether no sentence and no line ends within the text."""
    lines = _lines(text.strip())
    return len(lines) < 2 and len(_sentences(text.strip())) < 2


def _are_apart(line: str, sentences: Sequence[Segment], together: int) -> bool:
    """Whether the sentences of a line are too many for one part, or spaced as no model would write them."""
    return len(line.encode("utf-8", "replace")) > together or any(part.spacing != " " for part in sentences[:-1])


def _lines(text: str) -> list[Segment]:
    return _cut(text, ((match.start(), match.end()) for match in _LINE_END.finditer(text)))


def _sentences(line: str) -> list[Segment]:
    return _cut(line, _sentence_ends(line))


def _cut(text: str, gaps: Any) -> list[Segment]:
    """The parts of a text between gaps, from a place to another."""
    found, start = [], 0
    for begin, end in gaps:
        found.append(Segment(text[start:begin], text[begin:end]))
        start = end
    return [*found, Segment(text[start:], "")]


def _sentence_ends(line: str) -> Iterator[tuple[int, int]]:
    """Where the space begins and ends that stands behind each sentence but the last."""
    start = 0
    for match in _END.finditer(line):
        marks, closing = match.groups()
        if marks[-1] in _UNSPACED:  # what closes in German opens in Chinese
            closing = closing.partition("“")[0].partition("‘")[0]
        begin = match.end(1) + len(closing)
        after = line[begin:].lstrip()
        end = len(line) - len(after)
        if not after or begin == start:
            continue
        if marks[-1] in _UNSPACED:
            if begin == end and closing and after[0] not in _OPENS:
                continue
        elif begin == end or _is_small(after) or (marks + closing == "." and _abbreviates(line[start:begin], after)):
            continue
        yield begin, end
        start = end


def _is_small(text: str) -> bool:
    """Whether a text begins with a small letter, behind marks that open something."""
    place = 0
    while place < len(text) and _OPENING.match(text, place):
        place += 1
    return unicodedata.category(text[place : place + 1] or ".") == "Ll"


def _abbreviates(sentence: str, after: str) -> bool:
    """Whether the full stop that ends a text belongs to the word before it."""
    before = sentence[:-1]
    last = _LAST_WORD.search(before)
    word = last[0] if last else ""
    while word and _OPENING.match(word):
        word = word[1:]
    small = word.lower()
    if _INITIALS.fullmatch(word):
        return small not in ("a.m", "p.m")
    if small in _ABBREVIATIONS or word == "MM":
        return True
    if small in _BEFORE_NUMBERS or small.endswith("str"):
        return after[:1].isdecimal()
    if small == "ex":
        return before.lower().endswith(("p. ex", "par ex"))
    if 1 <= len(word) <= 3 and word.isascii() and word.isdigit():
        return _is_ordinal(before[: len(before) - len(word)].split(), after)
    return False


def _is_ordinal(words: Sequence[str], after: str) -> bool:
    """Whether a number with a full stop behind these words is German for a place in an order, or numbers a list."""
    first = _FIRST_LETTERS.match(after)
    if not words or (first and first[0].lower() in _AFTER_ORDINALS):
        return True
    return words[-1].lower() in _BEFORE_ORDINALS and words[-2:-1] not in (["I"], ["i"])


def _runs_of_words(text: str, fits: Callable[[str], bool]) -> Iterator[Segment]:
    """Cuts in half until each half fits. So a long text needs few calls of ``fits``."""
    if len(text) < 2 or fits(text):
        yield Segment(text, "")
        return
    gaps = list(_SPACING.finditer(text))
    if gaps:
        gap = gaps[(len(gaps) - 1) // 2]
        halves = text[: gap.start()], text[gap.end() :]
    else:
        gap = None
        halves = text[: len(text) // 2], text[len(text) // 2 :]
    *before, last = _runs_of_words(halves[0], fits)
    yield from before
    yield Segment(last.text, gap.group() if gap else "")
    yield from _runs_of_words(halves[1], fits)
