"""A recurrent encoder and decoder with attention between them.

The decoder's first recurrent layer sees only the ids before. Attention asks with its states, and the layers above see
what attention found. So no step of the recurrence waits for attention, and training computes it for all target
positions at once (unlike input feeding, Luong et al. 2015, section 3.3).
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from nlpseq.config import setting
from nlpseq.layers.attention import AdditiveAttention, MultiplicativeAttention
from nlpseq.layers.stack import last_outputs
from nlpseq.networks.network import Network, RecurrentConfig
from nlpseq.text.tokenizers import PAD

_ATTENTIONS = {"additive": AdditiveAttention, "multiplicative": MultiplicativeAttention}


@dataclasses.dataclass(frozen=True)
class EncoderDecoderConfig(RecurrentConfig):
    """Settings of an :class:`EncoderDecoder`."""

    embedding: int = setting(256, "size of a piece's vector", minimum=1)
    encoder_layers: int = setting(1, "stacked recurrent layers that read the source", minimum=1)
    decoder_layers: int = setting(2, "stacked recurrent layers that write; attention stands after the first", minimum=1)
    bidirectional: bool = setting(True, "the encoder reads both ways")
    attention: str = setting("multiplicative", "additive costs more memory", choices=("additive", "multiplicative"))
    tie_embeddings: bool = setting(True, "output (and, with a shared vocabulary, source) use the target's vectors")


class Memory(NamedTuple):
    """What the decoder looks back at.

    Attributes:
        states: float [batch, source, units], the encoder's outputs.
        keys: float [batch, source, units], their projection for attention.
        mask: bool [batch, source].
    """

    states: tf.Tensor
    keys: tf.Tensor
    mask: tf.Tensor


@keras.saving.register_keras_serializable(package="nlpseq")
class EncoderDecoder(Network):
    """Recurrent encoder and decoder with attention (Bahdanau et al. 2015; Luong et al. 2015).

    Args:
        config: its settings.
        source_vocabulary: number of ids of the source.
        target_vocabulary: number of ids of the target.
        shared_vocabulary: both sides use the same ids.

    Call arguments:
        inputs: (source int32 [batch, source], previous target ids int32 [batch, target]), padded with 0.

    Returns:
        logits: float [batch, target, target_vocabulary].
    """

    config_type = EncoderDecoderConfig
    config: EncoderDecoderConfig

    def __init__(
        self,
        config: EncoderDecoderConfig,
        *,
        source_vocabulary: int,
        target_vocabulary: int,
        shared_vocabulary: bool,
        **kwargs: Any,
    ) -> None:
        sizes = {
            "source_vocabulary": source_vocabulary,
            "target_vocabulary": target_vocabulary,
            "shared_vocabulary": shared_vocabulary,
        }
        super().__init__(config, sizes, **kwargs)
        self.target_vocabulary = target_vocabulary

        def vectors(size: int, name: str) -> keras.layers.Embedding:
            # Tied vectors are rows of the output layer as well: with this deviation logits start near 1.
            initializer = keras.initializers.RandomNormal(stddev=config.embedding**-0.5)
            return keras.layers.Embedding(size, config.embedding, embeddings_initializer=initializer, name=name)

        self.target_embedding = vectors(target_vocabulary, "target_embedding")
        share = shared_vocabulary and config.tie_embeddings
        self.source_embedding = self.target_embedding if share else vectors(source_vocabulary, "source_embedding")
        self.input_dropout = config.sequence_dropout("input_dropout")
        self.encoder = config.stack(config.encoder_layers, bidirectional=config.bidirectional, name="encoder")
        self.memory_dropout = config.sequence_dropout("memory_dropout")
        self.first = config.stack(1, name="decoder_first")
        self.first_dropout = config.sequence_dropout("first_dropout")
        upper_layers = config.decoder_layers - 1
        self.rest = config.stack(upper_layers, name="decoder_rest") if upper_layers else None
        self.bridge = keras.layers.Dense(
            config.decoder_layers * self.first.states_per_layer * config.units, activation="tanh", name="bridge"
        )
        self.attention = _ATTENTIONS[config.attention](config.units, name="attention")
        self.readout = keras.layers.Dense(config.embedding, activation="tanh", name="readout")
        self.readout_dropout = config.sequence_dropout("readout_dropout")
        if not config.tie_embeddings:
            self.output_layer = keras.layers.Dense(target_vocabulary, use_bias=False, name="output")

    def create_variables(self) -> None:
        if not self.config.tie_embeddings:
            self.output_layer.build((None, self.config.embedding))
        self.output_bias = self.add_weight(shape=(self.target_vocabulary,), initializer="zeros", name="output_bias")
        self((tf.ones([1, 2], tf.int32), tf.ones([1, 2], tf.int32)))

    def encoder_inputs(self, ids: tf.Tensor) -> tf.Tensor:
        return self.source_embedding(ids)

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor], training: bool | None = None) -> tf.Tensor:
        source, previous = inputs
        readout, _ = self.read_out(source, previous, training)
        return self.logits(readout)

    def read_out(
        self, source: tf.Tensor, previous: tf.Tensor, training: bool | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Runs all but the output layer.

        Returns:
            readout: float [batch, target, embedding], and attention weights float32 [batch, target, source].
        """
        memory, states = self.encode(source, training)
        return self.decode(previous, states, memory, training)[:2]

    def encode(self, source: tf.Tensor, training: bool | None = None) -> tuple[Memory, list[tf.Tensor]]:
        """Reads the source. Also returns the decoder's first states, each float32 [batch, units]."""
        units = self.config.units
        mask = source != PAD
        lengths = tf.reduce_sum(tf.cast(mask, tf.int32), axis=1)
        embedded = self.input_dropout(self.source_embedding(source), training=training)
        outputs, _ = self.encoder(embedded, lengths=lengths, training=training)
        summary = last_outputs(outputs, lengths, units, self.config.bidirectional)
        # States are float32 in mixed precision too: they accumulate.
        first_states = tf.cast(self.bridge(summary), tf.float32)
        states = tf.split(first_states, self.bridge.units // units, axis=-1)
        outputs = self.memory_dropout(outputs, training=training)
        return Memory(outputs, self.attention.project(outputs), mask), states

    def step(self, memory: Memory, ids: tf.Tensor, states: list[tf.Tensor]) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Decodes one step.

        Args:
            memory: of :meth:`encode`.
            ids: int32 [batch, beam], the last tokens.
            states: each float [batch, beam, units].

        Returns:
            logits: float [batch, beam, target_vocabulary], and the next states.
        """
        batch, beam, units = tf.shape(ids)[0], tf.shape(ids)[1], self.config.units
        states = [tf.reshape(state, [batch * beam, units]) for state in states]
        readout, _, states = self.decode(tf.reshape(ids, [batch * beam, 1]), states, memory, False, beam)
        logits = tf.reshape(self.logits(readout), [batch, beam, self.target_vocabulary])
        return logits, [tf.reshape(state, [batch, beam, units]) for state in states]

    def logits(self, readout: tf.Tensor) -> tf.Tensor:
        """Runs the output layer: float [..., embedding] to float [..., target_vocabulary]."""
        weights, bias = self.output_weights(readout.dtype)
        flat = tf.matmul(tf.reshape(readout, [-1, readout.shape[-1]]), weights, transpose_b=True)
        shape = tf.concat([tf.shape(readout)[:-1], [self.target_vocabulary]], axis=0)
        return tf.reshape(flat + bias, shape)

    def output_weights(self, dtype: tf.DType) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the output layer's weights [target_vocabulary, embedding] and bias [target_vocabulary]."""
        tied = self.config.tie_embeddings
        weights = self.target_embedding.embeddings if tied else tf.transpose(self.output_layer.kernel)
        return tf.cast(weights, dtype), tf.cast(self.output_bias, dtype)

    def decode(
        self,
        previous: tf.Tensor,
        states: list[tf.Tensor],
        memory: Memory,
        training: bool | None = None,
        beam: Any = None,
    ) -> tuple[tf.Tensor, tf.Tensor, list[tf.Tensor]]:
        """Runs the decoder over the previous ids of each target position.

        Args:
            previous: int32 [rows, target].
            states: each float32 [rows, units].
            memory: of :meth:`encode`.
            training: as in Keras.
            beam: int32 []. If it is given, rows are batch x beam of one target position each, and attention takes the
                beams for its target positions.

        Returns:
            readout: float [rows, target, embedding].
            weights: float32 [rows, target, source], of attention; [batch, beam, source] with ``beam``.
            states: those to go on from.
        """
        size = self.first.states_per_layer
        embedded = self.input_dropout(self.target_embedding(previous), training=training)
        asking, last_states = self.first(embedded, states=states[:size], training=training)
        query = asking if beam is None else tf.reshape(asking, [-1, beam, self.config.units])
        context, weights = self.attention(query, memory.states, memory.keys, memory.mask)
        if beam is not None:
            context = tf.reshape(context, [-1, 1, context.shape[-1]])
        parts = [self.first_dropout(asking, training=training), context]
        if self.rest is not None:
            upper, rest_states = self.rest(tf.concat(parts, -1), states=states[size:], training=training)
            parts.append(self.first_dropout(upper, training=training))
            last_states = last_states + rest_states
        readout = self.readout(tf.concat(parts, axis=-1))
        return self.readout_dropout(readout, training=training), weights, last_states
