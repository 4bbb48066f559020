"""Learning from teachers: what larger or other models say becomes training data of a small one (Kim & Rush 2016)."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from nlpseq import model_folder
from nlpseq.atomic_files import replaced
from nlpseq.cores import available_cores
from nlpseq.data.cache import cache_folder
from nlpseq.data.lessons import write_lessons
from nlpseq.errors import UserError
from nlpseq.pipeline.loading import load
from nlpseq.runtime.predictor import Predictor
from nlpseq.runtime.questions import Answer, Question
from nlpseq.tasks.base import Task
from nlpseq.tasks.facts import Teacher
from nlpseq.training.display import Display

_ASKED_AT_ONCE = 2048  # texts, whose answers are kept together: so much is lost by a kill
_FOLDER = "answers"


def lessons(task: Task[Any], file: Path, display: Display) -> bool:
    """Writes what the teachers of ``training.teacher`` say; returns whether there are any.

    All answers are kept in the cache, so that a run that is stopped, or one with other settings, asks only what is new.

    Args:
        task: which knows what to ask, and what to learn from the answers.
        file: of :func:`nlpseq.data.lessons.write_lessons`.
        display: shows how far it is.

    Raises:
        UserError: a teacher is missing, or can do something else than the task.
    """
    names = [name.strip() for name in getattr(task.config.training, "teacher", "").split(",") if name.strip()]
    if not names:
        return False
    teachers = [_teacher(task, name, display) for name in names]
    count = write_lessons(file, task.lessons(teachers))
    display.say(f"{count:,} examples were made by {', '.join(names)}")
    return count > 0


def _teacher(task: Task[Any], name: str, display: Display) -> Teacher:
    found = model_folder.find(name)
    predictor = load(found)
    if predictor.signature != task.facts.signature:
        raise UserError(
            f"--teacher {name}: this model can {predictor.signature}, and a {task.facts.name} model learns from one "
            f"that can {task.facts.signature}"
        )
    file = found.exported_file or found.required_keras_file()
    digest = hashlib.blake2b(file.read_bytes(), digest_size=16).hexdigest()

    def ask(texts: Sequence[str]) -> Iterator[Answer]:
        chunks = [texts[start : start + _ASKED_AT_ONCE] for start in range(0, len(texts), _ASKED_AT_ONCE)]
        for chunk in display.track(chunks, f"asking the teacher {name}"):
            yield from _answers(predictor, digest, chunk)

    return Teacher(found.name, predictor.backend.metadata.languages, ask)


def _answers(predictor: Predictor, digest: str, texts: Sequence[str]) -> list[Answer]:
    """The answers to some texts, from the cache or asked now."""
    key = hashlib.blake2b(repr((digest, list(texts))).encode("utf-8", "backslashreplace"), digest_size=20).hexdigest()
    file = cache_folder() / _FOLDER / f"{key}.json.gz"
    try:
        with gzip.open(file, "rt", encoding="utf-8") as stream:
            known = [Answer(text, numbers) for text, numbers in json.load(stream)]
        if len(known) == len(texts):
            return known
    except (OSError, EOFError, ValueError, TypeError):
        pass
    with ThreadPoolExecutor(available_cores()) as pool:
        answers = list(pool.map(lambda text: predictor.answer(Question(text)), texts))
    with replaced(file) as temporary, gzip.open(temporary, "wt", encoding="utf-8") as stream:
        json.dump([(answer.text, dict(answer.numbers)) for answer in answers], stream, ensure_ascii=False)
    return answers
