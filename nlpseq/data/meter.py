"""How far a pass over files has come."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass
class Meter:
    """Counts the bytes of files as they are read; compressed ones where a file is compressed.

    Attributes:
        total: of all files of the pass; 0 where nobody knows.
        done: so far.
    """

    total: int = 0
    done: int = 0

    def expect(self, count: int) -> None:
        """So many bytes more are to be read."""
        self.total += count

    def advance(self, count: int) -> None:
        """So many bytes more have been read."""
        self.done += count

    def share(self) -> float | None:
        """The part of the bytes that have been read, from 0 to 1; None where nobody knows how many there are."""
        return min(1.0, self.done / self.total) if self.total else None


Watch = Callable[[Iterator[Any], Meter], Iterator[Any]]  # shows how far a pass is while its items go through
