"""What a task is, and what people are told of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from nlpseq.metrics import Metric
from nlpseq.runtime.questions import Answer


@dataclass(frozen=True)
class Card:
    """What people are told of a task.

    Attributes:
        summary: what its models do, in a sentence.
        usage: a command that uses a model, which stands as ``{model}``.
        own_data: how a SPEC of one's own looks.
        limits: what its models must not be used for, each a sentence or two.
        captions: of the pictures, by file name.
        verbatim: answers are texts of several lines.
    """

    summary: str
    usage: str
    own_data: str
    limits: tuple[str, ...] = ()
    captions: dict[str, str] = field(default_factory=dict)
    verbatim: bool = False


@dataclass(frozen=True)
class TaskFacts:
    """What a task is.

    Attributes:
        name: on the command line.
        config_type: a frozen dataclass with the sections data, tokenizer, model, training and decoding.
        columns: what an example is read from.
        sequences: what an example is encoded to; each batch has a matrix of ids for each.
        metrics: what ``score`` returns; early stopping and the best checkpoint watch the first. A task may have other
            words for them, or another order, by its configuration (:attr:`Task.metrics`).
        signature: what its models can do, which chooses the predictor and the command.
        card: the words for people.
    """

    name: str
    config_type: type[Any]
    columns: tuple[str, ...]
    sequences: tuple[str, ...]
    metrics: tuple[Metric, ...]
    signature: str
    card: Card


@dataclass(frozen=True)
class Teacher:
    """A trained model that another one learns from.

    Attributes:
        name: what it goes by.
        languages: source and target of a translation model; empty where they are not known.
        ask: gives its answers to texts, in their order.
    """

    name: str
    languages: tuple[str, ...]
    ask: Callable[[Sequence[str]], Iterable[Answer]]
