"""The attention of a translation between words, which are made of pieces."""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from collections.abc import Iterator, Sequence

import numpy as np

from nlpseq.runtime.results import Translation

_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_SPECIAL = frozenset({"<s>", "</s>", "<pad>"})
_SPACE = "▁"  # what SentencePiece writes for a space
# Scripts without spaces between words: Thai to Burmese, Khmer, kana, Chinese.
_UNSPACED = re.compile("[\u0e00-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003134f]")

Spans = Sequence[tuple[str, range]]  # what some pieces spell together, and which they are


def by_words(translation: Translation) -> Translation:
    """The translation with words in the place of pieces, on both sides.

    A mark at an end of a word stands alone. So does a piece of a script that has no spaces between words. Where all
    pieces are single characters, they stay.
    """
    return merged(translation, words(translation.source_pieces), words(translation.pieces))


def merged(translation: Translation, source: Spans, target: Spans) -> Translation:
    """The translation with fewer pieces: each takes the place of some.

    A row of the alignment is the mean of the rows that it takes the place of, a column is the sum. So rows sum to 1.

    Args:
        translation: with an alignment.
        source, target: every piece of a side, in order.
    """
    weights = np.array([list(row) for row in translation.alignment], float)
    weights = weights.reshape(len(translation.pieces), len(translation.source_pieces))
    columns = [weights[:, span.start : span.stop].sum(axis=1) for _, span in source]
    summed = np.stack(columns, axis=1) if columns else weights
    rows = [summed[span.start : span.stop].mean(axis=0) for _, span in target]
    return dataclasses.replace(
        translation,
        pieces=tuple(text for text, _ in target),
        source_pieces=tuple(text for text, _ in source),
        alignment=tuple(tuple(row.tolist()) for row in rows),
        parts=(),
    )


def words(pieces: Sequence[str]) -> Spans:
    """The words that pieces are made into: their text, and the places of their pieces."""
    characters = list(_characters(pieces))
    if all(len(text) <= 1 or text in _SPECIAL for text, _ in characters):
        return characters
    groups: list[list[tuple[str, range]]] = []
    for text, span in characters:
        if groups and _goes_on(groups[-1][-1][0], text):
            groups[-1].append((text, span))
        else:
            groups.append([(text, span)])
    return [_joined(part) for group in groups for part in _without_marks(group)]


def spelling(pieces: Sequence[str]) -> tuple[str, list[int]]:
    """The text that pieces spell, spaces included, and for each of its characters the place of the piece it is of."""
    text, places = "", []
    for spelt, span in _characters(pieces):
        shown = "" if spelt in _SPECIAL else spelt.replace(_SPACE, " ")
        text += shown
        places += [span.start] * len(shown)
    return text, places


def _characters(pieces: Sequence[str]) -> Iterator[tuple[str, range]]:
    """The pieces; bytes in a row become the characters that they are of."""
    start = 0
    while start < len(pieces):
        end, run = start, bytearray()
        while end < len(pieces) and (byte := _BYTE.fullmatch(pieces[end])):
            run.append(int(byte[1], 16))
            end += 1
        yield (run.decode("utf-8", "replace"), range(start, end)) if run else (pieces[start], range(start, start + 1))
        start = max(end, start + 1)


def _goes_on(before: str, text: str) -> bool:
    """Whether a piece goes on with the word of the piece before it."""
    if text[:1] == _SPACE or text[:1].isspace() or before in _SPECIAL or text in _SPECIAL:
        return False
    return before == _SPACE or not (_UNSPACED.match(text) or _UNSPACED.match(before[-1:]))


def _without_marks(group: list[tuple[str, range]]) -> Iterator[list[tuple[str, range]]]:
    """The word, and the marks before and behind it on their own."""
    first, last = 0, len(group)
    while last - first > 1 and _is_mark(group[last - 1][0]):
        last -= 1
    while last - first > 1 and _is_mark(group[first][0]):
        first += 1
    yield from ([mark] for mark in group[:first])
    yield group[first:last]
    yield from ([mark] for mark in group[last:])


def _is_mark(text: str) -> bool:
    shown = text.strip().lstrip(_SPACE)
    return bool(shown) and all(unicodedata.category(character).startswith("P") for character in shown)


def _joined(group: list[tuple[str, range]]) -> tuple[str, range]:
    text = "".join(text for text, _ in group)
    return text.lstrip(_SPACE) or text, range(group[0][1].start, group[-1][1].stop)
