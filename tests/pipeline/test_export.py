"""An export proves itself, or is not made."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import pytest
import tensorflow as tf

from nlpseq import config as configuration
from nlpseq import model_folder
from nlpseq.errors import UserError
from nlpseq.export import tflite
from nlpseq.export.inspection import ExportError
from nlpseq.export.proof import fair_sample
from nlpseq.export.tflite import convert
from nlpseq.pipeline import export as pipeline
from nlpseq.pipeline.evaluate import evaluate
from nlpseq.pipeline.export import LostQualityError, export_folder, export_tflite, note_export
from nlpseq.pipeline.loading import load, load_trained, load_with, with_decoding
from nlpseq.runtime.litert import ExportedFile
from nlpseq.runtime.questions import Question
from nlpseq.runtime.replay import replay
from nlpseq.tasks.base import Trained
from tests.pipeline.runs import Silent
from tests.tasks.tiny import tiny_task

Folders = Callable[[str], Path]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    keras.utils.set_random_seed(1)
    settings = ("data.max_length=16", "data.licence=CC0", "data.credit=nobody", "data.labels=+=good,-=bad")
    task, vocabulary = tiny_task(tmp_path_factory.mktemp("data"), "sentiment", *settings)
    return Trained("tiny", task, task.network(vocabulary), vocabulary)


@pytest.fixture(scope="module")
def converted_once(trained: Trained) -> Any:
    """A conversion takes seconds: all tests of one kind of file share it."""
    contents: dict[tuple[int, str], bytes] = {}
    original = tflite.convert

    def convert(program: Any, quantization: str) -> bytes:
        key = id(program), quantization
        if key not in contents:
            contents[key] = original(program, quantization)
        return contents[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline.tflite, "convert", convert)
        yield


@pytest.mark.usefixtures("converted_once")
def test_a_file_with_its_proof(trained: Trained, tmp_path: Path) -> None:
    file = tmp_path / "model.tflite"
    proof = export_tflite(trained, file, "int8", Silent())

    exported = ExportedFile(file)
    facts = exported.metadata
    assert facts.proof == proof
    assert (facts.name, facts.task, facts.quantization) == ("tiny", "sentiment", "int8")
    assert (facts.licence, facts.data, facts.labels) == ("CC0", "nobody", ("bad", "good"))
    assert facts.label_names == {"+": "good", "-": "bad"}

    examples = list(trained.task.dataset.examples("valid"))
    assert proof["examples"] == len(examples)
    assert proof["metric"] == "accuracy"
    assert set(proof["quality"]) == {"keras", "int8"}
    assert proof["quality"]["keras"] == trained.task.evaluate(trained, examples)["accuracy"]
    assert 0 < proof["differences_from_keras"]["int8"]["max_difference"] < 0.1
    assert proof["tolerance"] == pytest.approx(0.003 * 1000 / len(examples))
    assert proof["operators"]["WHILE"] > 0
    assert 0 < proof["model_bytes"]["int8"] < file.stat().st_size
    assert proof["milliseconds"]["classify"] > 0
    assert 10e6 < proof["peak_memory_bytes"] < 400e6

    replayed = list(replay(exported))
    assert len(replayed) > 5
    assert not [difference for example in replayed for difference in example.differences]


@pytest.mark.usefixtures("converted_once")
def test_labels_in_both_forms_count(trained: Trained, tmp_path: Path) -> None:
    """A lone file knows what its labels are called in the data, and takes them by their own names too (fault 3)."""
    file, data = tmp_path / "model.tflite", tmp_path / "mixed.tsv"
    export_tflite(trained, file, "int8", Silent())
    data.write_text("text\tlabel\na good film\t+\na bad book\tbad\na good book\tgood\n", encoding="utf-8")
    result = evaluate(model_folder.find(str(file)), str(data), "", Silent())
    assert result.metrics["examples"] == 3
    assert result.labels == ("bad", "good")
    assert result.data == str(data)

    folder = tmp_path / "folder"  # the model of the training takes both as well
    folder.mkdir()
    (folder / "config.toml").write_text(configuration.to_toml(trained.task.config, "sentiment"), encoding="utf-8")
    trained.vocabulary.save(folder)
    trained.model.save(folder / "model.keras")
    of_folder = evaluate(model_folder.find(str(folder)), str(data), "", Silent())
    assert of_folder.model == "the Keras model"
    assert of_folder.labels == ("bad", "good")
    assert of_folder.metrics["nats"] == pytest.approx(result.metrics["nats"], abs=0.02)


@pytest.mark.usefixtures("converted_once")
def test_as_many_questions_as_are_asked_for(trained: Trained, tmp_path: Path) -> None:
    proof = export_tflite(trained, tmp_path / "few.tflite", "int8", Silent(), most_questions=3)
    assert proof["examples"] == 3


def test_a_few_questions_of_a_sorted_file_are_about_all_labels() -> None:
    """Once they were the first ones, and a file was proved on one class alone."""
    rows = [Question(f"text {number}", ("-" if number < 500 else "+",)) for number in range(1000)]
    chosen = fair_sample(rows, 100)
    assert len(chosen) == len(set(chosen)) == 100
    assert [rows.index(question) for question in chosen] == sorted(rows.index(question) for question in chosen)
    assert 30 < sum(question.expected == ("+",) for question in chosen) < 70
    other_order = fair_sample(rows[::-1], 100)
    assert set(other_order) == set(chosen)
    assert fair_sample(rows[:3], None) == fair_sample(rows[:3], 5) == rows[:3]


@pytest.fixture
def worse_file(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file loses 2 points against the Keras model, which is measured first."""
    values = iter([0.80, 0.78])
    monkeypatch.setattr(trained.task, "score", lambda *_, **__: {"accuracy": next(values)})


@pytest.mark.usefixtures("worse_file", "converted_once")
def test_a_file_that_lost_too_much_is_not_written(trained: Trained, tmp_path: Path) -> None:
    questions = len(list(trained.task.dataset.examples("valid")))
    with pytest.raises(LostQualityError, match=r"accuracy 0\.78 .* Keras model 0\.8: more than the 0\.01"):
        export_tflite(trained, tmp_path / "model.tflite", "int8", Silent(), tolerance=0.01 * questions / 1000)
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("worse_file", "converted_once")
def test_a_wider_tolerance_lets_it_pass(trained: Trained, tmp_path: Path) -> None:
    export_tflite(trained, tmp_path / "model.tflite", "int8", Silent(), tolerance=0.03)
    assert (tmp_path / "model.tflite").exists()


def test_the_folder_tells_of_its_file(trained: Trained, tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text(json.dumps({"valid": {"accuracy": 0.5}}), encoding="utf-8")
    proof: dict[str, Any] = {
        "metric": "accuracy", "examples": 12, "tolerance": 0.25, "quality": {"keras": 0.5, "int8": 0.75},
        "differences_from_keras": {"int8": {"equal_texts": 0.75}}, "model_bytes": {"int8": 123_456},
        "milliseconds": {"classify": 0.5}, "peak_memory_bytes": 50_000_000, "operators": {"ADD": 7},
    }  # fmt: skip
    note_export(trained, tmp_path, proof)
    assert json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8")) == {
        "valid": {"accuracy": 0.5}, "export": proof
    }  # fmt: skip
    card = (tmp_path / "MODEL_CARD.md").read_text(encoding="utf-8")
    for expected in ("12 examples", "25 points", "75.0 %", "123 kB", "0.5 ms", "50.0 MB", "ADD 7", "CC0", "nobody"):
        assert expected in card


@pytest.mark.usefixtures("converted_once")
def test_file_and_folder_know_how_sure_the_model_may_be(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = {
        "weights": [1.0, 2.0, 3.0], "longest": 9, "bins": [], "acceptable_chrf": 60.0, "fitted_on": 300,
        "checked_on": 301, "expected_calibration_error": 0.0299,
    }  # fmt: skip
    monkeypatch.setattr(pipeline, "calibration", lambda *_: facts)
    (tmp_path / "metrics.json").write_text(json.dumps({"valid": {"accuracy": 0.5}}), encoding="utf-8")
    note_export(trained, tmp_path, export_tflite(trained, tmp_path / "model.tflite", "int8", Silent()))
    assert ExportedFile(tmp_path / "model.tflite").metadata.calibration == facts
    assert json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))["calibration"] == facts
    assert "expected calibration error is 0.030" in (tmp_path / "MODEL_CARD.md").read_text(encoding="utf-8")


def test_what_a_converter_says_becomes_one_line(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once it said 1,200 lines, and the run ended without a card (fault 16)."""

    class Refusing:
        target_spec = SimpleNamespace()

        def convert(self) -> bytes:
            lines = ["Could not translate MLIR:", "loc(1): error: no GATHER of bfloat16", *["x"] * 999]
            raise RuntimeError("\n".join(lines))

    monkeypatch.setattr(tf.lite.TFLiteConverter, "from_saved_model", lambda *_, **__: Refusing())
    with pytest.raises(ExportError) as caught:
        convert(trained.program(), "int8")
    assert str(caught.value).count("\n") == 0
    assert "no GATHER of bfloat16" in str(caught.value)
    monkeypatch.setattr(pipeline.tflite, "convert", lambda *_: (_ for _ in ()).throw(caught.value))
    display = Silent()
    assert export_folder(trained, tmp_path, display) is None
    assert any(line.startswith("not exported: ") for line in display.lines)


# Decoding is configuration


def test_evaluation_and_file_decode_alike(finished_folder: Folders) -> None:
    """Once the card showed a beam of 5, and the file searched with 4."""
    folder = finished_folder("translation")
    found = model_folder.find(str(folder))
    trained, file = load_trained(found), load(found)
    assert file.beam == trained.task.config.decoding.beam == 4  # type: ignore[attr-defined]
    proof = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["export"]
    assert proof["decoding"]["beam"] == 4
    card = (folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "beam 4, length penalty 1.0" in card
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    questions = trained.task.questions(trained.task.dataset.examples("valid"))
    of_file = trained.task.score([file.answer(question) for question in questions], questions)
    # Weights of 16 bits and less change a few words of an untrained model; another beam changes most of them.
    watched = trained.task.metrics[0].key
    assert of_file[watched] == pytest.approx(metrics["export"]["quality"][file.backend.metadata.quantization])


def test_another_beam(finished_folder: Folders) -> None:
    found = model_folder.find(str(finished_folder("translation")))
    narrow = load_with(found, {"decoding.beam": 2})
    assert narrow.beam == 2  # type: ignore[attr-defined]
    assert len(narrow.n_best("one cat", 2)) == 2  # type: ignore[attr-defined]
    with pytest.raises(UserError, match="n-best is 3: choose from 1 to 2"):
        narrow.n_best("one cat", 3)  # type: ignore[attr-defined]
    trained = load_trained(found)
    assert with_decoding(trained, ["decoding.beam=3"]).program().signatures[0].sizes["B"] == 3
    with pytest.raises(UserError, match=r"can only decode otherwise"):
        with_decoding(trained, ["model.units=3"])


# Evaluating


def test_a_model_that_is_only_measured_needs_no_training_data(
    finished_folder: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once `evaluate shakespeare --data my.txt` missed the text that it was trained on (fault 4)."""
    folder, mine = tmp_path / "model", tmp_path / "mine.txt"
    shutil.copytree(finished_folder("char-lm"), folder)
    config = (folder / "config.toml").read_text(encoding="utf-8")
    lines = ['train = "gone.txt"' if line.startswith("train = ") else line for line in config.splitlines()]
    (folder / "config.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    mine.write_text("The old cat sat on the mat.\n" * 20, encoding="utf-8")
    found = model_folder.find(str(folder))
    keras_model = evaluate(found, str(mine), "", Silent())
    assert keras_model.model == "the Keras model"
    alone = evaluate(model_folder.find(str(folder / "model.tflite")), str(mine), "", Silent())
    assert alone.model == "the exported file"
    assert alone.metrics["nats_per_character"] == pytest.approx(keras_model.metrics["nats_per_character"], rel=0.05)
