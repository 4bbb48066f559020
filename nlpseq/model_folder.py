"""Model folders: the names of their files, what in them is ours, and where models live."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nlpseq import config as configuration
from nlpseq import shell
from nlpseq.errors import UserError
from nlpseq.folder_lock import LOCK, check_free
from nlpseq.runtime import metadata
from nlpseq.runtime.metadata import Metadata

CONFIG, DATA, LESSONS, VOCABULARY, CARD, METRICS, HISTORY = (
    "config.toml",
    "data.json",
    "lessons.jsonl.gz",
    "vocabulary.json",
    "MODEL_CARD.md",
    "metrics.json",
    "history.jsonl",
)
KERAS_MODEL, EXPORTED_FILE, SAVED_MODEL = "model.keras", "model.tflite", "saved_model"
CHECKPOINTS, LAST, BEST = "checkpoints", "last.npz", "best.npz"
CURVES, PICTURES = "curves.png", "pictures"
OURS = frozenset({
    CONFIG, DATA, LESSONS, VOCABULARY, CARD, METRICS, HISTORY, KERAS_MODEL, EXPORTED_FILE, SAVED_MODEL, CHECKPOINTS,
    CURVES, PICTURES, LOCK,
})  # fmt: skip

LOCAL_MODELS = Path("saved_models")


@dataclass(frozen=True)
class FoundModel:
    """A finished model on disk.

    Attributes:
        path: its folder, or an exported file that stands alone.
        task: what it was trained for.
        name: what it goes by.
        shipped: whether it came with nlpseq.
    """

    path: Path
    task: str
    name: str
    shipped: bool = False

    @property
    def is_folder(self) -> bool:
        """Whether there is more than an exported file."""
        return self.path.is_dir()

    @property
    def keras_file(self) -> Path | None:
        """Where the model of the training is, if it is there."""
        return _existing(self.path / KERAS_MODEL)

    @property
    def exported_file(self) -> Path | None:
        """Where the exported model is, if it is there."""
        return _existing(self.path / EXPORTED_FILE) if self.is_folder else self.path

    def metadata(self) -> Metadata | None:
        """What the exported file says of itself; None where there is none, or where it is damaged."""
        try:
            return metadata.peek(self.exported_file) if self.exported_file else None
        except UserError:
            return None

    def metrics(self) -> dict[str, Any]:
        """What was measured; empty where nothing was."""
        try:
            found = json.loads((self.path / METRICS).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    def required_keras_file(self) -> Path:
        """Where the model of the training is, as it takes to go on with its weights or to export it.

        Raises:
            UserError: there is only an exported file.
        """
        if self.keras_file is None:
            raise UserError(
                f"'{self.name}' is an exported model: this needs {KERAS_MODEL}, which stays in the folder that "
                "training wrote"
            )
        return self.keras_file


def models() -> Iterator[FoundModel]:
    """All finished models: those in ``./saved_models``, then the shipped ones."""
    shipped = Path(importlib.import_module("nlpseq.saved_models").__path__[0])
    seen: set[Path] = set()
    for parent in (LOCAL_MODELS, shipped):
        for path in sorted(parent.iterdir()) if parent.is_dir() else ():
            if parent is LOCAL_MODELS and _is_copy(path, shipped / path.name):
                continue  # in a copy of the repository the shipped ones stand here, too
            model = _in_folder(path, shipped=parent is shipped)
            if model is not None and path.resolve() not in seen:
                seen.add(path.resolve())
                yield model


def find(name: str) -> FoundModel:
    """The model of that name, in that folder, or in that exported file.

    Raises:
        UserError: there is none, or it is not complete.
    """
    if name.endswith(".tflite"):
        if not Path(name).is_file():
            raise UserError(f"{name}: no such file")
        facts = metadata.peek(Path(name))
        return FoundModel(Path(name), facts.task, facts.name or Path(name).stem)
    for path in (Path(name), LOCAL_MODELS / name):
        if model := _in_folder(path):
            return model
        task = configuration.named_task(path / CONFIG)
        if task and _is_unfinished(path):
            check_free(path)
            raise UserError(f"{path}: training has not finished here; go on with: {resume_command(task, path)}")
        if (path / CONFIG).is_file():
            raise UserError(f"{path / CONFIG}: damaged: copy the model folder again, or train it again")
        if (path / EXPORTED_FILE).is_file():
            raise UserError(f"{path}: {CONFIG} is missing: give the file itself, {path / EXPORTED_FILE}")
        if path.is_dir() and any(path.iterdir()) and path != Path(name):
            raise UserError(
                f"{path}: this folder holds no model: {CONFIG} and {KERAS_MODEL} or {EXPORTED_FILE} are missing"
            )
    known = list(models())
    for model in known:
        if model.name == name:
            return model
    names = list(dict.fromkeys(model.name for model in known))  # a local model may have a shipped one's name
    import difflib

    close = difflib.get_close_matches(name, names, n=1)
    hint = f" (did you mean '{close[0]}'?)" if close else ""
    have = (
        f"models here: {', '.join(names)}" if names else "there is no model here yet: train one with nlpseq train-task"
    )
    raise UserError(f"there is no model '{name}'{hint}; {have}")


def resume_command(task: str, folder: Path) -> str:
    """What goes on with a run."""
    return shell.command("nlpseq", "train-task", task, "--output", folder, "--resume")


def read_config(config_type: type[configuration.Config], folder: Path) -> configuration.Config:
    """The complete configuration in a model folder.

    Raises:
        UserError: it is damaged.
    """
    file = folder / CONFIG
    if not file.read_bytes().endswith(b"\n"):  # a cut file may still be TOML, with defaults for what is missing
        raise UserError(f"{file}: cut off in the middle: copy the model folder again, or train it again")
    return configuration.from_toml(config_type, file)


def _is_copy(path: Path, shipped: Path) -> bool:
    """Whether a model folder has the exported file of a shipped one, byte for byte."""
    mine, theirs = path / EXPORTED_FILE, shipped / EXPORTED_FILE
    if not (mine.is_file() and theirs.is_file()) or (path / KERAS_MODEL).is_file():
        return False
    return mine.samefile(theirs) or (
        mine.stat().st_size == theirs.stat().st_size and mine.read_bytes() == theirs.read_bytes()
    )


def _in_folder(path: Path, *, shipped: bool = False) -> FoundModel | None:
    if not (path / CONFIG).is_file() or not _has_model(path) or _is_unfinished(path):
        return None
    task = configuration.named_task(path / CONFIG)
    return FoundModel(path, task, path.name, shipped) if task else None


def _is_unfinished(path: Path) -> bool:
    """Whether a run has begun in a folder and not come to its end, which is the card.

    Where somebody copied a model and left out its card, there are no checkpoints either.
    """
    if not (path / CONFIG).is_file() or (path / CARD).is_file():
        return False
    return (path / CHECKPOINTS).is_dir() or not _has_model(path)


def _has_model(path: Path) -> bool:
    return (path / KERAS_MODEL).is_file() or (path / EXPORTED_FILE).is_file()


def _existing(file: Path) -> Path | None:
    return file if file.is_file() else None
