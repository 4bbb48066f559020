"""Questions that show whether a model holds on what people type: noise in them, and words that must be copied.

Each probe is drawn from its own text, so that it is the same one in every sample and on every machine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import TypeVar

from nlpseq.data import invention, noise
from nlpseq.data.augmentation import with_word_replaced, words_in_common
from nlpseq.runtime.questions import Question

Item = TypeVar("Item")

JOINED = "joined"
# What an answer may take over from the source: one in capitals is as right as one in ordinary letters.
_ANSWERS_MAY_FOLLOW = ("capitals", "no_final_mark")
# Names of people: training invents its own, and a model that copies only such as those has not learnt to copy.
_FIRST_NAMES = (
    "Adaeze", "Aleksander", "Amina", "Barack", "Bjørn", "Chiara", "Dmitri", "Eilidh", "Fatima", "Gustavo", "Hiroshi",
    "Ingrid", "Jamal", "Katarzyna", "Lakshmi", "Marguerite", "Nikolai", "Oluwaseun", "Priya", "Quentin", "Rosalind",
    "Siobhan", "Tomasz", "Ursula", "Vikram", "Winifred", "Xavier", "Yasmin", "Zoltan",
)  # fmt: skip
_LAST_NAMES = (
    "Achterberg", "Bhattacharya", "Caruso", "Dlamini", "Eriksson", "Fitzgerald", "Gutierrez", "Hernandez", "Ivanov",
    "Jankowski", "Kowalczyk", "Lindqvist", "Mukherjee", "Nakamura", "Obama", "Papadakis", "Quigley", "Rodrigues",
    "Schwarzkopf", "Takahashi", "Underwood", "Vandenberg", "Wojcik", "Xiang", "Yilmaz", "Zimmermann",
)  # fmt: skip

_NAMES: dict[str, Callable[[Random], str]] = {
    "single names": lambda random: random.choice(_FIRST_NAMES + _LAST_NAMES),
    "full names": lambda random: f"{random.choice(_FIRST_NAMES)} {random.choice(_LAST_NAMES)}",
}


@dataclass(frozen=True)
class Probe:
    """What is asked instead of something else.

    Attributes:
        question: what is asked.
        originals: what it was made of.
        word: that must stand in the answer; "" where nothing must.
    """

    question: Question
    originals: tuple[Question, ...]
    word: str = ""


def noisy(questions: Sequence[Question], kind: str, *, translated: bool) -> list[Probe]:
    """The questions that a kind of noise changes, with that noise.

    Args:
        questions: as they are, none of them blank.
        kind: one of ``noise.KINDS``.
        translated: whether an answer says what the text says, and may follow its typing.
    """
    probes = []
    for question in questions:
        text = noise.KINDS[kind](question.text, Random(f"{kind} {question.text}"))
        if text == question.text:
            continue
        expected = list(question.expected)
        if translated and kind in _ANSWERS_MAY_FOLLOW:
            expected += [noise.KINDS[kind](answer, Random(0)) for answer in question.expected]
        elif translated and kind == "emoji":
            expected += [answer + text[len(question.text) :] for answer in question.expected]
        asked = replace(question, text=text, expected=tuple(dict.fromkeys(expected)))
        probes.append(Probe(asked, (question,)))
    return probes


def joined(questions: Sequence[Question], *, translated: bool) -> list[Probe]:
    """Questions that follow each other, two and two; those with a label, where it is the same one."""
    probes: list[Probe] = []
    waiting: dict[tuple[str, ...], Question] = {}
    for question in questions:
        group = () if translated else question.expected
        if (first := waiting.pop(group, None)) is None:
            waiting[group] = question
            continue
        expected = question.expected
        if translated:
            most = max(len(first.expected), len(question.expected))
            expected = tuple(
                f"{first.expected[place % len(first.expected)]} {question.expected[place % len(question.expected)]}"
                for place in range(most)
            )
        both = replace(question, text=f"{first.text} {question.text}", expected=expected)
        probes.append(Probe(both, (first, question)))
    return probes


def copied(questions: Sequence[Question], count: int) -> dict[str, list[Probe]]:
    """At most ``count`` questions of each kind of word that must be copied; none where the data has nothing to copy.

    The word stands in the place of one that both the text and its translation have. Where the data has too few places
    for numbers, codes and addresses, they stand before the text, behind it, or in brackets.
    """
    names: list[tuple[Question, str]] = []
    numbers: list[tuple[Question, str]] = []
    for question in questions:
        common = words_in_common(question.text, question.expected[0])
        with_digits = [word for word in common if any(map(str.isdigit, word))]
        names += [(question, word) for word in common if word not in with_digits][:1]
        numbers += [(question, word) for word in with_digits[:1]]
    if not names and not numbers:
        return {}
    kinds: dict[str, list[Probe]] = {}
    for kind, invent in {**_NAMES, **invention.NUMBERS, **invention.CODES}.items():
        places = numbers if kind in invention.NUMBERS else names
        probes = [_in_place(question, word, kind, invent) for question, word in _spread(places, count)]
        if kind not in _NAMES:
            probes += [_beside(question, kind, invent) for question in _spread(questions, count - len(probes))]
        if probes:
            kinds[kind] = probes
    return kinds


def _spread(items: Sequence[Item], count: int) -> Sequence[Item]:
    """At most so many items, from the first to the last."""
    return [items[place * len(items) // count] for place in range(count)] if len(items) > count else items


def _in_place(question: Question, word: str, kind: str, invent: Callable[[Random], str]) -> Probe:
    invented = invent(Random(f"{kind} {question.text}"))
    expected = tuple(with_word_replaced(answer, word, invented) for answer in question.expected)
    text = with_word_replaced(question.text, word, invented)
    return Probe(replace(question, text=text, expected=expected), (question,), invented)


def _beside(question: Question, kind: str, invent: Callable[[Random], str]) -> Probe:
    random = Random(f"{kind} {question.text}")
    invented = invent(random)
    frame = random.choice(("{word}: {text}", "{text} {word}", "{text} ({word})"))
    text = frame.format(word=invented, text=question.text)
    expected = tuple(frame.format(word=invented, text=answer) for answer in question.expected)
    return Probe(replace(question, text=text, expected=expected), (question,), invented)
