"""Operations on a time-major sequence [time, batch, n]."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def reverse(sequence: tf.Tensor, lengths: tf.Tensor | None = None) -> tf.Tensor:
    """Reverses time: of all steps, or of each row's first `lengths` [batch] steps."""
    if lengths is None:
        return tf.reverse(sequence, [0])
    return tf.reverse_sequence(sequence, lengths, seq_axis=0, batch_axis=1)


@tf.custom_gradient
def lookup(table: tf.Tensor, ids: tf.Tensor) -> tuple[tf.Tensor, Any]:
    """Picks rows [..., n] of a table [rows, n]. The gradient is summed in float32 even if the table is bfloat16."""

    def gradient(d_rows: tf.Tensor) -> tuple[tf.Tensor, None]:
        d_rows = tf.reshape(tf.cast(d_rows, tf.float32), [-1, table.shape[-1]])
        summed = tf.math.unsorted_segment_sum(d_rows, tf.reshape(ids, [-1]), tf.shape(table)[0])
        return tf.cast(summed, table.dtype), None

    return tf.gather(table, ids), gradient


def project(sequence: tf.Tensor, projection: Callable[[tf.Tensor], tf.Tensor]) -> tf.Tensor:
    """Applies a projection of rows [rows, n] -> [rows, m] to all steps at once, so that it is one GEMM."""
    rows = projection(tf.reshape(sequence, [-1, sequence.shape[-1]]))
    projected = tf.reshape(rows, tf.concat([tf.shape(sequence)[:2], [rows.shape[-1]]], axis=0))
    projected.set_shape([*sequence.shape[:2], rows.shape[-1]])
    return projected


def at_lengths(states: tf.Tensor, lengths: tf.Tensor, initial: tf.Tensor) -> tf.Tensor:
    """[batch, n]: the state after each row's last valid step, or the initial one [batch, n] if the length is 0."""
    at = tf.stack([tf.maximum(lengths - 1, 0), tf.range(tf.shape(states)[1])], axis=1)
    return tf.where(lengths[:, None] > 0, tf.gather_nd(states, at), initial)
