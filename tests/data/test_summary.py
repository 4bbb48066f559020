"""What is said of data before training: counts are right, and what is suspicious is told."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from nlpseq.config import DataConfig
from nlpseq.data import summary as summaries
from nlpseq.data.dataset import Dataset
from nlpseq.data.sources import Record
from nlpseq.data.summary import Duplicates, Summary
from nlpseq.data.survey import few_validation_examples
from nlpseq.errors import DataError

TEXT_LABEL = ("text", "label")


def dataset(folder: Path, rows: list[tuple[str, str]], **settings: object) -> Dataset:
    file = folder / "a.tsv"
    file.write_text("text\tlabel\n" + "".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")
    return Dataset(DataConfig(train=str(file), **settings), TEXT_LABEL)  # type: ignore[arg-type]


def summed(*rows: tuple[str, ...], columns: tuple[str, ...] = TEXT_LABEL) -> Summary:
    summary = Summary(columns)
    for number, row in enumerate(rows, start=1):
        summary.add(Record(row, "x", number))
    return summary


def test_counts_and_lengths() -> None:
    found = summed(*[("x" * length, "ab"[length % 2]) for length in range(1, 101)]).as_json()
    assert found["records"] == 100
    assert found["labels"] == {"a": 50, "b": 50}
    assert found["lengths"] == {"text": {"median": 50, "95 %": 95, "longest": 100}}
    assert found["first"] == [{"text": "x" * n, "label": "ab"[n % 2]} for n in (1, 2, 3)]


def test_duplicates_and_contradictions() -> None:
    found = summed(("a", "1"), ("a", "1"), ("a", "2"), ("b", "1"), ("a", "1")).as_json()
    assert (found["duplicates"], found["contradictions"]) == (2, 1)


def test_duplicates_among_more_than_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summaries, "_REMEMBERED", 500)
    duplicates, texts = Duplicates(), [f"text {i}" for i in range(4000)] * 2
    random.Random(1).shuffle(texts)
    for number, text in enumerate(texts):
        duplicates.add(Record((text,), "x", number))
    assert duplicates.equal == pytest.approx(4000, rel=0.2)


@pytest.mark.parametrize(
    ("labels", "near"),
    [
        (["Pos", "pos", "neg"], [["Pos", "pos"]]),
        (["very good", "very-good", "Very_Good.", "good"], [["Very_Good.", "very good", "very-good"]]),
        (["1", "1.0", "10", "-1"], [["1", "1.0"]]),
        (["C", "C++", "C#"], []),
        (["ＡＢ", "ab"], [["ab", "ＡＢ"]]),
    ],
)
def test_labels_that_are_nearly_equal(labels: list[str], near: list[list[str]]) -> None:
    assert summed(*[("a text", label) for label in labels]).near_equal_labels() == near


def test_a_label_that_stands_nowhere_else_stays_in_training(tmp_path: Path) -> None:
    rows = [(f"text {i}", "common") for i in range(300)] + [(f"rare {i}", f"rare {i}") for i in range(60)]
    data = dataset(tmp_path, rows)
    train, valid = ([record.fields for record in data.examples(part)] for part in ("train", "valid"))  # type: ignore[arg-type]
    assert {label for _, label in rows} == {label for _, label in train}
    assert sorted(train + valid) == sorted(rows)
    assert not {text for text, _ in train} & {text for text, _ in valid}
    summary = data.summary()
    assert summary.parts == {"train": len(train), "valid": len(valid)}
    assert any("stay in training, which would not see the label otherwise" in note for note in summary.notes)
    assert any("is in the validation part: nothing is measured of it" in note for note in summary.notes)
    assert any("60 labels occur once" in note for note in summary.notes)
    assert any(f"the validation part has {len(valid)} examples" in note for note in summary.notes)


def test_a_text_with_two_labels_is_on_one_side(tmp_path: Path) -> None:
    """Also where one of its labels would be held out as a whole."""
    rows = [(f"text {i}", "common") for i in range(200)] + [(f"text {i}", f"rare {i}") for i in range(0, 200, 3)]
    data = dataset(tmp_path, rows)
    train, valid = ({record.fields[0] for record in data.examples(part)} for part in ("train", "valid"))  # type: ignore[arg-type]
    assert valid
    assert not train & valid


@pytest.mark.parametrize("count", [3, 12, 30])
def test_of_few_texts_at_least_one_is_held_out(tmp_path: Path, count: int) -> None:
    for columns, header in ((TEXT_LABEL, "text\tlabel"), (("source", "target"), "source\ttarget")):
        file = tmp_path / "few.tsv"
        file.write_text(f"{header}\n" + "".join(f"text {i}\t{i % 1}\n" for i in range(count)), encoding="utf-8")
        data = Dataset(DataConfig(train=str(file), valid_fraction=0.0001), columns)
        train, valid = ([record.fields for record in data.examples(part)] for part in ("train", "valid"))  # type: ignore[arg-type]
        assert (len(train), len(valid)) == (count - 1, 1)
        assert data.summary().parts == {"train": count - 1, "valid": 1}


def test_a_header_that_was_read_as_an_example_is_told(tmp_path: Path) -> None:
    data = dataset(tmp_path, [("v2", "v1"), *[(f"text {i}", "ab"[i % 2]) for i in range(200)]])
    assert any(note.startswith("the label 'v1' of line 2 stands nowhere else") for note in data.summary().notes)


def test_few_validation_examples_are_told_with_what_it_means() -> None:
    assert few_validation_examples(12).startswith(
        "the validation part has 12 examples: each is 8 % of what is measured"
    )
    assert few_validation_examples(50) == few_validation_examples(0) == ""


def test_a_column_of_texts_is_no_column_of_labels(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="line 1002: the 1001th different label"):
        dataset(tmp_path, [("x", f"a text of its own, {i}") for i in range(1500)]).summary()


def test_what_is_said_in_four_lines_and_on_a_page(tmp_path: Path) -> None:
    rows = [("good " * 30 + str(i), "pos") for i in range(300)] + [("bad " + str(i), "neg") for i in range(300)]
    summary = dataset(tmp_path, [*rows, ("", "pos")]).summary()
    form, counts, findings, first = summary.lines()
    assert form.endswith(
        "a.tsv: table, TAB, no quotes, UTF-8; the first row is a header; text is 'text', label is 'label'"
    )
    assert counts.startswith("600 records; labels pos 300, neg 300; text of ")
    assert findings.startswith("left out: 1 with no text (first: ")
    assert first.endswith("… → 'pos'".replace("… →", "…' →"))
    assert all(line in summary.page() for line in (form, counts, findings, first))
