"""What exported files are tried with: texts and numbers that nobody would think of, drawn by a seed and a number."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.sentences import SENTENCES
from nlpseq.runtime.litert import ExportedFile

_FULL = 0.03  # part of the texts that fill the buffer
_TYPICAL_BYTES = 12
_INT_MIN, _INT_MAX = -(2**31), 2**31 - 1

# Characters that normal forms change, join or spell out, that no font shows, that bound ranges, and marks of pieces.
_ODD = "\0\t\n\r \x7f\x85\xa0\xad\u0301\u0345\u064b\u200b\u200d\u202e\u2028\u2581\u3000\ufdfa\ufe0f\ufeff\uff21"
_ODD += "\ufffd\uffff\U0001d400\U000e0041\U000f0000\U0010ffffßŒŁİıſǅΣςµﬁ½①㎢가각힣ิ🇫🇷👩🏽"
_RANGES: tuple[tuple[int, int], ...] = (
    (0x20, 0x7F),
    (0xA0, 0x250),
    (0x370, 0x530),
    (0x590, 0x780),
    (0x900, 0xE80),
    (0x3040, 0x3100),
)
_RANGES += ((0x4E00, 0xA000), (0xAC00, 0xD7A4), (0xE000, 0xFB00), (0x1F300, 0x1FB00), (0, 0xD800), (0xE000, 0x110000))
_BROKEN: tuple[bytes, ...] = (
    b"\x80",
    b"\xbf",
    b"\xc0\x80",
    b"\xc1\xbf",
    b"\xc3",
    b"\xe0\x80\x80",
    b"\xe2\x82",
    b"\xed\xa0\x80",
    b"\xed\xbf",
)
_BROKEN += (
    b"\xf0\x80\x80\x80",
    b"\xf0\x9f\x98",
    b"\xf4\x90\x80\x80",
    b"\xf5",
    b"\xf8\x88\x80\x80\x80",
    b"\xfe",
    b"\xff",
)
_MARKS = ("<br />", "<br", "<BR/>", "<s>", "</s>", "<unk>", "<pad>", "<0x0A>", "▁", "<2fr>", "%s", "\\n", "&amp;")

_PREDICTED = 0.1  # part of the calls that go through the predictor, the rest through signatures
_PREDICTORS = {
    "translate": ("Translator.translate",),
    "classify": ("Classifier.classify",),
    "generate": ("Generator.generate", "Generator.score"),
}
_INPUTS: dict[str, tuple[str, ...]] = {
    "translate": (),
    "translate_greedy": (),
    "classify": (),
    "generate": ("length", "temperature", "seed"),
    "sample": ("length", "temperature", "seed", "top_k", "top_p"),
    "score": ("context",),
}


@dataclass(frozen=True)
class Input:
    """A call.

    Attributes:
        target: a signature, or a predictor's method such as ``Translator.translate``.
        text: bytes for a signature, a string for a predictor.
        numbers: the other inputs by name.
    """

    target: str
    text: bytes | str
    numbers: Mapping[str, Any]

    def __str__(self) -> str:
        shown = f"text {self.text.hex() or '(empty)'}" if isinstance(self.text, bytes) else f"text {self.text!a}"
        return " ".join([self.target, shown, *(f"{name} {value!r}" for name, value in self.numbers.items())])


def number(name: str, draw: random.Random) -> Any:
    """A value of an input that is no text: mostly as people give it, now and then as nobody does."""
    usual, odd = _NUMBERS[name]
    return draw.choice(odd) if draw.random() < 0.4 else usual(draw)


def text(draw: random.Random, size: int) -> bytes:
    """Bytes for a buffer of so many."""
    wanted = size if draw.random() < _FULL else min(size, int(draw.expovariate(1 / _TYPICAL_BYTES)) + 1)
    return draw.choice(_KINDS)(draw, wanted)[:size]


def string(draw: random.Random, size: int) -> str:
    """A string for a predictor; one in thirty is longer than the buffer."""
    wanted = draw.randrange(size, 3 * size) if draw.random() < _FULL else int(draw.expovariate(1 / _TYPICAL_BYTES)) + 1
    found = draw.choice(_KINDS)(draw, wanted)
    return found.decode("utf-8", draw.choice(("replace", "ignore", "surrogateescape")))


def _characters(draw: random.Random, size: int) -> bytes:
    """Valid UTF-8, cut where it is full, maybe within a character."""
    low, high = draw.choice(_RANGES)
    letters = "".join(chr(draw.randrange(low, high)) for _ in range(size))
    return letters.encode("utf-8", "replace")[:size]


def _words(draw: random.Random, size: int) -> bytes:
    found = draw.choice(SENTENCES)
    while len(found) < size:
        found += " " + draw.choice(SENTENCES)
    return found.encode()[:size]


def _odd_characters(draw: random.Random, size: int) -> bytes:
    return "".join(draw.choice(_ODD) for _ in range(size)).encode()[:size]


def _run(draw: random.Random, size: int) -> bytes:
    """One character again and again, sometimes after something else."""
    letter = draw.choice(("a", " ", ".", "9", "é", "\n", "▁", "漢", "🙂", *_ODD)).encode()
    return (_words(draw, size // 4) if draw.random() < 0.2 else b"") + letter * size


def _zeros(draw: random.Random, size: int) -> bytes:
    """Zero bytes at the beginning, within and at the end."""
    found = bytearray(_words(draw, size))
    for _ in range(draw.randrange(1, 4)):
        found[draw.randrange(len(found))] = 0
    return bytes(draw.randrange(3)) + bytes(found)


def _broken(draw: random.Random, size: int) -> bytes:
    """Words with what is no UTF-8 between them."""
    found = _words(draw, size)
    for _ in range(draw.randrange(1, 4)):
        place = draw.randrange(len(found) + 1)
        found = found[:place] + draw.choice(_BROKEN) + found[place:]
    return found


def _changed(draw: random.Random, size: int) -> bytes:
    """Words, with single bytes changed."""
    found = bytearray(_words(draw, size))
    for _ in range(draw.randrange(1, 6)):
        found[draw.randrange(len(found))] = draw.randrange(256)
    return bytes(found)


def _marks(draw: random.Random, size: int) -> bytes:
    """What means something to programs rather than to people."""
    return " ".join(draw.choice((*_MARKS, "good", "bad")) for _ in range(1 + size // 5)).encode()[:size]


_KINDS: tuple[Callable[[random.Random, int], bytes], ...] = (
    lambda draw, size: draw.randbytes(size),
    lambda draw, size: draw.randbytes(1),
    lambda draw, size: b"",
    _characters,
    _characters,
    _words,
    _words,
    _odd_characters,
    _run,
    _zeros,
    _broken,
    _changed,
    _marks,
)

_Numbers = tuple[Callable[[random.Random], Any], tuple[Any, ...]]
_FAR = (0, -1, _INT_MAX, _INT_MIN)
_NO_NUMBERS = (float("nan"), float("inf"), float("-inf"))
_NUMBERS: dict[str, _Numbers] = {
    # A whole buffer takes long to write: seldom.
    "length": (lambda draw: int(draw.expovariate(1 / 12)), (0, -1, _INT_MIN, 1) * 6 + (_INT_MAX, 2047, 2048)),
    "temperature": (
        lambda draw: draw.uniform(0.2, 1.5),
        (0.0, -0.0, 1e-9, 1e9, -1.0, -1e9, 1e-45, 3.4e38, 100.0, *_NO_NUMBERS),
    ),
    "seed": (lambda draw: draw.randrange(_INT_MIN, 2**31), _FAR),
    "top_k": (lambda draw: draw.randrange(1, 50), (*_FAR, 324, 325, 326, 10**6)),
    "top_p": (lambda draw: draw.uniform(0.1, 1), (0.0, 1.0, -1.0, 2.0, 1e-9, 0.9999999, *_NO_NUMBERS)),
    "context": (lambda draw: draw.randrange(20), (*_FAR, 1023, 1024, 1025)),
}


class Inputs:
    """The inputs of a file, by their numbers."""

    def __init__(self, model: ExportedFile, seed: int) -> None:
        self._seed = seed
        self._sizes = model.metadata.signatures
        self._signatures = tuple(name for name in _INPUTS if name in self._sizes)
        self._predicted = tuple(
            target for name, targets in _PREDICTORS.items() if name in self._signatures for target in targets
        )

    def __getitem__(self, index: int) -> Input:
        draw = random.Random(f"{self._seed} {index}")
        if draw.random() < _PREDICTED:
            target = self._predicted[index % len(self._predicted)]
            size = self._sizes[self._signatures[0]]["N"]
            return Input(target, string(draw, size), _predictor_numbers(target, draw))
        target = self._signatures[index % len(self._signatures)]
        numbers = {name: number(name, draw) for name in _INPUTS[target]}
        return Input(target, text(draw, self._sizes[target]["N"]), numbers)


def _predictor_numbers(target: str, draw: random.Random) -> dict[str, Any]:
    """What a predictor allows; it refuses the rest with a message."""
    if target == "Translator.translate":
        return {"greedy": draw.random() < 0.5}
    if target != "Generator.generate":
        return {}
    return {
        "length": draw.choice((0, 1, draw.randrange(50), 3000 if draw.random() < 0.01 else 7)),
        "temperature": draw.choice((0.0, 1e-9, 0.8, 1e9)),
        "top_k": draw.choice((0, 1, 20, 10**10)),
        "top_p": draw.choice((1.0, 0.9, 1e-9)),
        "seed": draw.choice((0, 1, 2**31 - 1)),
    }
