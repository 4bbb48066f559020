"""Storing what is known of a model in its ``.tflite`` file (docs/exported-files.md, "Metadata")."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Sequence
from typing import Any

from nlpseq.runtime.flatbuffer import IDENTIFIER, Table
from nlpseq.runtime.metadata import BUFFERS, ENTRY, FORMAT, METADATA

_HEADER = 8  # bytes: the root's offset and the identifier
_ALIGNMENT = 64  # the weights move by a multiple of this, which keeps the 16 bytes that TensorFlow Lite asks for


def attach(model: bytes, facts: dict[str, Any]) -> bytes:
    """The model with the facts as its metadata entry ``nlpseq``.

    Offsets of a flatbuffer point forward only. So the new entry, with a new root before it, stands in front, and
    everything of the model's own stays as it is, aligned as it was. The facts stand at the beginning of the file. They
    say how long it is, so that a part of a file can be known as such.

    Args:
        model: a ``.tflite`` file as the converter made it.
        facts: the keys of docs/exported-files.md but ``format`` and ``content``, which are added here.

    Raises:
        ValueError: the model is no ``.tflite``, or has such an entry.
    """
    if model[4:8] != IDENTIFIER:
        raise ValueError("no TensorFlow Lite model")
    root = Table.root(model)
    if any(entry.bytes(0) == ENTRY for entry in root.tables(METADATA)):
        raise ValueError("the model has metadata of nlpseq: attach new ones to the model as the converter made it")

    def front(begin: int, checksum: str) -> tuple[bytes, bytes]:
        content = {"begin": begin, "end": begin + len(model) - _HEADER, "crc32": checksum}
        text = json.dumps({"format": FORMAT, **facts, "content": content}, ensure_ascii=False, separators=(",", ":"))
        return _front(root, text.encode("utf-8")), text.encode("utf-8")

    begin = 0
    while len(front(begin, "0" * 8)[0]) != begin:  # the size of the numbers depends on the numbers
        begin = len(front(begin, "0" * 8)[0])
    before, text = front(begin, "0" * 8)
    checksum = zlib.crc32(model[_HEADER:], zlib.crc32(before[: before.index(text)]))
    return front(begin, f"{checksum:08x}")[0] + model[_HEADER:]


def _front(root: Table, text: bytes) -> bytes:
    """All that stands before the model's own content: header, root, and the new entry with its buffer."""
    # The sizes of all parts are known, so each part's place is, and offsets can be written at once.
    fields = max(len(root), METADATA + 1)
    buffers, entries = root.targets(BUFFERS), root.targets(METADATA)
    root_vtable = _HEADER
    root_table = _aligned(root_vtable + 4 + 2 * fields, 4)
    buffers_vector = root_table + 4 + 4 * fields
    entries_vector = buffers_vector + 4 + 4 * (len(buffers) + 1)
    entry_vtable = entries_vector + 4 + 4 * (len(entries) + 1)
    entry_table = entry_vtable + 8
    name = entry_table + 12
    buffer_vtable = _aligned(name + 4 + len(ENTRY) + 1, 4)
    buffer_table = buffer_vtable + 8  # its vtable's 6 bytes, and two of padding
    data = _aligned(buffer_table + 8 + 4, 16) - 4  # behind its length, data is aligned
    front = bytearray(_aligned(data + 4 + len(text) - _HEADER, _ALIGNMENT) + _HEADER)
    shift = len(front) - _HEADER

    def put(position: int, kinds: str, *values: int | bytes) -> None:
        struct.pack_into(f"<{kinds}", front, position, *values)

    def put_offsets(vector: int, targets: Sequence[int]) -> None:
        put(vector, "I", len(targets))
        for index, target in enumerate(targets):
            put(vector + 4 + 4 * index, "I", target - (vector + 4 + 4 * index))

    put(0, "I4s", root_table, IDENTIFIER)
    put(root_vtable, "HH", 4 + 2 * fields, 4 + 4 * fields)
    put(root_table, "i", root_table - root_vtable)
    new = {BUFFERS: buffers_vector, METADATA: entries_vector}
    for field in range(fields):
        place = root_table + 4 + 4 * field
        if field == 0:  # the version of the format, the only field that is a number
            put(place, "I", root.number(field))
        elif (target := new.get(field)) is not None:
            put(place, "I", target - place)
        elif (target := root.target(field)) is not None:
            put(place, "I", target + shift - place)
        else:
            continue
        put(root_vtable + 4 + 2 * field, "H", place - root_table)
    put_offsets(buffers_vector, [*(target + shift for target in buffers), buffer_table])
    put_offsets(entries_vector, [*(target + shift for target in entries), entry_table])
    put(entry_vtable, "HHHH", 8, 12, 4, 8)
    put(entry_table, "iII", entry_table - entry_vtable, name - (entry_table + 4), len(buffers))
    put(name, f"I{len(ENTRY)}s", len(ENTRY), ENTRY)
    put(buffer_vtable, "HHH", 6, 8, 4)
    put(buffer_table, "iI", buffer_table - buffer_vtable, data - (buffer_table + 4))
    put(data, f"I{len(text)}s", len(text), text)
    return bytes(front)


def _aligned(position: int, to: int) -> int:
    return -(-position // to) * to
