"""``nlpseq preview``: how data is read, before anything is trained."""

from __future__ import annotations

from typing import Any

from nlpseq.data.summary import Summary
from nlpseq.tasks import task_class


def preview(task: str, config: Any) -> Summary:
    """Reads the training data of a configuration once.

    Args:
        task: its name.
        config: of the task.

    Raises:
        UserError: the data cannot be used, with file, line and what to do.
    """
    return task_class(task)(config).dataset.summary()
