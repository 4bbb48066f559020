"""The graph of :class:`~nlpseq.text.tokenizers.SentencePiece`: normalisation, search for the best pieces, spelling."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from nlpseq.text.graph import sentencepiece_tables as tables
from nlpseq.text.graph.graph_tokenizer import WINDOW, Encoded, GraphTokenizer, Spelling, no_tokens, with_tokens
from nlpseq.text.graph.sentencepiece_file import BLANK, SPACE, read
from nlpseq.text.graph.sentencepiece_tables import FIRST_STRING
from nlpseq.text.graph.steps import (
    filled,
    follow,
    last_end,
    look_up,
    place,
    positions,
    property_of,
    rows_of,
    shifted,
    side_by_side,
    window,
    within_rows,
    zeros,
)
from nlpseq.text.graph.utf8 import MALFORMED, REPLACEMENT, Utf8, characters_from, lengths_of, utf8_size

_SYMBOLS = 8  # the walk through the trie tests whether it is done after so many symbols
_PLACES = 8  # the search tests whether it is done after so many places; they divide the window


class SentencePieceGraph(GraphTokenizer):
    """The best pieces of a unigram model. Each byte that is not UTF-8 becomes a U+FFFD, as in the library."""

    def __init__(self, model: bytes) -> None:
        self._model = read(model)
        self._rules = tables.rule_tables(self._model.rules) if self._model.rules else None
        self._pieces = tables.piece_tables(self._model)
        self._longest = -(-self._pieces.longest // _SYMBOLS) * _SYMBOLS  # symbols in a piece, rounded up
        self._factor = self._longest + 1
        self._spellings = tables.spelling_tables(self._model)

    def encode(self, text: tf.Tensor, size: int) -> Encoded:
        points, lengths, unread = self._normalized(text)
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
            spelt, fitting, total = with_tokens(
                no_tokens(lengths, size), ids, points_here, sizes, self._pieces.byte_ids
            )
            return spelt, fitting, total - fitting

        def without() -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            # These are three tensors because the runtime confuses the results of IF where a branch gives one twice.
            return ids * present, tf.minimum(count, size), tf.zeros_like(count)

        ids, counts, left_out = tf.cond(tf.reduce_any(unknown > 0), with_bytes, without)
        return Encoded(ids, counts[:, 0], (left_out + tf.maximum(count - size, 0) + unread)[:, 0])

    def _normalized(self, text: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Applies the model's rules and its treatment of spaces to texts uint8 [batch, n].

        Returns:
            points: int32 [batch, m], code points, in whole windows.
            lengths: int32 [batch, 1], the number of code points.
            unread: int32 [batch, 1], the number of bytes at the end that are not in them.
        """
        model, rules = self._model, self._rules
        lengths = lengths_of(text)
        blank = BLANK if model.escape_whitespaces else SPACE
        prefix = int(model.add_dummy_prefix)
        capacity = _in_windows(text.shape[1] + prefix)
        ahead = 4 * (rules.depth if rules else 1)  # a match that starts in the window may reach so many bytes further

        def next_window(
            start: tf.Tensor,
            end: tf.Tensor,
            after_space: tf.Tensor,
            count: tf.Tensor,
            kept: tf.Tensor,
            so_far: tf.Tensor,
        ) -> tuple[tf.Tensor, ...]:
            characters = characters_from(text, start, end, WINDOW + ahead, maximal_subparts=False)
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
            [none, lengths, none + 1, none, none, zeros(lengths, capacity)],  # the beginning counts as a space
        )
        if prefix:
            points = shifted(points, -1, blank)
            kept = tf.where((kept if model.remove_extra_whitespaces else read) > 0, kept + 1, 0)
        return points, kept, lengths - read

    def _with_rules(self, characters: Utf8, room: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Replaces the longest match again and again, each time where the last match has ended.

        Args:
            characters: of the window and the bytes ahead of it; matches start in the window.
            room: int32 [batch, 1], the greatest number of code points to return.

        Returns:
            The code points, int32 [batch, m].
            The number of them, and the number of bytes that they come from, int32 [batch, 1].
        """
        points, sizes, starts, _, _ = characters
        rules = self._rules
        starts *= tf.cast(positions(points) < WINDOW, tf.int32)
        if rules is None:
            fitting, count, taken = _fitting(starts, starts, sizes, tf.minimum(room, WINDOW))
            points = tf.where(tf.equal(points, MALFORMED), REPLACEMENT, points)
            return side_by_side(points, fitting, WINDOW), count, taken
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
        width = max(WINDOW, int(rules.string_lengths.max()))
        string = tf.maximum(values - FIRST_STRING + 1, 0)
        counts = starts * look_up(rules.string_lengths, string)
        fitting, count, taken = _fitting(starts, counts, sizes, tf.minimum(room, width))
        some = fitting * tf.minimum(counts, 1)  # 1 where a character has code points to write
        first = tf.cumsum(counts, axis=1) - counts
        number = tf.cumsum(place(some, first, width), axis=1) - 1
        source = within_rows(side_by_side(positions(values), some, width), tf.maximum(number, 0))
        in_strings = within_rows(look_up(rules.string_starts, string) - first, source) + positions(number)
        of_string = look_up(rules.strings, tf.clip_by_value(in_strings, 0, len(rules.strings) - 1))
        return tf.where(within_rows(string, source) > 0, of_string, within_rows(values, source)), count, taken

    def _with_longer_rules(
        self, kind: tf.Tensor, values: tf.Tensor, symbols: tf.Tensor, sizes: tf.Tensor, starts: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Looks for rules of several characters from every start at once. Then it drops the starts within a match.

        It returns the changed values, starts and sizes.
        """
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
        """Finds the last piece of the best way to each place (a Viterbi search).

        First the trie is walked from all places of a window at once. Then the best score of each place is found, one
        after the other, because the library adds scores in float32 from the left. Of two equally good ways, the one
        whose last piece starts earlier wins, as in the library.

        Args:
            points: int32 [batch, m], code points, in whole windows.
            lengths: int32 [batch, 1], the number of code points.

        Returns:
            int32 [batch, m], ``(id - NO_PIECE) * self._factor + length`` of the piece that ends at each place.
        """
        pieces = self._pieces
        before = self._longest - 1  # a piece may start so many places before its last one
        longest, capacity = tf.reduce_max(lengths), points.shape[1]
        extended = tf.concat([filled(points, before, 0), points], 1)

        def next_window(start: tf.Tensor, best: tf.Tensor, found: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            cells = self._cells(property_of(pieces.symbols, window(extended, start, before + WINDOW)))
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
                return place_number + _PLACES, best, choices + place(chosen, at, WINDOW)

            places = tf.minimum(longest - start, WINDOW)
            _, best, choices = tf.while_loop(
                lambda place_number, *_: place_number < places,
                next_places,
                [tf.constant(0), best, filled(points, WINDOW, 0)],
            )
            chosen = tf.gather(numbers, choices, axis=2, batch_dims=2) * self._factor + self._longest - choices
            at = start + np.arange(WINDOW, dtype=np.int32)[None]
            return start + WINDOW, best, found + place(chosen, at, capacity)

        best = np.full((1, self._longest), tables.NO_SCORE)
        best[0, -1] = 0
        return tf.while_loop(
            lambda start, *_: start < longest,
            next_window,
            [tf.constant(0), tf.tile(tf.constant(best), [rows_of(points), 1]), zeros(lengths, capacity)],
        )[2]

    def _cells(self, symbols: tf.Tensor) -> tf.Tensor:
        """Returns the trie's cells of the strings that end at each place: int32 [batch, longest, n]; 0 for no edge.

        The longest string comes first. The walk starts at all places at once. Each symbol moves the states on by one
        place.
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
        """Goes the best way back from its end.

        Args:
            pieces: int32 [batch, m], the result of :meth:`_best_pieces`.
            lengths: int32 [batch, 1], the number of code points.

        Returns:
            ends: int32 [batch, m], the places where a piece of the best way ends, from the last to the first.
            count: int32 [batch, 1], the number of these places.
        """
        before, capacity = self._longest, pieces.shape[1]
        width = before + WINDOW  # the way leaves the window at one of the places before it

        def window_before(
            start: tf.Tensor, last: tf.Tensor, count: tf.Tensor, ends: tf.Tensor
        ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
            here = window(pieces, start, WINDOW)
            sizes = tf.concat([filled(pieces, before, 0), here - here // self._factor * self._factor], 1)
            way = follow(
                np.arange(width, dtype=np.int32) - sizes,
                tf.clip_by_value(last - start + before, 0, width - 1),
                WINDOW + 1,
            )
            inside = tf.cast(way >= before, tf.int32)
            ends += place((start - before + way) * inside, count + np.arange(WINDOW + 1, dtype=np.int32), capacity)
            last = tf.where(last >= start, start - before + way[:, -1:], last)
            return start - WINDOW, last, count + tf.reduce_sum(inside, axis=1, keepdims=True), ends

        first = WINDOW * ((tf.reduce_max(lengths) - 1) // WINDOW)
        _, _, count, ends = tf.while_loop(
            lambda start, *_: start >= 0,
            window_before,
            [first, lengths - 1, tf.zeros_like(lengths), zeros(lengths, capacity)],
        )
        return ends, count

    def _spelling(self, ids: tf.Tensor, present: tf.Tensor) -> Spelling:
        spellings = self._spellings
        kind = look_up(spellings.kinds, ids)
        begins = present * look_up(spellings.begins, kind)
        first = tf.equal(tf.cumsum(begins, axis=1) - begins, 0)
        leading = tf.where(first, look_up(spellings.leading, kind), 0)
        return Spelling(
            look_up(spellings.starts, ids) + leading,
            present * (look_up(spellings.lengths, ids) - leading),
            present * look_up(spellings.is_byte, kind),
            tf.cumsum(look_up(spellings.breaks, kind), axis=1),
            spellings.spelling,
        )


def _in_windows(size: int) -> int:
    """Rounds up to whole windows."""
    return -(-size // WINDOW) * WINDOW


def _fitting(
    starts: tf.Tensor, counts: tf.Tensor, sizes: tf.Tensor, room: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Finds what there is room for.

    Args:
        starts: int32 [batch, n], 1 where something starts.
        counts, sizes: int32 [batch, n], the places and the bytes that it takes.
        room: int32 [batch, 1], the number of places.

    Returns:
        int32 [batch, n], 1 where something starts that fits, and the numbers of its places and bytes, int32 [batch, 1].
    """
    ends = tf.cumsum(counts, axis=1)
    fitting = starts * tf.cast(ends <= room, tf.int32)
    return fitting, tf.reduce_max(ends * fitting, axis=1, keepdims=True), last_end(fitting, sizes)
