"""What a search has to know of pieces: how many characters each writes, and of which loops it can be a part."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

_BYTE = re.compile("<0x([0-9A-F]{2})>")
_RESERVED = ("<pad>", "<unk>", "<s>", "</s>")

_NEVER = 255
_LONGER = 4  # "000" is no loop of single digits, and a character may have four bytes
_MARKS = 2  # neither is "..."


def characters_of(pieces: Sequence[str], *, written: bool) -> np.ndarray:
    """How many characters each piece adds to a text, int32 [vocabulary].

    Args:
        pieces: as people read them; a space in a piece of SentencePiece is "▁".
        written: by a model, which may write bytes that are no characters: so each counts, else the first of each
            character.
    """
    return np.array([_characters(piece, written) for piece in pieces], np.int32)


def shortest_loops_of(pieces: Sequence[str]) -> np.ndarray:
    """How many pieces the shortest loop has that each may be part of, int32 [vocabulary].

    A single letter, digit, mark or byte may well come three times in a row.
    """
    return np.array([_shortest_loop(piece) for piece in pieces], np.int32)


def _characters(piece: str, written: bool) -> int:
    if piece in _RESERVED:
        return 0
    if byte := _BYTE.fullmatch(piece):
        return int(written or not 0x80 <= int(byte[1], 16) < 0xC0)
    return len(piece)


def _shortest_loop(piece: str) -> int:
    if piece in _RESERVED:
        return _NEVER
    if _BYTE.fullmatch(piece) or (len(piece) == 1 and piece.isalnum()):
        return _LONGER
    return 1 if len(piece) > 1 else _MARKS
