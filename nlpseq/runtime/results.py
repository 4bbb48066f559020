"""The answers that models give."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Translation:
    """One translation of a text.

    Attributes:
        text: the translation.
        score: its log-probability, in nats, divided by the length penalty (higher is better).
        pieces: the pieces it is made of, the end mark included.
        source_pieces: the pieces of the source, the end mark included.
        alignment: for each piece, the attention paid to each source piece; each row sums to 1.
        source: the text that was translated.
    """

    text: str
    score: float
    pieces: tuple[str, ...]
    source_pieces: tuple[str, ...]
    alignment: tuple[tuple[float, ...], ...]
    source: str

    def to_json(self) -> dict[str, Any]:
        return _rounded(dataclasses.asdict(self))


@dataclass(frozen=True)
class Classification:
    """The class of a text.

    Attributes:
        label: the most probable class.
        probabilities: of each class; they sum to 1.
        pieces: the pieces that were read.
        relevance: for each piece, how much it spoke for the label (above 0) or against it.
        source: the text that was classified.
    """

    label: str
    probabilities: dict[str, float]
    pieces: tuple[str, ...]
    relevance: tuple[float, ...]
    source: str

    def to_json(self) -> dict[str, Any]:
        return _rounded(dataclasses.asdict(self))


@dataclass(frozen=True)
class Generation:
    """Text that a language model wrote.

    Attributes:
        text: the prompt and what follows it.
        prompt: what was given.
        seed: draws the same text again.
    """

    text: str
    prompt: str
    seed: int

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(item) for item in value]
    return value
