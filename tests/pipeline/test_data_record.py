"""Data that is not what a run began with."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nlpseq.errors import UserError
from nlpseq.model_folder import find
from nlpseq.pipeline.data_record import check_same_data
from nlpseq.pipeline.loading import task_of
from nlpseq.tasks.base import Task
from nlpseq.text.vocabulary import Vocabulary
from tests.pipeline.runs import Silent, run

Corpora = Callable[[str], Path]


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory, corpus_file: Corpora) -> Path:
    """A run with three parts, all of them the same rows in files of their own."""
    home = tmp_path_factory.mktemp("record")
    for name in ("train.tsv", "valid.tsv", "test.tsv"):
        shutil.copy(corpus_file("sentiment"), home / name)
    settings = (f"data.valid={home / 'valid.tsv'}", f"data.test={home / 'test.tsv'}", "training.epochs=1")
    run(home / "model", "sentiment", home / "train.tsv", *settings)
    return home


@pytest.fixture
def home(begun: Path, tmp_path: Path) -> Path:
    """A copy, whose data may be changed."""
    shutil.copytree(begun, tmp_path / "home")
    return tmp_path / "home"


def compared(home: Path) -> list[str]:
    """What is said of the data in a copy; the fingerprint is of its content, so the place does not count."""
    folder, display = home / "model", Silent()
    parts = {f"data.{part}": str(home / f"{part}.tsv") for part in ("train", "valid", "test")}
    task: Task[Any] = task_of(find(str(folder))).with_settings(parts)
    check_same_data(folder, task, Vocabulary.load(folder), display)
    return display.lines


@pytest.mark.parametrize("part", ["train", "valid"])
def test_a_part_that_training_sees_is_refused(home: Path, part: str) -> None:
    assert compared(home) == []
    file = home / f"{part}.tsv"
    original = file.read_bytes()
    file.write_bytes(original + b"one more film\t+\n")
    with pytest.raises(
        UserError, match=rf"The {part} part was .* with (\d+) examples; it has (\d+) now\. Put"
    ) as found:
        compared(home)
    assert f"start anew with: nlpseq train-task sentiment --config {home}/model/config.toml" in str(found.value)
    file.write_bytes(original.replace(b"film", b"flim"))
    with pytest.raises(UserError, match="it has as many now, but other content"):
        compared(home)
    file.write_bytes(b"\xff\t+\n")
    with pytest.raises(UserError, match=rf"and now: .*{part}\.tsv, line 1"):
        compared(home)
    file.write_bytes(original)
    assert compared(home) == []


def test_another_test_part_is_told_once(home: Path) -> None:
    with open(home / "test.tsv", "ab") as file:
        file.write(b"one more film\t+\n")
    (line,) = compared(home)
    assert line.startswith("The test part was ")
    assert line.endswith("It is measured as it is now.")
    assert compared(home) == []


def test_another_version_is_told_with_other_data(home: Path) -> None:
    record = home / "model" / "data.json"
    record.write_text(json.dumps({**json.loads(record.read_text("utf-8")), "nlpseq": "0.0.1"}), encoding="utf-8")
    assert compared(home) == []
    (home / "train.tsv").write_bytes((home / "valid.tsv").read_bytes() + b"one more film\t+\n")
    with pytest.raises(UserError, match=r"The run began with nlpseq 0\.0\.1"):
        compared(home)


@pytest.mark.parametrize("content", [None, "", "[]", '{"nlpseq": "1", "parts": {"train": 1}}'])
def test_a_record_that_says_nothing_is_made_again(home: Path, content: str | None) -> None:
    record = home / "model" / "data.json"
    original = record.read_text(encoding="utf-8")
    record.unlink() if content is None else record.write_text(content, encoding="utf-8")
    (line,) = compared(home)
    assert "not known" in line
    assert {**json.loads(record.read_text("utf-8"))["parts"]["train"], "data": ""} == {
        **json.loads(original)["parts"]["train"],
        "data": "",
    }
