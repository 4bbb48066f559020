"""The answers that models give."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, overload


@dataclass(frozen=True)
class Translation:
    """One translation of a text.

    Attributes:
        text: the translation.
        score: its log-probability, in nats, divided by the length penalty (higher is better).
        pieces: the pieces it is made of, the end mark included; empty where only the text is known, as of all but the
            best of an exported model's n best.
        source_pieces: the pieces of the source, the end mark included.
        alignment: for each piece, the attention paid to each source piece; each row sums to 1.
        source: the text that was translated.
        confidence: how probable it is that the translation is acceptable, from 0 to 1: the model card says what is. Of
            a text in several parts, the lowest of theirs. None where the model was not measured for it, and of nothing.
        missing_terms: terms of the glossary that should stand in the translation and do not.
        parts: the translations of a text's parts, where there are several.
    """

    text: str
    score: float
    pieces: tuple[str, ...]
    source_pieces: tuple[str, ...]
    alignment: Sequence[Sequence[float]]
    source: str
    confidence: float | None = None
    missing_terms: tuple[str, ...] = ()
    parts: tuple[Translation, ...] = ()

    @property
    def line(self) -> str:
        """The translation in one line."""
        return one_line(self.text)

    def to_json(self) -> dict[str, Any]:
        """All but the parts, which say the same again."""
        return _rounded({name: value for name, value in vars(self).items() if name != "parts"})


@dataclass(frozen=True)
class Classification:
    """The class of a text.

    Attributes:
        label: the most probable class.
        probabilities: of each class; they sum to 1.
        pieces: the pieces that were read.
        relevance: for each piece, how much it spoke for the label (above 0) or against it.
        source: the text that was classified.
        cut: whether the text was too long, so that only its beginning and its end were read.
    """

    label: str
    probabilities: dict[str, float]
    pieces: tuple[str, ...]
    relevance: tuple[float, ...]
    source: str
    cut: bool = False

    @property
    def line(self) -> str:
        """The label and its probability; nothing for a blank text."""
        return f"{self.label}\t{self.probabilities[self.label]:.3f}" if self.label else ""

    def to_json(self) -> dict[str, Any]:
        return _rounded(vars(self))


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

    @property
    def line(self) -> str:
        """The text in one line."""
        return one_line(self.text)

    def to_json(self) -> dict[str, Any]:
        return dict(vars(self))


class BlockDiagonal(Sequence[tuple[float, ...]]):
    """A matrix of blocks along the diagonal, zero elsewhere; rows are made when they are asked for.

    A long text's alignment has as many rows as columns, and nobody may want to see it.

    Args:
        blocks: matrices, each with one row or more.
        widths: how many columns each has.
    """

    def __init__(self, blocks: Sequence[Sequence[Sequence[float]]], widths: Sequence[int]) -> None:
        self._width = sum(widths)
        self._rows: list[tuple[int, Sequence[float]]] = []  # zeros before it, and what is no zero
        before = 0
        for block, width in zip(blocks, widths, strict=True):
            self._rows += [(before, row) for row in block]
            before += width

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> tuple[float, ...]: ...

    @overload
    def __getitem__(self, index: slice) -> list[tuple[float, ...]]: ...

    def __getitem__(self, index: int | slice) -> tuple[float, ...] | list[tuple[float, ...]]:
        if isinstance(index, slice):
            return [self[position] for position in range(*index.indices(len(self)))]
        before, row = self._rows[index]
        return (*(0.0,) * before, *row, *(0.0,) * (self._width - before - len(row)))


def joined(source: str, text: str, parts: Sequence[Translation]) -> Translation:
    """One translation out of those of a text's parts; their alignments become blocks on the diagonal."""
    if not parts:
        return Translation("", 0.0, (), (), (), source)
    if len(parts) == 1:
        return dataclasses.replace(parts[0], text=text, source=source)
    return Translation(
        text=text,
        score=sum(part.score for part in parts) / len(parts),
        pieces=tuple(piece for part in parts for piece in part.pieces),
        source_pieces=tuple(piece for part in parts for piece in part.source_pieces),
        alignment=BlockDiagonal([part.alignment for part in parts], [len(part.source_pieces) for part in parts]),
        source=source,
        confidence=min((part.confidence for part in parts if part.confidence is not None), default=None),
        missing_terms=tuple(term for part in parts for term in part.missing_terms),
        parts=tuple(parts),
    )


def one_line(text: str) -> str:
    """The text with spaces for its line breaks."""
    return " ".join(text.splitlines())


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_rounded(item) for item in value]
    return value
