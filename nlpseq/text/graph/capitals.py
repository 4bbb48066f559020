""":func:`~nlpseq.text.capitals.without_capitals` as a graph."""

from __future__ import annotations

import tensorflow as tf

from nlpseq.text.capitals import FEWEST, TWO_BYTES


def without_capitals(text: tf.Tensor) -> tf.Tensor:
    """Texts uint8 [batch, n], padded with zeros, of which those in capitals are in small letters."""
    letters = tf.cast(text, tf.int32)
    after = tf.pad(letters[:, 1:], [[0, 0], [0, 1]])
    is_capital = _between(letters, ord("A"), ord("Z"))
    is_small = _between(letters, ord("a"), ord("z"))
    to_first, to_last = tf.zeros_like(letters), tf.zeros_like(letters)  # both at the place of the first byte
    for first, low, high, add_first, add_last in TWO_BYTES:
        found = tf.cast(tf.equal(letters, first), tf.int32) * _between(after, low, high)
        is_capital += found
        to_first += add_first * found
        to_last += add_last * found
        small = tf.cast(tf.equal(letters, first + add_first), tf.int32)
        is_small += small * _between(after, low + add_last, high + add_last)
    single = 32 * _between(letters, ord("A"), ord("Z"))
    lowered = letters + single + to_first + tf.pad(to_last[:, :-1], [[0, 0], [1, 0]])
    in_capitals = (
        tf.cast(tf.reduce_sum(is_capital, axis=1, keepdims=True) >= FEWEST, tf.int32)
        * tf.cast(tf.equal(tf.reduce_sum(is_small, axis=1, keepdims=True), 0), tf.int32)
        * tf.cast(tf.reduce_sum(tf.cast(tf.equal(letters, ord(" ")), tf.int32), axis=1, keepdims=True) > 0, tf.int32)
    )
    return tf.cast(letters + in_capitals * (lowered - letters), tf.uint8)


def _between(values: tf.Tensor, low: int, high: int) -> tf.Tensor:
    """1 where a value is from low to high, else 0."""
    return tf.cast((values >= low) & (values <= high), tf.int32)
