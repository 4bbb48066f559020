"""Pairs by teachers: of which texts, in which direction, and which teachers are refused."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from nlpseq.config import DataConfig
from nlpseq.data.dataset import Dataset
from nlpseq.errors import UserError
from nlpseq.runtime.questions import Answer
from nlpseq.tasks.facts import Teacher
from nlpseq.tasks.taught_pairs import taught_pairs

EN_FR = ("en", "fr")


def teacher(*languages: str) -> Teacher:
    """One that writes backwards, and says nothing of "silence"."""

    def ask(texts: Sequence[str]) -> Iterable[Answer]:
        return [Answer("" if text == "silence" else text[::-1]) for text in texts]

    return Teacher("T", languages, ask)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    (tmp_path / "train.tsv").write_text("source\ttarget\ncat\tchat\ncat\tminou\nsilence\tsilence\n", encoding="utf-8")
    (tmp_path / "valid.tsv").write_text("source\ttarget\ndog\tchien\n", encoding="utf-8")
    (tmp_path / "more.txt").write_text("dog\nchien\nbird\ncat\n", encoding="utf-8")
    config = DataConfig(train=f"{tmp_path}/train.tsv", valid=f"{tmp_path}/valid.tsv")
    return Dataset(config, ("source", "target"))


def pairs(dataset: Dataset, teachers: Sequence[Teacher], sources: str = "", targets: str = "") -> list[tuple[str, ...]]:
    return [record.fields for record in taught_pairs(dataset, teachers, EN_FR, (sources, targets))]


def test_each_source_once_with_what_the_teacher_writes(dataset: Dataset) -> None:
    assert pairs(dataset, [teacher("en", "fr")]) == [("cat", "tac")]
    assert pairs(dataset, [teacher()]) == [("cat", "tac")]  # languages that are not known are taken on trust
    assert pairs(dataset, [teacher("en", "fr"), teacher("en", "fr")]) == [("cat", "tac")] * 2


def test_further_sources_are_translated_and_none_that_is_held_out(dataset: Dataset, tmp_path: Path) -> None:
    found = pairs(dataset, [teacher("en", "fr")], sources=f"{tmp_path}/more.txt")
    assert found == [("cat", "tac"), ("chien", "neihc"), ("bird", "drib")]


def test_further_targets_are_translated_back(dataset: Dataset, tmp_path: Path) -> None:
    found = pairs(dataset, [teacher("fr", "en")], targets=f"{tmp_path}/more.txt")
    assert found == [("god", "dog"), ("drib", "bird"), ("tac", "cat")]


@pytest.mark.parametrize(
    ("languages", "further", "told"),
    [
        (("en", "de"), ("", ""), "translates from en to de, and this model from en to fr"),
        (("fr", "en"), ("more.txt", ""), "data.unlabelled: more.txt needs a teacher that translates it"),
        (("en", "fr"), ("", "more.txt"), "data.unlabelled_targets: more.txt needs a teacher that translates it back"),
    ],
)
def test_a_teacher_that_does_not_fit_is_refused(
    dataset: Dataset, languages: tuple[str, ...], further: tuple[str, str], told: str
) -> None:
    with pytest.raises(UserError, match=told):
        pairs(dataset, [teacher(*languages)], *further)
