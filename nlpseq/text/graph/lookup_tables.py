"""Tables that a graph reads with gathers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PAGE = 16
_CANDIDATES = 256  # offsets tried at once
_LAST_CODE_POINT = 0x10FFFF

Ints = NDArray[np.int32]


def ints(values: Iterable[int]) -> Ints:
    """Returns the values as int32 [n]."""
    return np.array(list(values), np.int32)


@dataclass(frozen=True)
class Pages:
    """A property of each code point. 16 of them make a page and 16 pages a volume; equal ones are stored once.

    The property of a code point is ``cells[pages[volumes[min(point // 256, last)] + point // 16 % 16] + point % 16]``.
    """

    volumes: Ints
    pages: Ints
    cells: Ints

    @classmethod
    def of(cls, values: Mapping[int, int]) -> Pages:
        """Makes the table. Code points that ``values`` does not have get the property 0."""
        last = max(values, default=0) // PAGE**2 + 1  # code points above it share an empty volume
        cells = [0] * min((last + 1) * PAGE**2, _LAST_CODE_POINT + 1)
        for point, value in values.items():
            cells[point] = value
        pages, cells = _shared(cells)
        volumes, pages = _shared(pages)
        return cls(ints(volumes), ints(pages), ints(cells))


def _shared(values: list[int]) -> tuple[list[int], list[int]]:
    """Returns a list that has equal groups of sixteen values once, and where each group starts in it."""
    offsets: dict[tuple[int, ...], int] = {}
    sixteens = [tuple(values[start : start + PAGE]) for start in range(0, len(values), PAGE)]
    starts = [offsets.setdefault(sixteen, len(offsets) * PAGE) for sixteen in sixteens]
    return starts, [value for sixteen in offsets for value in sixteen]


@dataclass(frozen=True)
class DoubleArray:
    """The edges of an automaton, as a double array.

    A state is an offset, and its edge by symbol s is cell ``offset + s``. The edge exists if ``symbols[cell] == s``.
    Others store the state that an edge leaves, which takes twice the space. The symbol is enough, because no two states
    share an offset. Offset 0 is the state without edges.

    Source: Aoe 1989, "An efficient digital search algorithm by using a double-array structure".

    Attributes:
        symbols: int32 [cells], the symbol of the edge in this cell, or a number above all symbols where there is none.
        following: int32 [cells], the offset of the state that the edge leads to.
        edges: the cell of each (state, symbol).
        offsets: of each state.
    """

    symbols: Ints
    following: Ints
    edges: dict[tuple[int, int], int]
    offsets: list[int]

    @classmethod
    def of(cls, states: list[dict[int, int]]) -> DoubleArray:
        """Packs states, each a map from symbol to state number. Each takes the first offset where it fits."""
        symbols = 1 + max((symbol for state in states for symbol in state), default=0)
        used = np.zeros(2 * symbols, bool)  # a cell
        used[0] = True  # this is the state without edges
        taken = used.copy()  # an offset
        offsets = [0] * len(states)
        first_free = 1
        for number in sorted(range(len(states)), key=lambda number: -len(states[number])):
            labels = np.array(sorted(states[number]))
            if not len(labels):
                continue
            first_free += int(np.argmin(used[first_free:]))
            offset = max(1, first_free - int(labels[0]))
            while True:
                candidates = np.arange(offset, offset + _CANDIDATES)
                cells = candidates[:, None] + labels
                if cells[-1, -1] >= len(used):
                    used, taken = (np.pad(array, (0, len(array) + cells[-1, -1])) for array in (used, taken))
                possible = ~(taken[candidates] | used[cells].any(axis=1))
                if possible.any():
                    break
                offset += _CANDIDATES
            offset = offsets[number] = int(candidates[np.argmax(possible)])
            used[offset + labels] = taken[offset] = True
        size = max(offsets) + symbols  # any state may be asked about any symbol
        read, following = np.full(size, symbols, np.int32), np.zeros(size, np.int32)
        edges: dict[tuple[int, int], int] = {}
        for number, state in enumerate(states):
            for symbol, target in state.items():
                cell = edges[number, symbol] = offsets[number] + symbol
                read[cell], following[cell] = symbol, offsets[target]
        return cls(read, following, edges, offsets)
