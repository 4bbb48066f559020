"""What a tokenizer learns from, and which kind fits."""

import itertools
import random
import zlib

import pytest

from nlpseq.text import training_texts
from nlpseq.text.training_texts import TrainingTexts, fitting_kind


def test_long_texts_are_cut_at_spaces_and_nothing_is_lost() -> None:
    text = " ".join(f"word{index}" for index in range(3_000)) + "\n" + "y" * 2_500 + "\nend"
    sentences = list(TrainingTexts([text]))
    assert "".join(sentences) == text.replace("\n", "")
    assert all(len(sentence.encode()) <= 4_000 for sentence in sentences)
    assert all(sentence.startswith(("word", " word", "y", "end")) for sentence in sentences)
    assert sentences[-1] == "end"


def test_small_corpora_are_taken_whole_and_in_order() -> None:
    assert list(TrainingTexts(["b\na", "c  d", " ", "e\r\nf"])) == ["b", "a", "c  d", "e", "f"]


def test_huge_corpora_are_sampled_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_texts, "_MOST_CHARACTERS", 10_000)
    corpus = [f"sentence number {index}" for index in range(20_000)]
    kept = list(TrainingTexts(iter(corpus)))
    assert 2_500 <= sum(map(len, kept)) <= 10_000
    assert kept == [sentence for sentence in corpus if sentence in set(kept)]
    # Early and late sentences have the same chance.
    places = [int(sentence.split()[-1]) for sentence in kept]
    assert 0.35 < sum(places) / len(places) / 20_000 < 0.65
    assert max(zlib.crc32(sentence.encode()) for sentence in kept) < min(
        zlib.crc32(sentence.encode()) for sentence in set(corpus) - set(kept)
    )


def test_sampling_holds_little_more_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_texts, "_MOST_CHARACTERS", 1_000)
    assert sum(map(len, TrainingTexts(["x" * 900, "y" * 900]))) <= 1_000


def test_repeated_sentences_do_not_stop_the_sampling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_texts, "_MOST_CHARACTERS", 1_000)
    kept = list(TrainingTexts(itertools.chain(["again and again"] * 500, (f"new {i}" for i in range(2_000)))))
    assert sum(map(len, kept)) <= 1_000
    assert any(sentence.startswith("new") for sentence in kept)


# Which kind fits


def _drawn(alphabet: str, shortest: int, longest: int) -> list[str]:
    source = random.Random(1)
    return ["".join(source.choices(alphabet, k=source.randint(shortest, longest))) for _ in range(300)]


NAMES = [f"{first} {last}" for first in ("Maria", "Jürgen", "Zoë", "Ali") for last in ("O'Neill", "Müller", "Nowak")]
SENTENCES = [f"My {noun} costs {price} euros, is that right?" for noun in ("card", "ticket") for price in range(9)]
HAN = [chr(0x4E00 + index) for index in range(3_000)]


@pytest.mark.parametrize(
    ("texts", "kind"),
    [
        (_drawn("ACGT", 60, 60), "characters"),
        (_drawn("ACDEFGHIKLMNPQRSTVWY", 30, 300), "characters"),
        (_drawn("0123456789-ABCDEFX", 5, 13), "characters"),
        (NAMES, "characters"),
        (["go V;PST", "went", "run V;PTCP;PRS", "running"], "characters"),
        (SENTENCES, "sentencepiece"),
        (_drawn("".join(HAN), 5, 40), "sentencepiece"),
        ([" ".join(SENTENCES)], "sentencepiece"),
        (_drawn("กขคงจฉชซฌญฎฏฐฑฒณดตถทธนบปผฝพฟภมยรลวศษสหฬอฮ", 40, 90), "sentencepiece"),  # Thai writes no spaces
        (_drawn("ACGT", 401, 900), "sentencepiece"),
        ([], "sentencepiece"),
    ],
)
def test_characters_are_for_texts_of_which_they_carry_the_meaning(texts: list[str], kind: str) -> None:
    assert fitting_kind([TrainingTexts(texts)], 400) == kind


def test_a_little_dirt_changes_no_kind() -> None:
    dirty = [*_drawn("ACGT", 60, 60), "see the note of Dr. Smith\u2026", "N" * 900]
    assert fitting_kind([TrainingTexts(dirty)], 400) == "characters"


def test_both_sides_must_be_of_characters() -> None:
    names, sentences = TrainingTexts(NAMES), TrainingTexts(SENTENCES)
    assert fitting_kind([names, names], 400) == "characters"
    assert fitting_kind([names, sentences], 400) == fitting_kind([sentences, names], 400) == "sentencepiece"
