"""The tokenisers as TensorFlow graphs: UTF-8 bytes to ids and back, in TensorFlow Lite builtin operators only.

Buffers have a fixed size, and zeros after the text or the ids; a zero byte within the text is a character of it. So the
same graph runs in the interpreter, in CompiledModel and in LiteRT.js, and as a part of a larger one, text to text::

    graph = in_graph(tokenizer)
    source = graph.encode(text[None], size=128)     # uint8 [1, 512] -> ids int32 [1, 128], lengths int32 [1]
    ...
    answer = graph.decode(ids, lengths, size=512)   # -> text uint8 [1, 512], lengths int32 [1]

All tensors have fixed sizes, but work follows the length of the text, not that of the buffer: it goes through the text
in windows, within which everything is done side by side but the choice among the ways to a place. To encode 75 bytes
takes 0.27 ms, 200 bytes 0.35 ms, and then 0.0014 ms a byte; 0.05 to 0.1 ms more where the buffer has 4096 bytes.
(``python -m tests.text.parity`` measures, and counts differences from the library.)

Text that does not fit: a character cut by the end of a full buffer is left out, as if the text had ended before it.
Ids past the end of the ids' buffer are left out, whole characters at a time; those that stay are the ids of the text up
to there. ``left_out`` counts both, so that a caller can split the text.
"""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from nlpseq.text import sentencepiece_tables as tables
from nlpseq.text.graph_steps import (
    NO_BYTE,
    Utf8,
    filled,
    follow,
    look_up,
    place,
    positions,
    property_of,
    read_utf8,
    rows_of,
    shifted,
    utf8_bytes,
    utf8_size,
    window,
    within_rows,
    zeros,
)
from nlpseq.text.sentencepiece_tables import BLANK, FIRST_STRING, MALFORMED, REPLACEMENT, SPACE, Ints, Pages
from nlpseq.text.tokenizers import Characters, SentencePiece, Tokenizer

_FIRST_BYTE = 4  # the id of byte 0 in Characters
_WINDOW = 192  # bytes or characters that are worked on at once; a multiple of the next
_SYMBOLS = 8  # by which the walk through the trie goes on without a test whether that is enough
_PLACES = 8  # that the search goes through without a test whether there are more


class Encoded(NamedTuple):
    """Ids of texts.

    Attributes:
        ids: int32 [batch, size], padded with zeros.
        lengths: int32 [batch].
        left_out: int32 [batch], 0 if this is the whole text; else pieces that found no place, and bytes at the end that
            were not read (of a character that the buffer cuts, or where the normal form is longer than the buffer).
    """

    ids: tf.Tensor
    lengths: tf.Tensor
    left_out: tf.Tensor


class Decoded(NamedTuple):
    """Texts of ids.

    Attributes:
        text: uint8 [batch, size], UTF-8 padded with zeros.
        lengths: int32 [batch], in bytes.
        left_out: int32 [batch], bytes of ids that found no place; 0 if this is the whole text.
    """

    text: tf.Tensor
    lengths: tf.Tensor
    left_out: tf.Tensor


class GraphTokenizer(abc.ABC):
    """A tokeniser in graph operations; call its methods within a ``tf.function``. Any bytes are encoded."""

    @abc.abstractmethod
    def encode(self, text: tf.Tensor, size: int) -> Encoded:
        """Ids of uint8 [batch, n], at most ``size`` of each text, without begin or end marks."""

    def decode(self, ids: tf.Tensor, lengths: tf.Tensor, size: int) -> Decoded:
        """Texts of int32 [batch, n] ids, of which ``lengths`` [batch] count, in buffers of ``size`` bytes.

        Ids are below the vocabulary's size; reserved ones have no text.
        """
        count = ids.shape[1]
        present = tf.cast(tf.range(count)[None] < lengths[:, None], tf.int32)
        spelt = self._spelling(ids * present, present)
        ends = tf.cumsum(spelt.lengths, axis=1)
        starts = ends - spelt.lengths
        total = ends[:, -1:]
        position = positions(zeros(ids, size))
        token = tf.cumsum(place(tf.cast(starts < size, tf.int32), starts, size), axis=1) - 1  # the last that has begun
        source = within_rows(spelt.starts - starts, token) + position
        end = tf.minimum(total, size)
        text = tf.where(position < end, look_up(spelt.spelling, tf.minimum(source, len(spelt.spelling) - 1)), 0)

        def mended() -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            runs = within_rows(spelt.runs, token) if spelt.runs is not None else None
            return _mended(text, end, total, maximal_subparts=runs is None, runs=runs)

        # Whole pieces are UTF-8; bytes may not be, and a buffer that is full may end within a character.
        mend = tf.reduce_any(spelt.is_byte > 0) | tf.reduce_any(total > size)
        text, end, left_out = tf.cond(mend, mended, lambda: (text, end, tf.zeros_like(end)))
        return Decoded(tf.cast(text, tf.uint8), end[:, 0], left_out[:, 0])

    @abc.abstractmethod
    def _spelling(self, ids: tf.Tensor, present: tf.Tensor) -> _Spelling: ...


class _Spelling(NamedTuple):
    """The bytes of each id: ``spelling[starts : starts + lengths]``; a character lies within ids of an equal run."""

    starts: tf.Tensor
    lengths: tf.Tensor
    is_byte: tf.Tensor
    runs: tf.Tensor | None
    spelling: NDArray[np.uint8]


def in_graph(tokenizer: Tokenizer) -> GraphTokenizer:
    """The graph that does what the tokeniser does.

    Raises:
        UserError: a SentencePiece model that nlpseq does not train (of another type than unigram, say).
    """
    if isinstance(tokenizer, Characters):
        return CharactersGraph(tokenizer.characters)
    if isinstance(tokenizer, SentencePiece):
        return SentencePieceGraph(tokenizer.to_bytes())
    raise TypeError(f"no graph is known for {type(tokenizer).__name__}")


def strings_to_bytes(strings: tf.Tensor, size: int) -> tf.Tensor:
    """String [batch] to uint8 [batch, size], cut or padded with zeros; TensorFlow only, for the SavedModel."""
    return tf.io.decode_raw(strings, tf.uint8, fixed_length=size)


def bytes_to_strings(text: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
    """uint8 [batch, n] and int32 [batch] to string [batch]; TensorFlow only, for the SavedModel."""
    letters = tf.gather(tf.constant([bytes([value]) for value in range(256)]), tf.cast(text, tf.int32))
    return tf.strings.reduce_join(tf.where(tf.sequence_mask(lengths, text.shape[1]), letters, b""), axis=1)


class CharactersGraph(GraphTokenizer):
    """:class:`~nlpseq.text.tokenizers.Characters`; bytes that are no UTF-8 become U+FFFD as in Python."""

    def __init__(self, characters: list[str]) -> None:
        first = _FIRST_BYTE + 256
        self._ids = Pages.of({ord(character): first + index for index, character in enumerate(characters)})
        encoded = [b""] * _FIRST_BYTE + [bytes([value]) for value in range(256)]
        encoded += [character.encode() for character in characters]
        self._lengths = np.array([len(spelt) for spelt in encoded], np.int32)
        self._starts = np.cumsum(self._lengths, dtype=np.int32) - self._lengths
        self._bytes = np.frombuffer(b"".join(encoded), np.uint8)
        self._byte_ids = np.arange(_FIRST_BYTE, _FIRST_BYTE + 256, dtype=np.int32)

    def encode(self, text: tf.Tensor, size: int) -> Encoded:
        lengths = _lengths_of(text)

        def next_window(start: tf.Tensor, end: tf.Tensor, *so_far: tf.Tensor) -> tuple[tf.Tensor, ...]:
            characters = _characters_from(text, start, end, _WINDOW, maximal_subparts=True)
            points = tf.where(tf.equal(characters.points, MALFORMED), REPLACEMENT, characters.points)
            ids = property_of(self._ids, points)
            sizes = characters.starts * tf.where(ids > 0, 1, utf8_size(points))
            taken = _last_end(characters.starts, characters.sizes)
            return start + taken, start + characters.end, *_with_tokens(so_far, ids, points, sizes, self._byte_ids)

        read, _, ids, counts, total = tf.while_loop(
            lambda start, end, *_: tf.reduce_any(start < end),
            next_window,
            [tf.zeros_like(lengths), lengths, *_no_tokens(lengths, size)],
        )
        return Encoded(ids, counts[:, 0], (total - counts + lengths - read)[:, 0])

    def _spelling(self, ids: tf.Tensor, present: tf.Tensor) -> _Spelling:
        is_byte = present * tf.cast((ids >= _FIRST_BYTE) & (ids < _FIRST_BYTE + 256), tf.int32)
        lengths = present * look_up(self._lengths, ids)
        return _Spelling(look_up(self._starts, ids), lengths, is_byte, None, self._bytes)


class SentencePieceGraph(GraphTokenizer):
    """:class:`~nlpseq.text.tokenizers.SentencePiece`; bytes that are no UTF-8 become U+FFFD each, as in the library."""

    def __init__(self, model: bytes) -> None:
        self._model = tables.read(model)
        self._rules = tables.rule_tables(self._model.rules) if self._model.rules else None
        self._pieces = tables.piece_tables(self._model)
        self._longest = -(-self._pieces.longest // _SYMBOLS) * _SYMBOLS  # symbols in a piece, as the graph counts
        self._factor = self._longest + 1
        self._spellings = tables.spelling_tables(self._model)

    def encode(self, text: tf.Tensor, size: int) -> Encoded:
        points, lengths, unread = self._normalised(text)
        pieces = self._best_pieces(points, lengths)
        ends, count = self._ends_of_pieces(pieces, lengths)
        number = positions(zeros(lengths, size))
        present = tf.cast(number < count, tf.int32)
        at = within_rows(ends, tf.maximum(count - 1 - number, 0))
        ids = within_rows(pieces, at) // self._factor + tables.NO_PIECE
        unknown = present * tf.cast(ids < 0, tf.int32)

        def with_bytes() -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            points_here = within_rows(points, at)
            sizes = present * tf.where(ids < 0, utf8_size(points_here), 1)
            spelt, fitting, total = _with_tokens(
                _no_tokens(lengths, size), ids, points_here, sizes, self._pieces.byte_ids
            )
            return spelt, fitting, total - fitting

        def without() -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            # three tensors: the runtime confuses the results of IF if a branch gives one of them twice
            return ids * present, tf.minimum(count, size), tf.zeros_like(count)

        ids, counts, left_out = tf.cond(tf.reduce_any(unknown > 0), with_bytes, without)
        return Encoded(ids, counts[:, 0], (left_out + tf.maximum(count - size, 0) + unread)[:, 0])

    def _normalised(self, text: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Applies the model's rules and its treatment of spaces to uint8 [batch, n].

        Returns:
            points: int32 [batch, m], code points, in whole windows.
            lengths: int32 [batch, 1], how many of them.
            unread: int32 [batch, 1], bytes at the end that are not in them.
        """
        model, rules = self._model, self._rules
        lengths = _lengths_of(text)
        blank = BLANK if model.escape_whitespaces else SPACE
        prefix = int(model.add_dummy_prefix)
        capacity = _in_windows(text.shape[1] + prefix)
        ahead = 4 * (rules.depth if rules else 1)  # bytes that a match which starts in the window may reach

        def next_window(
            start: tf.Tensor,
            end: tf.Tensor,
            after_space: tf.Tensor,
            count: tf.Tensor,
            kept: tf.Tensor,
            so_far: tf.Tensor,
        ) -> tuple[tf.Tensor, ...]:
            characters = _characters_from(text, start, end, _WINDOW + ahead, maximal_subparts=False)
            points, found, taken = self._with_rules(characters, capacity - prefix - count)
            end = tf.where(taken > 0, start + characters.end, start)
            present = tf.cast(positions(points) < found, tf.int32)
            spaces = tf.cast(tf.equal(points, SPACE), tf.int32)
            points += (blank - SPACE) * spaces
            if model.remove_extra_whitespaces:
                before = tf.concat([after_space, spaces[:, :-1]], 1)
                last = within_rows(spaces, tf.maximum(found - 1, 0))
                after_space = tf.where(found > 0, last, after_space)
                present *= 1 - spaces * before
                words = present * tf.cast(tf.not_equal(points, blank), tf.int32)
            else:
                words = present
            ends = count + tf.cumsum(present, axis=1)
            kept = tf.maximum(kept, tf.reduce_max(words * ends, axis=1, keepdims=True))
            so_far += place(points * present, tf.maximum(ends - 1, 0), capacity)
            return start + taken, end, after_space, ends[:, -1:], kept, so_far

        none = tf.zeros_like(lengths)
        read, _, _, _, kept, points = tf.while_loop(
            lambda start, end, *_: tf.reduce_any(start < end),
            next_window,
            [none, lengths, none + 1, none, none, zeros(lengths, capacity)],  # the start counts as a space
        )
        if prefix:
            points = shifted(points, -1, blank)
            kept = tf.where((kept if model.remove_extra_whitespaces else read) > 0, kept + 1, 0)
        return points, kept, lengths - read

    def _with_rules(self, characters: Utf8, room: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Replaces the longest match at each place where the one before has ended, from the start of a window.

        Args:
            characters: [batch, n].
            room: int32 [batch, 1], for so many code points.

        Returns:
            points: int32 [batch, m]; the count of them and of the bytes they come from, int32 [batch, 1].
        """
        points, sizes, starts, _, _ = characters
        rules = self._rules
        starts *= tf.cast(positions(points) < _WINDOW, tf.int32)
        if rules is None:
            fitting, count, taken = _fitting(starts, starts, sizes, tf.minimum(room, _WINDOW))
            points = tf.where(tf.equal(points, MALFORMED), REPLACEMENT, points)
            return _side_by_side(points, fitting, _WINDOW), count, taken
        kind = property_of(rules.classes, points)
        values = points + look_up(rules.added, kind)
        if rules.depth > 1:
            kind = tf.minimum(kind, len(rules.symbols) - 1)
            symbols = characters.starts * look_up(rules.symbols, kind)
            values, starts, sizes = tf.cond(
                tf.reduce_any(symbols > 0),
                lambda: self._with_longer_rules(kind, values, symbols, sizes, starts),
                lambda: (values, starts, sizes),
            )
        width = max(_WINDOW, int(rules.string_lengths.max()))
        string = tf.maximum(values - FIRST_STRING + 1, 0)
        counts = starts * look_up(rules.string_lengths, string)
        fitting, count, taken = _fitting(starts, counts, sizes, tf.minimum(room, width))
        some = fitting * tf.minimum(counts, 1)  # of its code points are written
        first = tf.cumsum(counts, axis=1) - counts
        number = tf.cumsum(place(some, first, width), axis=1) - 1
        source = within_rows(_side_by_side(positions(values), some, width), tf.maximum(number, 0))
        in_strings = within_rows(look_up(rules.string_starts, string) - first, source) + positions(number)
        of_string = look_up(rules.strings, tf.clip_by_value(in_strings, 0, len(rules.strings) - 1))
        return tf.where(within_rows(string, source) > 0, of_string, within_rows(values, source)), count, taken

    def _with_longer_rules(
        self, kind: tf.Tensor, values: tf.Tensor, symbols: tf.Tensor, sizes: tf.Tensor, starts: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Looks for rules of several characters, from every start at once; then drops the starts within a match."""
        rules = self._rules
        assert rules is not None
        width = values.shape[1]
        position = positions(values)
        state, added = look_up(rules.firsts, kind), look_up(rules.first_added, kind)
        taken, ahead = sizes, position + sizes
        for _ in range(rules.depth - 1):
            at = tf.minimum(ahead, width - 1)
            symbol = within_rows(symbols, at)
            cell = state + symbol
            cell = tf.where(tf.equal(look_up(rules.longer.symbols, cell), symbol), cell, 0)
            added += look_up(rules.edge_added, cell)
            final = look_up(rules.final_added, cell)
            ahead += within_rows(sizes, at)
            values = tf.where(final >= 0, added + final, values)
            taken = tf.where(final >= 0, ahead - position, taken)
            state = look_up(rules.longer.following, cell)
        visited = follow(tf.minimum(position + taken, width - 1), tf.zeros_like(taken[:, :1]), width)
        reached = place(tf.ones_like(visited), visited, width)
        return values, starts * tf.minimum(reached, 1), taken

    def _best_pieces(self, points: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
        """Viterbi search: the last piece of the best way to each place.

        First the trie is walked from all places of a window at once. Then the best score of each place is found, one
        after the other; this alone cannot be done side by side, because the library adds scores in float32 from the
        left. Of equally good ways that with the earliest start of the last piece wins, as in the library.

        Args:
            points: int32 [batch, m], code points, in whole windows.
            lengths: int32 [batch, 1], how many of them.

        Returns:
            int32 [batch, m], ``(id - NO_PIECE) * self._factor + length`` of the piece that ends there.
        """
        pieces = self._pieces
        before = self._longest - 1  # places before one at which a piece that ends there may start
        longest, capacity = tf.reduce_max(lengths), points.shape[1]
        extended = tf.concat([filled(points, before, 0), points], 1)

        def next_window(start: tf.Tensor, best: tf.Tensor, found: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            cells = self._cells(property_of(pieces.symbols, window(extended, start, before + _WINDOW)))
            numbers = look_up(pieces.ids - tables.NO_PIECE, tf.transpose(cells[:, :, before:], [0, 2, 1]))
            scores = look_up(pieces.scores, numbers)

            def next_places(
                place_number: tf.Tensor, best: tf.Tensor, choices: tf.Tensor
            ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
                ways = []
                for added in tf.unstack(window(scores, place_number, _PLACES), axis=1):
                    ways.append(best + added)
                    best = tf.concat([best[:, 1:], tf.reduce_max(ways[-1], axis=1, keepdims=True)], 1)
                chosen = tf.argmax(tf.stack(ways, 1), axis=2, output_type=tf.int32)
                at = place_number + np.arange(_PLACES, dtype=np.int32)[None]
                return place_number + _PLACES, best, choices + place(chosen, at, _WINDOW)

            places = tf.minimum(longest - start, _WINDOW)
            _, best, choices = tf.while_loop(
                lambda place_number, *_: place_number < places,
                next_places,
                [tf.constant(0), best, filled(points, _WINDOW, 0)],
            )
            chosen = tf.gather(numbers, choices, axis=2, batch_dims=2) * self._factor + self._longest - choices
            at = start + np.arange(_WINDOW, dtype=np.int32)[None]
            return start + _WINDOW, best, found + place(chosen, at, capacity)

        best = np.full((1, self._longest), tables.NO_SCORE)
        best[0, -1] = 0
        return tf.while_loop(
            lambda start, *_: start < longest,
            next_window,
            [tf.constant(0), tf.tile(tf.constant(best), [rows_of(points), 1]), zeros(lengths, capacity)],
        )[2]

    def _cells(self, symbols: tf.Tensor) -> tf.Tensor:
        """The trie's cells for what ends at each place, the longest first: int32 [batch, longest, n]; 0 for no edge.

        The walk goes from all places at once; what it has read moves on by a place with each symbol.
        """
        pieces = self._pieces

        def longer(size: tf.Tensor, state: tf.Tensor, cells: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            found = []
            for _ in range(_SYMBOLS):
                cell = state + symbols
                found.append(tf.where(tf.equal(look_up(pieces.trie.symbols, cell), symbols), cell, 0))
                state = shifted(look_up(pieces.trie.following, found[-1]), -1, 0)
            return size + _SYMBOLS, state, tf.concat([tf.stack(found[::-1], 1), cells[:, :-_SYMBOLS]], 1)

        none = tf.tile(zeros(symbols, symbols.shape[1])[:, None], [1, self._longest, 1])
        return tf.while_loop(
            lambda size, *_: size < self._longest,
            longer,
            [tf.constant(0), filled(symbols, symbols.shape[1], pieces.root), none],
        )[2]

    def _ends_of_pieces(self, pieces: tf.Tensor, lengths: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Goes the best way back from the end.

        Args:
            pieces: int32 [batch, m], of :meth:`_best_pieces`.
            lengths: int32 [batch, 1], of the texts.

        Returns:
            ends: int32 [batch, m], the places where a piece of the best way ends, the last one first.
            count: int32 [batch, 1], how many these are.
        """
        before, capacity = self._longest, pieces.shape[1]
        width = before + _WINDOW  # of the places before the window only those where a way leaves it

        def window_before(
            start: tf.Tensor, last: tf.Tensor, count: tf.Tensor, ends: tf.Tensor
        ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
            here = window(pieces, start, _WINDOW)
            sizes = tf.concat([filled(pieces, before, 0), here - here // self._factor * self._factor], 1)
            way = follow(
                np.arange(width, dtype=np.int32) - sizes,
                tf.clip_by_value(last - start + before, 0, width - 1),
                _WINDOW + 1,
            )
            inside = tf.cast(way >= before, tf.int32)
            ends += place((start - before + way) * inside, count + np.arange(_WINDOW + 1, dtype=np.int32), capacity)
            last = tf.where(last >= start, start - before + way[:, -1:], last)
            return start - _WINDOW, last, count + tf.reduce_sum(inside, axis=1, keepdims=True), ends

        first = _WINDOW * ((tf.reduce_max(lengths) - 1) // _WINDOW)
        _, _, count, ends = tf.while_loop(
            lambda start, *_: start >= 0,
            window_before,
            [first, lengths - 1, tf.zeros_like(lengths), zeros(lengths, capacity)],
        )
        return ends, count

    def _spelling(self, ids: tf.Tensor, present: tf.Tensor) -> _Spelling:
        spellings = self._spellings
        kind = look_up(spellings.kinds, ids)
        begins = present * look_up(spellings.begins, kind)
        first = tf.equal(tf.cumsum(begins, axis=1) - begins, 0)
        leading = tf.where(first, look_up(spellings.leading, kind), 0)
        return _Spelling(
            look_up(spellings.starts, ids) + leading,
            present * (look_up(spellings.lengths, ids) - leading),
            present * look_up(spellings.is_byte, kind),
            tf.cumsum(look_up(spellings.breaks, kind), axis=1),
            spellings.spelling,
        )


def _lengths_of(text: tf.Tensor) -> tf.Tensor:
    """The length of uint8 [batch, n] up to its padding: int32 [batch, 1]."""
    there = tf.concat([filled(text, 1, True), tf.cast(text, tf.bool)], 1)
    padding = tf.argmax(tf.reverse(there, [1]), axis=1, output_type=tf.int32)
    return text.shape[1] - padding[:, None]


def _in_windows(size: int) -> int:
    return -(-size // _WINDOW) * _WINDOW


def _characters_from(text: tf.Tensor, start: tf.Tensor, end: tf.Tensor, width: int, *, maximal_subparts: bool) -> Utf8:
    """The characters in the next ``width`` bytes.

    Args:
        text: uint8 [batch, n].
        start, end: int32 [batch, 1], where the next character starts and where the text ends.
    """
    index = start + np.arange(width + 3, dtype=np.int32)
    size = text.shape[1]
    encoded = tf.cast(within_rows(text, tf.minimum(index, size - 1)), tf.int32)
    return read_utf8(tf.where(index < size, encoded, NO_BYTE), end - start, maximal_subparts=maximal_subparts)


def _last_end(starts: tf.Tensor, sizes: tf.Tensor) -> tf.Tensor:
    """Where the last of what starts within [batch, n] ends: int32 [batch, 1]; 0 if nothing does."""
    return tf.reduce_max(starts * (positions(starts) + sizes), axis=1, keepdims=True)


def _fitting(
    starts: tf.Tensor, counts: tf.Tensor, sizes: tf.Tensor, room: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """What there is room for.

    Args:
        starts, counts, sizes: int32 [batch, n], whether something starts here, the places it takes, and the bytes.
        room: int32 [batch, 1], places.

    Returns:
        int32 [batch, n], 1 for what starts here and fits; how many places and bytes that is, int32 [batch, 1].
    """
    ends = tf.cumsum(counts, axis=1)
    fitting = starts * tf.cast(ends <= room, tf.int32)
    return fitting, tf.reduce_max(ends * fitting, axis=1, keepdims=True), _last_end(fitting, sizes)


def _side_by_side(values: tf.Tensor, present: tf.Tensor, width: int) -> tf.Tensor:
    """The values that are present, one after the other: int32 [batch, width]."""
    return place(values * present, tf.maximum(tf.cumsum(present, axis=1) - 1, 0), width)


def _no_tokens(lengths: tf.Tensor, size: int) -> list[tf.Tensor]:
    """Ids [batch, size], the count of them and of those wished for [batch, 1], for :func:`_with_tokens` to add to."""
    return [zeros(lengths, size), tf.zeros_like(lengths), tf.zeros_like(lengths)]


def _with_tokens(
    so_far: Sequence[tf.Tensor], ids: tf.Tensor, points: tf.Tensor, sizes: tf.Tensor, byte_ids: Ints
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Writes what follows: each token's id if that is above 0, else the ids of the bytes of its code point.

    Args:
        so_far: of :func:`_no_tokens` or of this function.
        ids, points: int32 [batch, n].
        sizes: int32 [batch, n], how many ids a token is; 0 for those that are none. What does not fit is left out.
    """
    placed, count, total = so_far
    size = placed.shape[1]
    ends = total + tf.cumsum(sizes, axis=1)
    starts = ends - sizes
    sizes *= tf.cast(ends <= size, tf.int32)
    placed += place(tf.where((sizes > 0) & (ids > 0), ids, 0), starts, size)
    unknown = tf.where(ids > 0, 0, sizes)

    def with_bytes() -> tf.Tensor:
        spelt = placed
        for index, byte in enumerate(utf8_bytes(points)):
            here = tf.where(unknown > index, look_up(byte_ids, tf.clip_by_value(byte, 0, 255)), 0)
            spelt += place(here, starts + index, size)
        return spelt

    placed = tf.cond(tf.reduce_any(unknown > 0), with_bytes, lambda: placed)
    return placed, count + tf.reduce_sum(sizes, axis=1, keepdims=True), ends[:, -1:]


def _mended(
    text: tf.Tensor, end: tf.Tensor, total: tf.Tensor, *, maximal_subparts: bool, runs: tf.Tensor | None
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Writes U+FFFD for what is not UTF-8 and leaves out a character that the buffer cuts.

    Args:
        text: int32 [batch, size], bytes.
        end: int32 [batch, 1], how many of them are text.
        total: int32 [batch, 1], how many there would be in a larger buffer.

    Returns:
        text: int32 [batch, size]; its length and the bytes left out, int32 [batch, 1].
    """
    size = text.shape[1]
    extended = tf.concat([text, filled(text, 3, NO_BYTE)], 1)
    if runs is not None:
        runs = tf.concat([runs, filled(runs, 3, 0)], 1)
    characters = read_utf8(extended, end, maximal_subparts=maximal_subparts, runs=runs)
    broken = characters.starts * tf.cast(tf.equal(characters.points, MALFORMED), tf.int32)
    good = tf.maximum(characters.starts - broken, characters.inside)
    counts = good + 3 * broken
    ends = tf.cumsum(counts, axis=1)
    starts = ends - counts
    fits = characters.starts * tf.cast(starts + tf.where(broken > 0, 3, characters.sizes) <= size, tf.int32)
    length = tf.reduce_max(fits * (starts + tf.where(broken > 0, 3, characters.sizes)), axis=1, keepdims=True)
    mended = place(tf.where((good > 0) & (starts < length), text, 0), starts, size)
    for index, byte in enumerate(chr(REPLACEMENT).encode()):
        mended += place(byte * broken * tf.cast(starts < length, tf.int32), starts + index, size)
    return mended, length, ends[:, -1:] - length + total - characters.end
