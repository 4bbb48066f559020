"""The graph of :class:`~nlpseq.text.tokenizers.Characters`."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from nlpseq.text.graph.graph_tokenizer import WINDOW, Encoded, GraphTokenizer, Spelling, no_tokens, with_tokens
from nlpseq.text.graph.lookup_tables import Pages
from nlpseq.text.graph.steps import last_end, look_up, property_of
from nlpseq.text.graph.utf8 import MALFORMED, REPLACEMENT, characters_from, lengths_of, utf8_size
from nlpseq.text.tokenizers import FIRST_BYTE, Characters


class CharactersGraph(GraphTokenizer):
    """One id per code point or byte. Bytes that are not UTF-8 become U+FFFD as in Python."""

    def __init__(self, tokenizer: Characters) -> None:
        self._ids = Pages.of({ord(character): index for character, index in tokenizer.ids.items()})
        encoded = [b""] * FIRST_BYTE + [bytes([value]) for value in range(256)]
        encoded += [character.encode() for character in tokenizer.characters]
        self._lengths = np.array([len(spelt) for spelt in encoded], np.int32)
        self._starts = np.cumsum(self._lengths, dtype=np.int32) - self._lengths
        self._bytes = np.frombuffer(b"".join(encoded), np.uint8)
        self._byte_ids = np.arange(FIRST_BYTE, FIRST_BYTE + 256, dtype=np.int32)

    def encode(self, text: tf.Tensor, size: int) -> Encoded:
        lengths = lengths_of(text)

        def next_window(start: tf.Tensor, end: tf.Tensor, *so_far: tf.Tensor) -> tuple[tf.Tensor, ...]:
            characters = characters_from(text, start, end, WINDOW, maximal_subparts=True)
            points = tf.where(tf.equal(characters.points, MALFORMED), REPLACEMENT, characters.points)
            ids = property_of(self._ids, points)
            sizes = characters.starts * tf.where(ids > 0, 1, utf8_size(points))
            taken = last_end(characters.starts, characters.sizes)
            return start + taken, start + characters.end, *with_tokens(so_far, ids, points, sizes, self._byte_ids)

        read, _, ids, counts, total = tf.while_loop(
            lambda start, end, *_: tf.reduce_any(start < end),
            next_window,
            [tf.zeros_like(lengths), lengths, *no_tokens(lengths, size)],
        )
        return Encoded(ids, counts[:, 0], (total - counts + lengths - read)[:, 0])

    def _spelling(self, ids: tf.Tensor, present: tf.Tensor) -> Spelling:
        is_byte = present * tf.cast((ids >= FIRST_BYTE) & (ids < FIRST_BYTE + 256), tf.int32)
        lengths = present * look_up(self._lengths, ids)
        return Spelling(look_up(self._starts, ids), lengths, is_byte, None, self._bytes)
