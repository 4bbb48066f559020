"""What an exported file says of itself (docs/exported-files.md, "Metadata"), and whether it is whole."""

from __future__ import annotations

import json
import mmap
import zlib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from nlpseq.errors import UserError
from nlpseq.runtime.flatbuffer import IDENTIFIER, DamagedError, Table

FORMAT = 1  # of the metadata and the signatures; a reader refuses what is newer
ENTRY = b"nlpseq"
BUFFERS, METADATA = 4, 6  # numbers of the root's fields, by the schema of TensorFlow Lite

_LARGEST_SIZE = 1 << 24
_AGAIN = "copy or download it again"


@dataclass(frozen=True)
class Metadata:
    """The facts of an exported file; each attribute is the key of that name.

    Attributes:
        task: such as translation.
        signatures: for each, its sizes by their letters: N, M, S, T, B, C.
        name, created, nlpseq: the model's name, the day it was exported, and the version that did it.
        licence, data: what the model was trained on, and under which terms it may be passed on.
        languages: source and target of a translation model.
        unit: what a translation model has learnt to translate at once: sentence, line, or text of any kind.
        together: where that is a sentence, bytes of several sentences that it translates together.
        copies_figures: whether a text without any letter is its own translation.
        labels: of a classifier, in the order of the probabilities.
        label_names: what the labels are called in the data, such as {"0": "negative"}, where it is something else.
        quantization: none, float16 or int8.
        pieces: for each id, the piece as people read it.
        target_pieces: those of the target, where it has a vocabulary of its own.
        calibration: what the confidence in a translation is computed from; empty where it was not measured.
        golden: examples, each with a signature, inputs and outputs.
        proof: what was measured at export.
    """

    task: str
    signatures: dict[str, dict[str, int]]
    name: str = ""
    created: str = ""
    nlpseq: str = ""
    licence: Any = ""
    data: Any = ""
    languages: tuple[str, ...] = ()
    unit: str = "text"
    together: int = 0
    copies_figures: bool = False
    labels: tuple[str, ...] = ()
    label_names: dict[str, str] = field(default_factory=dict)
    quantization: str = ""
    pieces: tuple[str, ...] = ()
    target_pieces: tuple[str, ...] = ()
    calibration: dict[str, Any] = field(default_factory=dict)
    golden: tuple[dict[str, Any], ...] = ()
    proof: Any = None

    def summary(self) -> dict[str, Any]:
        """The facts that people ask for: all but the names of pieces and the examples."""
        left_out = ("pieces", "target_pieces", "golden")
        return {name: value for name, value in vars(self).items() if name not in left_out}


def read(content: bytes, file: str) -> Metadata:
    """The metadata of a whole, undamaged file.

    Args:
        content: all of the file.
        file: its name, for messages.

    Raises:
        UserError: it is empty, no ``.tflite``, not made by nlpseq, cut off, damaged, or newer than this reader.
    """
    if not content:
        raise UserError(f"{file}: empty: {_AGAIN}")
    place, facts = _facts(content, file)
    _check_whole(content, place, facts.get("content"), file)
    return _metadata(facts, file)


def peek(file: Path) -> Metadata:
    """What a file says of itself, quickly: nobody has checked that the rest of it is whole.

    Raises:
        UserError: as :func:`read`, but for what is damaged behind the metadata.
    """
    try:
        with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return _metadata(_facts(content, str(file))[1], str(file))
    except (OSError, ValueError) as error:  # it cannot be read, or it is empty
        raise UserError(f"{file}: cannot be read: {error}") from None


def _facts(content: bytes | mmap.mmap, file: str) -> tuple[slice, dict[str, Any]]:
    """Where the metadata stand, and what they say."""
    if content[4:8] != IDENTIFIER:
        raise UserError(
            f"{file}: no TensorFlow Lite model: give a file that nlpseq export made, a model folder, or a model's name"
        )
    try:
        place = _place(content)
        facts = json.loads(content[place]) if place else None
    except (DamagedError, UnicodeDecodeError, json.JSONDecodeError, RecursionError):
        raise UserError(f"{file}: cut off or damaged: {_AGAIN}") from None
    if place is None:
        raise UserError(
            f"{file}: a TensorFlow Lite model that does not come from nlpseq: give a file that nlpseq export made"
        )
    if not isinstance(facts, dict) or type(facts.get("format")) is not int:
        raise UserError(f"{file}: damaged: {_AGAIN}")
    if facts["format"] > FORMAT:
        raise UserError(
            f"{file}: made by nlpseq {facts.get('nlpseq')} in format {facts['format']}; this version reads up to "
            f"{FORMAT}: pip install --upgrade nlpseq"
        )
    return place, facts


def _metadata(facts: dict[str, Any], file: str) -> Metadata:
    """The facts that this version knows, each of its type."""
    types: dict[str, type] = {"task": str, "name": str, "signatures": dict, "labels": list, "label_names": dict}
    types |= {
        "languages": list,
        "unit": str,
        "together": int,
        "copies_figures": bool,
        "calibration": dict,
        "pieces": list,
        "target_pieces": list,
        "golden": list,
    }
    known = {attribute.name for attribute in fields(Metadata)}
    if wrong := [key for key, kind in types.items() if not isinstance(facts.get(key, kind()), kind)]:
        raise UserError(f"{file}: damaged: its {wrong[0]} is not understood: export the model again")
    if not all(map(_are_sizes, facts.get("signatures", {}).values())):
        raise UserError(f"{file}: damaged: its signatures are not understood: export the model again")
    shown = (facts.get("name", ""), facts.get("task", ""), *facts.get("labels", ()), *facts.get("languages", ()))
    if not all(isinstance(text, str) and text.isprintable() for text in shown):  # they reach a terminal
        raise UserError(f"{file}: damaged: a name in it is no readable text: export the model again")
    # JSON has no tuples; a measurement may be a list, and stays one.
    attributes: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) and key != "proof" else value
        for key, value in facts.items()
        if key in known
    }
    try:
        return Metadata(**attributes)
    except TypeError:
        raise UserError(f"{file}: its metadata say no task or no signature: export the model again") from None


def _are_sizes(sizes: object) -> bool:
    """Whether a signature's sizes are numbers that a buffer can have."""
    return isinstance(sizes, dict) and all(type(size) is int and 1 <= size <= _LARGEST_SIZE for size in sizes.values())


def _place(content: bytes | mmap.mmap) -> slice | None:
    """Where the metadata stand; None where there are none of nlpseq."""
    root = Table.root(content)
    for entry in root.tables(METADATA):
        if entry.bytes(0) == ENTRY:
            buffers = root.targets(BUFFERS)
            if entry.number(1) >= len(buffers):
                raise DamagedError("no such buffer")
            return Table(content, buffers[entry.number(1)]).span(0)
    return None


def _check_whole(content: bytes, place: slice, part: Any, file: str) -> None:
    """The interpreter trusts the offsets in what it is given: nothing that is not whole may reach it."""
    try:
        begin, end, checksum = int(part["begin"]), int(part["end"]), int(part["crc32"], 16)
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{file}: damaged: {_AGAIN}") from None
    if len(content) < end:
        raise UserError(f"{file}: cut off: it has {len(content):,} of {end:,} bytes: {_AGAIN}")
    whole = memoryview(content)
    if zlib.crc32(whole[begin:end], zlib.crc32(whole[: place.start])) != checksum:
        raise UserError(f"{file}: damaged: its content does not have the checksum that it states: {_AGAIN}")
