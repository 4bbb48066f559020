"""The steps that text graphs are made of: looking up, windows, placing and following links, for a batch of rows.

Every function converts to TensorFlow Lite builtin operators on tensors of fixed sizes. All numbers are int32
[batch, n], and rows are padded with zeros. Work that few texts need stands behind ``tf.cond``, which becomes IF. A row
is shifted with a concatenation, because PAD takes five times as long.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from nlpseq.text.graph.lookup_tables import PAGE, Pages

_LONGEST_CONSTANT = 256  # numbers; longer rows are made when the graph runs, because a constant takes space


def look_up(table: NDArray[Any], index: tf.Tensor) -> tf.Tensor:
    """Returns ``table[index]`` as int32 or float32. Integers are stored in the narrowest type that holds them."""
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
    """Returns the property of each code point."""
    page = points // PAGE
    volume = page // PAGE
    start = look_up(pages.volumes, tf.minimum(volume, len(pages.volumes) - 1))
    start = look_up(pages.pages, start + page - PAGE * volume)
    return look_up(pages.cells, start + points - PAGE * page)


def rows_of(values: tf.Tensor) -> int | tf.Tensor:
    """Returns the number of rows: an int where it is known, else a tensor."""
    return tf.shape(values)[0] if values.shape[0] is None else values.shape[0]


def filled(values: tf.Tensor, width: int, fill: int) -> tf.Tensor:
    """Returns [batch, width] with ``fill`` everywhere, with as many rows as ``values``."""
    return tf.fill([rows_of(values), width], fill)


def zeros(values: tf.Tensor, width: int) -> tf.Tensor:
    """Returns zeros [batch, width], with as many rows as ``values``. They are made when the graph runs."""
    return tf.fill([rows_of(values), width], tf.maximum(tf.minimum(tf.reduce_min(values[:, :1]), 0), 0))


def positions(values: tf.Tensor) -> tf.Tensor:
    """Returns 0, 1, ... along a row: [1, n]."""
    width = values.shape[1]
    if width <= _LONGEST_CONSTANT:
        return tf.range(width)[None]
    return tf.cumsum(1 + zeros(values[:1], width), axis=1) - 1


def within_rows(values: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
    """Returns ``values[row, index[row, i]]``: [batch, m]."""
    return tf.gather(values, index, axis=1, batch_dims=1)


def window(values: tf.Tensor, start: tf.Tensor, width: int) -> tf.Tensor:
    """Returns ``values[:, start : start + width]`` for a scalar ``start``. A slice would have no fixed size."""
    return tf.gather(values, start + np.arange(width, dtype=np.int32), axis=1)


def place(values: tf.Tensor, index: tf.Tensor, size: int) -> tf.Tensor:
    """Adds each value to a row of zeros at its index: [batch, size]. A value whose index is past the row must be 0."""
    index = tf.minimum(index, size - 1)
    rows = rows_of(values)
    if not isinstance(rows, int) or rows != 1:
        index += size * tf.range(rows)[:, None]
    placed = tf.scatter_nd(tf.reshape(index, [-1, 1]), tf.reshape(values, [-1]), tf.reshape(rows * size, [1]))
    return tf.reshape(placed, [-1, size])


def shifted(values: tf.Tensor, by: int, fill: int) -> tf.Tensor:
    """Returns ``values[i + by]``, or ``fill`` where that is outside: [batch, n]."""
    outside = filled(values, abs(by), fill)
    return tf.concat([values[:, by:], outside] if by > 0 else [outside, values[:, :by]], 1)


def follow(links: tf.Tensor, start: tf.Tensor, steps: int) -> tf.Tensor:
    """Returns where one arrives after 0, 1, ... steps: [batch, steps]. It takes log2(steps) rounds.

    Args:
        links: int32 [batch, n], the next index of each index.
        start: int32 [batch, 1].
    """
    number = tf.range(steps)[None]

    def further(width: tf.Tensor, path: tf.Tensor, links: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        so_far = within_rows(path, tf.maximum(number - width, tf.zeros_like(path)))
        path = tf.where(number < width, path, within_rows(links, so_far))
        return 2 * width, path, within_rows(links, links)

    start_path = tf.tile(start, [1, steps])
    return tf.while_loop(lambda width, *_: width < steps, further, [tf.constant(1), start_path, links])[1]


def side_by_side(values: tf.Tensor, present: tf.Tensor, width: int) -> tf.Tensor:
    """Returns the values that are present, one after the other: int32 [batch, width]."""
    return place(values * present, tf.maximum(tf.cumsum(present, axis=1) - 1, 0), width)


def last_end(starts: tf.Tensor, sizes: tf.Tensor) -> tf.Tensor:
    """Returns where the last thing that starts within [batch, n] ends: int32 [batch, 1]; 0 where nothing starts."""
    return tf.reduce_max(starts * (positions(starts) + sizes), axis=1, keepdims=True)
