"""A run that learns from a teacher: what it asks, what it keeps, and that it goes on without the teacher."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from nlpseq.data.lessons import read_lessons
from nlpseq.errors import UserError
from nlpseq.model_folder import LESSONS
from nlpseq.runtime.questions import Answer
from nlpseq.runtime.translator import Translator
from nlpseq.training.trainer import Interrupted
from tests.pipeline.runs import Silent, history, resume, run, stopping_after, train_without_card
from tests.pipeline.runs import request as requested

Corpora = Callable[[str], Path]


def test_a_run_learns_from_a_teacher_and_goes_on_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, corpus_file: Corpora, toy_files: dict[str, Path]
) -> None:
    teacher, display = tmp_path / "teacher.tflite", Silent()
    shutil.copyfile(toy_files["translation"], teacher)
    folder = tmp_path / "run"
    asked = requested(folder, "translation", corpus_file("translation"), f"training.teacher={teacher}")
    with stopping_after(3, "signal", monkeypatch), pytest.raises(Interrupted):
        train_without_card(asked, display)
    taught = list(read_lessons(folder / LESSONS))
    assert taught
    assert all(target == source.upper() for source, target in (record.fields for record in taught))
    assert f"{len(taught)} examples were made by {teacher}" in display.lines
    teacher.unlink()
    metrics = resume(folder, "translation")
    assert [line["epoch"] for line in history(folder)] == [1, 2]
    assert metrics["training"]["steps"] > 0
    with pytest.raises(UserError, match=str(teacher)):
        run(tmp_path / "other", "translation", corpus_file("translation"), f"training.teacher={teacher}")


def test_what_was_answered_is_not_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, corpus_file: Corpora, toy_files: dict[str, Path]
) -> None:
    from nlpseq.pipeline import teaching
    from nlpseq.tasks.translation import TranslationTask
    from tests.tasks.tiny import tiny_config

    monkeypatch.setenv("NLPSEQ_CACHE", str(tmp_path / "cache"))
    calls: list[str] = []
    answer = Translator.answer

    def counted(translator: Translator, question: object) -> Answer:
        calls.append(question.text)  # type: ignore[attr-defined]
        return answer(translator, question)  # type: ignore[arg-type]

    monkeypatch.setattr(Translator, "answer", counted)
    config = tiny_config("translation", corpus_file("translation"), f"training.teacher={toy_files['translation']}")
    files = [tmp_path / "one.gz", tmp_path / "other.gz"]
    for file in files:
        assert teaching.lessons(TranslationTask(config), file, Silent())  # type: ignore[arg-type]
    assert len(calls) == len(set(calls)) == len(list(read_lessons(files[0])))
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_model_of_another_kind_is_no_teacher(
    tmp_path: Path, corpus_file: Corpora, toy_files: dict[str, Path]
) -> None:
    with pytest.raises(UserError, match="this model can classify, and a translation model learns from one that can"):
        run(
            tmp_path / "run",
            "translation",
            corpus_file("translation"),
            f"training.teacher={toy_files['sentiment']}",
        )
    assert not (tmp_path / "run" / LESSONS).exists()
