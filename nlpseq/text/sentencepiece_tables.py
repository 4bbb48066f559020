"""What a SentencePiece model file says, as arrays that a graph reads with gathers.

Everything is in code points, not bytes: a text of 75 bytes with twelve spaces is 78 symbols, but 102 bytes once the
spaces are "▁". Two automata share one layout, the double array (Aoe 1989, "An efficient digital search algorithm by
using a double-array structure"): the state is an offset, its edge by symbol s is cell ``offset + s``, and the edge
exists if ``symbols[cell] == s``. A symbol says as much as the state it comes from, which others store here, because no
two states share an offset; and it takes half the space.

- The normalisation rules. The file has them as a Darts trie over bytes, 180 KB for nmt_nfkc, nearly all of it Hangul
  syllables spelt in letters and letters with combining marks. Here the value of a rule is the sum of what its edges say
  (a transducer, as in Mohri 1997, "Finite-state transducers in language and speech processing"): U+1100 + U+1161 is
  U+AC00 because of what each adds, so that states with equal futures are one. 225,276 rules take 2,300 edges.
- The pieces, a trie from symbols to piece and score.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nlpseq.errors import MissingExtraError, UserError

SPACE = 0x20
BLANK = 0x2581  # "▁", what SentencePiece writes for a space
REPLACEMENT = 0xFFFD
# Surrogates are no characters of a text, so one of them can stand for a byte that is not UTF-8 until the rules, which
# must not see it (nmt_nfkc turns a U+FFFD of the text into a space, but not one that stands for such a byte), are done.
MALFORMED = 0xD800
# A normalisation rule's value is a code point or, from here on, a string of several or none.
FIRST_STRING = 0x110000

PAGE = 16
_CANDIDATES = 256  # offsets tried at once
_LAST_CODE_POINT = 0x10FFFF
_NORMAL, _UNKNOWN, _CONTROL, _USER_DEFINED, _UNUSED, _BYTE = 1, 2, 3, 4, 5, 6  # ModelProto.SentencePiece.Type
_UNKNOWN_PENALTY = np.float32(10.0)  # kUnkPenalty of the library's unigram_model.cc
NO_SCORE = np.float32(-1e30)
NO_PIECE, UNKNOWN_PIECE = -2, -1

Ints = NDArray[np.int32]


@dataclass(frozen=True)
class Model:
    """The parts of a SentencePiece model file that decide about ids and text."""

    pieces: list[tuple[str, float, int]]  # text, log-probability, ModelProto.SentencePiece.Type
    rules: dict[str, str]  # the longest key that the rest of the text starts with is replaced
    add_dummy_prefix: bool
    remove_extra_whitespaces: bool
    escape_whitespaces: bool


@dataclass(frozen=True)
class Pages:
    """A property of each code point, in pages of 16, of which 16 make a volume; equal ones are stored once.

    Property of a code point: ``cells[pages[volumes[min(point // 256, last)] + point // 16 % 16] + point % 16]``.
    """

    volumes: Ints
    pages: Ints
    cells: Ints

    @classmethod
    def of(cls, values: Mapping[int, int]) -> Pages:
        """Code points that ``values`` does not name have property 0."""
        last = max(values, default=0) // PAGE**2 + 1  # whatever lies above is on empty pages
        cells = [0] * min((last + 1) * PAGE**2, _LAST_CODE_POINT + 1)
        for point, value in values.items():
            cells[point] = value
        pages, cells = _shared(cells)
        volumes, pages = _shared(pages)
        return cls(_ints(volumes), _ints(pages), _ints(cells))


def _shared(values: list[int]) -> tuple[list[int], list[int]]:
    """Where each sixteen values start in a list that has equal sixteens but once; and that list."""
    offsets: dict[tuple[int, ...], int] = {}
    sixteens = [tuple(values[start : start + PAGE]) for start in range(0, len(values), PAGE)]
    starts = [offsets.setdefault(sixteen, len(offsets) * PAGE) for sixteen in sixteens]
    return starts, [value for sixteen in offsets for value in sixteen]


@dataclass(frozen=True)
class DoubleArray:
    """Edges of an automaton; offset 0 is the state without edges.

    Attributes:
        symbols: int32 [cells], what the edge in this cell reads, or a number above all symbols where there is none.
        following: int32 [cells], the offset of the state that it leads to.
        edges: the cell of every (state, symbol) that was given.
        offsets: of every state that was given.
    """

    symbols: Ints
    following: Ints
    edges: dict[tuple[int, int], int]
    offsets: list[int]

    @classmethod
    def of(cls, states: list[dict[int, int]]) -> DoubleArray:
        """Packs the states, each a map from symbol to state number, first fit, those with most edges first."""
        symbols = 1 + max((symbol for state in states for symbol in state), default=0)
        used = np.zeros(2 * symbols, bool)  # a cell
        used[0] = True  # of the state without edges
        taken = used.copy()  # an offset names its state, so no two states share one
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


@dataclass(frozen=True)
class RuleTables:
    """The normalisation rules. A class is what code points that behave alike have in common; class 0 is all the rest.

    Attributes:
        classes: the class of a code point.
        added: int32 [classes], value of the code point alone minus the code point.
        symbols: int32 [m], its symbol where it follows others in a rule, 0 where it never does. Those classes that are
            in no rule of several code points come last, and have no entry but the last.
        firsts, first_added: int32 [m], the state after it where a rule of several starts with it, and what it adds to
            that rule's value.
        longer: the edges that follow.
        edge_added, final_added: int32 [cells], what an edge adds, and what is added to that where a rule ends (-1:
            none ends here).
        depth: most code points in a rule.
        string_starts, string_lengths: int32 [1 + strings], where the value FIRST_STRING + i starts in ``strings``, and
            how long it is, at 1 + i; at 0, for the values that are code points, the length 1.
        strings: int32, code points.
    """

    classes: Pages
    added: Ints
    symbols: Ints
    firsts: Ints
    first_added: Ints
    longer: DoubleArray
    edge_added: Ints
    final_added: Ints
    depth: int
    string_starts: Ints
    string_lengths: Ints
    strings: Ints


@dataclass(frozen=True)
class PieceTables:
    """The trie of pieces over symbols, and what an id spells.

    Attributes:
        symbols: of a code point; 0 for those in no piece.
        root: the state at the start of a piece.
        trie: its edges.
        ids: int32 [cells], the piece that ends with this edge: NO_PIECE if none does, UNKNOWN_PIECE if it is the
            unknown one. An edge from the root always ends one.
        scores: float32 [2 + vocabulary], of each id from NO_PIECE on.
        longest: symbols in the longest piece.
        byte_ids: int32 [256].
    """

    symbols: Pages
    root: int
    trie: DoubleArray
    ids: Ints
    scores: NDArray[np.float32]
    longest: int
    byte_ids: Ints


def read(model: bytes) -> Model:
    """Reads a model file.

    Raises:
        UserError: the model uses something that has no graph.
    """
    proto = _model_proto().ModelProto.FromString(model)
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
    rules = _rules(specification.precompiled_charsmap)
    symbols = [text for text, _, kind in pieces if kind == _USER_DEFINED]
    for symbol in symbols:  # the library looks for these before it looks at the rules
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


def rule_tables(rules: Mapping[str, str]) -> RuleTables:
    """Tables for rules in any number; an empty key is not a rule."""
    strings = [(key, value) for key, value in sorted(rules.items()) if len(value) != 1]
    numbers: dict[str, int] = {}
    for _, value in strings:  # numbered in the order of their keys: neighbours then add the same
        numbers.setdefault(value, FIRST_STRING + len(numbers))
    values = {key: numbers[value] if value in numbers else ord(value) for key, value in rules.items()}
    values[chr(MALFORMED)] = REPLACEMENT
    states, first_edges = _transducer({key: value for key, value in values.items() if len(key) > 1})
    followers = sorted({character for key in values for character in key[1:]})
    symbol_of = {character: 1 + index for index, character in enumerate(followers)}
    longer = DoubleArray.of([{symbol_of[c]: edge.target for c, edge in state.edges.items()} for state in states])
    edge_added = np.zeros(len(longer.symbols), np.int32)
    final_added = np.full(len(longer.symbols), -1, np.int32)
    for number, state in enumerate(states):
        for character, edge in state.edges.items():
            cell = longer.edges[number, symbol_of[character]]
            edge_added[cell], final_added[cell] = edge.added, states[edge.target].final
    alone = (0, 0, 0)  # in no rule of several
    properties: dict[int, tuple[int, tuple[int, int, int]]] = {}  # of a code point
    for character in sorted({key for key in values if len(key) == 1} | set(followers) | set(first_edges)):
        point, first = ord(character), first_edges.get(character)
        in_longer = (
            symbol_of.get(character, 0),
            longer.offsets[first.target] if first else 0,
            first.added if first else 0,
        )
        properties[point] = values.get(character, point) - point, in_longer
    distinct = set(properties.values()) - {(0, alone)}
    entries = [(0, alone), *sorted(distinct, key=lambda entry: (entry[1] == alone, entry))]
    numbers_of = {entry: number for number, entry in enumerate(entries)}
    columns = [alone, *(in_longer for _, in_longer in entries if in_longer != alone), alone]
    symbols, firsts, first_added = (_ints(column) for column in zip(*columns, strict=True))
    joined = ""
    for text in sorted(numbers, key=len, reverse=True):
        joined += "" if text in joined else text
    return RuleTables(
        Pages.of({point: numbers_of[entry] for point, entry in properties.items()}),
        _ints([added for added, _ in entries]),
        symbols,
        firsts,
        first_added,
        longer,
        edge_added,
        final_added,
        max(map(len, rules), default=1),
        _ints([0, *(joined.index(text) for text in numbers)]),
        _ints([1, *map(len, numbers)]),
        _ints([ord(character) for character in joined] or [0]),
    )


def piece_tables(model: Model) -> PieceTables:
    """The trie and scores of a unigram model, with its unknown piece (Kudo 2018, arXiv:1804.10959, 3.2)."""
    normal = [np.float32(score) for _, score, kind in model.pieces if kind == _NORMAL]
    lowest = min(normal, default=np.float32(0))
    # FLT_MIN is where the library starts to look for its highest score
    highest = max(normal, default=np.float32(0)).clip(np.finfo(np.float32).tiny)
    spelt = {text: index for index, (text, _, kind) in enumerate(model.pieces) if kind in (_NORMAL, _USER_DEFINED)}
    alphabet = sorted({character for text in spelt for character in text})
    symbol_of = {character: 1 + index for index, character in enumerate(alphabet)}
    states: list[dict[int, int]] = [{}]
    ends: dict[int, int] = {}  # state: id
    scores = np.full(len(model.pieces) - NO_PIECE, NO_SCORE)
    scores[UNKNOWN_PIECE - NO_PIECE] = lowest - _UNKNOWN_PENALTY

    def state_after(symbols: Iterable[int]) -> int:
        state = 0
        for symbol in symbols:
            if symbol not in states[state]:
                states[state][symbol] = len(states)
                states.append({})
            state = states[state][symbol]
        return state

    for text, index in spelt.items():
        score = np.float32(model.pieces[index][1])
        if model.pieces[index][2] == _USER_DEFINED:  # a bonus, so that it wins over its parts
            score = np.float32(len(text.encode()) * highest - np.float32(0.1))
        scores[index - NO_PIECE] = score
        ends[state_after(symbol_of[character] for character in text)] = index
    for symbol in range(len(alphabet) + 1):
        ends.setdefault(state_after([symbol]), UNKNOWN_PIECE)
    trie = DoubleArray.of(states)
    ids = np.full(len(trie.symbols), NO_PIECE, np.int32)
    for (state, symbol), cell in trie.edges.items():
        ids[cell] = ends.get(states[state][symbol], NO_PIECE)
    byte_ids = {int(text[3:5], 16): index for index, (text, _, kind) in enumerate(model.pieces) if kind == _BYTE}
    return PieceTables(
        Pages.of({ord(character): symbol for character, symbol in symbol_of.items()}),
        trie.offsets[0],
        trie,
        ids,
        scores,
        max(map(len, spelt), default=1),
        _ints([byte_ids[byte] for byte in range(256)]),
    )


@dataclass(frozen=True)
class SpellingTables:
    """What each id is spelt as.

    Attributes:
        starts, lengths: int32 [vocabulary]; where its UTF-8 stands in ``spelling``, and how many bytes that is: 0 for
            the reserved ids, 1 for a byte.
        spelling: uint8, bytes.
        kinds: int32 [vocabulary]; ids of a kind share the following.
        is_byte: int32 [kinds], 1 for the pieces that are one byte of a character.
        breaks: int32 [kinds], 1 for the ids between which bytes do not form a character.
        leading: int32 [kinds], bytes to leave out where it is the first of a text.
        begins: int32 [kinds], 1 if what follows it is no longer the first of the text.
    """

    starts: Ints
    lengths: Ints
    spelling: NDArray[np.uint8]
    kinds: Ints
    is_byte: Ints
    breaks: Ints
    leading: Ints
    begins: Ints


def spelling_tables(model: Model) -> SpellingTables:
    """What the library's ``decode`` makes of each id, with the unknown piece left out."""
    blank = chr(BLANK)
    strips = model.add_dummy_prefix or model.remove_extra_whitespaces
    encoded: list[bytes] = []
    kinds: list[int] = []
    numbers: dict[tuple[int, ...], int] = {}
    for text, _, kind in model.pieces:
        spelt = kind not in (_UNKNOWN, _CONTROL, _BYTE)
        if kind == _BYTE:
            encoded.append(bytes([int(text[3:5], 16)]))
        else:
            encoded.append(text.replace(blank, " ").encode() if spelt else b"")
        # Without remove_extra_whitespaces the library takes one blank away; with it, one from each piece so long as
        # there is no text yet.
        properties = (
            kind == _BYTE,
            kind not in (_BYTE, _UNKNOWN),
            spelt and strips and text.startswith(blank),
            kind == _BYTE or (spelt and not (model.remove_extra_whitespaces and text == blank)),
        )
        kinds.append(numbers.setdefault(tuple(map(int, properties)), len(numbers)))
    lengths = np.array([len(spelling) for spelling in encoded], np.int32)
    return SpellingTables(
        np.cumsum(lengths, dtype=np.int32) - lengths,
        lengths,
        np.frombuffer(b"".join(encoded) or b" ", np.uint8),
        _ints(kinds),
        *(_ints(column) for column in zip(*numbers, strict=True)),
    )


@dataclass
class _Edge:
    target: int
    added: int


@dataclass
class _State:
    edges: dict[str, _Edge]
    final: int  # what is added where a key ends here, -1 where none does


def _transducer(values: Mapping[str, int]) -> tuple[list[_State], dict[str, _Edge]]:
    """The smallest automaton in which what the edges of a key add up to is its value; and the edges from its start.

    What all keys below a state have in common is moved to the edge above it; states that are then equal become one.
    """
    trie: dict[str, Any] = {}
    for key, value in values.items():
        node = trie
        for character in key:
            node = node.setdefault(character, {})
        node[""] = value
    known: dict[tuple[Any, ...], int] = {}
    states: list[_State] = []

    def minimised(node: dict[str, Any]) -> tuple[int, int]:
        below = {character: minimised(child) for character, child in node.items() if character}
        final: int | None = node.get("")
        common = min([added for _, added in below.values()] + ([] if final is None else [final]), default=0)
        rest = -1 if final is None else final - common
        edges = {character: _Edge(target, added - common) for character, (target, added) in below.items()}
        name = (rest, *sorted((character, edge.target, edge.added) for character, edge in edges.items()))
        if name not in known:
            known[name] = len(states)
            states.append(_State(edges, rest))
        return known[name], common

    return states, {character: _Edge(*minimised(child)) for character, child in trie.items()}


def _rules(charsmap: bytes) -> dict[str, str]:
    """The rules in a ``precompiled_charsmap``: size of the trie, the trie (Darts-clone), strings that end with a zero.

    A unit of that trie has, from the lowest bit: label (8), has a value (1), and offset (22, in steps of 256 if the
    lowest of them is set); a value's unit has bit 31 set.
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
    while keys:  # all keys of one length at a time; the trie shares equal ends, so many are at the same position
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
        for row in np.nonzero((units[cells] >> 8) & 1)[0]:
            start = int(units[positions[row]]) & 0x7FFFFFFF
            if start not in texts:
                texts[start] = strings[start : strings.index(b"\0", start)].decode()
            rules[keys[row].decode()] = texts[start]
    return rules


def _ints(values: Any) -> Ints:
    return np.array(list(values), np.int32)


def _model_proto() -> Any:
    try:
        from sentencepiece import sentencepiece_model_pb2
    except ImportError:
        raise MissingExtraError("protobuf") from None
    return sentencepiece_model_pb2
