"""A recurrent encoder and decoder with attention between them.

The decoder's first recurrent layer sees only the ids before. Attention asks with its states, and the layers above see
what attention found. So no step of the recurrence waits for attention, and training computes it for all target
positions at once (unlike input feeding, Luong et al. 2015, section 3.3).

A piece is written in one of two ways: the softmax chooses it, or it is copied from where attention looks (See et al.
2017, arXiv:1704.04368, section 2.2). So words that no training text has come out as they went in.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from nlpseq.config import setting
from nlpseq.layers.attention import AdditiveAttention, MultiplicativeAttention
from nlpseq.layers.cross_entropy import Copied
from nlpseq.layers.dropout import Dropout
from nlpseq.layers.stack import last_outputs
from nlpseq.networks.network import Network, RecurrentConfig
from nlpseq.text.tokenizers import PAD

_RARELY = -3.0  # of a sigmoid: at first 5 % of a piece are copied
_TINY = 1e-30  # a probability beside which float32 does not notice it
_ATTENTIONS = {"additive": AdditiveAttention, "multiplicative": MultiplicativeAttention}


@dataclasses.dataclass(frozen=True)
class EncoderDecoderConfig(RecurrentConfig):
    """Settings of an :class:`EncoderDecoder`."""

    embedding: int = setting(256, "size of a piece's vector", minimum=1)
    encoder_layers: int = setting(1, "stacked recurrent layers that read the source", minimum=1)
    decoder_layers: int = setting(2, "stacked recurrent layers that write; attention stands after the first", minimum=1)
    word_dropout: float = setting(
        0.0, "part of the pieces of both sides that is hidden while training", minimum=0, maximum=0.9
    )
    bidirectional: bool = setting(True, "the encoder reads both ways")
    attention: str = setting("multiplicative", "additive costs more memory", choices=("additive", "multiplicative"))
    copying: str = setting(
        "auto",
        "pieces of the source may be copied (See et al. 2017); auto: always in a new model",
        choices=("auto", "always", "never"),
    )
    tie_embeddings: bool = setting(True, "output (and, with a shared vocabulary, source) use the target's vectors")


class Memory(NamedTuple):
    """What the decoder looks back at.

    Attributes:
        states: float [batch, source, units], the encoder's outputs.
        keys: float [batch, source, units], their projection for attention.
        mask: bool [batch, source].
        copies: int32 [batch, source], the id that each piece has on the target side; 0 where it has none.
    """

    states: tf.Tensor
    keys: tf.Tensor
    mask: tf.Tensor
    copies: tf.Tensor


@keras.saving.register_keras_serializable(package="nlpseq")
class EncoderDecoder(Network):
    """Recurrent encoder and decoder with attention (Bahdanau et al. 2015; Luong et al. 2015).

    Args:
        config: its settings.
        source_vocabulary: number of ids of the source.
        target_vocabulary: number of ids of the target.
        shared_vocabulary: both sides use the same ids.
        copied_as: where they do not, for each id of the source the one of the same piece on the target side; 0: none.

    Call arguments:
        inputs: (source int32 [batch, source], previous target ids int32 [batch, target]), padded with 0.

    Returns:
        logits: float [batch, target, target_vocabulary]; log-probabilities where pieces may be copied.
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
        copied_as: Sequence[int] = (),
        **kwargs: Any,
    ) -> None:
        sizes = {
            "source_vocabulary": source_vocabulary,
            "target_vocabulary": target_vocabulary,
            "shared_vocabulary": shared_vocabulary,
            "copied_as": list(copied_as),
        }
        super().__init__(config, sizes, **kwargs)
        self.target_vocabulary = target_vocabulary
        self.copied_as = None if shared_vocabulary else np.array([*copied_as] or [PAD] * source_vocabulary, np.int32)

        def vectors(size: int, name: str) -> keras.layers.Embedding:
            # Tied vectors are rows of the output layer as well: with this deviation logits start near 1.
            initializer = keras.initializers.RandomNormal(stddev=config.embedding**-0.5)
            return keras.layers.Embedding(size, config.embedding, embeddings_initializer=initializer, name=name)

        self.target_embedding = vectors(target_vocabulary, "target_embedding")
        share = shared_vocabulary and config.tie_embeddings
        self.source_embedding = self.target_embedding if share else vectors(source_vocabulary, "source_embedding")
        self.word_dropout = Dropout(config.word_dropout, name="word_dropout")
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
        self.copy_gate = None
        if config.copying == "always":
            rarely = keras.initializers.Constant(_RARELY)
            self.copy_gate = keras.layers.Dense(1, bias_initializer=rarely, name="copy_gate")
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
        memory, states = self.encode(source, training)
        readout, weights, _ = self.decode(previous, states, memory, training)
        if self.copy_gate is None:
            return self.logits(readout)
        return tf.math.log(self.probabilities(readout, weights, memory) + _TINY)

    def read_out(
        self, source: tf.Tensor, previous: tf.Tensor, training: bool | None = None
    ) -> tuple[tf.Tensor, tf.Tensor, Memory]:
        """Runs all but the output layer.

        Returns:
            readout: float [batch, target, embedding].
            weights: float32 [batch, target, source], of attention.
            memory: what attention looked at.
        """
        memory, states = self.encode(source, training)
        readout, weights, _ = self.decode(previous, states, memory, training)
        return readout, weights, memory

    def encode(self, source: tf.Tensor, training: bool | None = None) -> tuple[Memory, list[tf.Tensor]]:
        """Reads the source. Also returns the decoder's first states, each float32 [batch, units]."""
        units = self.config.units
        mask = source != PAD
        lengths = tf.reduce_sum(tf.cast(mask, tf.int32), axis=1)
        embedded = self._seen(self.source_embedding(source), training)
        outputs, _ = self.encoder(embedded, lengths=lengths, training=training)
        summary = last_outputs(outputs, lengths, units, self.config.bidirectional)
        # States are float32 in mixed precision too: they accumulate.
        first_states = tf.cast(self.bridge(summary), tf.float32)
        states = tf.split(first_states, self.bridge.units // units, axis=-1)
        outputs = self.memory_dropout(outputs, training=training)
        copies = source if self.copied_as is None else tf.gather(self.copied_as, source)
        return Memory(outputs, self.attention.project(outputs), mask, copies), states

    def _seen(self, embedded: tf.Tensor, training: bool | None) -> tf.Tensor:
        """The vectors of pieces, without those that are hidden in training."""
        if self.config.word_dropout:
            embedded *= self.word_dropout(tf.ones_like(embedded[:, :, :1]), training=training)
        return self.input_dropout(embedded, training=training)

    def step(self, memory: Memory, ids: tf.Tensor, states: list[tf.Tensor]) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Decodes one step.

        Args:
            memory: of :meth:`encode`.
            ids: int32 [batch, beam], the last tokens.
            states: each float [batch, beam, units].

        Returns:
            probabilities: float32 [batch, beam, target_vocabulary], and the next states.
        """
        batch, beam, units = tf.shape(ids)[0], tf.shape(ids)[1], self.config.units
        states = [tf.reshape(state, [batch * beam, units]) for state in states]
        readout, weights, states = self.decode(tf.reshape(ids, [batch * beam, 1]), states, memory, False, beam)
        readout = tf.reshape(readout, [batch, beam, self.config.embedding])
        probabilities = tf.reshape(self.probabilities(readout, weights, memory), [batch, beam, self.target_vocabulary])
        return probabilities, [tf.reshape(state, [batch, beam, units]) for state in states]

    def probabilities(self, readout: tf.Tensor, weights: tf.Tensor, memory: Memory) -> tf.Tensor:
        """The probability of each piece, chosen or copied: float32 [batch, target, target_vocabulary].

        Args:
            readout: float [batch, target, embedding].
            weights: float32 [batch, target, source], of attention.
            memory: of :meth:`encode`.
        """
        chosen = tf.nn.softmax(tf.cast(self.logits(readout), tf.float32))
        if self.copy_gate is None:
            return chosen
        share = self.copy_share(readout)[:, :, None]
        rows = tf.shape(weights)[0] * tf.shape(weights)[1]
        copies = tf.repeat(memory.copies[:, None], tf.shape(weights)[1], axis=1)
        row = tf.repeat(tf.range(rows), tf.shape(weights)[2])
        places = tf.stack([row, tf.reshape(copies, [-1])], axis=1)
        copied = tf.scatter_nd(places, tf.reshape(share * weights, [-1]), tf.stack([rows, self.target_vocabulary]))
        return (1 - share) * chosen + tf.reshape(copied, tf.shape(chosen))

    def copied(
        self, readout: tf.Tensor, weights: tf.Tensor, memory: Memory, target: tf.Tensor, real: tf.Tensor
    ) -> Copied | None:
        """How probable it is to copy each real target, which needs no probability of any other piece.

        Args:
            readout, weights, memory: of :meth:`read_out`.
            target: int32 [batch, target].
            real: int64 [positions, 2], the places of the targets that count.
        """
        if self.copy_gate is None:
            return None
        equal = tf.cast(target[:, :, None] == memory.copies[:, None], tf.float32)
        probability = tf.reduce_sum(weights * equal, axis=2)
        return Copied(self.copy_share(tf.gather_nd(readout, real)), tf.gather_nd(probability, real))

    def copy_share(self, readout: tf.Tensor) -> tf.Tensor:
        """The probability that a piece is copied: float32 [...], of a readout [..., embedding]."""
        assert self.copy_gate is not None
        return tf.nn.sigmoid(tf.cast(self.copy_gate(readout)[..., 0], tf.float32))

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
        embedded = self._seen(self.target_embedding(previous), training)
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
