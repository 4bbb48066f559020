"""The parts of a SentencePiece model as tables for a graph.

Everything is in code points, not bytes: a text of 75 bytes with twelve spaces is 78 symbols, but 102 bytes once the
spaces are "▁".

- The normalisation rules. The file has them as a trie over bytes, 180 KB for nmt_nfkc, nearly all of it Hangul
  syllables spelt in letters, and letters with combining marks. Here the value of a rule is the sum of the values of its
  edges (a transducer, as in Mohri 1997, "Finite-state transducers in language and speech processing"). For example,
  U+1100 and U+1161 add up to U+AC00. So more states are equal, and equal states become one: 225,276 rules take 2,300
  edges.
- The pieces, as a trie from symbols to piece and score.
- The spelling of each id.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nlpseq.text.graph.lookup_tables import DoubleArray, Ints, Pages, ints
from nlpseq.text.graph.sentencepiece_file import BLANK, Model, PieceType
from nlpseq.text.graph.utf8 import MALFORMED, REPLACEMENT

FIRST_STRING = 0x110000  # a rule's value is a code point or, from here on, the number of a string
NO_PIECE, UNKNOWN_PIECE = -2, -1
NO_SCORE = np.float32(-1e30)
_UNKNOWN_PENALTY = np.float32(10.0)  # kUnkPenalty of the library's unigram_model.cc


@dataclass(frozen=True)
class RuleTables:
    """The normalisation rules. Code points that behave alike are one class; those in no rule are class 0.

    Attributes:
        classes: the class of a code point.
        added: int32 [classes], the value of the code point alone, minus the code point.
        symbols: int32 [m], the symbol of a class that follows others in a rule, 0 where it never does. Classes that are
            in no rule of several code points come last and share the last entry.
        firsts: int32 [m], the state after the first code point of a rule of several.
        first_added: int32 [m], what that code point adds to the value of the rule.
        longer: the further edges of these rules.
        edge_added: int32 [cells], what an edge adds.
        final_added: int32 [cells], what is added where a rule ends with this edge, -1 where none does.
        depth: code points in the longest rule.
        string_starts, string_lengths: int32 [1 + strings]; entry 1 + i says where in ``strings`` the value
            FIRST_STRING + i stands. Entry 0 is for values that are code points; its length is 1.
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
    """The pieces as a trie over symbols.

    Attributes:
        symbols: the symbol of a code point, 0 for those in no piece.
        root: the state before the first symbol.
        trie: its edges.
        ids: int32 [cells], the piece that ends with this edge, or NO_PIECE. Where no piece has this one symbol, it is
            UNKNOWN_PIECE.
        scores: float32 [2 + vocabulary], of each id from NO_PIECE on.
        longest: the number of symbols in the longest piece.
        byte_ids: int32 [256], the ids of the bytes.
    """

    symbols: Pages
    root: int
    trie: DoubleArray
    ids: Ints
    scores: NDArray[np.float32]
    longest: int
    byte_ids: Ints


@dataclass(frozen=True)
class SpellingTables:
    """The spelling of each id.

    Attributes:
        starts: int32 [vocabulary], where in ``spelling`` its UTF-8 starts.
        lengths: int32 [vocabulary], in bytes: 0 for the reserved ids, 1 for a byte.
        spelling: uint8, bytes.
        kinds: int32 [vocabulary], the kind of the id, for the tables that follow.
        is_byte: int32 [kinds], 1 for an id that is one byte of a character.
        breaks: int32 [kinds], 1 for an id that separates the bytes before it from those after it.
        leading: int32 [kinds], bytes to leave out where the id is the first of a text.
        begins: int32 [kinds], 1 if the next id is no longer the first of the text.
    """

    starts: Ints
    lengths: Ints
    spelling: NDArray[np.uint8]
    kinds: Ints
    is_byte: Ints
    breaks: Ints
    leading: Ints
    begins: Ints


def rule_tables(rules: Mapping[str, str]) -> RuleTables:
    """Makes the tables. Keys must not be empty."""
    strings = [(key, value) for key, value in sorted(rules.items()) if len(value) != 1]
    numbers: dict[str, int] = {}
    for _, value in strings:  # in the order of their keys, so that neighbours add the same
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
    alone = (0, 0, 0)  # symbol, first state and first value of what is in no rule of several
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
    symbols, firsts, first_added = (ints(column) for column in zip(*columns, strict=True))
    joined = ""
    for text in sorted(numbers, key=len, reverse=True):
        joined += "" if text in joined else text
    return RuleTables(
        Pages.of({point: numbers_of[entry] for point, entry in properties.items()}),
        ints([added for added, _ in entries]),
        symbols,
        firsts,
        first_added,
        longer,
        edge_added,
        final_added,
        max(map(len, rules), default=1),
        ints([0, *(joined.index(text) for text in numbers)]),
        ints([1, *map(len, numbers)]),
        ints([ord(character) for character in joined] or [0]),
    )


def piece_tables(model: Model) -> PieceTables:
    """Makes the trie and scores of a unigram model (Kudo 2018, arXiv:1804.10959, 3.2)."""
    normal = [np.float32(score) for _, score, kind in model.pieces if kind == PieceType.NORMAL]
    lowest = min(normal, default=np.float32(0))
    # The library starts to look for its highest score at FLT_MIN.
    highest = max(normal, default=np.float32(0)).clip(np.finfo(np.float32).tiny)
    spelt = {
        text: index
        for index, (text, _, kind) in enumerate(model.pieces)
        if kind in (PieceType.NORMAL, PieceType.USER_DEFINED)
    }
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
        if model.pieces[index][2] == PieceType.USER_DEFINED:  # so it wins over its parts, as in the library
            score = np.float32(len(text.encode()) * highest - np.float32(0.1))
        scores[index - NO_PIECE] = score
        ends[state_after(symbol_of[character] for character in text)] = index
    for symbol in range(len(alphabet) + 1):
        ends.setdefault(state_after([symbol]), UNKNOWN_PIECE)
    trie = DoubleArray.of(states)
    ids = np.full(len(trie.symbols), NO_PIECE, np.int32)
    for (state, symbol), cell in trie.edges.items():
        ids[cell] = ends.get(states[state][symbol], NO_PIECE)
    byte_ids = {
        int(text[3:5], 16): index for index, (text, _, kind) in enumerate(model.pieces) if kind == PieceType.BYTE
    }
    return PieceTables(
        Pages.of({ord(character): symbol for character, symbol in symbol_of.items()}),
        trie.offsets[0],
        trie,
        ids,
        scores,
        max(map(len, spelt), default=1),
        ints([byte_ids[byte] for byte in range(256)]),
    )


def spelling_tables(model: Model) -> SpellingTables:
    """Makes the tables after the library's ``decode``, with the unknown piece left out."""
    blank = chr(BLANK)
    strips = model.add_dummy_prefix or model.remove_extra_whitespaces
    encoded: list[bytes] = []
    kinds: list[int] = []
    numbers: dict[tuple[int, ...], int] = {}
    for text, _, kind in model.pieces:
        spelt = kind not in (PieceType.UNKNOWN, PieceType.CONTROL, PieceType.BYTE)
        if kind == PieceType.BYTE:
            encoded.append(bytes([int(text[3:5], 16)]))
        else:
            encoded.append(text.replace(blank, " ").encode() if spelt else b"")
        # The library takes one blank away from the first piece. With remove_extra_whitespaces it takes one away from
        # each piece while there is no text yet.
        properties = (
            kind == PieceType.BYTE,
            kind not in (PieceType.BYTE, PieceType.UNKNOWN),
            spelt and strips and text.startswith(blank),
            kind == PieceType.BYTE or (spelt and not (model.remove_extra_whitespaces and text == blank)),
        )
        kinds.append(numbers.setdefault(tuple(map(int, properties)), len(numbers)))
    lengths = np.array([len(spelling) for spelling in encoded], np.int32)
    return SpellingTables(
        np.cumsum(lengths, dtype=np.int32) - lengths,
        lengths,
        np.frombuffer(b"".join(encoded) or b" ", np.uint8),
        ints(kinds),
        *(ints(column) for column in zip(*numbers, strict=True)),
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
    """Makes the smallest automaton whose edges add up to the value of each key. Returns its states and first edges.

    The smallest value below a state is moved to the edge above it. States that are then equal become one.
    """
    trie: dict[str, Any] = {}
    for key, value in values.items():
        node = trie
        for character in key:
            node = node.setdefault(character, {})
        node[""] = value
    known: dict[tuple[Any, ...], int] = {}
    states: list[_State] = []

    def minimized(node: dict[str, Any]) -> tuple[int, int]:
        below = {character: minimized(child) for character, child in node.items() if character}
        final: int | None = node.get("")
        common = min([added for _, added in below.values()] + ([] if final is None else [final]), default=0)
        rest = -1 if final is None else final - common
        edges = {character: _Edge(target, added - common) for character, (target, added) in below.items()}
        name = (rest, *sorted((character, edge.target, edge.added) for character, edge in edges.items()))
        if name not in known:
            known[name] = len(states)
            states.append(_State(edges, rest))
        return known[name], common

    return states, {character: _Edge(*minimized(child)) for character, child in trie.items()}
