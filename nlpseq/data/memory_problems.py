"""Made-up problems with a known answer, which need a network to remember something for a chosen number of steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

_SYMBOLS, _COPIED = 8, 3
_OPENING, _CLOSING = "([{<\"'", ")]}>\"'"
_LETTERS = "abcdef"
_BLOCK = 4  # characters of a text between brackets: a pair around a letter, and a letter
_ADDED_WITHIN = 0.04  # Hochreiter & Schmidhuber 1997, section 5.4


@dataclass(frozen=True)
class Examples:
    """Sequences with their answers.

    Attributes:
        inputs: float32 [rows, time, features].
        answers: what is wanted at the last steps: int32 [rows, count] for classes, float32 [rows, 1] for a number.
    """

    inputs: np.ndarray
    answers: np.ndarray


@dataclass(frozen=True)
class MemoryProblem:
    """A problem whose lag can be chosen.

    Attributes:
        name: such as "copying".
        features: width of the input.
        classes: number of possible answers; 0 where the answer is a number.
        count: answers of a sequence, at its last steps.
        chance: share of sequences that is solved without any memory.
        summary: what must be done, in a sentence.
        make: (lag, rows, generator) to examples.
    """

    name: str
    features: int
    classes: int
    count: int
    chance: float
    summary: str
    make: Callable[[int, int, np.random.Generator], Examples]

    def solved(self, outputs: np.ndarray, answers: np.ndarray) -> np.ndarray:
        """Says which sequences are solved: bool [rows].

        Args:
            outputs: logits [rows, count, classes], or numbers [rows, 1, 1].
            answers: as in :class:`Examples`.
        """
        if self.classes:
            return np.all(outputs.argmax(axis=-1) == answers, axis=1)
        return np.abs(outputs[:, 0, 0] - answers[:, 0]) < _ADDED_WITHIN


def copying(lag: int, rows: int, generator: np.random.Generator) -> Examples:
    """Three symbols of eight, silence, then a cue at each step at which one must be said again.

    Each symbol is asked for exactly ``lag`` steps after it was shown.
    """
    symbols = generator.integers(_SYMBOLS, size=(rows, _COPIED))
    ids = np.full((rows, lag + _COPIED), _SYMBOLS)
    ids[:, :_COPIED] = symbols
    ids[:, lag:] = _SYMBOLS + 1
    return Examples(_one_hot(ids, _SYMBOLS + 2), symbols.astype(np.int32))


def adding(lag: int, rows: int, generator: np.random.Generator) -> Examples:
    """Numbers from 0 to 1, two of them marked; their sum is wanted after ``lag`` steps.

    The first marked number is among the first tenth, the second anywhere after it.
    """
    numbers, marks = generator.random((rows, lag)), np.zeros((rows, lag))
    first = generator.integers(max(1, lag // 10), size=rows)
    second = first + 1 + (generator.random(rows) * (lag - 1 - first)).astype(int)
    every = np.arange(rows)
    marks[every, first] = marks[every, second] = 1
    total = (numbers * marks).sum(axis=1, keepdims=True)
    return Examples(np.stack([numbers, marks], axis=-1).astype(np.float32), total.astype(np.float32))


def brackets(lag: int, rows: int, generator: np.random.Generator) -> Examples:
    """Two opening brackets or quotes, ``lag`` characters of text, then the two that close them, the inner one first.

    The text has letters and closed pairs of its own, which must not disturb the memory.
    """
    kinds = len(_OPENING)
    opening = generator.integers(kinds, size=(rows, 2))
    blocks = -(-lag // _BLOCK)
    text = 2 * kinds + generator.integers(len(_LETTERS), size=(rows, blocks, _BLOCK))
    pair = generator.integers(kinds, size=(rows, blocks))
    with_pair = generator.random((rows, blocks)) < 0.5
    text[:, :, 0] = np.where(with_pair, pair, text[:, :, 0])
    text[:, :, 2] = np.where(with_pair, kinds + pair, text[:, :, 2])
    text = text.reshape(rows, -1)[:, : lag - 1]
    if lag % _BLOCK:  # do not leave a pair open
        text[:, -((lag - 1) % _BLOCK or _BLOCK) :] = 2 * kinds
    cue = np.full((rows, 2), 2 * kinds + len(_LETTERS))
    ids = np.concatenate([opening, text, cue], axis=1)
    return Examples(_one_hot(ids, 2 * kinds + len(_LETTERS) + 1), opening[:, ::-1].astype(np.int32))


def _one_hot(ids: np.ndarray, size: int) -> np.ndarray:
    return np.eye(size, dtype=np.float32)[ids]


PROBLEMS = (
    MemoryProblem(
        "copying",
        _SYMBOLS + 2,
        _SYMBOLS,
        _COPIED,
        _SYMBOLS**-_COPIED,
        f"Say {_COPIED} symbols of {_SYMBOLS} again, in order, after a silence.",
        copying,
    ),
    MemoryProblem("adding", 2, 0, 1, 0.078, "Add the two marked numbers of a sequence, to within 0.04.", adding),
    MemoryProblem(
        "brackets",
        2 * len(_OPENING) + len(_LETTERS) + 1,
        len(_OPENING),
        2,
        len(_OPENING) ** -2,
        "Close two brackets or quotes, the inner one first, after a text with pairs of its own.",
        brackets,
    ),
)
