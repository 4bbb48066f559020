"""RNN, LSTM and GRU as Keras layers with a hand-written backward pass (`nlpseq.layers.cells`), and both directions.

Weights have Keras' layout, so `layer.set_weights(keras_layer.get_weights())` works both ways with
`keras.layers.SimpleRNN`, `LSTM` and `GRU`.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from tensorflow.python.ops.control_flow_util import GraphOrParentsInXlaContext

from nlpseq.layers import block_lstm, cells, cudnn

ACTIVATIONS = {"tanh": cells.TanhCell, "relu": cells.ReLUCell}


class _Recurrent(keras.layers.Layer):
    """What RNN, LSTM and GRU share: everything but the cell and its bias.

    Args:
        units: the size of the state.
        return_sequences: return the output of every step, not only the last one's.
        return_state: return the states after the last step as well.
        go_backwards: run from the last step to the first; the output then stands in that order. With `lengths` each
            row is reversed within its own length.
        use_bias: add a bias.
        kernel_initializer: of the input's kernel.
        recurrent_initializer: of the recurrent kernel.

    Call arguments:
        sequence: float [batch, time, features].
        mask: bool [batch, time], False where a step is padding: it carries the states on and repeats the last output
            (zeros before the first valid step), as in `keras.layers`. Left, right and inner padding.
        initial_state: each [batch, units]: h for RNN and GRU, [h, c] for LSTM. None: zeros.
        lengths: int32 [batch], the number of valid steps where padding is on the right only. Faster than a mask, since
            no step needs it: outputs past the length are zeros, the states are those at the true length. With lengths
            the mask is not looked at.
        ids: int32 [batch, time]; then `sequence` is a table [rows, features] of embeddings, of which they pick the
            steps' inputs. The same result as `tf.gather(sequence, ids)` for an input, but each row of the table is
            projected once instead of each step: less work where there are fewer rows than batch x time.
        training: in training the gates are kept for the backward pass.

    Returns:
        [batch, time, units] with `return_sequences`, otherwise the last output [batch, units]; with `return_state`
        followed by the states, each [batch, units].
    """

    states_count = 1

    def __init__(
        self,
        units: int,
        *,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not isinstance(units, int) or units < 1:
            raise ValueError(f"{type(self).__name__}: units is {units!r}: give a whole number of at least 1")
        self.units = units
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.go_backwards = go_backwards
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.recurrent_initializer = keras.initializers.get(recurrent_initializer)
        self.supports_masking = True

    def cell(self) -> cells.Cell:
        """The cell that the layer runs."""
        raise NotImplementedError

    @property
    def cudnn_mode(self) -> str | None:
        """What cuDNN calls this cell; None where it has no such cell."""
        raise NotImplementedError

    def bias_shape(self) -> tuple[int, ...]:
        return (self.cell().gates * self.units,)

    def bias_initializer(self) -> Any:
        return "zeros"

    def build(
        self,
        sequence_shape: tuple[int | None, ...],
        initial_state_shape: Any = None,
        lengths_shape: Any = None,
        ids_shape: Any = None,
    ) -> None:
        if len(sequence_shape) != (3 if ids_shape is None else 2) or sequence_shape[-1] is None:
            raise ValueError(
                f"{type(self).__name__} was given an input of shape {tuple(sequence_shape)}: it needs "
                "[batch, time, features], or with ids a table [rows, features], with a known number of features"
            )
        columns = self.cell().gates * self.units
        self.kernel = self.add_weight(
            name="kernel", shape=(sequence_shape[-1], columns), initializer=self.kernel_initializer
        )
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel", shape=(self.units, columns), initializer=self.recurrent_initializer
        )
        self.bias = (
            self.add_weight(name="bias", shape=self.bias_shape(), initializer=self.bias_initializer())
            if self.use_bias
            else None
        )

    def call(
        self,
        sequence: tf.Tensor,
        mask: tf.Tensor | None = None,
        initial_state: Any = None,
        lengths: tf.Tensor | None = None,
        ids: tf.Tensor | None = None,
        training: bool | None = None,
    ) -> Any:
        batch_major = [1, 0, 2]
        table = None if ids is None else sequence
        inputs = tf.transpose(sequence, batch_major) if ids is None else tf.transpose(ids)  # [time, batch, ...]
        if lengths is not None:
            mask = None
            lengths = tf.cast(lengths, tf.int32)
        steps_mask = None if mask is None else tf.transpose(tf.cast(mask, tf.bool))[:, :, None]  # [time, batch, 1]
        if self.go_backwards:
            inputs = _reversed(inputs, lengths)
            steps_mask = None if steps_mask is None else tf.reverse(steps_mask, [0])

        initial = self._initial(inputs, initial_state)
        hidden, *states = self._run(inputs, table, initial, steps_mask, lengths, bool(training))
        if lengths is not None:
            valid = tf.transpose(tf.sequence_mask(lengths, tf.shape(hidden)[0]))[:, :, None]  # [time, batch, 1]
            hidden = tf.where(valid, hidden, tf.zeros_like(hidden))
            last = states[0]
            if initial_state is not None:
                last = tf.where(lengths[:, None] > 0, last, tf.zeros_like(last))
        else:
            last = states[0]
            if steps_mask is not None and initial_state is not None:
                # Keras: before the first valid step the output is zeros, not the initial state.
                started = tf.cumsum(tf.cast(steps_mask, hidden.dtype), axis=0) > 0
                hidden = tf.where(started, hidden, tf.zeros_like(hidden))
                last = tf.where(started[-1], last, tf.zeros_like(last))

        output = tf.transpose(hidden, batch_major) if self.return_sequences else last
        output = tf.cast(output, self.compute_dtype)
        if not self.return_state:
            return output
        return (output, *(tf.cast(state, self.compute_dtype) for state in states))

    def path(self, *, training: bool, masked: bool = False) -> str:
        """What runs the steps.

        Args:
            training: as in `call`.
            masked: a mask was given (lengths are none).

        Returns:
            "cudnn": cuDNN's kernel on a GPU; "block": TensorFlow's block LSTM on a CPU (`nlpseq.layers.block_lstm`);
            "loop": the loop over time of `nlpseq.layers.cells`. Inference takes the loop, which converts to TensorFlow
            Lite and runs on any device; so do XLA, which has no such kernels, and all dtypes but float32.
        """
        single = self.compute_dtype == self.variable_dtype == "float32"
        if not training or masked or not single or GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph()):
            return "loop"
        if tf.config.list_physical_devices("GPU"):
            return "cudnn" if self.cudnn_mode else "loop"
        return "block" if self.cudnn_mode == "lstm" and self.units <= block_lstm.MOST_UNITS else "loop"

    def _run(
        self,
        inputs: tf.Tensor,
        table: tf.Tensor | None,
        initial: cells.Tensors,
        mask: tf.Tensor | None,
        lengths: tf.Tensor | None,
        training: bool,
    ) -> cells.Tensors:
        """Runs the cell over [time, batch, features], or over ids [time, batch] of a table's rows.

        Returns:
            h after each step [time, batch, units], and the states after the last valid one, each [batch, units].
        """
        kernel, recurrent_kernel, bias, recurrent_bias = self._weights()
        path = self.path(training=training, masked=mask is not None)
        if path == "cudnn" and self.cudnn_mode is not None:
            sequence = inputs if table is None else tf.gather(table, inputs)
            biases = (bias, recurrent_bias)
            return cudnn.run(self.cudnn_mode, sequence, kernel, recurrent_kernel, biases, initial, lengths)
        # The block kernels multiply the input, or rows of a table, in each step: worth it where it is not wide.
        if path == "block" and (inputs.shape[-1] if table is None else table.shape[0]) <= self.units:
            if table is not None:
                kernel = tf.matmul(table, kernel)
            results = block_lstm.run(inputs, kernel, recurrent_kernel, bias, initial, every_state=lengths is not None)
        else:
            results = cells.run(
                self.cell(),
                _project(inputs, kernel, bias) if table is None else _lookup(_affine(table, kernel, bias), inputs),
                recurrent_kernel,
                recurrent_bias,
                initial,
                mask,
                every_state=lengths is not None,
                keep=training,
            )
        if lengths is None:
            return results
        return (results[0], *(_at_length(s, lengths, first) for s, first in zip(results, initial, strict=True)))

    def _initial(self, inputs: tf.Tensor, initial_state: Any) -> cells.Tensors:
        """The states before the first step, each [batch, units], in the state's dtype (float32 in mixed precision)."""
        batch = inputs.shape[1]
        if initial_state is None:
            initial_state = [tf.zeros([tf.shape(inputs)[1], self.units], self.variable_dtype)] * self.states_count
        elif not isinstance(initial_state, (list, tuple)):
            initial_state = [initial_state]
        if len(initial_state) != self.states_count:
            raise ValueError(
                f"{type(self).__name__} was given {len(initial_state)} initial states: it needs "
                f"{'h and c' if self.states_count == 2 else 'h'}, of shape [batch, {self.units}]"
            )
        states = tuple(tf.cast(state, self.variable_dtype) for state in initial_state)
        return tuple(tf.ensure_shape(state, [batch, self.units]) for state in states)

    def _weights(self) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor | None, tf.Tensor | None]:
        """The input's kernel, the recurrent one, the projection's bias and the recurrent one, in the compute dtype."""
        kernel, recurrent_kernel = tf.convert_to_tensor(self.kernel), tf.convert_to_tensor(self.recurrent_kernel)
        if self.bias is None:
            return kernel, recurrent_kernel, None, None
        bias = tf.convert_to_tensor(self.bias)
        return (kernel, recurrent_kernel, *(tf.unstack(bias) if len(bias.shape) == 2 else (bias, None)))

    def compute_mask(self, sequence: Any, mask: Any = None) -> Any:
        mask = mask[0] if isinstance(mask, (list, tuple)) else mask
        output_mask = mask if self.return_sequences else None
        return [output_mask, *[None] * self.states_count] if self.return_state else output_mask

    def compute_output_shape(
        self, sequence_shape: Any, initial_state_shape: Any = None, lengths_shape: Any = None, ids_shape: Any = None
    ) -> Any:
        batch, time = sequence_shape[:2] if ids_shape is None else ids_shape
        output = (batch, time, self.units) if self.return_sequences else (batch, self.units)
        return (output, *[(batch, self.units)] * self.states_count) if self.return_state else output

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "return_sequences": self.return_sequences,
            "return_state": self.return_state,
            "go_backwards": self.go_backwards,
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "recurrent_initializer": keras.initializers.serialize(self.recurrent_initializer),
        }


def _reversed(sequence: tf.Tensor, lengths: tf.Tensor | None) -> tf.Tensor:
    """[time, batch, n] with each row's time reversed, within its own length where there are lengths."""
    if lengths is None:
        return tf.reverse(sequence, [0])
    return tf.reverse_sequence(sequence, lengths, seq_axis=0, batch_axis=1)


def _affine(rows: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor | None) -> tf.Tensor:
    """x W + b of each row [rows, features]."""
    product = tf.matmul(rows, kernel)
    if bias is None:
        return product
    # The gradient of bias_add is the faster one, but sums bfloat16 in bfloat16: 4096 ones make 256.
    return tf.nn.bias_add(product, bias) if product.dtype == tf.float32 else product + bias


@tf.custom_gradient
def _lookup(table: tf.Tensor, ids: tf.Tensor) -> tuple[tf.Tensor, Any]:
    """Rows of the table; the gradient is summed in float32 also where the table is bfloat16."""

    def gradient(d_rows: tf.Tensor) -> tuple[tf.Tensor, None]:
        d_rows = tf.reshape(tf.cast(d_rows, tf.float32), [-1, table.shape[-1]])
        return tf.cast(
            tf.math.unsorted_segment_sum(d_rows, tf.reshape(ids, [-1]), tf.shape(table)[0]), table.dtype
        ), None

    return tf.gather(table, ids), gradient


def _project(inputs: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor | None) -> tf.Tensor:
    """x W + b for all steps as one GEMM: [time, batch, gates * units]."""
    rows = _affine(tf.reshape(inputs, [-1, inputs.shape[-1]]), kernel, bias)
    projected = tf.reshape(rows, tf.concat([tf.shape(inputs)[:2], [rows.shape[-1]]], axis=0))
    projected.set_shape([*inputs.shape[:2], rows.shape[-1]])
    return projected


def _at_length(states: tf.Tensor, lengths: tf.Tensor, initial: tf.Tensor) -> tf.Tensor:
    """From [time, batch, units], the state after each row's last valid step; the initial one where there is none."""
    at = tf.stack([tf.maximum(lengths - 1, 0), tf.range(tf.shape(states)[1])], axis=1)
    return tf.where(lengths[:, None] > 0, tf.gather_nd(states, at), initial)


@keras.saving.register_keras_serializable(package="nlpseq")
class RNN(_Recurrent):
    """The simple recurrent network, h = activation(x W + h R + b). State: h.

    Source: Elman 1990; with ReLU: Le et al. 2015, arXiv:1504.00941.
    Everything but the activation: see `LSTM`. Weights as in `keras.layers.SimpleRNN`.

    Args:
        activation: "tanh" or "relu".
    """

    def __init__(self, units: int, *, activation: str = "tanh", **kwargs: Any) -> None:
        super().__init__(units, **kwargs)
        if activation not in ACTIVATIONS:
            raise ValueError(f"RNN: activation is {activation!r}: choose {' or '.join(ACTIVATIONS)}")
        self.activation = activation

    def cell(self) -> cells.Cell:
        return ACTIVATIONS[self.activation]()

    @property
    def cudnn_mode(self) -> str:
        return f"rnn_{self.activation}"

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "activation": self.activation}


@keras.saving.register_keras_serializable(package="nlpseq")
class LSTM(_Recurrent):
    """Long short-term memory with a forget gate. States: h, c. Weights as in `keras.layers.LSTM` (i, f, g, o).

    Source: Hochreiter & Schmidhuber 1997; the forget gate: Gers et al. 2000; its bias of 1: Jozefowicz et al. 2015.

    Args:
        units: the size of the state.
        return_sequences: return the output of every step, not only the last one's.
        return_state: return the states after the last step as well.
        go_backwards: run from the last step to the first; the output then stands in that order. With `lengths` each
            row is reversed within its own length.
        use_bias: add a bias.
        kernel_initializer: of the input's kernel.
        recurrent_initializer: of the recurrent kernel.
        unit_forget_bias: start the forget gate's bias at 1.

    Call arguments:
        sequence: float [batch, time, features].
        mask: bool [batch, time], False where a step is padding (left, right, inside): it carries the states on and
            repeats the last output (zeros before the first valid step), as in `keras.layers`.
        initial_state: [h, c], each [batch, units]. None: zeros.
        lengths: int32 [batch], the number of valid steps where padding is on the right only. Faster than a mask, since
            no step looks at it: outputs past the length are zeros, the states are those at the true length. With
            lengths the mask is not looked at.
        ids: int32 [batch, time]; then `sequence` is a table [rows, features] of embeddings, of which they pick the
            steps' inputs. The same result as `tf.gather(sequence, ids)` for an input, but each row of the table is
            projected once instead of each step: less work where there are fewer rows than batch x time.
        training: in training the gates are kept for the backward pass.

    Returns:
        [batch, time, units] with `return_sequences`, otherwise the last output [batch, units]; with `return_state`
        followed by the states, each [batch, units].

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
        return cells.LSTMCell()

    @property
    def cudnn_mode(self) -> str:
        return "lstm"

    def bias_initializer(self) -> Any:
        return _forget_gate_open if self.unit_forget_bias else "zeros"

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "unit_forget_bias": self.unit_forget_bias}


def _forget_gate_open(shape: tuple[int, ...], dtype: Any = None) -> Any:
    """A bias [4 * units] of zeros, but ones for the forget gate."""
    return keras.ops.repeat(keras.ops.convert_to_tensor([0.0, 1.0, 0.0, 0.0], dtype=dtype), shape[0] // 4)


@keras.saving.register_keras_serializable(package="nlpseq")
class GRU(_Recurrent):
    """Gated recurrent unit. State: h. Weights as in `keras.layers.GRU` (z, r, g).

    Source: Cho et al. 2014, arXiv:1406.1078. Everything but reset_after: see `LSTM`.

    Args:
        reset_after: apply the reset gate after the recurrent product, as cuDNN does (one product a step: faster; the
            bias is [2, 3 * units], the input's and the recurrent one), or before it, as published (bias [3 * units]).
    """

    def __init__(self, units: int, *, reset_after: bool = True, **kwargs: Any) -> None:
        super().__init__(units, **kwargs)
        self.reset_after = reset_after

    def cell(self) -> cells.Cell:
        return cells.GRUCell() if self.reset_after else cells.ResetBeforeGRUCell()

    @property
    def cudnn_mode(self) -> str | None:
        return "gru" if self.reset_after else None

    def bias_shape(self) -> tuple[int, ...]:
        return (2, 3 * self.units) if self.reset_after else (3 * self.units,)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "reset_after": self.reset_after}


LAYERS: dict[str, type[_Recurrent]] = {"rnn": RNN, "lstm": LSTM, "gru": GRU}


@keras.saving.register_keras_serializable(package="nlpseq")
class Bidirectional(keras.layers.Layer):
    """One recurrent layer from the first step to the last, another one back; their outputs side by side.

    Source: Schuster & Paliwal 1997. Weights as in `keras.layers.Bidirectional`: forward layer first.

    Args:
        cell: "rnn", "lstm" or "gru".
        units: the size of each direction's state; outputs have twice as many.
        return_sequences: return the output of every step.
        return_state: return both directions' states as well.
        cell_options: further arguments of the cell's layer, as `{"reset_after": False}`.

    Call arguments:
        sequence: float [batch, time, features].
        mask, lengths, ids, training: as in `LSTM`, but outputs of masked steps are zeros, as in Keras.
            With lengths the backward layer starts at each row's true end.
        initial_state: the forward layer's states, then the backward one's, each [batch, units]. None: zeros.

    Returns:
        [batch, time, 2 * units] with `return_sequences`, the backward output of a step beside the forward one's of
        the same step; otherwise each direction's last output [batch, 2 * units]. With `return_state` followed by the
        forward and the backward states, each [batch, units]: forward at the true end, backward at the first step.

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
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if cell not in LAYERS:
            raise ValueError(f"Bidirectional: cell is {cell!r}: choose one of {', '.join(LAYERS)}")
        self.cell, self.units = cell, units
        self.return_sequences, self.return_state = return_sequences, return_state
        self.cell_options = dict(cell_options or {})
        options = {
            **self.cell_options,
            "return_sequences": return_sequences,
            "return_state": True,
            "dtype": self.dtype_policy,
        }
        self.forward = LAYERS[cell](units, name="forward", **options)
        self.backward = LAYERS[cell](units, name="backward", go_backwards=True, **options)
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
        (ahead, *ahead_states), (back, *back_states) = (
            layer(sequence, mask=mask, initial_state=states, lengths=lengths, ids=ids, training=training)
            for layer, states in zip((self.forward, self.backward), first, strict=True)
        )
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
        }
