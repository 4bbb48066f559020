"""A recurrent layer in both directions."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
import tensorflow as tf

from nlpseq.layers.recurrent import LAYERS
from nlpseq.layers.regularization import Regularization


@keras.saving.register_keras_serializable(package="nlpseq")
class Bidirectional(keras.layers.Layer):
    """Runs one recurrent layer forwards and another one backwards, and puts their outputs side by side.

    Source: Schuster & Paliwal 1997. Weights as in `keras.layers.Bidirectional`: forward layer first.

    Args:
        cell: "rnn", "lstm" or "gru".
        units: size of each direction's state; outputs have 2 * units.
        return_sequences: return the output of every step.
        return_state: return both directions' states as well.
        cell_options: further arguments of the cell's layer, for example `{"reset_after": False}`.
        regularization: options of each direction: a `Regularization`, its fields as a dict, or None for nothing.
        seed: seed of the masks of `regularization`, which differ between the directions. None takes one from Keras'
            global seed.

    Call arguments:
        sequence: float [batch, time, features].
        mask, lengths, ids, training: as in `LSTM`. Outputs of masked steps are zeros, as in Keras. With lengths the
            backward layer starts at each row's true end.
        initial_state: the states of the forward layer, then those of the backward one, each [batch, units]. None
            starts from zeros.

    Returns:
        output: [batch, time, 2 * units] with `return_sequences`: both directions' outputs of a step side by side.
            Otherwise each direction's last output [batch, 2 * units].
        states: with `return_state`, the forward states at the true end and the backward states at the first step, each
            [batch, units].

    Raises:
        ValueError: the cell does not exist, or the number of initial states is wrong.

    Example, a translation encoder:
        >>> encoder = Bidirectional("lstm", 256, return_sequences=True, return_state=True)
        >>> memory, forward_h, forward_c, backward_h, backward_c = encoder(embedded, lengths=lengths)
    """

    def __init__(
        self,
        cell: str,
        units: int,
        *,
        return_sequences: bool = False,
        return_state: bool = False,
        cell_options: dict[str, Any] | None = None,
        regularization: Regularization | dict[str, Any] | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if cell not in LAYERS:
            raise ValueError(f"Bidirectional: cell is {cell!r}: choose one of {', '.join(LAYERS)}")
        self.cell, self.units = cell, units
        self.return_sequences, self.return_state = return_sequences, return_state
        self.cell_options = dict(cell_options or {})
        self.regularization, self.seed = Regularization.of(regularization), seed
        options = {
            **self.cell_options,
            "regularization": self.regularization,
            "return_sequences": return_sequences,
            "return_state": return_state,
            "dtype": self.dtype_policy,
        }
        next_seed = None if seed is None else seed + 1
        self.forward = LAYERS[cell](units, name="forward", seed=seed, **options)
        self.backward = LAYERS[cell](units, name="backward", seed=next_seed, go_backwards=True, **options)
        self.supports_masking = True

    def build(
        self, sequence_shape: Any, initial_state_shape: Any = None, lengths_shape: Any = None, ids_shape: Any = None
    ) -> None:
        self.forward.build(sequence_shape, ids_shape=ids_shape)
        self.backward.build(sequence_shape, ids_shape=ids_shape)

    def call(
        self,
        sequence: tf.Tensor,
        mask: tf.Tensor | None = None,
        initial_state: Any = None,
        lengths: tf.Tensor | None = None,
        ids: tf.Tensor | None = None,
        training: bool | None = None,
    ) -> Any:
        count = self.forward.states_count
        if initial_state is not None and len(initial_state) != 2 * count:
            raise ValueError(
                f"Bidirectional was given {len(initial_state)} initial states: it needs {2 * count}, "
                "the forward layer's and then the backward one's"
            )
        first = (None, None) if initial_state is None else (list(initial_state[:count]), list(initial_state[count:]))
        results = [
            layer(sequence, mask=mask, initial_state=states, lengths=lengths, ids=ids, training=training)
            for layer, states in zip((self.forward, self.backward), first, strict=True)
        ]
        (ahead, *ahead_states), (back, *back_states) = results if self.return_state else [(each,) for each in results]
        if self.return_sequences:
            if lengths is None:
                back = tf.reverse(back, [1])
            else:
                back = tf.reverse_sequence(back, tf.cast(lengths, tf.int32), seq_axis=1, batch_axis=0)
        output = tf.concat([ahead, back], axis=-1)
        if self.return_sequences and mask is not None and lengths is None:
            output = tf.where(tf.cast(mask, tf.bool)[:, :, None], output, tf.zeros_like(output))
        return (output, *ahead_states, *back_states) if self.return_state else output

    def compute_mask(self, sequence: Any, mask: Any = None) -> Any:
        mask = mask[0] if isinstance(mask, (list, tuple)) else mask
        output_mask = mask if self.return_sequences else None
        return [output_mask, *[None] * (2 * self.forward.states_count)] if self.return_state else output_mask

    def compute_output_shape(
        self, sequence_shape: Any, initial_state_shape: Any = None, lengths_shape: Any = None, ids_shape: Any = None
    ) -> Any:
        batch, time = sequence_shape[:2] if ids_shape is None else ids_shape
        output = (batch, time, 2 * self.units) if self.return_sequences else (batch, 2 * self.units)
        states = [(batch, self.units)] * (2 * self.forward.states_count)
        return (output, *states) if self.return_state else output

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "cell": self.cell,
            "units": self.units,
            "return_sequences": self.return_sequences,
            "return_state": self.return_state,
            "cell_options": self.cell_options,
            "regularization": dataclasses.asdict(self.regularization),
            "seed": self.seed,
        }
