"""Probes: what is asked to see whether a model holds on what people type."""

import pytest

from nlpseq.data import noise, probes
from nlpseq.runtime.questions import Question
from nlpseq.text.faults import stands_in

QUESTIONS = [
    Question("Tom is here.", ("Tom est là.", "Tom est ici.")),
    Question("I don't know.", ("Je ne sais pas.",)),
    Question("She is 35.", ("Elle a 35 ans.",)),
    Question("no", ("non",)),
]
LABELLED = [Question("good", ("+",)), Question("bad", ("-",)), Question("great", ("+",)), Question("awful", ("-",))]


@pytest.mark.parametrize("kind", sorted(noise.KINDS))
def test_only_texts_that_noise_changes_are_asked(kind: str) -> None:
    made = probes.noisy(QUESTIONS, kind, translated=True)
    assert all(probe.question.text != original.text for probe in made for original in probe.originals)
    assert [probe.originals[0] for probe in made] == [each for each in QUESTIONS if each in _originals(made)]


def _originals(made: list[probes.Probe]) -> list[Question]:
    return [original for probe in made for original in probe.originals]


def test_an_answer_may_follow_the_typing_of_its_text() -> None:
    (shouted, *_) = probes.noisy(QUESTIONS, "capitals", translated=True)
    assert shouted.question.expected == ("Tom est là.", "Tom est ici.", "TOM EST LÀ.", "TOM EST ICI.")
    (_, _, without_mark) = probes.noisy(QUESTIONS, "no_final_mark", translated=True)
    assert without_mark.question.expected == ("Elle a 35 ans.", "Elle a 35 ans")
    *_, smiling = probes.noisy(QUESTIONS, "emoji", translated=True)
    assert smiling.question.expected == ("non", "non" + smiling.question.text.removeprefix("no"))
    (small, *_) = probes.noisy(QUESTIONS, "small_letters", translated=True)
    assert small.question.expected == QUESTIONS[0].expected


def test_labels_stay_what_they_are() -> None:
    for kind in noise.KINDS:
        for probe in probes.noisy(LABELLED, kind, translated=False):
            assert probe.question.expected == probe.originals[0].expected


def test_a_text_has_the_same_noise_in_every_sample() -> None:
    for kind in noise.KINDS:
        alone = probes.noisy(QUESTIONS[1:2], kind, translated=True)
        among = [
            probe for probe in probes.noisy(QUESTIONS, kind, translated=True) if probe.originals[0] == QUESTIONS[1]
        ]
        assert alone == among


def test_two_that_follow_each_other_are_joined_with_their_translations() -> None:
    first, second = probes.joined(QUESTIONS, translated=True)
    assert first.question.text == "Tom is here. I don't know."
    assert first.question.expected == ("Tom est là. Je ne sais pas.", "Tom est ici. Je ne sais pas.")
    assert second.originals == (QUESTIONS[2], QUESTIONS[3])


def test_texts_of_one_label_are_joined() -> None:
    made = {probe.question.text: probe.question.expected for probe in probes.joined(LABELLED, translated=False)}
    assert made == {"good great": ("+",), "bad awful": ("-",)}


def test_words_to_be_copied_take_the_places_of_names_and_numbers() -> None:
    kinds = probes.copied(QUESTIONS, 3)
    assert list(kinds) == [
        "single names", "full names", "numbers", "amounts", "dates", "times", "codes", "e-mail addresses", "URLs"
    ]  # fmt: skip
    (name,) = kinds["full names"]
    assert name.question.text == f"{name.word} is here."
    assert name.question.expected == (f"{name.word} est là.", f"{name.word} est ici.")
    number = kinds["numbers"][0]
    assert number.question.text == f"She is {number.word}."
    for kind, made in kinds.items():
        assert kind.endswith("names") or len(made) == 3
        for probe in made:
            assert stands_in(probe.word, probe.question.text)
            assert all(stands_in(probe.word, answer) for answer in probe.question.expected)


def test_places_are_spread_over_the_data() -> None:
    many = [Question(f"Tom saw {place}.", (f"Tom a vu {place}.",)) for place in range(100)]
    chosen = [probe.originals[0] for probe in probes.copied(many, 4)["single names"]]
    assert chosen == [many[0], many[25], many[50], many[75]]


def test_nothing_is_asked_where_the_data_copies_nothing() -> None:
    assert probes.copied([Question("two", ("deux",)), Question("Where?", ("Où ?",))], 5) == {}
