"""Pairs of texts as people will type them: with words to be copied, with noise in the source, two or three at once.

Everything is drawn from the seed, the version of the corpus and the number of the pair, so that the same run has the
same pairs, also after a stop.

Source: Currey et al. 2017 (text that is copied); Belinkov & Bisk 2018, arXiv:1711.02173 (noise).
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from random import Random

from nlpseq.config import Section, setting
from nlpseq.data import invention, noise
from nlpseq.data.sources import Record

_EDGES = ".,;:!?…\"'«»“”‘’()[]¡¿„"
_FINAL = re.compile(r"[\s\u00a0\u202f]*[.!?…。！？]*$")
_WORD = re.compile(r"\S+")
_FEWEST_LETTERS = 3  # of a word that stands on both sides: a shorter one may mean something else in each language
_ANY = {**invention.NAMES, **invention.NUMBERS, **invention.CODES}


@dataclass(frozen=True)
class PairAugmentation(Section):
    """How often something is done to a pair. At most one kind of noise comes to a source."""

    versions: int = setting(8, "of the corpus; each epoch reads the next", minimum=1, maximum=1000)
    copying: float = setting(0.15, "words that stand on both sides become invented ones", minimum=0, maximum=1)
    joined: float = setting(0.05, "pairs that follow each other become one", minimum=0, maximum=1)
    capitals: float = setting(0.02, "sources in capitals", minimum=0, maximum=1)
    small_letters: float = setting(0.06, "sources in small letters", minimum=0, maximum=1)
    no_final_mark: float = setting(0.08, "sources without the mark at the end", minimum=0, maximum=1)
    typo: float = setting(0.12, "sources with a mistyped word", minimum=0, maximum=1)
    quotes: float = setting(0.02, "sources with other quotes", minimum=0, maximum=1)
    no_apostrophes: float = setting(0.02, "sources without apostrophes inside of words", minimum=0, maximum=1)
    no_accents: float = setting(0.02, "sources without accents", minimum=0, maximum=1)
    spaces: float = setting(0.02, "sources with spaces doubled, or before marks", minimum=0, maximum=1)
    other_pieces: float = setting(0.0, "sources that are cut into other pieces (Kudo 2018)", minimum=0, maximum=1)
    emoji: float = setting(0.02, "both sides with an emoji at the end", minimum=0, maximum=1)

    def is_on(self) -> bool:
        """Whether anything is done."""
        return self.copying + self.joined + self.other_pieces + sum(self.noise().values()) > 0

    def noise(self) -> dict[str, float]:
        """The rate of each kind of noise."""
        return {kind: getattr(self, kind) for kind in noise.KINDS}


def augmented_pairs(
    pairs: Iterable[Record], config: PairAugmentation, *, seed: int, version: int, first: int, add: bool
) -> Iterator[Record]:
    """Yields each pair as it is, or with something done to it.

    Args:
        pairs: of source and target.
        config: how often what is done.
        seed: of the run.
        version: of the corpus.
        first: the number of the first pair in the corpus.
        add: whether an invented word may be added to a pair that has none to replace.
    """
    before: deque[tuple[str, ...]] = deque(maxlen=2)
    for number, pair in enumerate(pairs, start=first):
        random = Random(f"{seed} {version} {number}")
        source, target = pair.fields
        if random.random() < config.joined and before:
            several = [*list(before)[-random.randrange(1, 3) :], pair.fields]
            source, target = (" ".join(each[side] for each in several) for side in (0, 1))
        before.append(pair.fields)
        if random.random() < config.copying:
            source, target = with_invented(source, target, random, add=add)
        source, target = _with_noise(source, target, config.noise(), random)
        yield replace(pair, fields=(source, target))


def with_invented(source: str, target: str, random: Random, *, add: bool) -> tuple[str, str]:
    """A word that stands on both sides becomes an invented one; where there is none, one is added to both sides."""
    common = words_in_common(source, target)
    if common:
        word = random.choice(common)
        invented = _instead(word, random)
        return with_word_replaced(source, word, invented), with_word_replaced(target, word, invented)
    if not add:
        return source, target
    invented = random.choice([*_ANY.values()])(random)
    match random.randrange(6):
        case 0:
            return invented, invented
        case 1:
            return f"{invented}: {source}", f"{invented}: {target}"
        case 2:
            return f"{source} {invented}", f"{target} {invented}"
    return _before_mark(source, f" ({invented})"), _before_mark(target, f" ({invented})")


def words_in_common(source: str, target: str) -> list[str]:
    """The names, numbers, codes and addresses that stand once on each side."""
    one, other = (_cores(text) for text in (source, target))
    return [word for word in dict.fromkeys(one) if one.count(word) == other.count(word) == 1 and _is_copied(word)]


def _cores(text: str) -> list[str]:
    return [core for word in text.split() if (core := word.strip(_EDGES))]


def _is_copied(word: str) -> bool:
    if any(map(str.isdigit, word)) or "@" in word:
        return True
    return len(word) >= _FEWEST_LETTERS and word[0].isupper()


def _instead(word: str, random: Random) -> str:
    """An invented word of the same kind, or sometimes of another one."""
    if any(map(str.isdigit, word)):
        if random.random() < 0.5:
            return invention.of_shape(word, random)
        return random.choice([*invention.NUMBERS.values(), *invention.CODES.values()])(random)
    if random.random() < 0.7:
        return random.choice([*invention.NAMES.values()])(random)
    return random.choice([*_ANY.values()])(random)


def with_word_replaced(text: str, word: str, invented: str) -> str:
    """The text with the one word that is this, apart from marks around it, replaced."""

    def one(match: re.Match[str]) -> str:
        return match[0].replace(word, invented) if match[0].strip(_EDGES) == word else match[0]

    return _WORD.sub(one, text)


def _before_mark(text: str, addition: str) -> str:
    at = _FINAL.search(text)
    place = at.start() if at else len(text)
    return text[:place] + addition + text[place:]


def _with_noise(source: str, target: str, rates: dict[str, float], random: Random) -> tuple[str, str]:
    drawn = random.random()
    for kind, rate in rates.items():
        if drawn < rate:
            noisy = noise.KINDS[kind](source, random)
            return noisy, target + noisy[len(source) :] if kind == "emoji" else target
        drawn -= rate
    return source, target
