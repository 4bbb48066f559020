"""What is known of a model before it is loaded, and the model of the training in this process."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest

from nlpseq import model_folder
from nlpseq.errors import UserError
from nlpseq.pipeline.loading import can, default, in_float32, languages_of, load, load_trained, task_of
from nlpseq.runtime.translator import Translator
from tests.tasks.tiny import tiny_task

Folders = Callable[[str], Path]


def test_models_are_known_by_what_they_can_do(finished_folder: Folders, whole_run: Folders) -> None:
    for folder in (finished_folder("sentiment"), whole_run("sentiment")):  # with an exported file, and without
        found = model_folder.find(str(folder))
        assert can(found, "classify")
        assert not can(found, "translate")
        assert languages_of(found) == ()


def test_a_model_without_an_exported_file_knows_its_languages(
    tmp_path: Path, whole_run: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once only the exported file knew them, and `translate --from en --to fr` missed the model."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(whole_run("translation"), "saved_models/mine")
    assert languages_of(model_folder.find("mine")) == ("en", "fr")
    assert default("translate", ("en", "fr")).name == "mine"
    assert default("translate").name == "mine"  # shipped ones come after it
    with pytest.raises(UserError, match="no model that can translate from fr to en"):
        default("translate", ("fr", "en"))
    predictor = load(model_folder.find("mine"))
    assert isinstance(predictor, Translator)
    assert predictor.backend.metadata.languages == ("en", "fr")


@pytest.mark.parametrize("metrics", ["", "[]", '{"signatures": "classify"}', '{"signatures": 3}', "[" * 100_000])
def test_damaged_metrics_say_nothing(tmp_path: Path, whole_run: Folders, metrics: str) -> None:
    folder = tmp_path / "model"
    shutil.copytree(whole_run("sentiment"), folder)
    (folder / "metrics.json").write_text(metrics, encoding="utf-8")
    assert not can(model_folder.find(str(folder)), "classify")


def test_an_exported_file_alone_has_no_weights_to_go_on_with(tmp_path: Path, finished_folder: Folders) -> None:
    alone = tmp_path / "alone.tflite"
    shutil.copy(finished_folder("sentiment") / "model.tflite", alone)
    found = model_folder.find(str(alone))
    assert task_of(found).facts.name == "sentiment"
    with pytest.raises(UserError, match=r"this needs model\.keras"):
        load_trained(found)


def test_a_network_of_16_bits_is_used_in_32(tmp_path: Path) -> None:
    task, vocabulary = tiny_task(tmp_path, "sentiment")
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        mixed = task.network(vocabulary)
    finally:
        keras.config.set_dtype_policy("float32")
    plain = in_float32(task, vocabulary, mixed)
    assert (mixed.compute_dtype, plain.compute_dtype) == ("bfloat16", "float32")
    assert in_float32(task, vocabulary, plain) is plain
    ids = np.array([[5, 6, 7, 0]])
    np.testing.assert_allclose(plain(ids), keras.ops.convert_to_numpy(keras.ops.cast(mixed(ids), "float32")), atol=0.05)
    for one, other in zip(mixed.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
