"""``nlpseq evaluate``: measuring a model, or an exported file, on data with known answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nlpseq.cores import available_cores
from nlpseq.export import proof
from nlpseq.metrics import Metric
from nlpseq.model_folder import FoundModel
from nlpseq.pipeline.loading import load, load_trained, task_of
from nlpseq.training.display import Display


@dataclass(frozen=True)
class Evaluation:
    """What was measured.

    Attributes:
        data: what it was measured on, in words.
        model: which of a folder's models, in words.
        metrics: values by their keys.
        known: the task's metrics.
        labels: of a classifier.
    """

    data: str
    model: str
    metrics: dict[str, Any]
    known: tuple[Metric, ...]
    labels: tuple[str, ...]


def evaluate(found: FoundModel, spec: str, columns: str, display: Display) -> Evaluation:
    """Measures the Keras model of a folder, or else the exported file.

    Args:
        found: the model.
        spec: the data.
        columns: names of the columns where the file does not say.
        display: shows how far it is.

    Raises:
        UserError: the data cannot be used.
    """
    task = task_of(found).with_settings({"data.columns": columns})
    words, examples = task.dataset.measured(spec)
    if found.keras_file is not None:
        trained = load_trained(found)
        metrics = task.evaluate(trained, examples, track=display.track)
        return Evaluation(words, "the Keras model", metrics, task.metrics, trained.vocabulary.labels)
    predictor, questions = load(found), task.questions(examples)
    answers = proof.answers(predictor, questions, available_cores(), display.track)
    metrics = task.score(answers, questions)
    return Evaluation(words, "the exported file", metrics, task.metrics, predictor.backend.metadata.labels)
