"""What pairs of texts have in common: whether they are sentences, how long targets are, what stays as it is."""

from __future__ import annotations

import math
from collections import Counter

from nlpseq.data.augmentation import words_in_common
from nlpseq.text.capitals import without_capitals
from nlpseq.text.faults import figures, loses_figures
from nlpseq.text.segmentation import has_letters, is_one_sentence

_LOOKED_AT = 2000  # targets that are kept
_FURTHER_CHARACTERS = 20  # what a target may have at any length of the source
_USUAL_FACTOR = 2.5
_FEW_CAPITALS = 0.01  # part of the sources
_SOME_SHARE = 0.02  # part of the pairs
_ROOM = 1.25  # for what is a little longer than what has been seen


class PairHabits:
    """Pairs are added one by one; then the properties tell of all of them.

    Attributes:
        pairs: how many there are.
        targets: the first of them.
    """

    def __init__(self) -> None:
        self.pairs = 0
        self.targets: list[str] = []
        self._sentences = self._with_lines = self._in_capitals = self._sharing = 0
        self._with_figures = self._losing_figures = 0
        self._figures = Counter[bool]()  # sources without letters, by whether the target is the same
        self._bytes = Counter[int]()  # of sources of several sentences in a line
        self._tenths = Counter[int]()  # characters of a target for each of its source, in tenths

    def add(self, source: str, target: str) -> None:
        if len(self.targets) < _LOOKED_AT:
            self.targets.append(target)
        self.pairs += 1
        self._in_capitals += without_capitals(source) != source
        self._sharing += bool(words_in_common(source, target))
        if figures(source):
            self._with_figures += 1
            self._losing_figures += loses_figures(source, target)
        has_lines = len(source.strip().splitlines()) > 1
        self._with_lines += has_lines
        if is_one_sentence(source):
            self._sentences += 1
        elif not has_lines:
            self._bytes[len(source.encode("utf-8", "replace"))] += 1
        if not has_letters(source):
            self._figures[source.strip() == target.strip()] += 1
        further = max(0, len(target) - _FURTHER_CHARACTERS)
        self._tenths[math.ceil(10 * further / max(1, len(source)))] += 1

    @property
    def are_sentences(self) -> bool:
        """Whether most sources are one sentence."""
        return 2 * self._sentences > self.pairs

    @property
    def have_lines(self) -> bool:
        """Whether a source has several lines."""
        return self._with_lines > 0

    @property
    def together(self) -> int:
        """Bytes of several sentences that are usual in a source; 0 where less than one in a hundred has several."""
        if 100 * self._bytes.total() < self.pairs or not self._bytes:
            return 0
        return _quantile(self._bytes, 0.9)

    @property
    def lack_capitals(self) -> bool:
        """Whether hardly any source is in capitals."""
        return self._in_capitals <= _FEW_CAPITALS * self.pairs

    @property
    def share_words(self) -> bool:
        """Whether names, numbers or codes stand on both sides of some pairs."""
        return self._sharing >= _SOME_SHARE * self.pairs

    @property
    def keep_figures(self) -> bool:
        """Whether most targets have the figures of their sources; also where there are none."""
        return 2 * self._losing_figures <= self._with_figures

    @property
    def copies_figures(self) -> bool:
        """Whether sources without any letter are not changed; also where there are none."""
        return self._figures[True] >= self._figures[False]

    @property
    def characters_factor(self) -> float:
        """Characters of a target for each of the source, and 20 more, that hardly any target exceeds; 2.5 at least."""
        if not self._tenths:
            return _USUAL_FACTOR
        return max(_USUAL_FACTOR, round(_ROOM * _quantile(self._tenths, 0.995) / 10, 1))


def _quantile(counts: Counter[int], part: float) -> int:
    """The smallest value that this part of the counted values does not exceed."""
    left = part * counts.total()
    for value in sorted(counts):
        left -= counts[value]
        if left <= 0:
            return value
    raise ValueError("without values there is none")
