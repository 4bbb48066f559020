"""``train-task``, from a SPEC to a finished model folder."""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from nlpseq import config as configuration
from nlpseq.errors import UserError, full_disk
from nlpseq.export.inspection import ExportError
from nlpseq.export.run import LostQualityError, Trained, export_saved_model, export_tflite
from nlpseq.atomic_files import is_temporary, replaced, write_bytes, write_text
from nlpseq.report.folder import write_card
from nlpseq.report.pictures import curves_picture
from nlpseq.runtime import models
from nlpseq.tasks import task_class
from nlpseq.tasks.base import Task, Vocabulary
from nlpseq.training.devices import available_cores
from nlpseq.training.progress import Display, duration
from nlpseq.training.trainer import Trainer

_OURS = {
    "config.toml", "vocabulary.json", "checkpoints", "history.jsonl", "metrics.json", "curves.png", "MODEL_CARD.md",
    "model.keras", "pictures", "saved_model", "model.tflite",
}  # fmt: skip
_PICTURED_EXAMPLES = 8
_PROVED_EXAMPLES = 1000  # of the validation part; nlpseq export asks them all


@dataclass
class Request:
    """What the user asked of ``train-task``.

    Attributes:
        task: its name.
        config: complete; None with ``resume``, where the folder's own holds.
        folder: where the model goes.
        resume: go on in the folder.
        overwrite: replace what is in the folder.
    """

    task: str
    config: Any
    folder: Path
    resume: bool = False
    overwrite: bool = False


def train(request: Request, display: Display) -> dict[str, Any]:
    """Trains, evaluates and documents a model; returns its metrics.

    Raises:
        UserError: bad data, a folder that is taken, nothing to resume.
        MachineError: the disk is full.
        Interrupted: the user stopped it; ``--resume`` goes on.
    """
    started = time.monotonic()
    folder = request.folder
    with full_disk("the last checkpoint is whole; make space, then go on with --resume"):
        task, vocabulary = _prepared(request, display)
        # A checkpoint holds all weights: the model that they came from may be gone by now.
        begun = (folder / "checkpoints" / "last.npz").exists()
        trainer = Trainer(
            task,
            vocabulary,
            folder,
            display,
            initialise=None if begun else lambda model: _transfer(task, model, display),
            spent_s=time.monotonic() - started,
        )
        display.say(
            f"{trainer.model.count_params():,} weights on {trainer.strategy.num_replicas_in_sync} cores; "
            f"writing to {folder}"
        )
        model = trainer.run()
        return _finish(task, model, vocabulary, trainer, folder, display)


def default_folder(task: str, spec: str) -> Path:
    """``saved_models/TASK-DATA``."""
    stem = spec.removeprefix("tfds:").split(",")[0].replace("/", "-").replace(":", "-")
    if spec not in ("sample",) and not spec.startswith("tfds:"):
        stem = Path(spec.split(",")[0]).name.split(".")[0]
    return models.LOCAL_MODELS / f"{task}-{stem}"


def _prepared(request: Request, display: Display) -> tuple[Task[Any], Vocabulary]:
    """The task and its vocabulary, with the folder ready to be trained in."""
    folder, task_type = request.folder, task_class(request.task)
    if request.resume:
        if not (folder / "config.toml").exists():
            raise UserError(f"{folder}: nothing to resume: there is no config.toml in it")
        named = configuration.named_task(folder / "config.toml")
        if named not in (None, request.task):
            raise UserError(f"{folder}: this is a {named} model: nlpseq train-task {named} --output {folder} --resume")
        task = task_type(models.folder_config(task_type, folder))
    else:
        _check_free(folder, request.overwrite)
        request.config.training.replicas = request.config.training.replicas or available_cores()
        task = task_type(request.config)
    if request.resume and (folder / "vocabulary.json").exists():
        return task, Vocabulary.load(folder)
    display.say("reading the data")
    if source := task.config.training.init_from:
        other = models.find_trained(source)
        if other.path.resolve() == folder.resolve():
            raise UserError(f"--init-from {source}: this is the folder to be overwritten: choose another with --output")
        vocabulary = task.adopt_vocabulary(Vocabulary.load(other.path), task.examples("train"))
    else:
        vocabulary = task.fit_vocabulary(task.examples("train"))
    for part in ("train", "valid"):
        task.corpus(vocabulary, part)  # bad data shows before anything of an older model is touched
    if task.has_test_part():
        task.corpus(vocabulary, "test")
    if not request.resume:
        _clear(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "config.toml", configuration.to_toml(task.config, request.task))  # first: --resume needs it
    vocabulary.save(folder)
    return task, vocabulary


def _check_free(folder: Path, overwrite: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: this is a file: choose another folder with --output")
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    if not (folder / "config.toml").exists():
        raise UserError(f"{folder}: this folder holds something else: choose another with --output")
    if not overwrite:
        finished = (folder / "model.keras").exists()
        state = "a finished model" if finished else "a run that has not finished"
        advice = "--overwrite replaces it" if finished else "--resume goes on with it, --overwrite starts anew"
        raise UserError(f"{folder}: there is {state} here: {advice}, --output chooses another folder")


def _clear(folder: Path) -> None:
    """Removes a model's own files, and nothing that somebody put beside them."""
    ours = set(_OURS)
    with contextlib.suppress(OSError, ValueError, KeyError):
        names = json.loads((folder / "vocabulary.json").read_text(encoding="utf-8"))["tokenizers"]
        ours.update(f"{name}.{suffix}" for name in names for suffix in ("model", "json"))
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.is_dir() and path.name in ours:
            shutil.rmtree(path)
        elif path.name in ours or is_temporary(path):
            path.unlink()


def _transfer(task: Task[Any], model: keras.Model, display: Display) -> None:
    """Takes over the weights of ``training.init_from`` wherever name and shape agree."""
    source = task.config.training.init_from
    if not source:
        return
    _, other, _ = models.load_parts(models.find_trained(source))
    theirs = {_relative(variable.path): variable for variable in other.trainable_variables}
    taken, left = [], []
    for variable in model.trainable_variables:
        match = theirs.get(_relative(variable.path))
        if match is not None and match.shape == variable.shape:
            variable.assign(match.numpy())
            taken.append(variable)
        else:
            left.append(_relative(variable.path))
    if not taken:
        shapes = ", ".join(f"{name} {tuple(variable.shape)}" for name, variable in list(theirs.items())[:6])
        raise UserError(
            f"--init-from {source}: no weight fits this model: set model.cell, model.units, model.layers and "
            f"model.embedding as there ({shapes})"
        )
    display.say(f"{len(taken)} weights taken over from {source}; new: {', '.join(left) or 'none'}")


def _relative(path: str) -> str:
    """A variable's path without its model's name; a forward direction stands for the only one."""
    return path.partition("/")[2].replace("/forward/", "/")


def _finish(
    task: Task[Any], model: keras.Model, vocabulary: Vocabulary, trainer: Trainer, folder: Path, display: Display
) -> dict[str, Any]:
    """Everything that a finished folder has besides its checkpoints."""
    display.say(f"evaluating the weights of epoch {trainer.progress.best_epoch + 1}")
    metrics: dict[str, Any] = {"valid": task.evaluate(model, vocabulary, task.examples("valid"), final=True)}
    if task.has_test_part():
        metrics["test"] = task.evaluate(model, vocabulary, task.examples("test"), final=True)
    progress = trainer.progress
    metrics["training"] = {
        "minutes": round(progress.seconds / 60, 1),
        "epochs": progress.epoch,
        "best_epoch": progress.best_epoch + 1,
        "steps": progress.step,
        "tokens_per_second": round(progress.tokens / max(progress.seconds, 1e-9)),
        "cores": trainer.strategy.num_replicas_in_sync,
        "seed": task.config.training.seed,
        "parameters": int(model.count_params()),
    }
    with replaced(folder / "model.keras") as temporary:
        model.save(temporary)
    write_text(folder / "metrics.json", json.dumps(metrics, ensure_ascii=False, indent=1) + "\n")
    write_bytes(folder / "curves.png", curves_picture(trainer.history, task.metric.name))
    examples = _first(task.examples("valid"), _PICTURED_EXAMPLES)
    for name, content in task.pictures(model, vocabulary, examples).items():
        write_bytes(folder / "pictures" / name, content)
    if task.config.training.export:
        _export(Trained(folder.name, task, model, vocabulary), folder, metrics, display)
    write_card(task, model, vocabulary, folder)
    display.say(f"trained in {duration(progress.seconds)}; the model card is {folder / 'MODEL_CARD.md'}")
    return metrics


def _export(trained: Trained, folder: Path, metrics: dict[str, Any], display: Display) -> None:
    """Writes model.tflite, of the smallest kind that keeps its metric, and saved_model; what cannot be is said."""
    try:
        for quantization in ("int8", "float16"):
            try:
                proof = export_tflite(
                    trained,
                    folder / "model.tflite",
                    quantization,
                    display.say,
                    most_examples=_PROVED_EXAMPLES,
                    jobs=available_cores(),
                )
            except LostQualityError as error:
                display.say(str(error))
                continue
            metrics["export"] = proof
            write_text(folder / "metrics.json", json.dumps(metrics, ensure_ascii=False, indent=1) + "\n")
            break
        export_saved_model(trained, folder / "saved_model")
    except (ExportError, UserError) as error:
        display.say(f"not exported: {error}")


def _first(examples: Iterator[Any], count: int) -> list[Any]:
    return [example for example, _ in zip(examples, range(count), strict=False)]
