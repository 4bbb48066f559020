"""RNN, LSTM and GRU as Keras layers with a hand-written backward pass (`nlpseq.layers.bptt`).

Weights have Keras' layout, so `layer.set_weights(keras_layer.get_weights())` works both ways with
`keras.layers.SimpleRNN`, `LSTM` and `GRU`.
"""

from __future__ import annotations

from typing import Any

import keras

from nlpseq.layers import cells, normalized_cells
from nlpseq.layers.recurrent_base import Recurrent

# name: (the cell, the same with layer normalization)
ACTIVATIONS: dict[str, tuple[type[cells.Cell], type[cells.Cell]]] = {
    "tanh": (cells.TanhCell, normalized_cells.LayerNormTanhCell),
    "relu": (cells.ReLUCell, normalized_cells.LayerNormReLUCell),
}


@keras.saving.register_keras_serializable(package="nlpseq")
class RNN(Recurrent):
    """The simple recurrent network, h' = activation(x W + h R + b). State: h.

    Weights are those of `keras.layers.SimpleRNN`. `LSTM` documents the other arguments.

    Source: Elman 1990; with ReLU: Le et al. 2015, arXiv:1504.00941.

    Args:
        activation: "tanh" or "relu".
    """

    def __init__(self, units: int, *, activation: str = "tanh", **kwargs: Any) -> None:
        super().__init__(units, **kwargs)
        if activation not in ACTIVATIONS:
            raise ValueError(f"RNN: activation is {activation!r}: choose {' or '.join(ACTIVATIONS)}")
        self.activation = activation

    def cell(self) -> cells.Cell:
        return ACTIVATIONS[self.activation][self.regularization.layer_norm]()

    def norm_shapes(self) -> dict[str, int]:
        return {"gain": self.units}

    @property
    def cudnn_mode(self) -> str:
        return f"rnn_{self.activation}"

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "activation": self.activation}


@keras.saving.register_keras_serializable(package="nlpseq")
class LSTM(Recurrent):
    """Long short-term memory with a forget gate. States: h, c. Weights are those of `keras.layers.LSTM` (i, f, g, o).

    Source: Hochreiter & Schmidhuber 1997; the forget gate: Gers et al. 2000; its bias of 1: Jozefowicz et al. 2015.

    Args:
        units: size of the state.
        return_sequences: return the output of every step, not only the last one.
        return_state: return the states after the last step as well.
        go_backwards: run from the last step to the first; the outputs are in that order. With `lengths` each row is
            reversed within its own length.
        use_bias: add a bias.
        kernel_initializer: initializer of the input's kernel.
        recurrent_initializer: initializer of the recurrent kernel.
        regularization: a `Regularization`, its fields as a dict, or None for nothing.
        seed: seed of the masks of `regularization`. None takes one from Keras' global seed.
        unit_forget_bias: start the forget gate's bias at 1.

    Call arguments:
        sequence: float [batch, time, features].
        mask: bool [batch, time], False at padding, wherever it is. A masked step carries the states on and repeats the
            last output (zeros before the first valid step), as in `keras.layers`.
        initial_state: [h, c], each [batch, units]. None starts from zeros.
        lengths: int32 [batch], the number of valid steps; padding is on the right. It is faster than a mask. Outputs
            past the length are zeros, and the states are those at the true length. The mask is then ignored.
        ids: int32 [batch, time]; `sequence` is then a table [rows, features] of embeddings, and the ids pick each
            step's row. The result is that of `tf.gather(sequence, ids)` as input, but each row of the table is
            projected once: less work if there are fewer rows than batch x time.
        training: keep the gates for the backward pass, and draw the masks of `regularization`.
        prepared: the result of `prepared()`, in inference only.

    Returns:
        output: [batch, time, units] with `return_sequences`, otherwise the last one [batch, units].
        states: with `return_state`, the states after the last valid step, each [batch, units].

    Raises:
        ValueError: `units` is not a whole number of at least 1, an option of `regularization` does not fit the cell, or
            the shape of the input or the number of initial states is wrong.

    Example:
        >>> outputs, h, c = LSTM(256, return_sequences=True, return_state=True)(tf.zeros([8, 20, 64]))
        >>> outputs.shape
        TensorShape([8, 20, 256])
    """

    states_count = 2

    def __init__(self, units: int, *, unit_forget_bias: bool = True, **kwargs: Any) -> None:
        super().__init__(units, **kwargs)
        self.unit_forget_bias = unit_forget_bias

    def cell(self) -> cells.Cell:
        return normalized_cells.LayerNormLSTMCell() if self.regularization.layer_norm else cells.LSTMCell()

    def norm_shapes(self) -> dict[str, int]:
        columns, units = 4 * self.units, self.units
        return {"input_gain": columns, "recurrent_gain": columns, "cell_gain": units, "cell_bias": units}

    @property
    def cudnn_mode(self) -> str:
        return "lstm"

    def bias_initializer(self) -> Any:
        return _forget_gate_open if self.unit_forget_bias else "zeros"

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "unit_forget_bias": self.unit_forget_bias}


def _forget_gate_open(shape: tuple[int, ...], dtype: Any = None) -> Any:
    """Returns a bias [4 * units] of ones for the forget gate and zeros for the others."""
    return keras.ops.repeat(keras.ops.convert_to_tensor([0.0, 1.0, 0.0, 0.0], dtype=dtype), shape[0] // 4)


@keras.saving.register_keras_serializable(package="nlpseq")
class GRU(Recurrent):
    """Gated recurrent unit. State: h. Weights are those of `keras.layers.GRU` (z, r, g).

    `LSTM` documents the other arguments.

    Source: Cho et al. 2014, arXiv:1406.1078.

    Args:
        reset_after: apply the reset gate after the recurrent product, as cuDNN does. This is faster, and the bias is
            [2, 3 * units], the input's and the recurrent one. If false, apply it before the product, as published; the
            bias is [3 * units].
    """

    def __init__(self, units: int, *, reset_after: bool = True, **kwargs: Any) -> None:
        super().__init__(units, **kwargs)
        self.reset_after = reset_after
        if self.regularization.layer_norm and not reset_after:
            raise ValueError(
                "GRU(reset_after=False) has no layer normalization: Ba et al. normalize R h before the reset gate "
                "scales it; use reset_after=True"
            )

    def cell(self) -> cells.Cell:
        if self.regularization.layer_norm:
            return normalized_cells.LayerNormGRUCell()
        return cells.GRUCell() if self.reset_after else cells.ResetBeforeGRUCell()

    @property
    def cudnn_mode(self) -> str | None:
        return "gru" if self.reset_after else None

    def normalized_columns(self) -> list[int]:
        return [2 * self.units, self.units]  # z and r together, then g

    def norm_shapes(self) -> dict[str, int]:
        return {"input_gain": 3 * self.units, "recurrent_gain": 3 * self.units}

    def bias_shape(self) -> tuple[int, ...]:
        return (2, 3 * self.units) if self.reset_after else (3 * self.units,)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "reset_after": self.reset_after}


LAYERS: dict[str, type[Recurrent]] = {"rnn": RNN, "lstm": LSTM, "gru": GRU}
