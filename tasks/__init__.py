"""The tasks: each a module; third parties add theirs through the entry-point group ``nlpseq.tasks``."""

from __future__ import annotations

import importlib
from importlib.metadata import entry_points
from typing import Any

from nlpseq.errors import UserError

# Name -> "module:class"; importing a task's module imports TensorFlow, so it is left to whoever needs it.
_TASKS = {
    "char-lm": "nlpseq.tasks.char_lm:CharacterLanguageModelling",
    "sentiment": "nlpseq.tasks.sentiment:SentimentClassification",
    "translation": "nlpseq.tasks.translation:TranslationTask",
}


def task_names() -> list[str]:
    """All tasks that can be trained."""
    return sorted({*_TASKS, *(point.name for point in entry_points(group="nlpseq.tasks"))})


def task_class(name: str) -> Any:
    """The class of a task.

    Raises:
        UserError: there is no such task.
    """
    targets = {point.name: point.value for point in entry_points(group="nlpseq.tasks")} | _TASKS
    if name not in targets:
        raise UserError(f"there is no task '{name}': choose {', '.join(task_names())}")
    module, _, attribute = targets[name].partition(":")
    return getattr(importlib.import_module(module), attribute)
