"""The tokenisers as TensorFlow graphs: UTF-8 bytes to ids and back, in TensorFlow Lite builtin operators only.

Buffers have a fixed size, and zeros after the text or the ids; a zero byte within the text is a character of it. So the
same graph runs in the interpreter, in CompiledModel and in LiteRT.js, and as a part of a larger one, text to text::

    graph = in_graph(tokenizer)
    source = graph.encode(text[None], size=128)     # uint8 [1, 512] -> ids int32 [1, 128], lengths int32 [1]
    ...
    answer = graph.decode(ids, lengths, size=512)   # -> text uint8 [1, 512], lengths int32 [1]

Work on the bytes is done for all of them at once, on the whole buffer: some 200 operators, together 0.09 ms for 512
bytes. Only the search for the best pieces goes from character to character, 0.002 ms each, and only so far as there is
text. (``python -m tests.text.parity`` measures both, and counts differences from the library.)

Text that does not fit: a character cut by the end of a full buffer is left out, as if the text had ended before it.
Ids past the end of the ids' buffer are left out, whole characters at a time; those that stay are the ids of the text up
to there. ``left_out`` counts them, so that a caller can split the text.
"""

from __future__ import annotations

import abc
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from nlpseq.text import sentencepiece_tables as tables
from nlpseq.text.graph_steps import (
    Utf8,
    follow,
    look_up,
    place,
    property_of,
    read_utf8,
    shifted,
    utf8_bytes,
    utf8_size,
    within_rows,
)
from nlpseq.text.sentencepiece_tables import BLANK, FIRST_STRING, MALFORMED, REPLACEMENT, SPACE, Ints, Pages
from nlpseq.text.tokenizers import Characters, SentencePiece, Tokenizer

_FIRST_BYTE = 4  # the id of byte 0 in Characters


class Encoded(NamedTuple):
    """Ids of texts.

    Attributes:
        ids: int32 [batch, size], padded with zeros.
        lengths: int32 [batch].
        left_out: int32 [batch], ids that found no place (and characters, where the normal form is longer than the
            buffer; and bytes of a character that the buffer cuts); 0 if this is the whole text.
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
        position = tf.range(size)[None]
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

    def encode(self, text: tf.Tensor, size: int) -> Encoded:
        characters, cut = _characters_of(text, maximal_subparts=True)
        points = tf.where(tf.equal(characters.points, MALFORMED), REPLACEMENT, characters.points)
        ids = property_of(self._ids, points)
        sizes = characters.starts * tf.where(ids > 0, 1, utf8_size(points))
        ends = tf.cumsum(sizes, axis=1)
        byte_ids = np.arange(_FIRST_BYTE, _FIRST_BYTE + 256, dtype=np.int32)
        encoded = _placed(ids, points, sizes, ends - sizes, ends[:, -1:], size, byte_ids)
        return encoded._replace(left_out=encoded.left_out + cut)

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
        self._spellings = tables.spelling_tables(self._model)

    def encode(self, text: tf.Tensor, size: int) -> Encoded:
        points, lengths, left_out = self.normalise(text)
        pieces = self._pieces
        capacity = points.shape[1]
        cells = self._best_cells(property_of(pieces.symbols, points), lengths)
        links = tf.range(1, capacity + 1)[None] - look_up(pieces.lengths, cells)
        links = tf.pad(links, [[0, 0], [1, 0]])  # from the end of a piece, 1 to capacity, to its start; from 0 to 0
        ends = follow(links, lengths, capacity)  # of the pieces, the last one first
        at = tf.maximum(ends - 1, 0)
        ids = look_up(pieces.ids, within_rows(cells, at))
        points = within_rows(points, at)
        sizes = tf.where(ends > 0, tf.where(ids > 0, 1, utf8_size(points)), 0)
        ids_from_end = tf.cumsum(sizes, axis=1)
        total = ids_from_end[:, -1:]
        encoded = _placed(ids, points, sizes, total - ids_from_end, total, size, pieces.byte_ids)
        return encoded._replace(left_out=encoded.left_out + left_out)

    def normalise(self, text: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Applies the model's rules and its treatment of spaces to uint8 [batch, n].

        Returns:
            points: int32 [batch, n + 1], code points.
            lengths: int32 [batch, 1].
            left_out: int32 [batch], characters that found no place, and bytes of one that the buffer cuts.
        """
        model = self._model
        characters, cut = _characters_of(text, maximal_subparts=False)
        capacity = text.shape[1]
        points, count, left_out = self._with_rules(characters)
        left_out += cut
        position = tf.range(capacity)[None]
        present = tf.cast(position < count, tf.int32)
        spaces = tf.cast(tf.equal(points, SPACE), tf.int32)
        blank = BLANK if model.escape_whitespaces else SPACE
        prefix = int(model.add_dummy_prefix)
        points += (blank - SPACE) * spaces
        first = np.zeros((1, capacity + 1), np.int32)
        first[0, 0] = blank * prefix
        if not model.remove_extra_whitespaces:
            points = first + tf.pad(points * present, [[0, 0], [prefix, 1 - prefix]])
            return points, tf.where(characters.end > 0, count + prefix, 0), left_out
        kept = present * (1 - spaces * shifted(spaces, -1, 1))  # the start counts as a space
        index = tf.cumsum(kept, axis=1) - 1 + prefix
        points = first + place(points * kept, tf.maximum(index, 0), capacity + 1)
        count = tf.reduce_sum(kept, axis=1, keepdims=True) + prefix
        position = tf.range(capacity + 1)[None]
        words = tf.cast(tf.not_equal(points, blank) & (position < count), tf.int32)
        return points, tf.reduce_max(words * (position + 1), axis=1, keepdims=True), left_out

    def _with_rules(self, characters: Utf8) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Replaces the longest match at each place where the one before has ended.

        Returns:
            points: int32 [batch, n]; the count of them, int32 [batch, 1]; and of those left out, int32 [batch].
        """
        points, sizes, starts, _, end = characters
        rules, capacity = self._rules, points.shape[1]
        if rules is None:
            points = tf.where(tf.equal(points, MALFORMED), REPLACEMENT, points)
            return *_compact(points, starts), tf.zeros_like(end[:, 0])
        kind = property_of(rules.classes, points)
        values = points + look_up(rules.added, kind)
        if rules.depth > 1:
            symbols = starts * look_up(rules.symbols, kind)
            values, starts = tf.cond(
                tf.reduce_any(symbols > 0),
                lambda: self._with_longer_rules(kind, values, symbols, sizes, starts),
                lambda: (values, starts),
            )
        strings = starts * tf.cast(values >= FIRST_STRING, tf.int32)

        def with_strings() -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            index = tf.maximum(values - FIRST_STRING, 0)
            counts = starts * tf.where(strings > 0, look_up(rules.string_lengths, index), 1)
            ends = tf.cumsum(counts, axis=1)
            counts_kept = tf.where(ends <= capacity, counts, 0)
            first = look_up(rules.string_starts, index)

            def placed(nth: tf.Tensor, points: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
                source = tf.minimum(first + nth, len(rules.strings) - 1)
                nth_points = tf.where(strings > 0, look_up(rules.strings, source), values)
                here = tf.where(nth < counts_kept, nth_points, 0)
                return nth + 1, points + place(here, ends - counts + nth, capacity)

            _, points = tf.while_loop(
                lambda nth, _: tf.reduce_any(nth < counts_kept), placed, [tf.constant(0), tf.zeros_like(values)]
            )
            kept = tf.reduce_sum(counts_kept, axis=1, keepdims=True)
            return points, kept, ends[:, -1] - kept[:, 0]

        return tf.cond(
            tf.reduce_any(strings > 0),
            with_strings,
            lambda: (*_compact(values, starts), tf.zeros_like(end[:, 0])),
        )

    def _with_longer_rules(
        self, kind: tf.Tensor, values: tf.Tensor, symbols: tf.Tensor, sizes: tf.Tensor, starts: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Looks for rules of several characters, from every start at once; then drops the starts within a match."""
        rules = self._rules
        assert rules is not None
        capacity = values.shape[1]
        position = tf.range(capacity)[None]
        state, added = look_up(rules.firsts, kind), look_up(rules.first_added, kind)
        taken, ahead = sizes, position + sizes
        for _ in range(rules.depth - 1):
            at = tf.minimum(ahead, capacity - 1)
            symbol = tf.where(ahead < capacity, within_rows(symbols, at), 0)
            cell = state + symbol
            cell = tf.where(tf.equal(look_up(rules.longer.check, cell), state), cell, 0)
            added += look_up(rules.edge_added, cell)
            final = look_up(rules.final_added, cell)
            ahead += within_rows(sizes, at)
            values = tf.where(final >= 0, added + final, values)
            taken = tf.where(final >= 0, ahead - position, taken)
            state = look_up(rules.longer.following, cell)
        links = tf.pad(tf.minimum(position + taken, capacity), [[0, 0], [0, 1]], constant_values=capacity)
        visited = follow(links, tf.zeros_like(links[:, :1]), capacity + 1)
        reached = place(tf.cast(visited < capacity, tf.int32), visited, capacity)
        return values, starts * tf.minimum(reached, 1)

    def _best_cells(self, symbols: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
        """Viterbi search: for each place, the trie's cell of the last piece of the best way there.

        The pieces that are still growing, one from each of the last places, walk the trie side by side, the earliest
        first; where two ways are equally good the earliest start wins, and scores are added in float32 from the left:
        both as in the library.

        Args:
            symbols: int32 [batch, n].
            lengths: int32 [batch, 1].

        Returns:
            int32 [batch, n].
        """
        pieces = self._pieces
        trie, window = pieces.trie, pieces.longest
        symbols = tf.transpose(symbols)
        rows = symbols.shape[1] or tf.shape(symbols)[1]
        newest = np.zeros((1, window), np.int32)
        newest[0, -1] = 1
        state = tf.tile(tf.constant(newest * pieces.root), [rows, 1])
        score = tf.tile(tf.constant(np.where(newest, 0, tables.NO_SCORE).astype(np.float32)), [rows, 1])
        root = tf.tile(tf.constant([[pieces.root]]), [rows, 1])

        def step(
            place_number: tf.Tensor, state: tf.Tensor, score: tf.Tensor, cells: tf.Tensor
        ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
            symbol = tf.gather(symbols, place_number)[:, None]
            cell = state + symbol
            cell = tf.where(tf.equal(look_up(trie.check, cell), state), cell, 0)
            state = look_up(trie.following, cell)
            ways = score + look_up(pieces.scores, cell)
            best = within_rows(cell, tf.argmax(ways, axis=1, output_type=tf.int32)[:, None])
            cells += tf.scatter_nd(tf.reshape(place_number, [1, 1]), tf.transpose(best), tf.shape(cells))
            state = tf.concat([state[:, 1:], root], 1)
            score = tf.concat([score[:, 1:], tf.reduce_max(ways, axis=1, keepdims=True)], 1)
            return place_number + 1, state, score, cells

        longest = tf.reduce_max(lengths)
        *_, cells = tf.while_loop(
            lambda place_number, *_: place_number < longest,
            step,
            [tf.constant(0), state, score, tf.zeros_like(symbols)],
        )
        return tf.transpose(cells)

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


def _characters_of(text: tf.Tensor, *, maximal_subparts: bool) -> tuple[Utf8, tf.Tensor]:
    """The characters of uint8 [batch, n] up to its padding, and the bytes of one that the end cuts, int32 [batch]."""
    encoded = tf.cast(text, tf.int32)
    position = tf.range(1, text.shape[1] + 1)[None]
    end = tf.reduce_max(tf.where(encoded > 0, position, 0), axis=1, keepdims=True)
    characters = read_utf8(encoded, end, maximal_subparts=maximal_subparts)
    return characters, (end - characters.end)[:, 0]


def _compact(values: tf.Tensor, present: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The values that are present, side by side: int32 [batch, n]; and how many they are, int32 [batch, 1]."""
    count = tf.cumsum(present, axis=1)
    return place(values * present, tf.maximum(count - 1, 0), values.shape[1]), count[:, -1:]


def _placed(
    ids: tf.Tensor,
    points: tf.Tensor,
    sizes: tf.Tensor,
    starts: tf.Tensor,
    total: tf.Tensor,
    size: int,
    byte_ids: Ints,
) -> Encoded:
    """Writes each token at its start: its id if that is above 0, else the ids of the bytes of its code point.

    Args:
        sizes: int32 [batch, n], how many ids a token is; 0 for those that are none.
        total: int32 [batch, 1], their sum.
        size: of the result; tokens that do not fit are left out.
    """
    ends = starts + sizes
    sizes = tf.where(ends <= size, sizes, 0)
    lengths = tf.reduce_sum(sizes, axis=1)
    placed = place(tf.where((sizes > 0) & (ids > 0), ids, 0), starts, size)
    unknown = tf.where(ids > 0, 0, sizes)

    def with_bytes() -> tf.Tensor:
        spelt = placed
        for index, byte in enumerate(utf8_bytes(points)):
            here = tf.where(unknown > index, look_up(byte_ids, tf.clip_by_value(byte, 0, 255)), 0)
            spelt += place(here, starts + index, size)
        return spelt

    filled = tf.cond(tf.reduce_any(unknown > 0), with_bytes, lambda: placed)
    return Encoded(filled, lengths, total[:, 0] - lengths)


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
    characters = read_utf8(text, end, maximal_subparts=maximal_subparts, runs=runs)
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
