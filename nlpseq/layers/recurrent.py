"""RNN, LSTM and GRU as Keras layers with a hand-written backward pass (`nlpseq.layers.bptt`).

Weights have Keras' layout, so `layer.set_weights(keras_layer.get_weights())` works both ways with
`keras.layers.SimpleRNN`, `LSTM` and `GRU`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf
from tensorflow.python.ops.control_flow_util import GraphOrParentsInXlaContext

from nlpseq.layers import block_lstm, bptt, cells, cudnn, normalised_cells
from nlpseq.layers.regularisation import ColumnNorms, Masks, Regularisation, call_seed, with_norms

ACTIVATIONS = {
    "tanh": (cells.TanhCell, normalised_cells.LayerNormTanhCell),
    "relu": (cells.ReLUCell, normalised_cells.LayerNormReLUCell),
}


@dataclass(frozen=True)
class _Weights:
    """What a call multiplies with: the variables after weight normalisation, weight drop and layer normalisation.

    kernel: [features, gates * units], in the compute dtype.
    recurrent_kernel: [units, gates * units], in the compute dtype.
    bias: of the projected input [gates * units], or None.
    vectors: the cell's (see `cells.Weights`).
    input_gain: [gates * units], where the input's product is normalised, else None.
    """

    kernel: tf.Tensor
    recurrent_kernel: tf.Tensor
    bias: tf.Tensor | None
    vectors: cells.Tensors
    input_gain: tf.Tensor | None = None


class _Recurrent(keras.layers.Layer):
    """What RNN, LSTM and GRU share: everything but the cell and its bias. Arguments: see `LSTM`."""

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
        regularisation: Regularisation | dict[str, Any] | None = None,
        seed: int | None = None,
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
        self.regularisation = Regularisation.of(regularisation)
        self.seed = seed
        if self.regularisation.zoneout_cell and self.states_count == 1:
            raise ValueError(
                f"{type(self).__name__} was given zoneout_cell={self.regularisation.zoneout_cell}, but only an LSTM "
                "has a cell state: use zoneout_hidden"
            )
        if self.regularisation.is_random:
            self.seed_generator = keras.random.SeedGenerator(seed)
        self.supports_masking = True

    def cell(self) -> cells.Cell:
        """The cell that the layer runs."""
        raise NotImplementedError

    @property
    def cudnn_mode(self) -> str | None:
        """What cuDNN calls this cell; None where it has no such cell."""
        raise NotImplementedError

    def normalised_columns(self) -> list[int]:
        """How many columns of a product layer normalisation takes together, group by group."""
        return [self.cell().gates * self.units]

    def norm_shapes(self) -> dict[str, int]:
        """The weights of layer normalisation and their sizes: the input's gain, if it has one, then the cell's."""
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
        autocast = not (self.regularisation.weight_norm or self.regularisation.layer_norm)  # normalised in 32 bits
        self.kernel = self.add_weight(
            name="kernel",
            shape=(sequence_shape[-1], columns),
            initializer=self.kernel_initializer,
            autocast=autocast,
        )
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel",
            shape=(self.units, columns),
            initializer=self.recurrent_initializer,
            autocast=autocast,
        )
        self.bias = (
            self.add_weight(name="bias", shape=self.bias_shape(), initializer=self.bias_initializer())
            if self.use_bias
            else None
        )
        if self.regularisation.weight_norm:
            self.kernel_norms, self.recurrent_kernel_norms = (
                self.add_weight(
                    name=f"{weight.name}_norms", shape=(columns,), initializer=ColumnNorms(weight), autocast=False
                )
                for weight in (self.kernel, self.recurrent_kernel)
            )
        self.layer_norm = (
            {
                name: self.add_weight(
                    name=name, shape=(size,), initializer="zeros" if "bias" in name else "ones", autocast=False
                )
                for name, size in self.norm_shapes().items()
                if self.use_bias or "bias" not in name
            }
            if self.regularisation.layer_norm
            else {}
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
        masks = None
        if training and self.regularisation.is_random:
            masks = Masks(self.regularisation, call_seed(self.seed_generator))
        if masks is not None and self.regularisation.input_dropout:
            if ids is not None:
                sequence, ids = _lookup(sequence, ids), None
            sequence = sequence * masks.inputs(sequence)

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
        hidden, *states = self._run(inputs, table, initial, steps_mask, lengths, masks, bool(training))
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
        if masks is not None and self.regularisation.output_dropout:
            output = output * masks.outputs(output)
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
            "loop": the loop over time of `nlpseq.layers.bptt`. Inference takes the loop, which converts to TensorFlow
            Lite and runs on any device; so do XLA, which has no such kernels, all dtypes but float32, and what
            regularisation changes in a step.
        """
        single = self.compute_dtype == self.variable_dtype == "float32"
        special = masked or not single or self.regularisation.changes_steps
        if not training or special or GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph()):
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
        regularisation_masks: Masks | None,
        training: bool,
    ) -> cells.Tensors:
        """Runs the cell over [time, batch, features], or over ids [time, batch] of a table's rows.

        Returns:
            h after each step [time, batch, units], and the states after the last valid one, each [batch, units] (only
            h of them where they are found by their lengths and nobody asks for the others).
        """
        every_state = lengths is not None and self.return_state  # to find the last one of each row
        weights = self._weights(regularisation_masks)
        kernel, recurrent_kernel, bias = weights.kernel, weights.recurrent_kernel, weights.bias
        path = self.path(training=training, masked=mask is not None)
        if path == "cudnn" and self.cudnn_mode is not None:
            sequence = inputs if table is None else tf.gather(table, inputs)
            biases = (bias, weights.vectors[0] if weights.vectors else None)
            return cudnn.run(self.cudnn_mode, sequence, kernel, recurrent_kernel, biases, initial, lengths)
        # The block kernels multiply the input, or rows of a table, in each step: worth it where it is not wide.
        if path == "block" and (inputs.shape[-1] if table is None else table.shape[0]) <= self.units:
            if table is not None:
                kernel = tf.matmul(table, kernel)
            results = block_lstm.run(inputs, kernel, recurrent_kernel, bias, initial, every_state=every_state)
        else:
            if table is None:
                projected = _over_steps(inputs, lambda rows: self._affine(rows, weights))
            else:
                projected = _lookup(self._affine(table, weights), inputs)
            results = bptt.run(
                self.cell(),
                projected,
                recurrent_kernel,
                weights.vectors,
                initial,
                mask,
                dropout=self._recurrent_dropout(regularisation_masks, initial[0]),
                zoneout=self._zoneout(regularisation_masks, projected, initial[0]),
                every_state=every_state,
                keep=training,
            )
        if lengths is None:
            return results
        results = results if every_state else results[:1]
        return (results[0], *(_at_length(s, lengths, first) for s, first in zip(results, initial, strict=False)))

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

    def _weights(self, masks: Masks | None = None) -> _Weights:
        kernel, recurrent_kernel = tf.convert_to_tensor(self.kernel), tf.convert_to_tensor(self.recurrent_kernel)
        if self.regularisation.weight_norm:
            kernel = with_norms(kernel, tf.convert_to_tensor(self.kernel_norms))
            recurrent_kernel = with_norms(recurrent_kernel, tf.convert_to_tensor(self.recurrent_kernel_norms))
        if masks is not None and self.regularisation.weight_drop:
            recurrent_kernel = recurrent_kernel * masks.recurrent_kernel(recurrent_kernel)
        if self.regularisation.layer_norm:
            kernel, recurrent_kernel = (
                normalised_cells.centred(weight, self.normalised_columns()) for weight in (kernel, recurrent_kernel)
            )
        kernel, recurrent_kernel = (tf.cast(weight, self.compute_dtype) for weight in (kernel, recurrent_kernel))

        bias, recurrent_bias = None if self.bias is None else tf.convert_to_tensor(self.bias), None
        if bias is not None and len(bias.shape) == 2:
            bias, recurrent_bias = tf.unstack(bias)
        norms = {name: tf.convert_to_tensor(weight) for name, weight in self.layer_norm.items()}
        input_gain = norms.pop("input_gain", None)
        if norms and input_gain is None:  # one LN over the sum of both products: its bias stands in the cell
            bias, recurrent_bias = None, bias
        vectors = (*norms.values(), *(() if recurrent_bias is None else (recurrent_bias,)))
        return _Weights(kernel, recurrent_kernel, bias, vectors, input_gain)

    def _affine(self, rows: tf.Tensor, weights: _Weights) -> tf.Tensor:
        """x W + b of each row [rows, features], or LN(x W) + b; in the compute dtype."""
        product = tf.matmul(rows, weights.kernel)
        if weights.input_gain is not None:
            product = tf.cast(product, self.variable_dtype)
            product = normalised_cells.normalised_groups(product, self.normalised_columns()) * weights.input_gain
            product = tf.cast(product, self.compute_dtype)
        if weights.bias is None:
            return product
        # The gradient of bias_add is the faster one, but sums bfloat16 in bfloat16: 4096 ones make 256.
        return tf.nn.bias_add(product, weights.bias) if product.dtype == tf.float32 else product + weights.bias

    def _recurrent_dropout(self, masks: Masks | None, hidden: tf.Tensor) -> tf.Tensor | None:
        """What h [batch, units] is multiplied with where it enters the recurrent product."""
        return masks.recurrent(hidden) if masks is not None and self.regularisation.recurrent_dropout else None

    def _zoneout(self, masks: Masks | None, projected: tf.Tensor, hidden: tf.Tensor) -> bptt.Zoneout | None:
        """For a sequence [time, batch, gates * units] and a state [batch, units]; without masks the expectation."""
        rates = self.regularisation.zoneout[: self.states_count]
        if not any(rates):
            return None
        return bptt.Zoneout(rates, () if masks is None else masks.kept(tf.shape(projected)[0], hidden))

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
            "regularisation": dataclasses.asdict(self.regularisation),
            "seed": self.seed,
        }


def _reversed(sequence: tf.Tensor, lengths: tf.Tensor | None) -> tf.Tensor:
    """[time, batch, n] with each row's time reversed, within its own length where there are lengths."""
    if lengths is None:
        return tf.reverse(sequence, [0])
    return tf.reverse_sequence(sequence, lengths, seq_axis=0, batch_axis=1)


@tf.custom_gradient
def _lookup(table: tf.Tensor, ids: tf.Tensor) -> tuple[tf.Tensor, Any]:
    """Rows of the table; the gradient is summed in float32 also where the table is bfloat16."""

    def gradient(d_rows: tf.Tensor) -> tuple[tf.Tensor, None]:
        d_rows = tf.reshape(tf.cast(d_rows, tf.float32), [-1, table.shape[-1]])
        return tf.cast(
            tf.math.unsorted_segment_sum(d_rows, tf.reshape(ids, [-1]), tf.shape(table)[0]), table.dtype
        ), None

    return tf.gather(table, ids), gradient


def _over_steps(inputs: tf.Tensor, project: Callable[[tf.Tensor], tf.Tensor]) -> tf.Tensor:
    """The projection of all steps [time, batch, features] as one GEMM: [time, batch, gates * units]."""
    rows = project(tf.reshape(inputs, [-1, inputs.shape[-1]]))
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
        return ACTIVATIONS[self.activation][self.regularisation.layer_norm]()

    def norm_shapes(self) -> dict[str, int]:
        return {"gain": self.units}

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
        regularisation: a `Regularisation`, its fields as a dict, or None for nothing.
        seed: of its masks; one is drawn from Keras' global seed where it is None.
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
        training: in training the gates are kept for the backward pass, and the regularisation's masks are drawn.

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
        return normalised_cells.LayerNormLSTMCell() if self.regularisation.layer_norm else cells.LSTMCell()

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
        if self.regularisation.layer_norm and not reset_after:
            raise ValueError(
                "GRU(reset_after=False) has no layer normalisation: Ba et al. normalise R h before the reset gate "
                "scales it; use reset_after=True"
            )

    def cell(self) -> cells.Cell:
        if self.regularisation.layer_norm:
            return normalised_cells.LayerNormGRUCell()
        return cells.GRUCell() if self.reset_after else cells.ResetBeforeGRUCell()

    @property
    def cudnn_mode(self) -> str | None:
        return "gru" if self.reset_after else None

    def normalised_columns(self) -> list[int]:
        return [2 * self.units, self.units]  # both gates together, the candidate apart

    def norm_shapes(self) -> dict[str, int]:
        return {"input_gain": 3 * self.units, "recurrent_gain": 3 * self.units}

    def bias_shape(self) -> tuple[int, ...]:
        return (2, 3 * self.units) if self.reset_after else (3 * self.units,)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "reset_after": self.reset_after}


LAYERS: dict[str, type[_Recurrent]] = {"rnn": RNN, "lstm": LSTM, "gru": GRU}
