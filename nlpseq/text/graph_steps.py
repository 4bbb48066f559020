"""What text graphs are made of: look-ups, windows, placing, following links, and UTF-8, for a batch of rows at once.

Every function converts to TensorFlow Lite builtin operators on tensors of fixed sizes. All numbers are int32
[batch, n]; rows are padded with zeros. Work that few texts need stands behind ``tf.cond``, which becomes IF. A row is
shifted with a concatenation, because PAD takes five times as long.
"""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from nlpseq.text.sentencepiece_tables import MALFORMED, PAGE, Pages

# A byte's class, for the automaton below. The classes of trail bytes differ because E0, ED, F0 and F4 do not take all.
_ASCII, _LOW_TRAIL, _MIDDLE_TRAIL, _HIGH_TRAIL, _TWO, _E0, _THREE, _ED, _F0, _FOUR, _F4, _NEVER, _END = range(13)
_CLASSES = 13
NO_BYTE = 256  # what lies behind a buffer
# Where a character that starts here stands after some bytes: complete with 1 to 4, broken after 1 to 3 good ones, cut
# by the end of the buffer, or waiting for trail bytes.
(_DONE_1, _DONE_2, _DONE_3, _DONE_4, _BROKEN_1, _BROKEN_2, _BROKEN_3, _CUT) = range(8)
(_1_OF_2, _AFTER_E0, _2_OF_3, _AFTER_ED, _AFTER_F0, _3_OF_4, _AFTER_F4, _1_OF_3, _2_OF_4, _1_OF_4) = range(8, 18)
_STATES = 18
_LONGEST_CONSTANT = 256  # numbers that one might as well store as make


def look_up(table: NDArray[Any], index: tf.Tensor) -> tf.Tensor:
    """``table[index]`` as int32 or float32; integers are stored in the narrowest type that holds them all."""
    if table.dtype.kind == "f":
        # Stored as integers, because a converter that quantises weights takes a table of floats for weights.
        return tf.bitcast(tf.gather(tf.constant(table.astype(np.float32).view(np.int32)), index), tf.float32)
    low, high = int(table.min(initial=0)), int(table.max(initial=0))
    for narrow in (np.int8, np.uint8, np.int16):
        if low >= np.iinfo(narrow).min and high <= np.iinfo(narrow).max:
            return tf.cast(tf.gather(tf.constant(table.astype(narrow)), index), tf.int32)
    if high - low < 1 << 16:
        middle = low + (1 << 15)
        return tf.cast(tf.gather(tf.constant((table - middle).astype(np.int16)), index), tf.int32) + middle
    return tf.gather(tf.constant(table.astype(np.int32)), index)


def property_of(pages: Pages, points: tf.Tensor) -> tf.Tensor:
    """The property of each code point."""
    page = points // PAGE
    volume = page // PAGE
    start = look_up(pages.volumes, tf.minimum(volume, len(pages.volumes) - 1))
    start = look_up(pages.pages, start + page - PAGE * volume)
    return look_up(pages.cells, start + points - PAGE * page)


def rows_of(values: tf.Tensor) -> int | tf.Tensor:
    """How many rows there are; a number, rather than a tensor, where that is known."""
    return tf.shape(values)[0] if values.shape[0] is None else values.shape[0]


def filled(values: tf.Tensor, width: int, fill: int) -> tf.Tensor:
    """As many rows as ``values`` has, each ``width`` times ``fill``."""
    return tf.fill([rows_of(values), width], fill)


def zeros(values: tf.Tensor, width: int) -> tf.Tensor:
    """As many rows as ``values`` has of ``width`` zeros each, made when the graph runs: a constant takes space."""
    return tf.fill([rows_of(values), width], tf.maximum(tf.minimum(tf.reduce_min(values[:, :1]), 0), 0))


def positions(values: tf.Tensor) -> tf.Tensor:
    """0, 1, ... along a row: [1, n]; of a long row made when the graph runs."""
    width = values.shape[1]
    if width <= _LONGEST_CONSTANT:
        return tf.range(width)[None]
    return tf.cumsum(1 + zeros(values[:1], width), axis=1) - 1


def within_rows(values: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
    """``values[row, index[row, i]]``: [batch, m]."""
    return tf.gather(values, index, axis=1, batch_dims=1)


def window(values: tf.Tensor, start: tf.Tensor, width: int) -> tf.Tensor:
    """``values[:, start : start + width]`` for a scalar ``start``; a slice would have no fixed size."""
    return tf.gather(values, start + np.arange(width, dtype=np.int32), axis=1)


def place(values: tf.Tensor, index: tf.Tensor, size: int) -> tf.Tensor:
    """Adds each value at its index of a row of zeros: [batch, size]. What lies past the row must be 0."""
    index = tf.minimum(index, size - 1)
    rows = rows_of(values)
    if not isinstance(rows, int) or rows != 1:
        index += size * tf.range(rows)[:, None]
    placed = tf.scatter_nd(tf.reshape(index, [-1, 1]), tf.reshape(values, [-1]), tf.reshape(rows * size, [1]))
    return tf.reshape(placed, [-1, size])


def shifted(values: tf.Tensor, by: int, fill: int) -> tf.Tensor:
    """``values[i + by]``, or ``fill`` where that lies outside: [batch, n]."""
    outside = filled(values, abs(by), fill)
    return tf.concat([values[:, by:], outside] if by > 0 else [outside, values[:, :by]], 1)


def follow(links: tf.Tensor, start: tf.Tensor, steps: int) -> tf.Tensor:
    """Where one arrives after 0, 1, ... steps: [batch, steps], in log2(steps) rounds, each twice as far.

    Args:
        links: int32 [batch, n], where to go from each index.
        start: int32 [batch, 1].
    """
    number = tf.range(steps)[None]

    def further(width: tf.Tensor, path: tf.Tensor, links: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        so_far = within_rows(path, tf.maximum(number - width, tf.zeros_like(path)))
        path = tf.where(number < width, path, within_rows(links, so_far))
        return 2 * width, path, within_rows(links, links)

    return tf.while_loop(lambda width, *_: width < steps, further, [tf.constant(1), tf.tile(start, [1, steps]), links])[
        1
    ]


class Utf8(NamedTuple):
    """The characters in a buffer, at the byte they start at.

    Attributes:
        points: their code points, or MALFORMED; anything where no character starts.
        sizes: bytes to the next start.
        starts: 1 where a character, or what is not UTF-8, starts before ``end``; else 0.
        inside: 1 at the second to last byte of a character, else 0.
        end: int32 [batch, 1], bytes up to the padding, without a character that the end of the buffer cuts.
    """

    points: tf.Tensor
    sizes: tf.Tensor
    starts: tf.Tensor
    inside: tf.Tensor
    end: tf.Tensor


def read_utf8(text: tf.Tensor, end: tf.Tensor, *, maximal_subparts: bool, runs: tf.Tensor | None = None) -> Utf8:
    """Finds the characters of a buffer of bytes (Unicode 16, table 3-7), all at once, as if one started at every byte.

    Args:
        text: int32 [batch, n + 3], bytes, or NO_BYTE behind the buffer; the last three are only looked at.
        end: int32 [batch, 1], how many of them are text.
        maximal_subparts: how much counts as one where the text is not UTF-8: the start of a character so far as it is
            good, as in Python and the browser (True), or each byte by itself, as in SentencePiece (False).
        runs: int32 [batch, n + 3]; a character lies within bytes of an equal number.
    """
    size = text.shape[1] - 3
    kinds = look_up(_byte_classes(), text)
    state = look_up(_first_states(), kinds[:, :size])
    for by in range(1, 4):
        kind = kinds[:, by : size + by]
        if runs is not None:
            kind = tf.where(tf.equal(runs[:, by : size + by], runs[:, :size]) | tf.equal(kind, _END), kind, _ASCII)
        state = look_up(_next_states(), state * _CLASSES + kind)
    points = tf.where(tf.equal(state, _DONE_1), text[:, :size], MALFORMED)
    bits, marks = text[:, :size], 0
    for by in range(1, 4):
        bits = bits * 64 + text[:, by : size + by]
        marks = marks * 64 + 0x80
        lead = (0xC0, 0xE0, 0xF0)[by - 1] << 6 * by
        points = tf.where(tf.equal(state, _DONE_1 + by), bits - (lead + marks), points)
    position = positions(state)
    end = tf.minimum(end, tf.reduce_min(tf.where(tf.equal(state, _CUT), position, end), axis=1, keepdims=True))
    good = look_up(np.array([1, 2, 3, 4] + [1] * (_STATES - 4), np.int32), state)
    inside = _reached(good)
    if maximal_subparts:
        sizes = look_up(np.array([1, 2, 3, 4, 1, 2, 3] + [1] * (_STATES - 7), np.int32), state)
        covered = _reached(sizes)
    else:
        sizes, covered = good, inside
    before_end = tf.cast(position < end, tf.int32)
    return Utf8(points, sizes, before_end * (1 - covered), before_end * inside, end)


def utf8_size(points: tf.Tensor) -> tf.Tensor:
    """How many bytes a code point is written with."""
    return 1 + sum(tf.cast(points >= least, tf.int32) for least in (0x80, 0x800, 0x10000))


def utf8_bytes(points: tf.Tensor) -> list[tf.Tensor]:
    """The four bytes of each code point; those past its :func:`utf8_size` mean nothing."""
    sizes = utf8_size(points)
    sixes = [points]
    for _ in range(3):
        sixes.append(sixes[-1] // 64)
    trails = [low - 64 * high + 0x80 for low, high in itertools.pairwise(sixes)]
    lead = points
    for size, mark in ((2, 0xC0), (3, 0xE0), (4, 0xF0)):
        lead = tf.where(tf.equal(sizes, size), sixes[size - 1] + mark, lead)
    encoded = [lead]
    for index in range(1, 4):  # the last trail byte has the lowest six bits
        byte = trails[0]
        for size in range(index + 2, 5):
            byte = tf.where(tf.equal(sizes, size), trails[size - 1 - index], byte)
        encoded.append(byte)
    return encoded


def _reached(sizes: tf.Tensor) -> tf.Tensor:
    """1 at the bytes that belong to a character which starts before them."""
    before = tf.concat([filled(sizes, 3, 1), sizes], 1)
    by_1, by_2, by_3 = (before[:, 3 - by : -by] > by for by in (1, 2, 3))
    return tf.cast(by_1 | by_2 | by_3, tf.int32)


def _byte_classes() -> NDArray[np.int32]:
    ranges = (
        (0x00, _ASCII),
        (0x80, _LOW_TRAIL),
        (0x90, _MIDDLE_TRAIL),
        (0xA0, _HIGH_TRAIL),
        (0xC0, _NEVER),
        (0xC2, _TWO),
        (0xE0, _E0),
        (0xE1, _THREE),
        (0xED, _ED),
        (0xEE, _THREE),
        (0xF0, _F0),
        (0xF1, _FOUR),
        (0xF4, _F4),
        (0xF5, _NEVER),
        (NO_BYTE, _END),
    )
    classes = np.zeros(NO_BYTE + 1, np.int32)
    for first, kind in ranges:
        classes[first:] = kind
    return classes


def _first_states() -> NDArray[np.int32]:
    states = np.full(_CLASSES, _BROKEN_1, np.int32)
    states[_ASCII] = _DONE_1
    waiting = (_1_OF_2, _AFTER_E0, _2_OF_3, _AFTER_ED, _AFTER_F0, _3_OF_4, _AFTER_F4)
    for kind, state in zip((_TWO, _E0, _THREE, _ED, _F0, _FOUR, _F4), waiting, strict=True):
        states[kind] = state
    return states


def _next_states() -> NDArray[np.int32]:
    table = np.repeat(np.arange(_STATES, dtype=np.int32)[:, None], _CLASSES, axis=1)  # the first eight stay
    trails = (_LOW_TRAIL, _MIDDLE_TRAIL, _HIGH_TRAIL)
    for state, taken, good, broken in (
        (_1_OF_2, trails, _DONE_2, _BROKEN_1),
        (_AFTER_E0, trails[2:], _1_OF_3, _BROKEN_1),
        (_2_OF_3, trails, _1_OF_3, _BROKEN_1),
        (_AFTER_ED, trails[:2], _1_OF_3, _BROKEN_1),
        (_AFTER_F0, trails[1:], _2_OF_4, _BROKEN_1),
        (_3_OF_4, trails, _2_OF_4, _BROKEN_1),
        (_AFTER_F4, trails[:1], _2_OF_4, _BROKEN_1),
        (_1_OF_3, trails, _DONE_3, _BROKEN_2),
        (_2_OF_4, trails, _1_OF_4, _BROKEN_2),
        (_1_OF_4, trails, _DONE_4, _BROKEN_3),
    ):
        table[state] = broken
        table[state, list(taken)] = good
        table[state, _END] = _CUT
    return table.reshape(-1)
