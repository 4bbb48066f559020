"""``nlpseq export``, from a trained model to a file or folder that has proved itself."""

from __future__ import annotations

import functools
import itertools
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import keras

from nlpseq.export import inspection, saved_model, tflite, verification
from nlpseq.export.inspection import ExportError
from nlpseq.export.metadata import attach
from nlpseq.atomic_files import write_bytes, write_text
from nlpseq.report.folder import write_card
from nlpseq.runtime import models
from nlpseq.runtime.exported import ExportedModel
from nlpseq.runtime.streaming import ordered_map
from nlpseq.tasks.base import Program, Task, Vocabulary
from nlpseq.version import __version__

_FLOAT = "none"


class LostQualityError(ExportError):
    """The file has lost more of its metric than it may."""


@dataclass(frozen=True)
class Trained:
    """A trained model with what belongs to it.

    Attributes:
        name: what it goes by.
        task: with its configuration.
        model: of Keras.
        vocabulary: its tokenisers and labels.
    """

    name: str
    task: Task[Any]
    model: keras.Model
    vocabulary: Vocabulary

    def program(self, beam: int | None = None) -> Program:
        """What the task exports; ``beam`` is for translation, None its default."""
        return self.task.program(self.model, self.vocabulary, **_options(beam))

    def answers(self, questions: Sequence[Any], beam: int | None = None) -> list[Any]:
        """What the Keras model says to questions of the task's."""
        return self.task.answers(self.model, self.vocabulary, questions, **_options(beam))


def _options(beam: int | None) -> dict[str, Any]:
    return {} if beam is None else {"beam": beam}


def export_tflite(
    trained: Trained,
    file: Path,
    quantization: str,
    say: Callable[[str], None],
    *,
    beam: int | None = None,
    tolerance: float | None = None,
    most_examples: int | None = None,
    jobs: int = 1,
) -> dict[str, Any]:
    """Writes a ``.tflite`` with its proof in the metadata; nothing is written where the proof fails.

    Args:
        trained: what to export.
        file: where to.
        quantization: none, float16 or int8.
        say: gets a line for each thing that begins.
        beam: of a translation model.
        tolerance: how much of its metric the file may lose; None: what the task's metric says.
        most_examples: of the validation part to be asked; None: all.
        jobs: threads that ask.

    Returns:
        The proof, as docs/exported-files.md has it.

    Raises:
        LostQualityError: the file has lost more of its metric than it may.
        ExportError: the file is not what it should be.
        UserError: this model cannot be exported.
    """
    task = trained.task
    program = trained.program(beam)
    examples = list(itertools.islice(task.examples("valid"), most_examples))
    questions = task.questions(examples)
    say(f"asking the Keras model {len(questions):,} questions of the validation part")
    expected = trained.answers(questions, beam)
    quality = {"keras": _quality(trained, expected, examples)}
    differences: dict[str, dict[str, float]] = {}
    sizes: dict[str, int] = {}
    facts = _facts(trained, program, quantization)
    with tempfile.TemporaryDirectory() as folder:
        for kind in dict.fromkeys((_FLOAT, quantization)):
            say(f"converting (quantization: {kind}) and asking the file the same")
            content = tflite.convert(program, kind)
            inspection.check(content)
            draft = Path(folder) / f"{kind}.tflite"
            draft.write_bytes(attach(content, facts))
            exported = models.load(str(draft))
            answers = list(ordered_map(functools.partial(task.file_answer, exported), questions, jobs))
            sizes[kind] = len(content)
            quality[kind] = _quality(trained, answers, examples)
            differences[kind] = task.differences(expected, answers)
        allowed = verification.Tolerance.for_examples(
            task.metric.tolerance if tolerance is None else tolerance, len(questions)
        ).allowed
        _check_quality(task, quality, allowed, len(questions))
        texts = [example.fields[0] for example in examples]
        opened = ExportedModel(draft)
        facts["golden"] = verification.golden_examples(opened, program, texts)
        facts["proof"] = {
            "operators": inspection.operators(content),
            "examples": len(questions),
            "metric": task.metric.name,
            "quality": quality,
            "tolerance": allowed,
            "differences_from_keras": differences,
            "model_bytes": sizes,
            **verification.cost(draft, program, texts),
        }
    write_bytes(file, attach(content, facts))
    return facts["proof"]


def export_saved_model(trained: Trained, folder: Path, *, beam: int | None = None) -> None:
    """Writes the program as a SavedModel: see :func:`nlpseq.export.saved_model.write`.

    Raises:
        UserError: this model cannot be exported, or something else stands where it should go.
    """
    saved_model.write(trained.program(beam), folder)


def note_export(trained: Trained, folder: Path, proof: dict[str, Any]) -> None:
    """Writes the proof of the folder's ``model.tflite`` into metrics.json and the model card."""
    metrics = {**json.loads((folder / "metrics.json").read_text(encoding="utf-8")), "export": proof}
    write_text(folder / "metrics.json", json.dumps(metrics, ensure_ascii=False, indent=1) + "\n")
    write_card(trained.task, trained.model, trained.vocabulary, folder)


def _quality(trained: Trained, answers: Sequence[Any], examples: Sequence[Any]) -> float:
    """The metric of a list of answers."""
    return trained.task.measure(answers, trained.vocabulary.labels, examples)[trained.task.metric.name]


def _check_quality(task: Task[Any], quality: dict[str, float], allowed: float, examples: int) -> None:
    """Refuses a file that has lost more than it may."""
    for kind, value in quality.items():
        lost = quality["keras"] - value if task.metric.higher_is_better else value - quality["keras"]
        if not lost <= allowed:
            raise LostQualityError(
                f"with quantization {kind} the file has {task.metric.name} {value:.4g} on {examples:,} validation "
                f"examples, the Keras model {quality['keras']:.4g}: more than the {allowed:.2g} that it may lose; use "
                "another --quantize, or a wider --tolerance"
            )


def _facts(trained: Trained, program: Program, quantization: str) -> dict[str, Any]:
    """The file's metadata, but for golden examples and proof."""
    data = trained.task.config.data
    languages = [getattr(data, "source_language", ""), getattr(data, "target_language", "")]
    return {
        "nlpseq": __version__,
        "task": trained.task.name,
        "name": trained.name,
        "created": datetime.now(UTC).date().isoformat(),
        "licence": getattr(data, "licence", ""),
        "data": getattr(data, "credit", "") or ("the sample that comes with nlpseq" if data.train == "sample" else ""),
        "languages": languages if all(languages) else [],
        "unit": getattr(data, "unit", "text"),
        "labels": list(trained.vocabulary.labels),
        "quantization": quantization,
        "signatures": {signature.name: signature.sizes for signature in program.signatures},
        "pieces": list(program.pieces),
        "target_pieces": list(program.target_pieces),
    }
