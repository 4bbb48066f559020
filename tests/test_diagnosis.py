"""``nlpseq doctor``."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

import pytest

from nlpseq.diagnosis import Check, diagnose

TRAINING = {"tensorflow", "keras", "sentencepiece", "sacrebleu", "sacremoses", "matplotlib", "tqdm"}


def diagnosed(missing: set[str], monkeypatch: pytest.MonkeyPatch) -> dict[str, Check]:
    """The checks where some packages are not installed, and all others are."""

    def version(package: str) -> str:
        if package in missing:
            raise importlib.metadata.PackageNotFoundError(package)
        return "1.0"

    monkeypatch.setattr(importlib.metadata, "version", version)
    return {check.what: check for check in diagnose()}


def test_using_models_needs_no_tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = diagnosed({*TRAINING, "tensorflow-datasets"}, monkeypatch)
    assert all(check.fine for check in checks.values())
    assert checks["tensorflow"].found == "not installed; only training needs it: pip install 'nlpseq[train]'"
    assert "Keras backend" not in checks


@pytest.mark.parametrize("package", ["click", "numpy", "ai-edge-litert"])
def test_what_using_a_model_needs(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    check = diagnosed({package}, monkeypatch)[package]
    assert (check.fine, check.advice) == (False, "pip install nlpseq")


@pytest.mark.parametrize("package", sorted(TRAINING))
def test_half_of_what_training_needs_is_not_enough(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    check = diagnosed({package}, monkeypatch)[package]
    assert (check.fine, check.advice) == (False, "pip install 'nlpseq[train]'")


def test_another_backend_of_keras(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert not diagnosed(set(), monkeypatch)["Keras backend"].fine


def test_a_tensorflow_with_the_converter(monkeypatch: pytest.MonkeyPatch) -> None:
    assert diagnosed(set(), monkeypatch)["export to .tflite"].fine


def test_a_tensorflow_without_the_converter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tensorflow").mkdir()
    (tmp_path / "tensorflow" / "__init__.py").write_text("raise ImportError('doctor imports nothing')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    check = diagnosed(set(), monkeypatch)["export to .tflite"]
    assert (check.fine, check.advice) == (False, "pip install 'tensorflow<2.22'")
    assert "no .tflite can be made" in check.found


def test_without_tensorflow_nothing_is_said_of_its_converter(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "export to .tflite" not in diagnosed({"tensorflow"}, monkeypatch)
