"""What data a run began with: ``--resume`` refuses other data, since the weights would be those of no one run."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from nlpseq import shell
from nlpseq.atomic_files import write_text
from nlpseq.data.sources import Part
from nlpseq.errors import UserError
from nlpseq.model_folder import CONFIG, DATA
from nlpseq.tasks.base import Task
from nlpseq.text.vocabulary import Vocabulary
from nlpseq.training.display import Display
from nlpseq.version import __version__

PARTS: tuple[Part, ...] = ("train", "valid", "test")


def write_record(folder: Path, task: Task[Any], vocabulary: Vocabulary) -> None:
    """Writes ``data.json``: of each part what it is, a fingerprint of its content, and how many examples it has.

    How the training data was read stands there too, for the model card.
    """
    parts = {
        part: {
            "data": task.dataset.described(part),
            "examples": task.corpus(vocabulary, part).examples,
            "fingerprint": _fingerprint(task, part),
        }
        for part in PARTS
        if task.dataset.has_part(part)
    }
    facts = {"nlpseq": __version__, "parts": parts, "read": task.dataset.summary().lines()}
    write_text(folder / DATA, json.dumps(facts, ensure_ascii=False, indent=1) + "\n")


def check_same_data(folder: Path, task: Task[Any], vocabulary: Vocabulary, display: Display) -> None:
    """Compares the data with the folder's record. Another test part is only told: nothing was learnt from it.

    Raises:
        UserError: the training part or the validation part is another one.
    """
    version, then = _recorded(folder / DATA)
    if not then:
        display.say(f"{folder / DATA} says nothing: whether the data is still the same is not known")
    changed = {part: _difference(task, vocabulary, part, then[part]) for part in then if _is_other(task, part, then)}
    if set(changed) - {"test"}:
        anew = shell.command(
            "nlpseq", "train-task", task.facts.name, "--config", folder / CONFIG, "--output", folder, "--overwrite"
        )
        told = list(changed.values())
        if version != __version__:
            told.append(f"The run began with nlpseq {version}, this is {__version__}.")
        raise UserError(
            f"{folder}: the data, or how it is read, has changed since this run began. {' '.join(told)} "
            f"Put the old data back, or start anew with: {anew}"
        )
    if changed:
        display.say(f"{changed['test']} It is measured as it is now.")
    if changed or not then:
        write_record(folder, task, vocabulary)


def _fingerprint(task: Task[Any], part: Part) -> str:
    return hashlib.blake2b(repr(task.dataset.content_key(part)).encode(), digest_size=16).hexdigest()


def _is_other(task: Task[Any], part: Part, then: dict[Part, Any]) -> bool:
    return not task.dataset.has_part(part) or _fingerprint(task, part) != then[part]["fingerprint"]


def _difference(task: Task[Any], vocabulary: Vocabulary, part: Part, then: dict[str, Any]) -> str:
    """What has changed, in a sentence."""
    before = f"The {part} part was {then['data']} with {then['examples']:,} examples"
    try:
        count = task.corpus(vocabulary, part).examples
    except UserError as error:
        return f"{before}, and now: {error}."
    if count == then["examples"]:
        return f"{before}; it has as many now, but other content."
    return f"{before}; it has {count:,} now."


def _recorded(file: Path) -> tuple[str, dict[Part, Any]]:
    """The version and the parts in a record; none where it is missing or something else."""
    try:
        match json.loads(file.read_text(encoding="utf-8")):
            case {"nlpseq": str(version), "parts": dict(parts)}:
                found = {part: parts[part] for part in PARTS if part in parts}
                if all(map(_is_complete, found.values())):
                    return version, found
    except (OSError, ValueError, RecursionError):
        pass
    return "", {}


def _is_complete(facts: Any) -> bool:
    match facts:
        case {"data": str(), "examples": int(), "fingerprint": str()}:
            return True
    return False
