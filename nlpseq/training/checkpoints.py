"""Checkpoints: everything that a run needs to go on as if it had never stopped, in one file."""

from __future__ import annotations

import json
import math
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
        best: the best value of the task's metric.
        best_loss: the validation loss with it, which decides between equal values.
        best_epoch: where that was.
        first: the metric's first value; what never differs from it says nothing.
        moved: whether it did.
        unimproved: epochs since the best one.
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
    best_loss: float | None = None
    first: float | None = None
    moved: bool = False
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
        UserError: the file is damaged, or holds what no checkpoint of ours holds.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            # What is stored as it is cannot grow when it is read.
            if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
                raise ValueError("it is compressed")
        with np.load(path, allow_pickle=False) as arrays:
            members = {name: arrays[name] for name in arrays.files}
        if any(not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf" for array in members.values()):
            raise ValueError("not all of it is numbers")
        progress = _progress(json.loads(members.pop("progress").tobytes()))
        groups: dict[str, list[np.ndarray]] = {name.rpartition("/")[0]: [] for name in members}
        for group, arrays_of_group in groups.items():
            count = sum(name.rpartition("/")[0] == group for name in members)
            arrays_of_group += [members[f"{group}/{index}"] for index in range(count)]
    except Exception as error:  # whatever numpy, zipfile and json say of a file that is not ours
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise UserError(
            f"{path}: this checkpoint is damaged ({reason}): remove the file to start this run anew with --resume"
        ) from None
    return groups, progress


def _progress(facts: Any) -> Progress:
    """The progress in a checkpoint.

    Raises:
        TypeError, ValueError: it is none.
    """
    progress = Progress(**facts)
    for name, default in asdict(Progress()).items():
        value = getattr(progress, name)
        if name in ("best", "best_loss", "first"):
            fine = value is None or _is_number(value)
        elif name == "losses":
            fine = isinstance(value, dict) and all(
                isinstance(sums, list) and all(map(_is_number, sums)) for sums in value.values()
            )
        else:
            fine = type(value) is type(default) and 0 <= value < math.inf
        if not fine:
            raise ValueError(f"its {name} is {str(value)[:50]!r}")
    return progress


def _are_numbers(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_number, value))


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]
