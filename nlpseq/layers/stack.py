"""Recurrent layers on top of each other, in one direction or in both."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
import tensorflow as tf

from nlpseq.layers.bidirectional import Bidirectional
from nlpseq.layers.dropout import Dropout
from nlpseq.layers.recurrent import LAYERS
from nlpseq.layers.recurrent_base import CallWeights
from nlpseq.layers.regularization import Regularization


@keras.saving.register_keras_serializable(package="nlpseq")
class RecurrentStack(keras.layers.Layer):
    """Recurrent layers on top of each other, with dropout between them; with ``bidirectional`` each reads both ways.

    Padding is on the right and needs no mask. A forward layer reads it after everything real, and a backward layer
    reverses each sequence within its own length.

    Args:
        cell: "rnn", "lstm" or "gru".
        units: size of the state of each direction.
        depth: number of layers, at least 1.
        bidirectional: read in both directions; outputs have 2 x units.
        dropout: dropout rate of the input of each layer but the first.
        regularization: options of each layer and direction, the first layer's input included: a `Regularization`, its
            fields as a dict, or None for nothing.
        seed: seed of the masks of `regularization`, which differ between the layers. None takes one from Keras' global
            seed.

    Call arguments:
        sequence: float [batch, time, features].
        lengths: int32 [batch]; needed if bidirectional.
        states: the states that an earlier call returned, in one direction only. None starts from zeros.
        ids: int32 [batch, time]; `sequence` is then a table [rows, features] of embeddings (see `LSTM`).
        training: as in `LSTM`.
        prepared: the result of `prepared()`, in inference only and in one direction only.

    Returns:
        outputs: float [batch, time, units], or 2 x units. Outputs at padding mean nothing.
        states: a list of tensors [batch, units] in one direction, otherwise an empty list.

    Raises:
        ValueError: the cell does not exist, an option of `regularization` does not fit the cell, or a call's arguments
            do not fit the directions.

    Example, a loop of single steps:
        >>> stack = RecurrentStack("lstm", 256, 2, regularization={"weight_norm": True})
        >>> stack.build((None, None, 64))
        >>> prepared, states = stack.prepared(), stack.zero_states(1)
        >>> for _ in range(3):
        ...     outputs, states = stack(tf.ones([1, 1, 64]), states=states, prepared=prepared)
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
        if not isinstance(depth, int) or depth < 1:
            raise ValueError(f"RecurrentStack(depth={depth!r}): give a whole number of at least 1")
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
            "seed": None if self.seed is None else self.seed + 2 * index,  # each direction needs one
        }
        if self.bidirectional:
            return Bidirectional(self.cell, self.units, **options)
        return LAYERS[self.cell](self.units, return_state=True, **options)

    @property
    def states_per_layer(self) -> int:
        """2 for an LSTM (hidden and cell state), else 1."""
        return LAYERS[self.cell].states_count

    def zero_states(self, batch: tf.Tensor) -> list[tf.Tensor]:
        """Returns the states at the beginning of a stream."""
        return [tf.zeros([batch, self.units], tf.float32) for _ in range(self.depth * self.states_per_layer)]

    def prepared(self) -> list[CallWeights]:
        """Returns each layer's weights for calls in inference, normalized and cast.

        A loop that calls the stack step by step prepares them once before it starts; otherwise each step would.

        Raises:
            ValueError: the stack reads in both directions, and so never step by step.
        """
        if self.bidirectional:
            raise ValueError("RecurrentStack(bidirectional=True) needs the whole sequence: it cannot go step by step")
        return [layer.prepared() for layer in self.layers]

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
        prepared: list[CallWeights] | None = None,
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
                weights = None if prepared is None else prepared[index]
                sequence, *state = layer(sequence, initial_state=initial, ids=ids, training=training, prepared=weights)
                # Carried states keep 32 bits in mixed precision too.
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
    """Returns the last output of each direction: [batch, units], or [batch, 2 x units] if bidirectional.

    Args:
        outputs: [batch, time, ...], the outputs of a :class:`RecurrentStack`.
        lengths: int32 [batch].
        units: size of the state of one direction.
        bidirectional: whether the second half of the outputs was read backwards.
    """
    last = tf.gather(outputs, tf.maximum(lengths - 1, 0), batch_dims=1)
    return tf.concat([last[:, :units], outputs[:, 0, units:]], axis=-1) if bidirectional else last
