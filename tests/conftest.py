"""What all tests share: a cache of their own, a quiet TensorFlow, toys of exported files, and a finished run a task."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

Made = Callable[[str, Callable[[Path], None]], Path]  # a name and what fills the folder, to the folder

_PATIENCE = 6000  # looks for what another worker makes, ten a second


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
def made_once(
    tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> Callable[[str, Callable[[Path], None]], Path]:
    """A folder that one of the workers fills while the others wait for it."""
    base = tmp_path_factory.getbasetemp()
    root = (base if worker_id == "master" else base.parent) / "made-once"
    root.mkdir(exist_ok=True)

    @cache
    def folder(name: str, fill: Callable[[Path], None]) -> Path:
        path, done, failed = root / name, root / f"{name}.done", root / f"{name}.failed"
        try:
            (root / f"{name}.begun").touch(exist_ok=False)
        except FileExistsError:
            for _ in range(_PATIENCE):
                if done.exists():
                    return path
                assert not failed.exists(), f"{name}: another worker could not make it"
                time.sleep(0.1)
            raise TimeoutError(f"{name}: no other worker has made it") from None
        try:
            fill(path)
        except BaseException:
            failed.touch()
            raise
        done.touch()
        return path

    return folder


@pytest.fixture(scope="session")
def corpus_file(made_once: Made) -> Callable[[str], Path]:
    """The tiny corpus of a task."""
    from tests.tasks.tiny import write_data

    def write(task: str, folder: Path) -> None:
        folder.mkdir()
        write_data(folder, task)

    return lambda task: next(made_once(f"data-{task}", _Filling(write, task)).iterdir())


@pytest.fixture(scope="session")
def whole_run(made_once: Made, corpus_file: Callable[[str], Path]) -> Callable[[str], Path]:
    """The folder of a task's tiny model after two epochs, without an exported file. Copy it to change it."""

    def train(task: str, folder: Path) -> None:
        from tests.pipeline.runs import run

        run(folder, task, corpus_file(task), with_robustness=True)

    return lambda task: made_once(f"whole-{task}", _Filling(train, task))


@pytest.fixture(scope="session")
def finished_folder(made_once: Made, whole_run: Callable[[str], Path]) -> Callable[[str], Path]:
    """The same model folder with everything that training leaves, exported files too. Copy it to change it."""

    def export(task: str, folder: Path) -> None:
        from nlpseq import model_folder
        from nlpseq.pipeline.export import export_folder, note_export
        from nlpseq.pipeline.loading import load_trained
        from tests.pipeline.runs import Silent

        shutil.copytree(whole_run(task), folder)
        trained = load_trained(model_folder.find(str(folder)))
        proof = export_folder(trained, folder, Silent())
        assert proof is not None
        note_export(trained, folder, proof)

    return lambda task: made_once(f"tiny-{task}", _Filling(export, task))


@pytest.fixture(scope="session")
def program_file(made_once: Made) -> Callable[[str], Path]:
    """A file of all that a task's tiny untrained model can do, in 32-bit weights."""

    def write(task: str, folder: Path) -> None:
        from tests.programs.untrained import write_program

        write_program(task, folder)

    return lambda task: made_once(f"program-{task}", _Filling(write, task)) / "none.tflite"


@dataclass(frozen=True)
class _Filling:
    """What fills a folder for a task; equal ones are the same."""

    fill: Callable[[str, Path], None]
    task: str

    def __call__(self, folder: Path) -> None:
        self.fill(self.task, folder)
