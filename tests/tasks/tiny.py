"""Tiny tasks, each with a corpus that fits a screen."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from nlpseq import config as configuration
from nlpseq.tasks import task_class
from nlpseq.tasks.base import Task
from nlpseq.text.vocabulary import Vocabulary

TEXT = "".join(f"The {a} {b} sat on the {c}.\n" for a, b, c in itertools.product(
    ("old", "red", "wet"), ("cat", "dog", "hen", "fox"), ("mat", "hat", "box", "bed", "log")
))  # fmt: skip
PAIRS = [
    (f"{number} {noun}", f"{translated} {french}")
    for (number, translated), (noun, french) in itertools.product(
        [("one", "un"), ("two", "deux"), ("three", "trois"), ("four", "quatre"), ("five", "cinq"), ("six", "six")],
        [("cat", "chat"), ("dog", "chien"), ("bread", "pain"), ("train", "train"), ("book", "livre"), ("key", "clé"),
         ("glass", "verre"), ("day", "jour"), ("bus", "bus"), ("hotel", "hôtel")],
    )
]  # fmt: skip
LABELLED = [
    (f"a {word} {thing}", label)
    for (word, label), thing in itertools.product(
        [("good", "+"), ("bad", "-"), ("great", "+"), ("awful", "-"), ("lovely", "+"), ("boring", "-")],
        ["film", "book", "meal", "room", "song", "play", "trip", "show", "game", "walk"],
    )
]
# Normalization by a table makes a graph that takes long to trace and to convert: only tests of that graph want it.
_PIECES = [
    "tokenizer.kind=sentencepiece",
    "tokenizer.vocabulary_size=300",
    "tokenizer.normalization=identity",
    "data.valid_fraction=0.2",
]
TINY = {
    "char-lm": ["model.units=16", "model.embedding=8", "training.batch_tokens=128", "training.length=16"],
    "sentiment": ["model.units=8", "model.embedding=8", *_PIECES],
    "translation": [
        "model.units=8",
        "model.embedding=8",
        "data.source_language=en",
        "data.target_language=fr",
        *_PIECES,
    ],
}


def write_data(folder: Path, task: str) -> Path:
    """The corpus of a task, as a file in the folder."""
    if task == "char-lm":
        path = folder / "text.txt"
        path.write_text(TEXT, encoding="utf-8")
    else:
        path = folder / f"{task}.tsv"  # a test may write two
        rows = PAIRS if task == "translation" else LABELLED
        header = "source\ttarget\n" if task == "translation" else "text\tlabel\n"
        path.write_text(header + "".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")
    return path


def tiny_config(name: str, data: Path, *settings: str) -> Any:
    """The configuration of a tiny model that is trained on a file."""
    config = configuration.from_toml(task_class(name).facts.config_type, None, [*TINY[name], *settings])
    return configuration.assign(config, "data.train", str(data))


def tiny_task(folder: Path, name: str, *settings: str) -> tuple[Task[Any], Vocabulary]:
    """A task on its tiny corpus, which is written into the folder, and the vocabulary of it."""
    task = task_class(name)(tiny_config(name, write_data(folder, name), *settings))
    prepared = task.prepare(task.dataset.examples("train"), None)
    return task.with_settings(prepared.settings), prepared.vocabulary
