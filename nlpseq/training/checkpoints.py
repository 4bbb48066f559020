"""Checkpoints: everything that a run needs to go on as if it had never stopped, in one file."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from nlpseq.atomic_files import replaced
from nlpseq.errors import UserError


@dataclass
class Progress:
    """Where a run stands.

    Attributes:
        epoch: the one that is under way, 0-based.
        batch: the next batch of it.
        step: optimizer steps so far.
        examples: seen in this epoch.
        seconds: of training and validation, all sessions together.
        training_seconds: of these, the part that is no validation.
        losses: name -> [sum, count, weighted sum] of this epoch.
        tokens: trained on, all epochs together.
        best: the best value of the task's metric, and its epoch.
        unimproved: epochs since then.
        finished: whether the run has ended by itself.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    examples: int = 0
    seconds: float = 0.0
    training_seconds: float = 0.0
    losses: dict[str, list[float]] = field(default_factory=dict)
    tokens: int = 0
    best: float | None = None
    best_epoch: int = 0
    unimproved: int = 0
    finished: bool = False


def save(path: Path, groups: Mapping[str, Sequence[np.ndarray]], progress: Progress) -> None:
    """Writes arrays, by the name of their group and their place in it, and the progress; atomically."""
    arrays: dict[str, Any] = {
        f"{group}/{index}": array for group, members in groups.items() for index, array in enumerate(members)
    }
    arrays["progress"] = np.frombuffer(json.dumps(asdict(progress)).encode(), np.uint8)
    with replaced(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, **arrays)


def load(path: Path) -> tuple[dict[str, list[np.ndarray]], Progress]:
    """Reads what :func:`save` wrote.

    Raises:
        UserError: the file is damaged.
    """
    groups: dict[str, list[np.ndarray]] = {}
    try:
        with np.load(path) as arrays:
            progress = Progress(**json.loads(arrays["progress"].tobytes()))
            names = [name.rsplit("/", 1) for name in arrays.files if name != "progress"]
            for group in {name[0] for name in names}:
                count = sum(name[0] == group for name in names)
                groups[group] = [arrays[f"{group}/{index}"] for index in range(count)]
    except (OSError, EOFError, ValueError, KeyError, TypeError, RuntimeError, zipfile.BadZipFile) as error:
        raise UserError(
            f"{path}: this checkpoint is damaged ({error}): remove the file to start this run anew with --resume"
        ) from None
    return groups, progress
