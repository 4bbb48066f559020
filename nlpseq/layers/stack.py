"""Recurrent layers on top of each other, in one direction or in both."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
import tensorflow as tf

from nlpseq.layers.bidirectional import Bidirectional
from nlpseq.layers.dropout import Dropout
from nlpseq.layers.recurrent import LAYERS
from nlpseq.layers.regularization import Regularization


@keras.saving.register_keras_serializable(package="nlpseq")
class RecurrentStack(keras.layers.Layer):
    """``depth`` recurrent layers, dropout between them; with ``bidirectional``, each reads both ways.

    Padding stands on the right and costs no masking: what a forward layer computes there comes after all that is real,
    and a backward layer reads each sequence reversed within its own length.

    Args:
        cell: "rnn", "lstm" or "gru".
        units: of each direction.
        depth: at least 1.
        bidirectional: outputs have 2 x units.
        dropout: on the input of each layer but the first.
        regularization: of each layer (and direction), the first one's input included: a `Regularization`, its fields as
            a dict, or None for nothing.
        seed: of its masks, which differ between the layers; drawn from Keras' global seed where it is None.

    Call arguments:
        sequence: float [batch, time, features].
        lengths: int32 [batch]; needed when bidirectional.
        states: what an earlier call returned, to go on from there; None starts from zeros. One direction only.
        ids: int32 [batch, time]; then `sequence` is a table [rows, features] of embeddings (see `LSTM`).

    Returns:
        outputs: float [batch, time, units], or 2 x units. Those at padding mean nothing.
        states: a list of tensors [batch, units], in one direction; else an empty list.
    """

    def __init__(
        self,
        cell: str,
        units: int,
        depth: int = 1,
        *,
        bidirectional: bool = False,
        dropout: float = 0.0,
        regularization: Regularization | dict[str, Any] | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if cell not in LAYERS:
            raise ValueError(f"RecurrentStack(cell={cell!r}): choose rnn, lstm or gru")
        self.cell, self.units, self.depth = cell, units, depth
        self.bidirectional, self.dropout = bidirectional, dropout
        self.regularization, self.seed = Regularization.of(regularization), seed
        self.layers = [self._layer(index) for index in range(depth)]
        self.dropouts = [Dropout(dropout, name=f"dropout_{index}") for index in range(1, depth)]

    def _layer(self, index: int) -> keras.layers.Layer:
        options: dict[str, Any] = {
            "return_sequences": True,
            "name": f"layer_{index}",
            "regularization": self.regularization,
            "seed": None if self.seed is None else self.seed + 2 * index,  # one for each direction
        }
        if self.bidirectional:
            return Bidirectional(self.cell, self.units, **options)
        return LAYERS[self.cell](self.units, return_state=True, **options)

    @property
    def states_per_layer(self) -> int:
        """2 for an LSTM (hidden and cell state), else 1."""
        return LAYERS[self.cell].states_count

    def zero_states(self, batch: tf.Tensor) -> list[tf.Tensor]:
        """Where a stream begins."""
        return [tf.zeros([batch, self.units], tf.float32) for _ in range(self.depth * self.states_per_layer)]

    def build(self, sequence_shape: Any) -> None:
        features = sequence_shape[-1]
        for layer in self.layers:
            layer.build((None, None, features))
            features = self.units * (2 if self.bidirectional else 1)

    def call(
        self,
        sequence: tf.Tensor,
        lengths: tf.Tensor | None = None,
        states: list[tf.Tensor] | None = None,
        ids: tf.Tensor | None = None,
        training: bool | None = None,
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        if self.bidirectional and lengths is None:
            raise ValueError("RecurrentStack(bidirectional=True) needs the sequences' lengths")
        if self.bidirectional and states is not None:
            raise ValueError("RecurrentStack(bidirectional=True) has no state to carry on: it needs the whole sequence")
        last_states: list[tf.Tensor] = []
        size = self.states_per_layer
        for index, layer in enumerate(self.layers):
            if index:
                sequence = self.dropouts[index - 1](sequence, training=training)
            if self.bidirectional:
                sequence = layer(sequence, lengths=lengths, ids=ids, training=training)
            else:
                initial = states[index * size : (index + 1) * size] if states is not None else None
                sequence, *state = layer(sequence, initial_state=initial, ids=ids, training=training)
                # In mixed precision too, what is carried on keeps its 32 bits.
                last_states.extend(tf.cast(tensor, tf.float32) for tensor in state)
            ids = None  # the layers above read sequences
        return sequence, last_states

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "cell": self.cell,
            "units": self.units,
            "depth": self.depth,
            "bidirectional": self.bidirectional,
            "dropout": self.dropout,
            "regularization": dataclasses.asdict(self.regularization),
            "seed": self.seed,
        }


def last_outputs(outputs: tf.Tensor, lengths: tf.Tensor, units: int, bidirectional: bool) -> tf.Tensor:
    """[batch, units] or [batch, 2 x units]: what each direction had read when it came to its end.

    Args:
        outputs: [batch, time, ...] of a :class:`RecurrentStack`.
        lengths: int32 [batch].
        units: of one direction.
        bidirectional: whether the second half of the outputs was read backwards.
    """
    last = tf.gather(outputs, tf.maximum(lengths - 1, 0), batch_dims=1)
    return tf.concat([last[:, :units], outputs[:, 0, units:]], axis=-1) if bidirectional else last
