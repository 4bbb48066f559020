"""What all tests share: a cache of their own, a quiet TensorFlow, and toys of exported files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the user's cache."""
    monkeypatch.setenv("NLPSEQ_CACHE", str(tmp_path_factory.getbasetemp() / "nlpseq-cache"))


@pytest.fixture(scope="session")
def toy_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A toy ``.tflite`` for each task."""
    from tests.runtime.toys import SIZES, write_toy

    folder = tmp_path_factory.mktemp("toys")
    return {task: write_toy(folder / f"{task}.tflite", task) for task in SIZES}
