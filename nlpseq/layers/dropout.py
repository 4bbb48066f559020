"""Dropout: how a mask is drawn, and the layer that multiplies with one."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="nlpseq")
class Dropout(keras.layers.Layer):
    """Sets a part of the values to zero in training and scales up the rest (Srivastava et al. 2014, JMLR 15).

    It differs from ``keras.layers.Dropout`` in two ways: each replica of a strategy draws a mask of its own, and
    ``over_time`` uses one mask for all steps of a sequence (Gal & Ghahramani 2016, arXiv:1512.05287).

    Args:
        rate: part of the values that becomes zero, 0 <= rate < 1.
        over_time: draw one mask [batch, 1, units] instead of [batch, time, units].
        seed: seed of the masks. None takes one from Keras' global seed.

    Call arguments:
        values: float [batch, time, units] (any shape without ``over_time``).
        training: masks are drawn only if this is true.

    Raises:
        ValueError: the rate is outside of its range.
    """

    def __init__(self, rate: float, *, over_time: bool = False, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not 0 <= rate < 1:
            raise ValueError(f"Dropout(rate={rate}): the rate must be at least 0 and below 1")
        self.rate, self.over_time, self.seed = rate, over_time, seed
        self.supports_masking = True
        self.built = True
        if rate:
            self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, values: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        if not training or not self.rate:
            return values
        shape = over_time_shape(values) if self.over_time else tf.shape(values)
        return values * dropout_mask(shape, self.rate, call_seed(self.seed_generator), values.dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rate": self.rate, "over_time": self.over_time, "seed": self.seed}


def call_seed(generator: keras.random.SeedGenerator) -> tf.Tensor:
    """int32 [2]: the seed of one call. Each call and each replica of a strategy gets another one."""
    seed = tf.cast(generator.next(), tf.int32)
    context = tf.distribute.get_replica_context()
    if context is not None and context.num_replicas_in_sync > 1:
        seed = tf.random.experimental.stateless_fold_in(seed, context.replica_id_in_sync_group)
    return seed


def over_time_shape(sequence: tf.Tensor) -> tf.Tensor:
    """int32 [3], the shape [batch, 1, units] of a mask that serves all steps of a sequence [batch, time, units]."""
    shape = tf.shape(sequence)
    return tf.stack([shape[0], 1, shape[2]])


def dropout_mask(shape: tf.Tensor, rate: float, seed: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """Factors of the given shape: 0 with probability `rate`, otherwise 1 / (1 - rate)."""
    return tf.cast(tf.logical_not(chosen(shape, rate, seed)), dtype) * (1.0 / (1.0 - rate))


def chosen(shape: tf.Tensor, rate: float, seed: tf.Tensor) -> tf.Tensor:
    """bool of the given shape, each True with probability `rate`.

    Each value takes 16 random bits: half of what a float takes, and more than a rate needs. The generator is named
    because XLA's default is another one than the plain graph's, and would draw other masks.
    """
    size = tf.reduce_prod(shape)
    options: dict[str, Any] = {"minval": None, "maxval": None, "dtype": tf.int32, "alg": "philox"}
    drawn = tf.random.stateless_uniform([(size + 1) // 2], seed, **options)
    bits = tf.reshape(tf.reshape(tf.bitcast(drawn, tf.uint16), [-1])[:size], shape)
    return bits < min(round(rate * 65536), 65535)
