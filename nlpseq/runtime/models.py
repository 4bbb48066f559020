"""Finding models by name, and loading them."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from nlpseq import config as configuration
from nlpseq.errors import UserError

LOCAL_MODELS = Path("saved_models")


@dataclass(frozen=True)
class ModelFolder:
    """A trained model on disk.

    Attributes:
        path: the folder.
        task: what it does.
        shipped: whether it came with nlpseq.
    """

    path: Path
    task: str
    shipped: bool = False

    @property
    def name(self) -> str:
        return self.path.name

    def metrics(self) -> dict[str, Any]:
        """What was measured; empty where nothing was."""
        try:
            return json.loads((self.path / "metrics.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}


def models() -> Iterator[ModelFolder]:
    """All finished models: those in ``./saved_models``, then the shipped ones."""
    shipped = Path(str(resources.files("nlpseq.saved_models")))
    seen: set[Path] = set()
    for parent in (LOCAL_MODELS, shipped):
        for path in sorted(parent.iterdir()) if parent.is_dir() else ():
            folder = _model_folder(path, shipped=parent is shipped)
            if folder is not None and path.resolve() not in seen:
                seen.add(path.resolve())
                yield folder


def find(name: str) -> ModelFolder:
    """The model of that name, or in that folder.

    Raises:
        UserError: there is none, or it is not complete.
    """
    if name.endswith(".tflite"):
        raise UserError(f"{name}: this version of nlpseq does not run exported files yet: give the model's folder")
    for path in (Path(name), LOCAL_MODELS / name):
        if folder := _model_folder(path):
            return folder
        if (path / "config.toml").is_file() and (path / "model.keras").is_file():
            raise UserError(f"{path / 'config.toml'}: damaged: copy the model folder again, or train it again")
        if (path / "config.toml").is_file():
            raise UserError(f"{path}: training has not finished here: nlpseq train-task … --output {path} --resume")
        if path.is_dir() and any(path.iterdir()) and path != Path(name):
            raise UserError(f"{path}: this folder holds no model: config.toml and model.keras are missing")
    known = list(models())
    for folder in known:
        if folder.name == name:
            return folder
    names = [folder.name for folder in known]
    close = difflib.get_close_matches(name, names, n=1)
    hint = f" (did you mean '{close[0]}'?)" if close else ""
    have = (
        f"models here: {', '.join(names)}" if names else "there is no model here yet: train one with nlpseq train-task"
    )
    raise UserError(f"there is no model '{name}'{hint}; {have}")


def default(task: str, languages: tuple[str, str] | None = None) -> ModelFolder:
    """The model to use when none is named: the only local one for the task, else the only shipped one.

    Raises:
        UserError: there is none, or there are several.
    """
    fitting = [folder for folder in models() if folder.task == task]
    if languages is not None:
        fitting = [folder for folder in fitting if _languages(folder) == languages]
    choices = [folder for folder in fitting if not folder.shipped] or fitting
    if len(choices) == 1:
        return choices[0]
    what = f"{task} model" + (f" from {languages[0]} to {languages[1]}" if languages else "")
    if choices:
        raise UserError(f"several models could do this: choose one with --model: {', '.join(m.name for m in choices)}")
    raise UserError(f"there is no {what} here: train one with nlpseq train-task {task}, or name one with --model")


def load(name: str) -> Any:
    """What :func:`nlpseq.load` does."""
    return load_folder(find(name))


def load_folder(folder: ModelFolder) -> Any:
    """The model, ready to use.

    Raises:
        UserError: a file of it is missing or damaged.
        MissingExtraError: TensorFlow is not installed.
    """
    task, model, vocabulary = load_parts(folder)
    return task.predictor(model, vocabulary)


def load_parts(folder: ModelFolder) -> tuple[Any, Any, Any]:
    """(task, Keras model, vocabulary)."""
    from nlpseq.tasks import task_class
    from nlpseq.tasks.base import Vocabulary

    task_type = task_class(folder.task)
    task = task_type(folder_config(task_type, folder.path))
    vocabulary = Vocabulary.load(folder.path)
    import keras

    file = folder.path / "model.keras"
    try:
        model = keras.saving.load_model(file, compile=False)
    except Exception as error:  # whatever Keras, zipfile or h5py say of a damaged file
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise UserError(
            f"{file}: cannot be loaded, so it is damaged or of another version: copy the model folder again, or train "
            f"it again ({reason})"
        ) from error
    return task, model, vocabulary


def folder_config(task_type: Any, folder: Path) -> Any:
    """The complete configuration in a model folder.

    Raises:
        UserError: it is damaged.
    """
    file = folder / "config.toml"
    if not file.read_bytes().endswith(b"\n"):  # a cut file may still be TOML, with defaults for what is missing
        raise UserError(f"{file}: cut off in the middle: copy the model folder again, or train it again")
    return configuration.from_toml(task_type.config_type, file)


def _model_folder(path: Path, *, shipped: bool = False) -> ModelFolder | None:
    if not ((path / "config.toml").is_file() and (path / "model.keras").is_file()):
        return None
    task = configuration.named_task(path / "config.toml")
    return ModelFolder(path, task, shipped) if task else None


def _languages(folder: ModelFolder) -> tuple[str, str] | None:
    import tomllib

    try:
        data = tomllib.loads((folder.path / "config.toml").read_text(encoding="utf-8"))["data"]
        return data["source_language"], data["target_language"]
    except (OSError, ValueError, KeyError):
        return None
