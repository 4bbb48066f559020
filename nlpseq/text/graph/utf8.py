"""UTF-8 in graphs: strings to bytes and back, the characters in a buffer, and the mending of what is not UTF-8."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from nlpseq.text.graph.steps import filled, look_up, place, positions, within_rows

REPLACEMENT = 0xFFFD
# The code point of a byte that is not UTF-8. It is a surrogate, which no text has: SentencePiece's rules turn a U+FFFD
# of the text into a space, but not the U+FFFD of such a byte, so the two stay apart until the rules are done.
MALFORMED = 0xD800

# A byte's class, for the automaton below. There are three classes of trail bytes because E0, ED, F0 and F4 do not take
# all of them.
_ASCII, _LOW_TRAIL, _MIDDLE_TRAIL, _HIGH_TRAIL, _TWO, _E0, _THREE, _ED, _F0, _FOUR, _F4, _NEVER, _END = range(13)
_CLASSES = 13
_NO_BYTE = 256  # stands for the places behind a buffer
# The states of a character: complete with 1 to 4 bytes, broken after 1 to 3 good ones, cut by the end of the buffer, or
# waiting for trail bytes.
(_DONE_1, _DONE_2, _DONE_3, _DONE_4, _BROKEN_1, _BROKEN_2, _BROKEN_3, _CUT) = range(8)
(_1_OF_2, _AFTER_E0, _2_OF_3, _AFTER_ED, _AFTER_F0, _3_OF_4, _AFTER_F4, _1_OF_3, _2_OF_4, _1_OF_4) = range(8, 18)
_STATES = 18


class Utf8(NamedTuple):
    """The characters in a buffer. Each stands at its first byte.

    Attributes:
        points: int32 [batch, n], code points, or MALFORMED; without a meaning where no character starts.
        sizes: int32 [batch, n], bytes to the next start.
        starts: int32 [batch, n], 1 where a character or a malformed part starts before ``end``, else 0.
        inside: int32 [batch, n], 1 at the other bytes of a character, else 0.
        end: int32 [batch, 1], bytes before the padding, without a character that the end of the buffer cuts.
    """

    points: tf.Tensor
    sizes: tf.Tensor
    starts: tf.Tensor
    inside: tf.Tensor
    end: tf.Tensor


def read_utf8(text: tf.Tensor, end: tf.Tensor, *, maximal_subparts: bool, runs: tf.Tensor | None = None) -> Utf8:
    """Finds the characters in a buffer of bytes (Unicode 16, table 3-7).

    All bytes are read at once, each as if a character started there.

    Args:
        text: int32 [batch, n + 3], bytes, or 256 for places behind the buffer. A character may end in the last three
            places, but not start there.
        end: int32 [batch, 1], the number of bytes that are text.
        maximal_subparts: how malformed parts are counted. True: the good start of a character is one part, as in Python
            and the browser. False: each byte is a part, as in SentencePiece.
        runs: int32 [batch, n + 3]; all bytes of a character have the same number.
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


def characters_from(text: tf.Tensor, start: tf.Tensor, end: tf.Tensor, width: int, *, maximal_subparts: bool) -> Utf8:
    """Finds the characters in the next ``width`` bytes.

    Args:
        text: uint8 [batch, n].
        start: int32 [batch, 1], where the next character starts.
        end: int32 [batch, 1], where the text ends.
        maximal_subparts: as in :func:`read_utf8`.
    """
    index = start + np.arange(width + 3, dtype=np.int32)
    size = text.shape[1]
    encoded = tf.cast(within_rows(text, tf.minimum(index, size - 1)), tf.int32)
    return read_utf8(tf.where(index < size, encoded, _NO_BYTE), end - start, maximal_subparts=maximal_subparts)


def mended(
    text: tf.Tensor, end: tf.Tensor, total: tf.Tensor, *, maximal_subparts: bool, runs: tf.Tensor | None
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Writes U+FFFD for each malformed part, and leaves out a character that the buffer cuts.

    Args:
        text: int32 [batch, size], bytes.
        end: int32 [batch, 1], the number of bytes that are text.
        total: int32 [batch, 1], the number of bytes that a large buffer would have.
        maximal_subparts, runs: as in :func:`read_utf8`.

    Returns:
        The text, int32 [batch, size], its length and the number of bytes left out, int32 [batch, 1].
    """
    size = text.shape[1]
    extended = tf.concat([text, filled(text, 3, _NO_BYTE)], 1)
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
    result = place(tf.where((good > 0) & (starts < length), text, 0), starts, size)
    for index, byte in enumerate(chr(REPLACEMENT).encode()):
        result += place(byte * broken * tf.cast(starts < length, tf.int32), starts + index, size)
    return result, length, ends[:, -1:] - length + total - characters.end


def lengths_of(text: tf.Tensor) -> tf.Tensor:
    """Returns the lengths of texts uint8 [batch, n] without their padding: int32 [batch, 1]."""
    there = tf.concat([filled(text, 1, True), tf.cast(text, tf.bool)], 1)
    padding = tf.argmax(tf.reverse(there, [1]), axis=1, output_type=tf.int32)
    return text.shape[1] - padding[:, None]


def strings_to_bytes(strings: tf.Tensor, size: int) -> tf.Tensor:
    """Turns string [batch] into uint8 [batch, size], cut or padded with zeros. TensorFlow Lite has no such operator."""
    return tf.io.decode_raw(strings, tf.uint8, fixed_length=size)


def bytes_to_strings(text: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
    """Turns uint8 [batch, n] of int32 [batch] lengths into string [batch]. TensorFlow Lite has no such operator."""
    letters = tf.gather(tf.constant([bytes([value]) for value in range(256)]), tf.cast(text, tf.int32))
    return tf.strings.reduce_join(tf.where(tf.sequence_mask(lengths, text.shape[1]), letters, b""), axis=1)


def utf8_size(points: tf.Tensor) -> tf.Tensor:
    """Returns how many bytes each code point is written with."""
    return 1 + sum(tf.cast(points >= least, tf.int32) for least in (0x80, 0x800, 0x10000))


def utf8_bytes(points: tf.Tensor) -> list[tf.Tensor]:
    """Returns the four bytes of each code point. Those past its :func:`utf8_size` have no meaning."""
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
    """Returns 1 at the bytes that belong to a character which starts before them, else 0."""
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
        (_NO_BYTE, _END),
    )
    classes = np.zeros(_NO_BYTE + 1, np.int32)
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
