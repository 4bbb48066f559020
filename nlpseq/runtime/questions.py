"""What evaluation asks a model, and what a model answers: the same for a Keras model and for an exported file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Question:
    """A text with what is known of it.

    Attributes:
        text: what the model is asked about.
        expected: the right answers, of which one is enough; empty where the text is its own answer.
        context: text before it, which is read and not counted.
        file, line: where it stands, for messages.
    """

    text: str
    expected: tuple[str, ...] = ()
    context: str = ""
    file: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model says to a question.

    Attributes:
        text: what it wrote or chose; "" where it only computes.
        numbers: what it computed, by name, such as the probability of each label.
    """

    text: str
    numbers: Mapping[str, float] = field(default_factory=dict)
