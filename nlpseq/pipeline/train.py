"""``train-task``, from a SPEC to a finished model folder."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from nlpseq import config as configuration
from nlpseq import folder_lock, model_folder, shell
from nlpseq.atomic_files import (
    is_temporary,
    remove,
    replaced,
    scratch_folder,
    temporary_path,
    write_bytes,
    write_text,
)
from nlpseq.cores import available_cores, multiply_bfloat16
from nlpseq.errors import UserError, full_disk
from nlpseq.folder_lock import LOCK
from nlpseq.model_folder import (
    CARD,
    CHECKPOINTS,
    CONFIG,
    CURVES,
    KERAS_MODEL,
    LAST,
    LESSONS,
    LOCAL_MODELS,
    METRICS,
    OURS,
    PICTURES,
    SAVED_MODEL,
    VOCABULARY,
    resume_command,
)
from nlpseq.pipeline import robustness, teaching
from nlpseq.pipeline.calibration import calibration
from nlpseq.pipeline.card import write_card
from nlpseq.pipeline.data_record import PARTS, check_same_data, write_record
from nlpseq.pipeline.export import export_folder
from nlpseq.pipeline.loading import in_float32, load_trained
from nlpseq.report.curves import curves_picture
from nlpseq.tasks import task_class
from nlpseq.tasks.base import Task, Trained, asked
from nlpseq.text.vocabulary import Vocabulary
from nlpseq.training.display import Display, duration
from nlpseq.training.trainer import Interrupted, Trainer

_WIDE = 256  # units, from which on a translation model trains 1.5 times as fast in bfloat16


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

    The folder belongs to this run until it ends.

    Raises:
        UserError: bad data, a folder that is taken or in use, nothing to resume.
        MachineError: the disk is full.
        Interrupted: the user stopped it; ``--resume`` goes on.
        KeyboardInterrupt: the user stopped it before anything was written.
    """
    option = ["--resume"] * request.resume + ["--overwrite"] * request.overwrite
    doing = shell.command("nlpseq", "train-task", request.task, "--output", request.folder, *option)
    again = f"make space, then go on with: {resume_command(request.task, request.folder)}"
    with folder_lock.held(request.folder, doing), full_disk(f"the last checkpoint is whole; {again}"):
        with _resumable() if request.resume else contextlib.nullcontext():
            trainer = _begun(request, display)
        with _resumable():
            display.say(
                f"{trainer.model.count_params():,} weights on {trainer.strategy.num_replicas_in_sync} cores; "
                f"writing to {request.folder}"
            )
            trainer.run()
            return _finish(trainer, request.folder, display)


@contextlib.contextmanager
def _resumable() -> Iterator[None]:
    """An interrupt inside of the block leaves a run that ``--resume`` goes on with."""
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted from None


def default_folder(task: str, spec: str) -> Path:
    """``saved_models/TASK-DATA``."""
    stem = spec.removeprefix("tfds:").split(",")[0].replace("/", "-").replace(":", "-")
    if spec not in ("sample",) and not spec.startswith("tfds:"):
        stem = Path(spec.split(",")[0]).name.split(".")[0]
    return LOCAL_MODELS / f"{task}-{stem}"


def _begun(request: Request, display: Display) -> Trainer:
    """What trains, in a folder that holds all that ``--resume`` needs; until then nothing in there is touched."""
    started, folder = time.monotonic(), request.folder
    task, vocabulary = _resumed(request, display) if request.resume else (_fresh_task(request), None)
    fresh = vocabulary is None
    if vocabulary is None:
        task, vocabulary = _prepared(task, folder, display)
    # A checkpoint holds all weights: the model that they came from may be gone by now.
    has_weights = not fresh and (folder / CHECKPOINTS / LAST).exists()
    trainer = Trainer(
        task,
        vocabulary,
        folder,
        display,
        initialize=None if has_weights else lambda network: _transfer(task, network, display),
        spent_s=time.monotonic() - started,
    )
    if fresh:
        _settle(folder, task, vocabulary)
    return trainer


def _resumed(request: Request, display: Display) -> tuple[Task[Any], Vocabulary | None]:
    """The task and the vocabulary of the run in the folder; no vocabulary where it was stopped before all was there."""
    folder, task_type = request.folder, task_class(request.task)
    if not (folder / CONFIG).exists():
        raise UserError(
            f"{folder}: nothing to resume: there is no {CONFIG} in it: name the folder of the run with --output"
        )
    named = configuration.named_task(folder / CONFIG)
    if named not in (None, request.task):
        raise UserError(f"{folder}: this is a {named} model; go on with: {resume_command(named, folder)}")
    task = task_type(model_folder.read_config(task_type.facts.config_type, folder))
    if not (folder / VOCABULARY).exists() and not (folder / CARD).exists():
        return task, None
    vocabulary = Vocabulary.load(folder)
    if (folder / LESSONS).exists():
        task.dataset.lessons = folder / LESSONS
    check_same_data(folder, task, vocabulary, display)
    for place in (folder, *(folder / name for name in (CHECKPOINTS, PICTURES, SAVED_MODEL))):
        for path in place.iterdir() if place.is_dir() else ():
            if is_temporary(path):
                remove(path)
    return task, vocabulary


def _fresh_task(request: Request) -> Task[Any]:
    """The task of a run into a folder that may be written to."""
    task_type = task_class(request.task)
    _check_free(request)
    task = task_type(request.config)
    training, units = task.config.training, getattr(task.config.model, "units", 0)
    settings: dict[str, Any] = {"training.replicas": training.replicas or available_cores()}
    if training.precision == "auto":
        pays = units >= _WIDE and multiply_bfloat16()
        settings["training.precision"] = "bfloat16" if pays else "float32"
    return task.with_settings(settings)


def _prepared(task: Task[Any], folder: Path, display: Display) -> tuple[Task[Any], Vocabulary]:
    """The task with settings that fit its data, and the vocabulary that it has learnt."""
    for line in task.dataset.summary(display.reading("reading")).lines():
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
    lessons = temporary_path(folder / LESSONS)
    if teaching.lessons(task, lessons, display):
        task.dataset.lessons = lessons
    for part in PARTS:
        if task.dataset.has_part(part):  # bad data shows before anything of an older model is touched
            task.corpus(prepared.vocabulary, part, display.reading(f"encoding {part}"))
    task = task.with_settings(task.length_of_run(task.corpus(prepared.vocabulary, "train")))
    return task, prepared.vocabulary


def _settle(folder: Path, task: Task[Any], vocabulary: Vocabulary) -> None:
    """Puts a new run in the place of what was in the folder: it is written beside, then moved in.

    After a kill at any moment ``--resume`` goes on with the old run, which is whole, or begins the new one. Without a
    card a run is not finished; without a vocabulary it has not begun.
    """
    with scratch_folder(folder) as beside:
        if task.dataset.lessons is not None:
            task.dataset.lessons = task.dataset.lessons.replace(beside / LESSONS)
        vocabulary.save(beside)
        write_text(beside / CONFIG, configuration.to_toml(task.config, task.facts.name))
        write_record(beside, task, vocabulary)
        ours = (OURS | Vocabulary.files(folder)) - {CONFIG, LOCK}
        for name in (CARD, VOCABULARY):
            (folder / name).unlink(missing_ok=True)
        (beside / CONFIG).replace(folder / CONFIG)
        for path in folder.iterdir():
            if path != beside and (path.name in ours or is_temporary(path)):
                remove(path)
        for path in sorted(beside.iterdir(), key=lambda path: path.name == VOCABULARY):  # last: all of it is there
            path.replace(folder / path.name)
    if task.dataset.lessons is not None:
        task.dataset.lessons = folder / LESSONS


def _check_free(request: Request) -> None:
    folder = request.folder
    if not [path for path in folder.iterdir() if path.name != LOCK and not is_temporary(path)]:
        return
    if not (folder / CONFIG).exists():
        raise UserError(f"{folder}: this folder holds something else: choose another with --output")
    if request.overwrite:
        return
    if (folder / CARD).exists():
        raise UserError(
            f"{folder}: there is a finished model here: --overwrite replaces it, --output chooses another folder"
        )
    task = configuration.named_task(folder / CONFIG) or request.task
    raise UserError(
        f"{folder}: there is a run that has not finished here: --overwrite starts anew, --output chooses another "
        f"folder; go on with: {resume_command(task, folder)}"
    )


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
    (folder / CARD).unlink(missing_ok=True)
    vocabulary = trainer.vocabulary
    trained = Trained(folder.name, task, in_float32(task, vocabulary, trainer.model), vocabulary)
    display.say(f"evaluating the weights of epoch {progress.best_epoch + 1}")
    metrics: dict[str, Any] = {}
    for part in ("valid", "test"):
        if task.dataset.has_part(part):
            metrics[part] = task.evaluate(trained, task.dataset.examples(part), track=display.track)
    if "valid" in metrics and robustness.can_be_measured(task):
        display.say("measuring it on texts as people type them")
        questions = task.questions(task.dataset.examples("valid"))
        metrics["robustness"] = robustness.measure(
            task, questions, lambda several: asked(trained, several, track=display.track), robustness.TEXTS_OF_A_CARD
        )
        if found := calibration(trained, questions, display):
            metrics["calibration"] = found
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
