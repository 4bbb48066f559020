"""``nlpseq export``, from a trained model to a file or folder that has proved itself."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nlpseq.atomic_files import write_bytes, write_text
from nlpseq.cores import available_cores
from nlpseq.export import inspection, proof, saved_model, tflite
from nlpseq.export.attachment import attach
from nlpseq.export.inspection import ExportError
from nlpseq.model_folder import EXPORTED_FILE, METRICS, SAVED_MODEL
from nlpseq.pipeline.calibration import calibration
from nlpseq.pipeline.card import write_card
from nlpseq.programs.program import Program
from nlpseq.runtime.litert import ExportedFile
from nlpseq.runtime.metadata import peek
from nlpseq.runtime.predictor import predictor_for
from nlpseq.runtime.questions import Answer
from nlpseq.tasks.base import Trained, asked
from nlpseq.training.display import Display
from nlpseq.version import __version__

_SMALLEST_FIRST = ("int8", "float16")  # what train-task tries
_EQUAL_ENOUGH = 0.9  # part of the answers, where the metric says nothing
_PROVED_QUESTIONS = 1000  # of the validation part by train-task; nlpseq export asks them all


class LostQualityError(ExportError):
    """The file has lost more of its metric than it may."""


def export_tflite(
    trained: Trained,
    file: Path,
    quantization: str,
    display: Display,
    *,
    tolerance: float | None = None,
    most_questions: int | None = None,
) -> dict[str, Any]:
    """Writes a ``.tflite`` with its proof in the metadata; nothing is written where the proof fails.

    Args:
        trained: what to export.
        file: where to.
        quantization: none, float16 or int8.
        display: shows what is being done.
        tolerance: how much of its metric the file may lose; None: what the task's metric says.
        most_questions: to be asked about the validation part; None: all.

    Returns:
        The proof, as docs/exported-files.md has it.

    Raises:
        LostQualityError: the file has lost more of its metric than it may.
        ExportError: the file is not what it should be.
        UserError: this model cannot be exported.
    """
    exporter = _Proved(trained, display, most_questions)
    return exporter.write(file, quantization, tolerance)


def export_folder(trained: Trained, folder: Path, display: Display) -> dict[str, Any] | None:
    """Writes ``model.tflite``, of the smallest kind that keeps its metric, and ``saved_model/`` into a model folder.

    Returns:
        The proof; None where the model cannot be exported, which is said.
    """
    found = None
    try:
        exporter = _Proved(trained, display, _PROVED_QUESTIONS)
        for quantization in _SMALLEST_FIRST:
            try:
                found = exporter.write(folder / EXPORTED_FILE, quantization, None)
                break
            except LostQualityError as error:
                display.say(str(error))
        display.say("writing the SavedModel")
        saved_model.write(trained.program(), folder / SAVED_MODEL)
    except ExportError as error:
        display.say(f"not exported: {error}")
    return found


def note_export(trained: Trained, folder: Path, found: dict[str, Any]) -> None:
    """Writes the proof of the folder's ``model.tflite``, and its calibration, into metrics.json and the model card."""
    metrics = {**json.loads((folder / METRICS).read_text(encoding="utf-8")), "export": found}
    file = folder / EXPORTED_FILE
    if file.exists() and (calibrated := peek(file).calibration):
        metrics["calibration"] = calibrated
    write_text(folder / METRICS, json.dumps(metrics, ensure_ascii=False, indent=1) + "\n")
    write_card(trained, folder)


class _Proved:
    """Makes files of one trained model, and asks them what the Keras model was asked."""

    def __init__(self, trained: Trained, display: Display, most_questions: int | None) -> None:
        self._trained, self._display, self._task = trained, display, trained.task
        self._program = trained.program()
        self._examples = list(self._task.dataset.examples("valid"))
        self._questions = proof.fair_sample(self._task.questions(self._examples), most_questions)
        display.say(f"asking the Keras model {len(self._questions):,} questions of the validation part")
        self._expected = asked(trained, self._questions, track=display.track)
        self._metric = self._task.metrics[0]
        self._calibration = calibration(trained, self._questions, display)

    def write(self, file: Path, quantization: str, tolerance: float | None) -> dict[str, Any]:
        """A file of one kind, if it proves itself."""
        self._display.say(f"converting (quantization: {quantization})")
        content = tflite.convert(self._program, quantization)
        inspection.check(content)
        facts = _facts(self._trained, self._program, quantization)
        if self._calibration:
            facts["calibration"] = self._calibration
        texts = [example.fields[0] for example in self._examples]
        with tempfile.TemporaryDirectory() as folder:
            draft = Path(folder) / EXPORTED_FILE
            draft.write_bytes(attach(content, facts))
            backend = ExportedFile(draft)
            answers = proof.answers(predictor_for(backend), self._questions, available_cores(), self._display.track)
            quality = {"keras": self._quality(self._expected), quantization: self._quality(answers)}
            differences = proof.differences(self._expected, answers)
            allowed = self._checked(quality, tolerance)
            if self._says_nothing(quality):
                self._check_agreement(quantization, differences["equal_texts"])
            facts["golden"] = proof.golden_examples(backend, self._program, texts)
            facts["proof"] = {
                "operators": inspection.operators(content),
                "examples": len(self._questions),
                "metric": self._metric.key,
                "decoding": {**vars(self._task.config.decoding)},
                "quality": quality,
                "tolerance": allowed,
                "differences_from_keras": {quantization: differences},
                "judged_by": "equal answers" if self._says_nothing(quality) else self._metric.key,
                "model_bytes": {quantization: len(content)},
                **proof.cost(draft, self._program, texts),
            }
        write_bytes(file, attach(content, facts))
        return facts["proof"]

    def _quality(self, answers: Sequence[Answer]) -> float:
        return self._task.score(answers, self._questions, complete=False)[self._metric.key]

    def _says_nothing(self, quality: dict[str, float]) -> bool:
        """Whether the metric is as low for the Keras model as it can be, so that no file could lose anything of it."""
        return bool(self._metric.higher_is_better) and quality["keras"] <= 0.0

    def _check_agreement(self, quantization: str, equal: float) -> None:
        """Judges a file by its answers, where the metric says nothing.

        Raises:
            LostQualityError: too few of them are those of the Keras model.
        """
        self._display.say(
            f"{self._metric.words} is 0 for the Keras model, which proves nothing: {100 * equal:.1f} % of the file's "
            f"answers (quantization: {quantization}) are those of the Keras model"
        )
        if equal < _EQUAL_ENOUGH:
            raise LostQualityError(f"with quantization {quantization} that is less than {100 * _EQUAL_ENOUGH:.0f} %")

    def _checked(self, quality: dict[str, float], tolerance: float | None) -> float:
        """How much the file may lose.

        Raises:
            LostQualityError: it has lost more.
        """
        given = (self._metric.tolerance or 0.0) if tolerance is None else tolerance
        allowed = proof.allowed_loss(given, len(self._questions))
        for kind, value in quality.items():
            if not self._metric.lost(value, quality["keras"]) <= allowed:
                raise LostQualityError(
                    f"with quantization {kind} the file has {self._metric.key} {value:.4g} on "
                    f"{len(self._questions):,} questions of the validation part, the Keras model "
                    f"{quality['keras']:.4g}: more than the {allowed:.2g} that it may lose; use another --quantize, or "
                    "a wider --tolerance"
                )
        return allowed


def _facts(trained: Trained, program: Program, quantization: str) -> dict[str, Any]:
    """The file's metadata, but for golden examples and proof."""
    data = trained.task.config.data
    return {
        "nlpseq": __version__,
        "task": trained.task.facts.name,
        "name": trained.name,
        "created": datetime.now(UTC).date().isoformat(),
        "licence": data.licence,
        "data": data.credit or ("the sample that comes with nlpseq" if data.train == "sample" else ""),
        "quantization": quantization,
        **program.facts(),
    }
