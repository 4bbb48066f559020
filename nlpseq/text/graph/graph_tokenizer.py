"""What the graphs of all tokenisers share."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from nlpseq.text.graph.lookup_tables import Ints
from nlpseq.text.graph.steps import look_up, place, positions, within_rows, zeros
from nlpseq.text.graph.utf8 import mended, utf8_bytes

WINDOW = 192  # bytes or characters that are worked on at once


class Encoded(NamedTuple):
    """Ids of texts.

    Attributes:
        ids: int32 [batch, size], padded with zeros.
        lengths: int32 [batch], numbers of ids.
        left_out: int32 [batch], 0 if this is the whole text. Else the pieces that found no place, and the bytes at the
            end that were not read: those of a cut character, or those whose normal form is too long.
    """

    ids: tf.Tensor
    lengths: tf.Tensor
    left_out: tf.Tensor


class Decoded(NamedTuple):
    """Texts of ids.

    Attributes:
        text: uint8 [batch, size], UTF-8 padded with zeros.
        lengths: int32 [batch], in bytes.
        left_out: int32 [batch], bytes that found no place; 0 if this is the whole text.
    """

    text: tf.Tensor
    lengths: tf.Tensor
    left_out: tf.Tensor


class Spelling(NamedTuple):
    """The bytes of each id are ``spelling[starts : starts + lengths]``.

    Attributes:
        starts, lengths: int32 [batch, n].
        is_byte: int32 [batch, n], 1 for an id that is one byte of a character.
        runs: int32 [batch, n]; all bytes of a character come from ids of the same number. None: all have the same.
        spelling: uint8, bytes.
    """

    starts: tf.Tensor
    lengths: tf.Tensor
    is_byte: tf.Tensor
    runs: tf.Tensor | None
    spelling: NDArray[np.uint8]


class GraphTokenizer(abc.ABC):
    """A tokeniser in graph operations, for use within a ``tf.function``. It encodes any bytes."""

    @abc.abstractmethod
    def encode(self, text: tf.Tensor, size: int) -> Encoded:
        """Encodes texts uint8 [batch, n] as at most ``size`` ids each, without BOS and EOS."""

    def decode(self, ids: tf.Tensor, lengths: tf.Tensor, size: int) -> Decoded:
        """Decodes ids.

        Args:
            ids: int32 [batch, n], below the size of the vocabulary. Reserved ids have no text.
            lengths: int32 [batch], numbers of ids.
            size: of each text's buffer, in bytes.
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

        def with_mending() -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            runs = within_rows(spelt.runs, token) if spelt.runs is not None else None
            return mended(text, end, total, maximal_subparts=runs is None, runs=runs)

        # Whole pieces are UTF-8, but bytes may not be, and a full buffer may end within a character.
        mend = tf.reduce_any(spelt.is_byte > 0) | tf.reduce_any(total > size)
        text, end, left_out = tf.cond(mend, with_mending, lambda: (text, end, tf.zeros_like(end)))
        return Decoded(tf.cast(text, tf.uint8), end[:, 0], left_out[:, 0])

    @abc.abstractmethod
    def _spelling(self, ids: tf.Tensor, present: tf.Tensor) -> Spelling:
        """Says how ids int32 [batch, n] are spelt; only those where ``present`` is 1 count."""


def no_tokens(lengths: tf.Tensor, size: int) -> list[tf.Tensor]:
    """Returns the empty result that :func:`with_tokens` adds to."""
    return [zeros(lengths, size), tf.zeros_like(lengths), tf.zeros_like(lengths)]


def with_tokens(
    so_far: Sequence[tf.Tensor], ids: tf.Tensor, points: tf.Tensor, sizes: tf.Tensor, byte_ids: Ints
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Adds tokens: each one's id if that is above 0, else the ids of the bytes of its code point.

    A token that does not fit is left out.

    Args:
        so_far: the result of :func:`no_tokens` or of this function.
        ids, points: int32 [batch, n].
        sizes: int32 [batch, n], the number of ids of each token; 0 where there is no token.
        byte_ids: int32 [256], the ids of the bytes.

    Returns:
        The ids, int32 [batch, size].
        The number of them, and the number that a large buffer would have, int32 [batch, 1].
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
