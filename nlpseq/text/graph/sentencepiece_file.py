"""Reads a SentencePiece model file."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from nlpseq.errors import UserError
from nlpseq.text.tokenizers import model_proto

SPACE = 0x20
BLANK = 0x2581  # "▁", which SentencePiece writes for a space
_MOST_KEYS, _LONGEST_KEY = 1 << 20, 256  # of one length, and bytes; nmt_nfkc has less than half of that


class PieceType(IntEnum):
    """ModelProto.SentencePiece.Type of the file."""

    NORMAL = 1
    UNKNOWN = 2
    CONTROL = 3
    USER_DEFINED = 4
    UNUSED = 5
    BYTE = 6


@dataclass(frozen=True)
class Model:
    """The parts of a SentencePiece model file that decide about ids and text."""

    pieces: list[tuple[str, float, int]]  # text, log-probability, PieceType
    rules: dict[str, str]  # of the keys that the rest of the text starts with, the longest is replaced
    add_dummy_prefix: bool
    remove_extra_whitespaces: bool
    escape_whitespaces: bool


def read(model: bytes) -> Model:
    """Reads a model file.

    Raises:
        UserError: the model has something that has no graph, or is damaged.
    """
    proto = model_proto().FromString(model)
    specification, trainer = proto.normalizer_spec, proto.trainer_spec
    unsupported = {
        "a model type other than unigram": trainer.model_type != 1,
        "no byte fallback": not trainer.byte_fallback,
        "white space as a suffix": trainer.treat_whitespace_as_suffix,
        "a denormaliser": bool(proto.denormalizer_spec.precompiled_charsmap),
    }
    for what, present in unsupported.items():
        if present:
            raise _not_ours(what)
    pieces = [(piece.piece, piece.score, piece.type) for piece in proto.pieces]
    try:
        rules = _rules(specification.precompiled_charsmap)
    except (ValueError, IndexError, struct.error):
        raise UserError("the rules of this SentencePiece model cannot be read: is it damaged?") from None
    symbols = [text for text, _, kind in pieces if kind == PieceType.USER_DEFINED]
    for symbol in symbols:  # the library looks for these before the rules
        rules = {key: value for key, value in rules.items() if not key.startswith(symbol)}
    rules |= {symbol: symbol for symbol in symbols}
    if specification.remove_extra_whitespaces and any("  " in value for value in rules.values()):
        raise _not_ours("a user-defined piece with two spaces")
    return Model(
        pieces,
        rules,
        specification.add_dummy_prefix,
        specification.remove_extra_whitespaces,
        specification.escape_whitespaces,
    )


def _not_ours(what: str) -> UserError:
    return UserError(f"this SentencePiece model has {what}: only models as nlpseq trains them have a graph")


def _rules(charsmap: bytes) -> dict[str, str]:
    """Reads a ``precompiled_charsmap``: the size of a trie, the trie (Darts-clone), and strings that end with a zero.

    A unit of the trie has these parts, from the lowest bit: a label (8 bits), whether it has a value (1), whether the
    offset counts in steps of 256 (1), and the offset (21). The unit of a value has bit 31 set.

    Raises:
        ValueError, IndexError, struct.error: the trie is damaged.
    """
    if not charsmap:
        return {}
    (size,) = struct.unpack_from("<I", charsmap)
    units = np.frombuffer(charsmap, "<u4", size // 4, 4).astype(np.int64)
    strings = charsmap[4 + size :]
    offsets, labels = (units >> 10) << ((units >> 6) & 8), units & 0x800000FF
    rules: dict[str, str] = {}
    texts: dict[int, str] = {}
    positions, keys = np.array([offsets[0]]), [b""]
    every_label = np.arange(1, 256)
    while keys:  # all keys of one length at a time; the trie shares equal ends, so many keys are at one position
        shared, shared_index = np.unique(positions, return_inverse=True)
        cells = np.minimum(shared[:, None] ^ every_label, len(units) - 1)
        parents, children = np.nonzero(labels[cells] == every_label)
        counts = np.bincount(parents, minlength=len(shared))
        first_child, of_key = (np.cumsum(counts) - counts)[shared_index], counts[shared_index]
        key = np.repeat(np.arange(len(keys)), of_key)
        child = np.arange(len(key)) + np.repeat(first_child - (np.cumsum(of_key) - of_key), of_key)
        keys = [keys[parent] + bytes((label,)) for parent, label in zip(key, children[child] + 1, strict=True)]
        cells = cells[parents, children][child]
        positions = cells ^ offsets[cells]
        if len(keys) > _MOST_KEYS or (keys and len(keys[0]) > _LONGEST_KEY):
            raise ValueError("the trie leads in circles")
        for row in np.nonzero((units[cells] >> 8) & 1)[0]:
            start = int(units[positions[row]]) & 0x7FFFFFFF
            if start not in texts:
                texts[start] = strings[start : strings.index(b"\0", start)].decode()
            rules[keys[row].decode()] = texts[start]
    return rules
