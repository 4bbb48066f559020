"""The model card of a model folder, from what stands in the folder."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nlpseq import shell
from nlpseq.atomic_files import write_bytes, write_text
from nlpseq.data.sources import Part
from nlpseq.errors import UserError
from nlpseq.metrics import Metric
from nlpseq.model_folder import (
    CARD,
    CONFIG,
    CURVES,
    DATA,
    EXPORTED_FILE,
    KERAS_MODEL,
    LOCAL_MODELS,
    METRICS,
    PICTURES,
)
from nlpseq.report.confidence_table import confidence_in_words, confidence_table
from nlpseq.report.model_card import CardFacts, model_card
from nlpseq.report.robustness_table import Table, robustness_tables
from nlpseq.runtime.litert import ExportedFile
from nlpseq.runtime.predictor import Predictor, predictor_for
from nlpseq.tasks.base import Trained
from nlpseq.version import __version__

_PARTS: tuple[Part, ...] = ("train", "valid", "test")
_SHOWN_EXAMPLES, _PICTURED_EXAMPLES = 4, 8
_CURVES_CAPTION = "Training loss and validation metric over time"


def write_card(trained: Trained, folder: Path) -> None:
    """Writes MODEL_CARD.md and the pictures of what the model looked at.

    Args:
        trained: the model.
        folder: with the model's files and metrics.json.
    """
    task, card = trained.task, trained.task.facts.card
    metrics: dict[str, Any] = json.loads((folder / METRICS).read_text(encoding="utf-8"))
    data = task.config.data
    predictor = _predictor(trained, folder)
    examples = task.dataset.even_sample("valid", _PICTURED_EXAMPLES)
    if predictor is not None:
        for name, content in task.pictures(predictor, examples).items():
            write_bytes(folder / PICTURES / name, content)
    captions = {CURVES: _CURVES_CAPTION, **{f"{PICTURES}/{name}": words for name, words in card.captions.items()}}
    facts = CardFacts(
        name=folder.name,
        purpose=task.purpose(trained.vocabulary),
        version=__version__,
        created=datetime.now(UTC).date().isoformat(),
        parameters=int(trained.model.count_params()),
        is_sample=data.train == "sample",
        data={
            **{part: task.dataset.described(part) for part in _PARTS if task.dataset.has_part(part)},
            "source": data.credit or ("the sample that comes with nlpseq" if data.train == "sample" else ""),
            "licence": data.licence,
            "teachers": getattr(task.config.training, "teacher", ""),
        },
        metrics={part: metrics[part] for part in _PARTS if part in metrics},
        shown=task.metrics,
        settings=_settings(metrics, vars(task.config.decoding)),
        tables=_tables(metrics, task.metrics[0]),
        labels=trained.vocabulary.labels,
        file_bytes={
            name: (folder / name).stat().st_size for name in (KERAS_MODEL, EXPORTED_FILE) if (folder / name).exists()
        },
        training=metrics.get("training", {}),
        export=metrics.get("export", {}),
        usage=[card.usage.format(model=shell.quoted(shown_name(folder)))],
        making=[shell.command("nlpseq", "train-task", task.facts.name, "--config", folder / CONFIG, "--output", "NEW")],
        examples=task.demonstration(predictor, examples[:_SHOWN_EXAMPLES]) if predictor is not None else [],
        verbatim=card.verbatim,
        pictures={name: words for name, words in captions.items() if (folder / name).exists()},
        limits=card.limits,
        notes=metrics.get("notes", {}),
        read=_read(folder),
    )
    write_text(folder / CARD, model_card(facts))


def shown_name(folder: Path) -> str:
    """What a command calls the model in a folder."""
    return folder.name if folder.parent == LOCAL_MODELS else str(folder)


def _read(folder: Path) -> list[str]:
    """How the training data was read, as it was said before training."""
    try:
        return list(json.loads((folder / DATA).read_text(encoding="utf-8"))["read"])
    except (OSError, ValueError, LookupError, TypeError):  # of a version that did not write it
        return []


def _predictor(trained: Trained, folder: Path) -> Predictor | None:
    """What people will use: the file where there is one, else the program; None where there is no program."""
    if (folder / EXPORTED_FILE).exists():
        return predictor_for(ExportedFile(folder / EXPORTED_FILE))
    try:
        return trained.predictor()
    except UserError:
        return None


def _tables(metrics: dict[str, Any], metric: Metric) -> list[Table]:
    tables = [confidence_table(found)] if (found := metrics.get("calibration")) else []
    return tables + (robustness_tables(found, metric) if (found := metrics.get("robustness")) else [])


def _settings(metrics: dict[str, Any], decoding: dict[str, Any]) -> dict[str, str]:
    """How answers were made, and what is said of them."""
    settings = {"decoding": _in_words(decoding)} if decoding else {}
    return settings | ({"confidence": confidence_in_words(found)} if (found := metrics.get("calibration")) else {})


def _in_words(settings: dict[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in settings.items())
