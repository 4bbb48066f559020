"""Translating a part of a text so that the terms of a glossary stand in the translation.

The model need not know of glossaries. Perhaps it writes the term by itself. Else the attention says which word it wrote
for the term, and the term takes its place. Where that is not clear, or would leave an article of another form, an
invented name stands for the term in the source. A model that copies the name leaves a place for the term.
"""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nlpseq.runtime.glossary import Term, term_pattern
from nlpseq.runtime.results import Translation
from nlpseq.runtime.word_alignment import Spans, merged, spelling, words

Terms = Mapping[str, Term]  # by the characters that stand for them in a text

_BEHIND_CONSONANTS = ("elmick", "orvand", "atrem", "undrol", "ilsten")
_BEHIND_VOWELS = ("rvand", "ltrem", "ndrol", "lmick", "rsten")
_SYLLABLES = ("", "is", "or", "am", "et", "un", "ol", "ek")
_VOWELS = frozenset("AEIOUYHŒÆ")  # French elides before them, but for some with h
_TRIES = 3  # invented words
_ENOUGH_ATTENTION = 0.5
_SENTENCE_BEGIN = re.compile(r"(?:^|[.!?…:]\s+)[\W_]*$")
_ELIDED = re.compile(r"^(?:[^\W\d_]{1,2}|qu)['’]", re.IGNORECASE)


@dataclass(frozen=True)
class _Place:
    """The characters of a translation that a term comes to stand for.

    Attributes:
        takes_article: whether an elided word such as "l'" goes as well, since the term does not begin with a vowel.
    """

    begin: int
    end: int
    term: Term
    takes_article: bool = False


def written_out(text: str, terms: Terms) -> str:
    """The text with the terms as they stood in it."""
    return _worded(text, {sign: term.source for sign, term in terms.items()})


def translated(text: str, terms: Terms, translate: Callable[[str], Translation | None]) -> Translation | None:
    """The translation of a part of a text with the terms in it; None where it cannot be translated at once.

    Args:
        text: with a character for each term.
        terms: what these characters stand for.
        translate: translates what fits; None where it does not.
    """
    if text in terms:
        return _alone(terms[text])
    inside = {sign: terms[sign] for sign in text if sign in terms}
    plain = translate(written_out(text, inside))
    if plain is None or not inside:
        return plain
    if not (absent := _missing(plain, inside.values())):
        return plain
    needed = [sign for sign, term in inside.items() if term.target in absent]
    places = _attended(plain, needed, text, inside)
    attended = _with_terms(plain, places, {}, plain.source)
    absent = _missing(attended, inside.values())
    if not absent and not any(place.takes_article for place in places):
        return attended
    return _copying(text, inside, needed, translate) or dataclasses.replace(attended, missing_terms=absent)


def _copying(
    text: str, terms: Terms, needed: Sequence[str], translate: Callable[[str], Translation | None]
) -> Translation | None:
    """The translation of a text with invented names for terms, if the model copies them."""
    source = written_out(text, terms)
    for attempt in range(_TRIES):
        signs = needed if attempt < _TRIES - 1 else list(terms)
        names = _invented(signs, terms, attempt)
        made = translate(_worded(text, {sign: names.get(sign, term.source) for sign, term in terms.items()}))
        if made and (places := _copied(made, names, terms)):
            put = _with_terms(made, places, {names[sign]: terms[sign].source for sign in signs}, source)
            if not _missing(put, terms.values()):
                return put
    return None


def _alone(term: Term) -> Translation:
    """The translation of a text that is nothing but a term."""
    target = _cased(term.target, "") if term.source[:1].isupper() else term.target
    return Translation(target, 0.0, (target,), (term.source,), ((1.0,),), term.source)


def _worded(text: str, words_of_signs: Mapping[str, str]) -> str:
    return "".join(words_of_signs.get(character, character) for character in text)


def _missing(translation: Translation, terms: Iterable[Term]) -> tuple[str, ...]:
    """The targets that stand in the translation less often than they should."""
    wanted = Counter(term.target for term in terms)
    text = translation.text
    return tuple(target for target, count in wanted.items() if len(term_pattern(target).findall(text)) < count)


# Copying


def _invented(signs: Collection[str], terms: Terms, attempt: int) -> dict[str, str]:
    """An invented name for each sign. It begins as the target does, since words before it may depend on that."""
    names: dict[str, str] = {}
    for place, sign in enumerate(signs):
        letter = _initial(terms[sign].target)
        letter = letter if "A" <= letter <= "Z" else "K"
        endings = _BEHIND_VOWELS if letter in _VOWELS else _BEHIND_CONSONANTS
        number = attempt + place
        names[sign] = letter + endings[number % len(endings)] + _SYLLABLES[place // len(endings) % len(_SYLLABLES)]
    return names


def _copied(translation: Translation, names: Mapping[str, str], terms: Terms) -> list[_Place]:
    """Where the names stand; nothing unless each stands there once."""
    places = []
    for sign, name in names.items():
        found = list(re.finditer(rf"(?<![A-Za-z0-9]){name}(?![A-Za-z0-9])", translation.text, re.IGNORECASE))
        if len(found) != 1:
            return []
        places.append(_Place(*found[0].span(), terms[sign]))
    return places


# Attention


def _attended(translation: Translation, needed: Collection[str], text: str, terms: Terms) -> list[_Place]:
    """The words that the model wrote when it looked at the terms; not for terms where it is not clear."""
    spelt, piece_of = spelling(translation.pieces)
    offset = len(spelt) - len(spelt.lstrip())
    read, source_piece_of = spelling(translation.source_pieces)
    if spelt.strip() != translation.text:
        return []
    weights = np.array([list(row) for row in translation.alignment])
    places: list[_Place] = []
    seen: Counter[str] = Counter()
    for sign in text:
        if sign not in terms:
            continue
        term = terms[sign]
        found = [match.span() for match in _spelt(term.source).finditer(read)]
        number = seen[term.source.casefold()]
        seen[term.source.casefold()] += 1
        if sign not in needed or number >= len(found):
            continue
        columns = sorted({source_piece_of[place] for place in range(*found[number])})
        attention = weights[:, columns].sum(axis=1)
        if span := _most_attended(attention, words(translation.pieces)):
            inside_of = [place for place, piece in enumerate(piece_of) if piece in span]
            begin, end = inside_of[0], inside_of[-1] + 1
            while not spelt[begin].isalnum():  # there is a letter: it is a word
                begin += 1
            while not spelt[end - 1].isalnum():
                end -= 1
            elided = _ELIDED.match(spelt[begin:end])
            takes_article = elided is not None and _initial(term.target) not in _VOWELS
            if elided and not takes_article:
                begin += elided.end()
            place = _Place(begin - offset, end - offset, term, takes_article)
            if all(place.end <= other.begin or other.end <= place.begin for other in places):
                places.append(place)
    return places


def _spelt(source: str) -> re.Pattern[str]:
    """What finds a term in what the model read, which may be normalized and in small letters."""
    letters = unicodedata.normalize("NFKC", " ".join(source.split()))
    return re.compile(r"(?<!\w)" + re.escape(letters) + r"(?!\w)", re.IGNORECASE)


def _most_attended(attention: np.ndarray, spans: Spans) -> range | None:
    """The pieces of the words, one after another, that were written with most attention."""
    shares = [
        float(attention[span.start : span.stop].max()) if any(map(str.isalnum, word)) and word != "</s>" else 0.0
        for word, span in spans
    ]
    if not shares or max(shares) < _ENOUGH_ATTENTION:
        return None
    first = last = int(np.argmax(shares))
    while first > 0 and shares[first - 1] >= _ENOUGH_ATTENTION:
        first -= 1
    while last + 1 < len(shares) and shares[last + 1] >= _ENOUGH_ATTENTION:
        last += 1
    return range(spans[first][1].start, spans[last][1].stop)


# Putting terms in


def _with_terms(
    translation: Translation, places: Sequence[_Place], sources: Mapping[str, str], source: str
) -> Translation:
    """The translation with the terms in their places; each is one piece, and so is what it was made of.

    Args:
        translation: of the text, or of one with invented names in it.
        places: where the terms come to stand.
        sources: the words of the text that the names stand for.
        source: the text.
    """
    spelt, piece_of = spelling(translation.pieces)
    offset = len(spelt) - len(spelt.lstrip())
    text, target_spans = translation.text, []
    for place in sorted(places, key=lambda place: -place.begin):
        term = _cased(place.term.target, text[: place.begin])
        text = text[: place.begin] + term + text[place.end :]
        target_spans.append((term, piece_of[place.begin + offset : place.end + offset]))
    read, source_piece_of = spelling(translation.source_pieces)
    source_spans = [
        (words_, source_piece_of[slice(*match.span())])
        for name, words_ in sources.items()
        if (match := re.search(re.escape(name), read, re.IGNORECASE))
    ]
    made = merged(
        translation, _grouped(translation.source_pieces, source_spans), _grouped(translation.pieces, target_spans)
    )
    return dataclasses.replace(made, text=text, source=source)


def _grouped(pieces: Sequence[str], spans: Sequence[tuple[str, Sequence[int]]]) -> Spans:
    """The pieces; those of a span become one."""
    begun = {places[0]: (text, places[-1] + 1) for text, places in spans if places}
    groups, place = [], 0
    while place < len(pieces):
        text, end = begun.get(place, (pieces[place].removeprefix("▁"), place + 1))
        space = "▁" if pieces[place].startswith("▁") else ""
        groups.append((space + text, range(place, end)))
        place = end
    return groups


def _cased(target: str, before: str) -> str:
    """The term with a capital where a sentence begins, unless it has capitals of its own."""
    if _SENTENCE_BEGIN.search(before) and target == target.lower():
        return target[:1].upper() + target[1:]
    return target


def _initial(text: str) -> str:
    return unicodedata.normalize("NFD", text)[0].upper()
