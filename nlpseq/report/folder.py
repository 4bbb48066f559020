"""The model card of a model folder, from what stands in the folder."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nlpseq.atomic_files import write_text
from nlpseq.report.model_card import CardFacts, model_card
from nlpseq.runtime.models import LOCAL_MODELS
from nlpseq.version import __version__

_SHOWN_EXAMPLES = 4
_MODEL_FILES = ("model.keras", "model.tflite")


def write_card(task: Any, model: Any, vocabulary: Any, folder: Path) -> None:
    """Writes MODEL_CARD.md.

    Args:
        task: with its configuration.
        model: of Keras.
        vocabulary: its tokenisers and labels.
        folder: with the model, metrics.json and the pictures.
    """
    data = task.config.data
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    languages = (getattr(data, "source_language", ""), getattr(data, "target_language", ""))
    files = [folder / name for name in _MODEL_FILES]
    pictures = sorted(path.relative_to(folder).as_posix() for path in (folder / "pictures").glob("*.png"))
    facts = CardFacts(
        name=folder.name,
        task=task.name,
        version=__version__,
        created=datetime.now(UTC).date().isoformat(),
        data={
            "train": data.train,
            "valid": data.valid or "split off the training data",
            "test": data.test or "none",
            "source": getattr(data, "credit", ""),
            "licence": getattr(data, "licence", ""),
        },
        is_sample=data.train == "sample",
        metrics={part: metrics[part] for part in ("valid", "test") if part in metrics},
        labels=vocabulary.labels,
        languages=languages if all(languages) else None,
        parameters=int(model.count_params()),
        file_bytes={file.name: file.stat().st_size for file in files if file.exists()},
        training=metrics.get("training", {}),
        export=metrics.get("export", {}),
        commands=[
            task.usage(folder.name if folder.parent.name == LOCAL_MODELS.name else str(folder)),
            f"nlpseq train-task {task.name} --config {folder / 'config.toml'} --output NEW",
        ],
        examples=task.demonstration(model, vocabulary, list(itertools.islice(task.examples("valid"), _SHOWN_EXAMPLES))),
        pictures=[name for name in ("curves.png", *pictures) if (folder / name).exists()],
        notes={},
    )
    write_text(folder / "MODEL_CARD.md", model_card(facts))
