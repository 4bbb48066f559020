"""Robustness: what is measured of models whose answers are known."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from nlpseq.errors import UserError
from nlpseq.model_folder import find
from nlpseq.pipeline.evaluate import evaluate
from nlpseq.pipeline.robustness import can_be_measured, measure
from nlpseq.runtime.questions import Answer, Question
from nlpseq.tasks import task_class
from tests.pipeline.runs import Silent

PAIRS = [
    Question(f"Tom has {english}.", (f"Tom a {french}.",))
    for english, french in (
        ("3 red cats, and I don't", "3 chats rouges, et moi non"),
        ("12 old dogs, and so do you", "12 vieux chiens, et toi aussi"),
        ("40 books, and we know it", "40 livres, et on le sait"),
        ("7 keys, and so what", "7 clés, et alors"),
        ("250 cars, and I do", "250 autos, et moi si"),
    )
]
LABELLED = [Question(f"what a {word} film", (label,)) for word, label in (("good", "+"), ("bad", "-"), ("fine", "+"))]
Folders = Callable[[str], Path]


def task(name: str) -> Any:
    kind = task_class(name)
    return kind(kind.facts.config_type())


def answered(questions: Sequence[Question], answer: Callable[[Question], str], *, most: int = 100) -> dict[str, Any]:
    return measure(
        task("translation"), questions, lambda several: [Answer(answer(question)) for question in several], most
    )


def test_a_perfect_translator_loses_nothing() -> None:
    found = answered(PAIRS, lambda question: question.expected[0])
    assert found["as_they_are"] == pytest.approx(100)
    assert {"capitals", "small_letters", "typo", "no_final_mark", "spaces", "emoji", "joined"} <= set(found["noise"])
    assert all(each["with_noise"] == pytest.approx(100) for each in found["noise"].values())
    assert all(count["right"] == count["of"] > 0 for count in found["copied"].values())
    assert found["all_faults"]["answers"] > 100
    assert found["all_faults"]["with_figures"] > 50
    assert [found["all_faults"][fault] for fault in ("empty", "loop", "changed_figures")] == [0, 0, 0]


def test_a_translator_that_knows_only_the_texts_as_they_are() -> None:
    known = {question.text: question.expected[0] for question in PAIRS}
    found = answered(PAIRS, lambda question: known.get(question.text, "no no no"))
    assert found["as_they_are"] == pytest.approx(100)
    for kind, each in found["noise"].items():
        assert each["as_they_are"] == pytest.approx(100), kind
        assert each["with_noise"] < 10, kind
        assert each["faults"]["loop"] == each["texts"], kind
    assert not any(count["right"] for count in found["copied"].values())
    assert found["faults"]["loop"] == 0


def test_faults_are_counted_of_the_answers_that_have_them() -> None:
    found = answered(PAIRS, lambda question: "" if "TOM" in question.text else question.expected[0].replace("12", "21"))
    assert found["noise"]["capitals"]["faults"]["empty"] == len(PAIRS)
    assert found["noise"]["capitals"]["faults"]["changed_figures"] == len(PAIRS)
    assert found["noise"]["typo"]["faults"] == {
        "answers": 5, "empty": 0, "loop": 0, "changed_figures": 1, "with_figures": 5
    }  # fmt: skip


def test_what_the_text_has_too_is_no_fault() -> None:
    questions = [Question("No no no.", ("Non.",)), Question("At 2:30.", ("À 14 h 30.",)), Question("Good.", ("Bien.",))]
    found = answered(questions, lambda question: question.text if "o" in question.text.lower() else "À trois heures.")
    assert found["faults"] == {"answers": 3, "empty": 0, "loop": 0, "changed_figures": 0, "with_figures": 0}


def test_a_sample_is_a_sample() -> None:
    found = answered(PAIRS, lambda question: question.expected[0], most=2)
    assert found["texts"] == found["faults"]["answers"] == 2
    assert found["noise"]["capitals"]["texts"] == 2


def test_a_classifier_that_reads_small_letters_alone() -> None:
    def ask(several: Sequence[Question]) -> list[Answer]:
        good = [float("good" in question.text or "fine" in question.text) for question in several]
        return [Answer("+" if sure else "-", {"+": sure, "-": 1 - sure}) for sure in good]

    found = measure(task("sentiment"), LABELLED, ask, 100)
    assert found["as_they_are"] == 1
    capitals = found["noise"]["capitals"]
    assert capitals == {"texts": 3, "as_they_are": 1, "with_noise": pytest.approx(1 / 3), "other_labels": 2}
    assert found["noise"]["joined"] == {"texts": 1, "as_they_are": 1, "with_noise": 1, "other_labels": 0}
    assert "copied" not in found


def test_what_cannot_be_measured() -> None:
    assert not can_be_measured(task("char-lm"))
    with pytest.raises(UserError, match="no text with an answer"):
        answered([Question(" ", ("x",)), Question("x", ())], lambda question: "")


@pytest.mark.parametrize("name", ["sentiment", "translation"])
def test_a_run_measures_it_on_its_validation_part_and_shows_it_in_the_card(finished_folder: Folders, name: str) -> None:
    folder = finished_folder(name)
    found = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["robustness"]
    assert 0 < found["texts"] <= 300
    assert found["noise"]["typo"]["texts"] > 0
    assert f"### {found['texts']} texts as people type them" in (folder / "MODEL_CARD.md").read_text(encoding="utf-8")


def test_a_model_and_its_file_are_measured_alike(tmp_path: Path, finished_folder: Folders) -> None:
    data = tmp_path / "data.tsv"
    data.write_text("text\tlabel\na good film\t+\na bad book\t-\na great day\t+\nan awful song\t-\n", encoding="utf-8")
    folder = finished_folder("sentiment")
    of_folder, of_file, again = (
        evaluate(find(str(path)), str(data), "", Silent(), robust=True).metrics["robustness"]
        for path in (folder, folder / "model.tflite", folder)
    )
    assert of_folder == again
    assert of_folder["noise"].keys() == of_file["noise"].keys() >= {"capitals", "typo", "emoji", "joined"}
    assert of_file["as_they_are"] == of_folder["as_they_are"]


def test_a_generator_is_refused(finished_folder: Folders) -> None:
    with pytest.raises(UserError, match="--robustness is for models that translate or classify"):
        evaluate(find(str(finished_folder("char-lm"))), "sample", "", Silent(), robust=True)
