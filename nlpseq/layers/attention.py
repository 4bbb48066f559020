"""Attention of target positions over source positions, for all target positions at once."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

_MASKED = -1e9  # keeps a row of nothing but padding finite; its weights are uniform, and nobody reads them


class _Attention(keras.layers.Layer):
    """What both kinds share: a masked softmax over the source, and the weighted sum of the memory.

    The memory's projection is an argument. A decoder that goes step by step projects the memory once::

        keys = attention.project(memory)
        context, weights = attention(query, memory, keys, source_mask)

    Call arguments:
        query: float [batch, target, query_units], the decoder's states. Beams may take the place of target positions.
        memory: float [batch, source, memory_units], the encoder's states.
        keys: float [batch, source, units], the result of :meth:`project` for the memory.
        source_mask: bool [batch, source]; positions that are False get weight 0.

    Returns:
        context: float [batch, target, memory_units]
        weights: float32 [batch, target, source]; rows sum to 1.
    """

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units
        self._key_projection = keras.layers.Dense(units, use_bias=False, name="keys")

    def project(self, memory: tf.Tensor) -> tf.Tensor:
        """Projects a memory [batch, source, memory_units] to keys [batch, source, units]."""
        return self._key_projection(memory)

    def score(self, query: tf.Tensor, keys: tf.Tensor) -> tf.Tensor:
        """Returns the scores [batch, target, source], before the mask and the softmax."""
        raise NotImplementedError

    def call(
        self, query: tf.Tensor, memory: tf.Tensor, keys: tf.Tensor, source_mask: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        scores = tf.cast(self.score(query, keys), tf.float32)
        weights = tf.nn.softmax(tf.where(source_mask[:, None, :], scores, _MASKED), axis=-1)
        return tf.matmul(tf.cast(weights, memory.dtype), memory), weights

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable(package="nlpseq")
class MultiplicativeAttention(_Attention):
    """score = query W memory^T ("general"; Luong et al. 2015, arXiv:1508.04025, section 3.1).

    It costs one matrix product and holds nothing of size target x source x units.

    Raises:
        ValueError: the query does not have `units` units.
    """

    def build(self, query_shape: Any, memory_shape: Any, keys_shape: Any, source_mask_shape: Any) -> None:
        if query_shape[-1] != self.units:
            raise ValueError(
                f"MultiplicativeAttention(units={self.units}) got a query of {query_shape[-1]} units: make them equal"
            )

    def score(self, query: tf.Tensor, keys: tf.Tensor) -> tf.Tensor:
        return tf.matmul(query, keys, transpose_b=True)


@keras.saving.register_keras_serializable(package="nlpseq")
class AdditiveAttention(_Attention):
    """score = v . tanh(W query + U memory) (Bahdanau et al. 2015, arXiv:1409.0473, A.1.2).

    It holds target x source x units values while it trains.
    """

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(units, **kwargs)
        self._query_projection = keras.layers.Dense(units, name="query")

    def build(self, query_shape: Any, memory_shape: Any, keys_shape: Any, source_mask_shape: Any) -> None:
        self._query_projection.build(query_shape)
        self._vector = self.add_weight(shape=(self.units,), initializer="glorot_uniform", name="vector")

    def score(self, query: tf.Tensor, keys: tf.Tensor) -> tf.Tensor:
        hidden = tf.tanh(self._query_projection(query)[:, :, None, :] + keys[:, None, :, :])
        return tf.einsum("btsu,u->bts", hidden, tf.cast(self._vector, hidden.dtype))


@keras.saving.register_keras_serializable(package="nlpseq")
class AttentionPooling(keras.layers.Layer):
    """Pools a sequence to one vector: the mean of its states under learned weights.

    Source: Yang et al. 2016, NAACL, equations 5 to 7.

    Call arguments:
        states: float [batch, time, units].
        source_mask: bool [batch, time]; positions that are False get weight 0.

    Returns:
        pooled: float [batch, units]
        weights: float32 [batch, time]; rows sum to 1.
    """

    def build(self, states_shape: Any, source_mask_shape: Any) -> None:
        self._hidden = keras.layers.Dense(states_shape[-1], activation="tanh", name="hidden")
        self._hidden.build(states_shape)
        self._score = keras.layers.Dense(1, use_bias=False, name="score")
        self._score.build(states_shape)

    def call(self, states: tf.Tensor, source_mask: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        scores = tf.cast(self._score(self._hidden(states))[:, :, 0], tf.float32)
        weights = tf.nn.softmax(tf.where(source_mask, scores, _MASKED), axis=-1)
        return tf.einsum("bt,btu->bu", tf.cast(weights, states.dtype), states), weights
