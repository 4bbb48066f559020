"""What all tests share: a cache of their own, a quiet TensorFlow, toys of exported files, and a finished run a task."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test reads or writes the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NLPSEQ_CACHE", str(tmp_path_factory.getbasetemp() / "nlpseq-cache"))
        yield


@pytest.fixture(scope="session")
def toy_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A toy ``.tflite`` for each task."""
    from tests.runtime.toys import SIZES, write_toy

    folder = tmp_path_factory.mktemp("toys")
    return {task: write_toy(folder / f"{task}.tflite", task) for task in SIZES}


@pytest.fixture(scope="session")
def corpus_file(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The tiny corpus of a task."""
    from tests.tasks.tiny import write_data

    return cache(lambda task: write_data(tmp_path_factory.mktemp(f"data-{task}"), task))


@pytest.fixture(scope="session")
def whole_run(tmp_path_factory: pytest.TempPathFactory, corpus_file: Callable[[str], Path]) -> Callable[[str], Path]:
    """The folder of a task's tiny model after two epochs, without an exported file. Copy it to change it."""
    from tests.pipeline.runs import run

    @cache
    def folder(task: str) -> Path:
        path = tmp_path_factory.mktemp("whole") / f"tiny-{task}"
        run(path, task, corpus_file(task))
        return path

    return folder


@pytest.fixture(scope="session")
def finished_folder(
    tmp_path_factory: pytest.TempPathFactory, whole_run: Callable[[str], Path]
) -> Callable[[str], Path]:
    """The same model folder with everything that training leaves, exported files too. Copy it to change it."""
    from nlpseq import model_folder
    from nlpseq.pipeline.export import export_folder, note_export
    from nlpseq.pipeline.loading import load_trained
    from tests.pipeline.runs import Silent

    @cache
    def folder(task: str) -> Path:
        path = tmp_path_factory.mktemp("finished") / f"tiny-{task}"
        shutil.copytree(whole_run(task), path)
        trained = load_trained(model_folder.find(str(path)))
        proof = export_folder(trained, path, Silent())
        assert proof is not None
        note_export(trained, path, proof)
        return path

    return folder
