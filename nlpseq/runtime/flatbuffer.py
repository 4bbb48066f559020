"""Reading the tables of a flatbuffer, as far as a ``.tflite`` needs it, with every offset checked.

The format: a table stands at a position and begins with the distance back to its vtable, which says for each field,
by number, how far behind the table's position it stands (0: absent). What is no plain number is an unsigned offset,
counted from where it stands. Source: https://flatbuffers.dev/internals
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from mmap import mmap

IDENTIFIER = b"TFL3"


class DamagedError(ValueError):
    """An offset leads out of the content."""


class Table:
    """A table of a flatbuffer.

    Args:
        content: the whole flatbuffer.
        position: where the table stands.

    Raises:
        DamagedError: here and in all methods: something would stand outside of the content.
    """

    def __init__(self, content: bytes | mmap, position: int) -> None:
        self.content, self.position = content, position
        vtable = position - _number(content, position, "i")
        size = _number(content, vtable, "H")
        self._fields = struct.unpack(f"<{size // 2 - 2}H", _bytes(content, vtable + 4, size // 2 * 2 - 4))

    @classmethod
    def root(cls, content: bytes | mmap) -> Table:
        """The table that all others are reached from."""
        return cls(content, _number(content, 0, "I"))

    def __len__(self) -> int:
        """How many fields its vtable speaks of."""
        return len(self._fields)

    def place(self, field: int) -> int | None:
        """Where a field stands; None where it is absent."""
        distance = self._fields[field] if field < len(self._fields) else 0
        return self.position + distance if distance else None

    def number(self, field: int) -> int:
        """An unsigned 32-bit field; 0 where it is absent."""
        place = self.place(field)
        return 0 if place is None else _number(self.content, place, "I")

    def target(self, field: int) -> int | None:
        """What an offset field points to; None where it is absent."""
        place = self.place(field)
        return None if place is None else place + _number(self.content, place, "I")

    def span(self, field: int) -> slice:
        """Where the elements of a vector of bytes, or of a text, stand; empty where it is absent."""
        vector = self.target(field)
        if vector is None:
            return slice(0, 0)
        size = len(_bytes(self.content, vector + 4, _number(self.content, vector, "I")))
        return slice(vector + 4, vector + 4 + size)

    def bytes(self, field: int) -> bytes:
        """A vector of bytes, or a text; empty where it is absent."""
        return self.content[self.span(field)]

    def targets(self, field: int) -> list[int]:
        """What a vector of offsets points to; empty where it is absent."""
        vector = self.target(field)
        if vector is None:
            return []
        count = _number(self.content, vector, "I")
        offsets = struct.unpack(f"<{count}I", _bytes(self.content, vector + 4, 4 * count))
        return [vector + 4 + 4 * index + offset for index, offset in enumerate(offsets)]

    def tables(self, field: int) -> Iterator[Table]:
        """The tables of a vector."""
        return (Table(self.content, position) for position in self.targets(field))


def _bytes(content: bytes | mmap, position: int, size: int) -> bytes:
    if position < 0 or size < 0 or position + size > len(content):
        raise DamagedError(f"bytes {position} to {position + size} of {len(content)}")
    return content[position : position + size]


def _number(content: bytes | mmap, position: int, kind: str) -> int:
    return struct.unpack(f"<{kind}", _bytes(content, position, struct.calcsize(kind)))[0]
