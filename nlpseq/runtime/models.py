"""Finding models by name, and loading them."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nlpseq import config as configuration
from nlpseq.errors import UserError
from nlpseq.runtime.classifier import Classifier
from nlpseq.runtime.exported import ExportedModel
from nlpseq.runtime.generator import Generator
from nlpseq.runtime.translator import Translator

LOCAL_MODELS = Path("saved_models")
_CONFIG, _KERAS, _EXPORTED = "config.toml", "model.keras", "model.tflite"
_KERAS_BEAM = 4  # where no width is asked for
_PREDICTORS = {"translate": Translator, "classify": Classifier, "generate": Generator}  # by what a file can do


@dataclass(frozen=True)
class Model:
    """A trained model on disk.

    Attributes:
        path: its folder, or an exported file.
        task: what it does.
        name: what it goes by.
        shipped: whether it came with nlpseq.
    """

    path: Path
    task: str
    name: str
    shipped: bool = False
    _opened: ExportedModel | None = field(default=None, repr=False, compare=False)

    @property
    def keras_file(self) -> Path | None:
        """Where the model of the training is, if it is there."""
        return _existing(self.path / _KERAS)

    @property
    def exported_file(self) -> Path | None:
        """Where the exported model is, if it is there."""
        return self.path if self._opened else _existing(self.path / _EXPORTED)

    def exported(self) -> ExportedModel:
        """The exported model, open.

        Raises:
            UserError: there is none, or it is damaged.
        """
        if self._opened:
            return self._opened
        if self.exported_file is None:
            raise UserError(f"'{self.name}' has no exported file: nlpseq export {self.path} makes it")
        return ExportedModel(self.exported_file)

    def metrics(self) -> dict[str, Any]:
        """What was measured; empty where nothing was."""
        try:
            return json.loads((self.path / "metrics.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}


def models() -> Iterator[Model]:
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


def find(name: str) -> Model:
    """The model of that name, in that folder, or in that exported file.

    Raises:
        UserError: there is none, or it is not complete.
    """
    if name.endswith(".tflite"):
        opened = ExportedModel(Path(name))
        return Model(Path(name), opened.metadata.task, opened.metadata.name or Path(name).stem, _opened=opened)
    for path in (Path(name), LOCAL_MODELS / name):
        if model := _in_folder(path):
            return model
        has_model = (path / _KERAS).is_file() or (path / _EXPORTED).is_file()
        if (path / _CONFIG).is_file() and has_model:
            raise UserError(f"{path / _CONFIG}: damaged: copy the model folder again, or train it again")
        if (path / _CONFIG).is_file():
            raise UserError(f"{path}: training has not finished here: nlpseq train-task … --output {path} --resume")
        if (path / _EXPORTED).is_file():
            raise UserError(f"{path}: {_CONFIG} is missing: give the file itself, {path / _EXPORTED}")
        if path.is_dir() and any(path.iterdir()) and path != Path(name):
            raise UserError(f"{path}: this folder holds no model: {_CONFIG} and {_KERAS} or {_EXPORTED} are missing")
    known = list(models())
    for model in known:
        if model.name == name:
            return model
    import difflib

    names = list(dict.fromkeys(model.name for model in known))  # a local model may have a shipped one's name
    close = difflib.get_close_matches(name, names, n=1)
    hint = f" (did you mean '{close[0]}'?)" if close else ""
    have = (
        f"models here: {', '.join(names)}" if names else "there is no model here yet: train one with nlpseq train-task"
    )
    raise UserError(f"there is no model '{name}'{hint}; {have}")


def find_trained(name: str) -> Model:
    """As :func:`find`, but with the model of the training, as it takes to go on with its weights or to export it.

    Raises:
        UserError: as there; or there is only an exported file.
    """
    model = find(name)
    if model.keras_file is None:
        raise UserError(
            f"'{model.name}' is an exported model: this needs {_KERAS}, which stays in the folder that training wrote"
        )
    return model


def default(task: str, languages: tuple[str, str] | None = None) -> Model:
    """The model to use when none is named: the only local one for the task, else the only shipped one.

    Raises:
        UserError: there is none, or there are several.
    """
    fitting = [model for model in models() if model.task == task]
    if languages is not None:
        fitting = [model for model in fitting if _languages(model) == languages]
    choices = [model for model in fitting if not model.shipped] or fitting
    if len(choices) == 1:
        return choices[0]
    what = f"{task} model" + (f" from {languages[0]} to {languages[1]}" if languages else "")
    if choices:
        raise UserError(f"several models could do this: choose one with --model: {', '.join(m.name for m in choices)}")
    raise UserError(f"there is no {what} here: train one with nlpseq train-task {task}, or name one with --model")


def load(name: str) -> Any:
    """What :func:`nlpseq.load` does."""
    return load_model(find(name))


def load_model(model: Model) -> Any:
    """The model, ready to use: its exported file, which needs no TensorFlow, or else its Keras model.

    Raises:
        UserError: a file of it is missing or damaged.
        MissingExtraError: it has no exported file, and TensorFlow is not installed.
    """
    if model.exported_file is None:
        return load_keras(model)
    exported = model.exported()
    for signature, predictor in _PREDICTORS.items():
        if exported.has(signature):
            return predictor(exported)
    raise UserError(
        f"{exported.file}: can do {', '.join(exported.metadata.signatures) or 'nothing'}, which this version of nlpseq "
        "does not know: pip install --upgrade nlpseq"
    )


def load_keras(model: Model) -> Any:
    """The model of the training, ready to use.

    Raises:
        UserError: a file of it is missing or damaged.
        MissingExtraError: TensorFlow is not installed.
    """
    task, network, vocabulary = load_parts(model)
    return task.predictor(network, vocabulary)


def load_parts(model: Model) -> tuple[Any, Any, Any]:
    """(task, Keras model, vocabulary)."""
    from nlpseq.tasks.base import Vocabulary

    task = task_of(model)
    vocabulary = Vocabulary.load(model.path)
    import keras

    file = model.path / _KERAS
    try:
        network = keras.saving.load_model(file, compile=False)
    except Exception as error:  # whatever Keras, zipfile or h5py say of a damaged file
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise UserError(
            f"{file}: cannot be loaded, so it is damaged or of another version: copy the model folder again, or train "
            f"it again ({reason})"
        ) from error
    return task, network, vocabulary


def task_of(model: Model) -> Any:
    """The model's task, as configured in its folder; as by default for an exported file that stands alone.

    Raises:
        UserError: the configuration is damaged.
        MissingExtraError: TensorFlow is not installed.
    """
    from nlpseq.tasks import task_class

    task_type = task_class(model.task)
    return task_type(folder_config(task_type, model.path) if model.path.is_dir() else task_type.config_type())


def folder_config(task_type: Any, folder: Path) -> Any:
    """The complete configuration in a model folder.

    Raises:
        UserError: it is damaged.
    """
    file = folder / _CONFIG
    if not file.read_bytes().endswith(b"\n"):  # a cut file may still be TOML, with defaults for what is missing
        raise UserError(f"{file}: cut off in the middle: copy the model folder again, or train it again")
    return configuration.from_toml(task_type.config_type, file)


def load_translator(model: Model, beam: int | None, n_best: int) -> tuple[Any, dict[str, Any]]:
    """A translation model ready to use, and the options for its ``translate`` and ``n_best``.

    Args:
        model: a translation model.
        beam: hypotheses kept; 1: greedy; None: as many as the exported file keeps. For another number than the file's
            the Keras model is used, where there is one.
        n_best: translations of a text that will be asked for.

    Raises:
        UserError: as :func:`load_model`; more translations than hypotheses; only an exported file, of another width.
    """
    exported = load_model(model) if model.exported_file else None
    if exported is None or (beam not in (None, 1, exported.beam) and model.keras_file):
        _check_n_best(n_best, beam or _KERAS_BEAM)
        return load_keras(model), {"beam": beam or _KERAS_BEAM}
    if beam not in (None, 1, exported.beam):
        raise UserError(
            f"--beam {beam}: {exported.model.file} searches with {exported.beam}, or with 1, which is greedy; "
            f"nlpseq export --beam {beam} makes another from the model of the training"
        )
    _check_n_best(n_best, beam or exported.beam)
    return exported, {"greedy": True} if beam == 1 else {}


def _check_n_best(n_best: int, beam: int) -> None:
    if n_best > beam:
        raise UserError(f"--n-best {n_best}: at most as many as the beam is wide, which is {beam}")


def _is_copy(path: Path, shipped: Path) -> bool:
    """Whether a model folder has the exported file of a shipped one, byte for byte."""
    mine, theirs = path / _EXPORTED, shipped / _EXPORTED
    if not (mine.is_file() and theirs.is_file()) or (path / _KERAS).is_file():
        return False
    return mine.samefile(theirs) or (
        mine.stat().st_size == theirs.stat().st_size and mine.read_bytes() == theirs.read_bytes()
    )


def _in_folder(path: Path, *, shipped: bool = False) -> Model | None:
    if not ((path / _CONFIG).is_file() and ((path / _KERAS).is_file() or (path / _EXPORTED).is_file())):
        return None
    task = configuration.named_task(path / _CONFIG)
    return Model(path, task, path.name, shipped) if task else None


def _existing(file: Path) -> Path | None:
    return file if file.is_file() else None


def _languages(model: Model) -> tuple[str, str] | None:
    import tomllib

    try:
        data = tomllib.loads((model.path / _CONFIG).read_text(encoding="utf-8"))["data"]
        return data["source_language"], data["target_language"]
    except (OSError, ValueError, KeyError):
        return None
