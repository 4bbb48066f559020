"""The tasks: each a module; third parties add theirs through the entry-point group ``nlpseq.tasks``."""

from __future__ import annotations

import importlib
from importlib.metadata import entry_points
from typing import Any

from nlpseq.errors import UserError
from nlpseq.quiet import import_tensorflow

# Name -> "module:class"; imported when one is wanted, since it takes seconds.
_TASKS = {
    "char-lm": "nlpseq.tasks.char_lm:CharacterLanguageModelling",
    "sentiment": "nlpseq.tasks.sentiment:SentimentClassification",
    "translation": "nlpseq.tasks.translation:TranslationTask",
}


def task_names() -> list[str]:
    """All tasks that can be trained."""
    return sorted({*_TASKS, *(point.name for point in entry_points(group="nlpseq.tasks"))})


def task_class(name: str) -> Any:
    """The class of a task; its module imports TensorFlow.

    Raises:
        UserError: there is no such task.
        MissingExtraError: TensorFlow or Keras is not installed.
    """
    targets = {point.name: point.value for point in entry_points(group="nlpseq.tasks")} | _TASKS
    if name not in targets:
        raise UserError(f"there is no task '{name}': choose {', '.join(task_names())}")
    import_tensorflow()
    module, _, attribute = targets[name].partition(":")
    return getattr(importlib.import_module(module), attribute)
