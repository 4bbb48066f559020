"""``nlpseq evaluate``: measuring a model, or an exported file, on data with known answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nlpseq.cores import available_cores
from nlpseq.errors import UserError
from nlpseq.export import proof
from nlpseq.metrics import Metric
from nlpseq.model_folder import FoundModel
from nlpseq.pipeline import robustness
from nlpseq.pipeline.loading import load, load_trained, task_of
from nlpseq.runtime.questions import Answer, Question
from nlpseq.tasks.base import asked
from nlpseq.training.display import Display


@dataclass(frozen=True)
class Evaluation:
    """What was measured.

    Attributes:
        data: what it was measured on, in words.
        model: which of a folder's models, in words.
        metrics: values by their keys; under ``robustness``, what :func:`nlpseq.pipeline.robustness.measure` found.
        known: the task's metrics.
        labels: of a classifier.
    """

    data: str
    model: str
    metrics: dict[str, Any]
    known: tuple[Metric, ...]
    labels: tuple[str, ...]


def evaluate(found: FoundModel, spec: str, columns: str, display: Display, *, robust: bool = False) -> Evaluation:
    """Measures the Keras model of a folder, or else the exported file.

    Args:
        found: the model.
        spec: the data.
        columns: names of the columns where the file does not say.
        display: shows how far it is.
        robust: whether to measure as well what becomes of noise and of words that must be copied.

    Raises:
        UserError: the data cannot be used, or robustness cannot be measured of such a model.
    """
    task = task_of(found).with_settings({"data.columns": columns})
    if robust and not robustness.can_be_measured(task):
        raise UserError(
            f"--robustness is for models that translate or classify, and '{found.name}' can {task.facts.signature}: "
            "leave it out"
        )
    words, examples = task.dataset.measured(spec)
    kept = list(examples) if robust else examples  # they are asked twice
    if found.keras_file is not None:
        trained = load_trained(found)
        model, labels = "the Keras model", trained.vocabulary.labels
        metrics = task.evaluate(trained, kept, track=display.track)

        def ask(several: Sequence[Question]) -> list[Answer]:
            return asked(trained, several, track=display.track)
    else:
        predictor, questions = load(found), task.questions(kept)
        model, labels = "the exported file", predictor.backend.metadata.labels

        def ask(several: Sequence[Question]) -> list[Answer]:
            return proof.answers(predictor, several, available_cores(), display.track)

        metrics = task.score(ask(questions), questions)
    if robust:
        metrics["robustness"] = robustness.measure(task, task.questions(kept), ask, robustness.TEXTS)
    return Evaluation(words, model, metrics, task.metrics, labels)
