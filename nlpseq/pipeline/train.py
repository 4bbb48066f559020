"""``train-task``, from a SPEC to a finished model folder."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from nlpseq import config as configuration
from nlpseq import model_folder
from nlpseq.atomic_files import is_temporary, replaced, write_bytes, write_text
from nlpseq.cores import available_cores
from nlpseq.data.sources import Part
from nlpseq.errors import UserError, full_disk
from nlpseq.folder_lock import LOCK, locked
from nlpseq.model_folder import (
    CARD,
    CHECKPOINTS,
    CONFIG,
    CURVES,
    DATA,
    KERAS_MODEL,
    LAST,
    LOCAL_MODELS,
    METRICS,
    OURS,
    VOCABULARY,
)
from nlpseq.pipeline.card import write_card
from nlpseq.pipeline.export import export_folder
from nlpseq.pipeline.loading import in_float32, load_trained
from nlpseq.report.curves import curves_picture
from nlpseq.tasks import task_class
from nlpseq.tasks.base import Task, Trained
from nlpseq.text.vocabulary import Vocabulary
from nlpseq.training.display import Display, duration
from nlpseq.training.trainer import Trainer

PARTS: tuple[Part, ...] = ("train", "valid", "test")


@dataclass(frozen=True)
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
    _check_free(request)
    with full_disk("the last checkpoint is whole; make space, then go on with --resume"), locked(folder):
        _check_free(request)  # what was free may have been taken while the lock was
        task, vocabulary, settle = _prepared(request, display)
        # A checkpoint holds all weights: the model that they came from may be gone by now.
        begun = request.resume and (folder / CHECKPOINTS / LAST).exists()
        trainer = Trainer(
            task,
            vocabulary,
            folder,
            display,
            initialize=None if begun else lambda network: _transfer(task, network, display),
            spent_s=time.monotonic() - started,
        )
        settle()
        display.say(
            f"{trainer.model.count_params():,} weights on {trainer.strategy.num_replicas_in_sync} cores; "
            f"writing to {folder}"
        )
        trainer.run()
        return _finish(trainer, folder, display)


def default_folder(task: str, spec: str) -> Path:
    """``saved_models/TASK-DATA``."""
    stem = spec.removeprefix("tfds:").split(",")[0].replace("/", "-").replace(":", "-")
    if spec not in ("sample",) and not spec.startswith("tfds:"):
        stem = Path(spec.split(",")[0]).name.split(".")[0]
    return LOCAL_MODELS / f"{task}-{stem}"


def _prepared(request: Request, display: Display) -> tuple[Task[Any], Vocabulary, Callable[[], None]]:
    """The task, its vocabulary, and what writes both into the folder; nothing in there has been touched by then."""
    folder, task_type = request.folder, task_class(request.task)
    if request.resume:
        named = configuration.named_task(folder / CONFIG)
        if named not in (None, request.task):
            raise UserError(f"{folder}: this is a {named} model: {model_folder.resuming(str(named), folder)} goes on")
        task = task_type(model_folder.read_config(task_type.facts.config_type, folder))
        if (folder / VOCABULARY).exists():
            _check_data(task, folder, display)
            return task, Vocabulary.load(folder), lambda: None
    else:
        task = task_type(request.config)
        task = task.with_settings({"training.replicas": task.config.training.replicas or available_cores()})
    summary = task.dataset.summary(display.reading("reading"))
    lines = summary.lines()
    for line in lines:
        display.say(line)
    base = None
    if source := task.config.training.init_from:
        other = model_folder.find(source)
        if other.required_keras_file().parent.resolve() == folder.resolve():
            raise UserError(f"--init-from {source}: this is the folder to be overwritten: choose another with --output")
        base = Vocabulary.load(other.path)
    learning = display.reading("learning the vocabulary", after="all is read, now the vocabulary is learnt from it")
    prepared = task.prepare(task.dataset.examples("train", learning), base)
    if prepared.warning:
        display.say(prepared.warning)
    task = task.with_settings(prepared.settings)
    for part in PARTS:
        if task.dataset.has_part(part):
            # Bad data shows before anything of an older model is touched.
            task.corpus(prepared.vocabulary, part, display.reading(f"encoding {part}"))
    task = task.with_settings({"training.epochs": task.epochs(task.corpus(prepared.vocabulary, "train"))})
    return task, prepared.vocabulary, lambda: _begin(folder, task, prepared.vocabulary, lines, request.resume)


def _begin(folder: Path, task: Task[Any], vocabulary: Vocabulary, read: list[str], resume: bool) -> None:
    """Puts a new run in the place of what was in the folder: it is written beside, then moved in."""
    with tempfile.TemporaryDirectory(dir=folder, prefix=".") as name:
        beside = Path(name)
        vocabulary.save(beside)
        write_text(beside / CONFIG, configuration.to_toml(task.config, task.facts.name))
        facts = {"read": read, "fingerprints": _fingerprints(task)}
        write_text(beside / DATA, json.dumps(facts, ensure_ascii=False, indent=1) + "\n")
        if not resume:
            _clear(folder)
        (beside / CONFIG).replace(folder / CONFIG)  # first: --resume needs it
        for path in sorted(beside.iterdir(), key=lambda path: path.name == VOCABULARY):  # last: all of it is there
            path.replace(folder / path.name)


def _fingerprints(task: Task[Any]) -> dict[str, str]:
    """What tells the data of each part from any other."""
    return {part: task.dataset.fingerprint(part) for part in PARTS if task.dataset.has_part(part)}


def _check_data(task: Task[Any], folder: Path, display: Display) -> None:
    """Compares the data with what the run began with: a model is made of one data set.

    Raises:
        UserError: what is trained on, or what is watched, has changed.
    """
    try:
        before = json.loads((folder / DATA).read_text(encoding="utf-8"))["fingerprints"]
    except (OSError, ValueError, LookupError, TypeError):  # of a version that did not write it
        return
    now = _fingerprints(task)
    changed = [part for part in PARTS if before.get(part) != now.get(part)]
    words = ", ".join(f"{part} ({task.dataset.described(part)})" for part in changed)
    if changed == ["test"]:
        display.say(f"the data has changed since the run began: {words}; its test figures are of what is there now")
    elif changed:
        raise UserError(
            f"{folder}: the data has changed since the run began: {words}. Put back what was there, or begin anew: "
            f"--overwrite, or another folder with --output"
        )


def _check_free(request: Request) -> None:
    folder = request.folder
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: this is a file: choose another folder with --output")
    if request.resume:
        if not (folder / CONFIG).exists():
            raise UserError(f"{folder}: nothing to resume: there is no {CONFIG} in it")
        return
    if not folder.is_dir() or not {path.name for path in folder.iterdir()} - {LOCK}:
        return
    if not (folder / CONFIG).exists():
        raise UserError(f"{folder}: this folder holds something else: choose another with --output")
    if not request.overwrite:
        finished = (folder / CARD).exists()
        state = "a finished model" if finished else "a run that has not finished"
        advice = "--overwrite replaces it" if finished else "--resume goes on with it, --overwrite starts anew"
        raise UserError(f"{folder}: there is {state} here: {advice}, --output chooses another folder")


def _clear(folder: Path) -> None:
    """Removes a model's own files, and nothing that somebody put beside them."""
    ours = (OURS | Vocabulary.files(folder)) - {LOCK}
    for path in folder.iterdir():
        if path.is_dir() and path.name in ours:
            shutil.rmtree(path)
        elif path.name in ours or (is_temporary(path) and path.is_file()):
            path.unlink()


def _transfer(task: Task[Any], network: keras.Model, display: Display) -> None:
    """Takes over the weights of ``training.init_from`` wherever name and shape agree."""
    source = task.config.training.init_from
    if not source:
        return
    other = load_trained(model_folder.find(source)).model
    theirs = {_relative(variable.path): variable for variable in other.trainable_variables}
    taken, left = [], []
    for variable in network.trainable_variables:
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


def _finish(trainer: Trainer, folder: Path, display: Display) -> dict[str, Any]:
    """Everything that a finished folder has besides its checkpoints."""
    started, task, progress = time.monotonic(), trainer.task, trainer.progress
    vocabulary = trainer.vocabulary
    trained = Trained(folder.name, task, in_float32(task, vocabulary, trainer.model), vocabulary)
    display.say(f"evaluating the weights of epoch {progress.best_epoch + 1}")
    metrics: dict[str, Any] = {}
    for part in ("valid", "test"):
        if task.dataset.has_part(part):
            metrics[part] = task.evaluate(trained, task.dataset.examples(part), track=display.track)
    metrics["training"] = {
        "minutes": round(progress.seconds / 60, 1),
        "epochs": progress.epoch,
        "best_epoch": progress.best_epoch + 1,
        "steps": progress.step,
        "tokens_per_second": round(progress.tokens / max(progress.training_seconds, 1e-9)),
        "cores": trainer.strategy.num_replicas_in_sync,
        "seed": task.config.training.seed,
        "parameters": int(trained.model.count_params()),
    }
    metrics["notes"] = {
        part: dict(notes)
        for part in PARTS
        if task.dataset.has_part(part) and (notes := task.corpus(vocabulary, part).notes)
    }
    metrics |= _abilities(trained)
    with replaced(folder / KERAS_MODEL) as temporary:
        trained.model.save(temporary)
    _write_metrics(folder, metrics)
    write_bytes(folder / CURVES, curves_picture(trainer.history, task.metrics[0]))
    if task.config.training.export:
        try:
            if proof := export_folder(trained, folder, display):
                metrics["export"] = proof
        except UserError as error:
            display.say(f"not exported: {error}")
        _write_metrics(folder, metrics)
    write_card(trained, folder)
    display.say(
        f"trained in {duration(progress.seconds)}, measured and exported in {duration(time.monotonic() - started)}; "
        f"the model card is {folder / model_folder.CARD}"
    )
    return metrics


def _abilities(trained: Trained) -> dict[str, list[str]]:
    """What commands choose a model by. They ask the exported file, or else metrics.json."""
    try:
        program = trained.program()
    except UserError:  # it pre-trains other models
        return {"signatures": [], "languages": []}
    return {"signatures": [each.name for each in program.signatures], "languages": list(program.languages)}


def _write_metrics(folder: Path, metrics: dict[str, Any]) -> None:
    write_text(folder / METRICS, json.dumps(metrics, ensure_ascii=False, indent=1) + "\n")
