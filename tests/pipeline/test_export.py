"""An export proves itself, or is not made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import pytest

from nlpseq.errors import UserError
from nlpseq.export import run
from nlpseq.export.run import LostQualityError, Trained, export_saved_model, export_tflite, note_export
from nlpseq.runtime import models
from nlpseq.runtime.exported import ExportedModel
from nlpseq.runtime.verification import replay
from tests.tasks.test_tasks import tiny_task


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    keras.utils.set_random_seed(1)
    settings = ("data.max_length=16", "data.licence=CC0", "data.credit=nobody", "data.labels=+=good,-=bad")
    task, vocabulary = tiny_task(tmp_path_factory.mktemp("data"), "sentiment", *settings)
    return Trained("tiny", task, task.build_model(vocabulary), vocabulary)


def silent(line: str) -> None: ...


def test_a_file_with_its_proof(trained: Trained, tmp_path: Path) -> None:
    said: list[str] = []
    file = tmp_path / "model.tflite"
    proof = export_tflite(trained, file, "int8", said.append, jobs=2)

    exported = ExportedModel(file)
    facts = exported.metadata
    assert facts.proof == proof
    assert (facts.name, facts.task, facts.quantization) == ("tiny", "sentiment", "int8")
    assert (facts.licence, facts.data, facts.labels) == ("CC0", "nobody", ("bad", "good"))
    assert any("none" in line for line in said)

    examples = list(trained.task.examples("valid"))
    assert proof["examples"] == len(examples)
    assert proof["metric"] == "accuracy"
    assert set(proof["quality"]) == {"keras", "none", "int8"}
    assert proof["quality"]["keras"] == trained.task.evaluate(trained.model, trained.vocabulary, examples)["accuracy"]
    assert proof["differences_from_keras"]["none"]["equal_labels"] == 1
    assert proof["differences_from_keras"]["none"]["max_probability_difference"] < 1e-5
    assert proof["tolerance"] == pytest.approx(0.003 * 1000 / len(examples))
    assert proof["operators"]["WHILE"] > 0
    assert 0 < proof["model_bytes"]["int8"] < file.stat().st_size
    assert proof["milliseconds"]["classify"] > 0
    assert 10e6 < proof["peak_memory_bytes"] < 400e6

    replayed = list(replay(exported))
    assert len(replayed) > 5
    assert not [difference for example in replayed for difference in example.differences]


def test_as_many_examples_as_are_asked_for(trained: Trained, tmp_path: Path) -> None:
    proof = export_tflite(trained, tmp_path / "few.tflite", "none", silent, most_examples=3)
    assert proof["examples"] == 3
    assert set(proof["quality"]) == {"keras", "none"}


@pytest.fixture
def worse_file(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file loses 2 points against the Keras model, which is measured first."""
    values = iter([0.80, 0.78, 0.78])
    monkeypatch.setattr(trained.task, "measure", lambda *_, **__: {"accuracy": next(values)})


@pytest.mark.usefixtures("worse_file")
def test_a_file_that_lost_too_much_is_not_written(trained: Trained, tmp_path: Path) -> None:
    file = tmp_path / "model.tflite"
    with pytest.raises(LostQualityError, match=r"accuracy 0\.78 .* Keras model 0\.8: more than the 0\.01"):
        export_tflite(trained, file, "none", silent, tolerance=0.01 * len(list(trained.task.examples("valid"))) / 1000)
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("worse_file")
def test_a_wider_tolerance_lets_it_pass(trained: Trained, tmp_path: Path) -> None:
    export_tflite(trained, tmp_path / "model.tflite", "none", silent, tolerance=0.03)
    assert (tmp_path / "model.tflite").exists()


def test_where_less_is_better_more_is_lost(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    task, _ = tiny_task(tmp_path, "char-lm")
    run._check_quality(task, {"keras": 1.50, "int8": 1.40}, 0.01, 10)
    with pytest.raises(LostQualityError, match=r"nats_per_character 1\.52"):
        run._check_quality(task, {"keras": 1.50, "int8": 1.52}, 0.01, 10)
    with pytest.raises(LostQualityError):
        run._check_quality(task, {"keras": 1.50, "int8": float("nan")}, 0.01, 10)


def test_the_folder_tells_of_its_file(trained: Trained, tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text(json.dumps({"valid": {"accuracy": 0.5}}), encoding="utf-8")
    proof: dict[str, Any] = {
        "metric": "accuracy", "examples": 12, "tolerance": 0.25, "quality": {"keras": 0.5, "int8": 0.75},
        "differences_from_keras": {"int8": {"equal_labels": 0.75}}, "model_bytes": {"int8": 123_456},
        "milliseconds": {"classify": 0.5}, "peak_memory_bytes": 50_000_000, "operators": {"ADD": 7},
    }  # fmt: skip
    note_export(trained, tmp_path, proof)
    assert json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8")) == {
        "valid": {"accuracy": 0.5}, "export": proof
    }  # fmt: skip
    card = (tmp_path / "MODEL_CARD.md").read_text(encoding="utf-8")
    for expected in ("12 examples", "25 points", "75.0 %", "123 kB", "0.5 ms", "50.0 MB", "ADD 7", "CC0", "nobody"):
        assert expected in card


def test_something_else_is_not_overwritten_by_a_saved_model(trained: Trained, tmp_path: Path) -> None:
    export_saved_model(trained, tmp_path / "first")
    export_saved_model(trained, tmp_path / "first")  # what is ours is replaced
    assert (tmp_path / "first" / "saved_model.pb").exists()
    assert models.LOCAL_MODELS.name == "saved_models"


def test_beams_are_for_translation(trained: Trained) -> None:
    with pytest.raises((UserError, TypeError)):
        trained.program(beam=3)
