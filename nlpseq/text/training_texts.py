"""The texts that a tokenizer learns from, and which kind of tokenizer fits them."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from nlpseq.text.unicode import without_surrogates

_MOST_CHARACTERS = 20_000_000  # a unigram model learns no more from more text; it only takes minutes
SENTENCE_BYTES = 4_000  # SentencePiece leaves out longer "sentences", so long texts are cut at spaces

# Texts whose characters carry the meaning are a word or two long. Either they are short, such as names, codes and
# inflected words, or they have a small alphabet, such as DNA (4 letters), proteins (20) and hexadecimal numbers.
_MOST_WORDS = 2.2  # of a text, in the mean: a first name and a family name, and sometimes one more
_SHORT = 24  # characters of a text, in the mean
_ALPHABET_OF_SHORT_TEXTS = 256  # several scripts have less, Chinese has far more
_ALPHABET_OF_LONG_TEXTS = 32
_COMMON = 0.999  # part of a text that the alphabet makes up; the rest is dirt
_FITTING = 0.98  # part of the texts that must not be too long


class TrainingTexts:
    """An even sample of texts, cut into lines and at spaces. The corpus may be larger than memory.

    The sample is the sentences whose hash is below a limit. The limit is halved when the sample grows too large. So the
    same texts give the same sample, and a small corpus is taken whole and in order.

    Attributes:
        characters: how many the sample has.

    Args:
        texts: what to begin with.
    """

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._kept: list[tuple[int, str]] = []
        self.characters, self._limit = 0, 1 << 32
        for text in texts:
            self.add(text)

    def __iter__(self) -> Iterator[str]:
        return (sentence for _, sentence in self._kept)

    def add(self, text: str) -> None:
        """Takes a text into the sample, or some of its sentences, or nothing of it."""
        for sentence in _cut_at_spaces(without_surrogates(text)):
            hashed = zlib.crc32(sentence.encode())
            if hashed >= self._limit:
                continue
            self._kept.append((hashed, sentence))
            self.characters += len(sentence)
            while self.characters > _MOST_CHARACTERS:
                self._limit //= 2
                self._kept = [pair for pair in self._kept if pair[0] < self._limit]
                self.characters = sum(len(sentence) for _, sentence in self._kept)

    def alphabet(self) -> set[str]:
        """Returns the characters of the sample, each once."""
        return set().union(*self)

    def consist_of_characters(self, longest: int) -> bool:
        """Says whether the characters carry the meaning, not words.

        Args:
            longest: characters that a model reads. Longer texts are better read in pieces.
        """
        texts = len(self._kept)
        if not texts or sum(len(sentence.split()) for sentence in self) > _MOST_WORDS * texts:
            return False
        if sum(len(sentence) <= longest for sentence in self) < _FITTING * texts:
            return False
        counts: Counter[str] = Counter()
        for sentence in self:
            counts.update(sentence)
        common = alphabet = 0
        for _, count in counts.most_common():
            if common >= _COMMON * self.characters:
                break
            common, alphabet = common + count, alphabet + 1
        short = self.characters <= _SHORT * texts
        return alphabet <= (_ALPHABET_OF_SHORT_TEXTS if short else _ALPHABET_OF_LONG_TEXTS)


def fitting_kind(parts: Sequence[TrainingTexts], longest: int) -> str:
    """The kind of tokenizer that fits the texts, such as sources and targets: ``characters`` or ``sentencepiece``."""
    return "characters" if all(part.consist_of_characters(longest) for part in parts) else "sentencepiece"


def _cut_at_spaces(text: str) -> Iterator[str]:
    for line in text.splitlines():
        while len(line) > SENTENCE_BYTES // 4:
            cut = line.rfind(" ", 0, SENTENCE_BYTES // 4)
            cut = cut if cut > 0 else SENTENCE_BYTES // 4
            yield line[:cut]
            line = line[cut:]
        if line.strip():
            yield line
