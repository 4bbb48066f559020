"""Dropout that draws another mask in every replica."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="nlpseq")
class Dropout(keras.layers.Layer):
    """Zeroes a part of the values while training and scales up the rest (Srivastava et al. 2014, JMLR 15).

    Unlike ``keras.layers.Dropout``, replicas of a strategy do not share masks, and ``over_time`` uses one mask for all
    steps of a sequence (Gal & Ghahramani 2016, arXiv:1512.05287).

    Args:
        rate: part of the values that is zeroed, 0 <= rate < 1.
        over_time: one mask [batch, 1, units] instead of [batch, time, units].
        seed: of the masks; a fresh one is drawn from Keras' global seed where it is None.

    Call arguments:
        values: float [batch, time, units] (any shape without ``over_time``).
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
        seed = tf.cast(self.seed_generator.next(), tf.int32)
        context = tf.distribute.get_replica_context()
        if context is not None and context.num_replicas_in_sync > 1:
            seed = tf.random.experimental.stateless_fold_in(seed, context.replica_id_in_sync_group)
        shape = tf.shape(values)
        if self.over_time:
            shape = tf.stack([shape[0], 1, shape[2]])
        # 16 random bits a value: half of what a float takes, and more than a rate needs.
        size = tf.reduce_prod(shape)
        drawn = tf.random.stateless_uniform([(size + 1) // 2], seed, minval=None, maxval=None, dtype=tf.int32)
        bits = tf.reshape(tf.reshape(tf.bitcast(drawn, tf.uint16), [-1])[:size], shape)
        kept = bits >= round(self.rate * 65536)
        return values * (tf.cast(kept, values.dtype) * (1.0 / (1.0 - self.rate)))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rate": self.rate, "over_time": self.over_time, "seed": self.seed}
