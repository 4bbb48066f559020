"""A recurrent language model: what comes next?"""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
import tensorflow as tf

from nlpseq.config import setting
from nlpseq.networks.network import Network, RecurrentConfig

_SMALL_VOCABULARY = 512  # fewer than a replica's positions in a batch: projecting all rows is less work


@dataclasses.dataclass(frozen=True)
class LanguageModelConfig(RecurrentConfig):
    """Settings of a :class:`LanguageModel`."""

    layers: int = setting(2, "stacked recurrent layers", minimum=1)
    embedding: int = setting(128, "size of a character's vector", minimum=1)
    dropout: float = setting(0.2, "on the input of each layer and before the output", minimum=0, maximum=0.9)


@keras.saving.register_keras_serializable(package="nlpseq")
class LanguageModel(Network):
    """Predicts the next id from all before it.

    Args:
        config: its settings.
        vocabulary: number of ids.

    Call arguments:
        ids: int32 [batch, time].

    Returns:
        logits: float [batch, time, vocabulary].
    """

    config_type = LanguageModelConfig
    config: LanguageModelConfig

    def __init__(self, config: LanguageModelConfig, *, vocabulary: int, **kwargs: Any) -> None:
        super().__init__(config, {"vocabulary": vocabulary}, **kwargs)
        self.embedding = keras.layers.Embedding(vocabulary, config.embedding, name="embedding")
        self.encoder = config.stack(config.layers, name="encoder")
        self.input_dropout = config.sequence_dropout("input_dropout")
        self.output_dropout = config.sequence_dropout("output_dropout")
        self.output_layer = keras.layers.Dense(vocabulary, name="output")

    def create_variables(self) -> None:
        self(tf.ones([1, 2], tf.int32))

    def encoder_inputs(self, ids: tf.Tensor) -> tf.Tensor:
        return self.embedding(ids)

    def call(self, ids: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        return self.advance(ids, None, training)[0]

    def advance(
        self, ids: tf.Tensor, states: list[tf.Tensor] | None, training: bool | None = None
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Reads on.

        Args:
            ids: int32 [batch, time].
            states: what the call before returned, each float32 [batch, units]. None begins a text.
            training: as in Keras.

        Returns:
            logits: float [batch, time, vocabulary], and the states to go on from.
        """
        if training and self.embedding.input_dim <= _SMALL_VOCABULARY and not self.config.dropout:
            outputs, states = self.encoder(self.embedding.embeddings, states=states, ids=ids, training=True)
        else:
            embedded = self.input_dropout(self.embedding(ids), training=training)
            outputs, states = self.encoder(embedded, states=states, training=training)
        return self.output_layer(self.output_dropout(outputs, training=training)), states
