"""The base of the recurrent layers: a Keras layer around a cell and `nlpseq.layers.bptt`."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf
from tensorflow.python.ops.control_flow_util import GraphOrParentsInXlaContext

from nlpseq.layers import block_lstm, bptt, cells, cudnn, normalized_cells, sequences
from nlpseq.layers.dropout import call_seed
from nlpseq.layers.regularization import ColumnNorms, Masks, Regularization, with_norms


@dataclass(frozen=True)
class CallWeights:
    """What a call multiplies with: the variables after weight normalization, weight drop and layer normalization.

    Args:
        kernel: [features, gates * units], in the compute dtype.
        recurrent_kernel: [units, gates * units], in the compute dtype.
        bias: [gates * units], added to the input's product; or None.
        vectors: the further vectors of the cell (see `cells.Weights`).
        input_gain: [gates * units] if the input's product is normalized, otherwise None.
    """

    kernel: tf.Tensor
    recurrent_kernel: tf.Tensor
    bias: tf.Tensor | None
    vectors: cells.Tensors
    input_gain: tf.Tensor | None = None


class Recurrent(keras.layers.Layer):
    """What RNN, LSTM and GRU share: everything but the cell and its bias. `LSTM` documents the arguments."""

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
        regularization: Regularization | dict[str, Any] | None = None,
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
        self.regularization = Regularization.of(regularization)
        self.seed = seed
        if self.regularization.zoneout_cell and self.states_count == 1:
            raise ValueError(
                f"{type(self).__name__} was given zoneout_cell={self.regularization.zoneout_cell}, but only an LSTM "
                "has a cell state: use zoneout_hidden"
            )
        if self.regularization.is_random:
            self.seed_generator = keras.random.SeedGenerator(seed)
        self.supports_masking = True

    def cell(self) -> cells.Cell:
        """Returns the cell that the layer runs."""
        raise NotImplementedError

    @property
    def cudnn_mode(self) -> str | None:
        """cuDNN's name of this cell, or None if cuDNN does not have it."""
        raise NotImplementedError

    def normalized_columns(self) -> list[int]:
        """Returns the sizes of the groups of columns that layer normalization takes together."""
        return [self.cell().gates * self.units]

    def norm_shapes(self) -> dict[str, int]:
        """Returns the names and sizes of layer normalization's weights: the input's gain, if any, then the cell's."""
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
        # Normalization reads all 32 bits.
        autocast = not (self.regularization.weight_norm or self.regularization.layer_norm)
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
        if self.regularization.weight_norm:
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
            if self.regularization.layer_norm
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
        prepared: CallWeights | None = None,
    ) -> Any:
        if training and prepared is not None:
            raise ValueError(
                f"{type(self).__name__} was given prepared weights in training: they are for inference; leave "
                "`prepared` out"
            )
        masks = None
        if training and self.regularization.is_random:
            masks = Masks(self.regularization, call_seed(self.seed_generator))
        if masks is not None and self.regularization.input_dropout:
            if ids is not None:
                sequence, ids = sequences.lookup(sequence, ids), None
            sequence = sequence * masks.inputs(sequence)

        batch_major = [1, 0, 2]
        table = None if ids is None else sequence
        inputs = tf.transpose(sequence, batch_major) if ids is None else tf.transpose(ids)  # [time, batch, ...]
        if lengths is not None:
            mask = None
            lengths = tf.cast(lengths, tf.int32)
        steps_mask = None if mask is None else tf.transpose(tf.cast(mask, tf.bool))[:, :, None]  # [time, batch, 1]
        if self.go_backwards:
            inputs = sequences.reverse(inputs, lengths)
            steps_mask = None if steps_mask is None else tf.reverse(steps_mask, [0])

        initial = self._initial(inputs, initial_state)
        weights = self._weights(masks) if prepared is None else prepared
        hidden, *states = self._run(inputs, table, weights, initial, steps_mask, lengths, masks, bool(training))
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
        if masks is not None and self.regularization.output_dropout:
            output = output * masks.outputs(output)
        if not self.return_state:
            return output
        return (output, *(tf.cast(state, self.compute_dtype) for state in states))

    def prepared(self) -> CallWeights:
        """Returns the weights for calls in inference, normalized and cast.

        A loop that calls the layer step by step prepares them once before it starts; otherwise each step would.
        """
        return self._weights(None)

    def path(self, *, training: bool, masked: bool = False) -> str:
        """Returns the name of what runs the steps.

        Args:
            training: as in `call`.
            masked: whether a mask was given (lengths are not a mask).

        Returns:
            "cudnn": cuDNN's kernel on a GPU; "block": TensorFlow's block LSTM on a CPU (`nlpseq.layers.block_lstm`);
            "loop": the loop over time of `nlpseq.layers.bptt`. The loop runs inference, because it converts to
            TensorFlow Lite and works on any device. It also runs under XLA, which does not have the kernels, in all
            dtypes but float32, and where regularization changes the step.
        """
        single = self.compute_dtype == self.variable_dtype == "float32"
        special = masked or not single or self.regularization.changes_steps
        if not training or special or GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph()):
            return "loop"
        if tf.config.list_physical_devices("GPU"):
            return "cudnn" if self.cudnn_mode else "loop"
        return "block" if self.cudnn_mode == "lstm" and self.units <= block_lstm.MOST_UNITS else "loop"

    def _run(
        self,
        inputs: tf.Tensor,
        table: tf.Tensor | None,
        weights: CallWeights,
        initial: cells.Tensors,
        mask: tf.Tensor | None,
        lengths: tf.Tensor | None,
        regularization_masks: Masks | None,
        training: bool,
    ) -> cells.Tensors:
        """Runs the cell over inputs [time, batch, features], or over ids [time, batch] of a table's rows.

        Returns:
            h after each step [time, batch, units].
            The states after each row's last valid step, each [batch, units]; with lengths and no `return_state` only h.
        """
        every_state = lengths is not None and self.return_state  # to pick the last valid one of each row
        kernel, recurrent_kernel, bias = weights.kernel, weights.recurrent_kernel, weights.bias
        path = self.path(training=training, masked=mask is not None)
        if path == "cudnn" and self.cudnn_mode is not None:
            sequence = inputs if table is None else tf.gather(table, inputs)
            biases = (bias, weights.vectors[0] if weights.vectors else None)
            return cudnn.run(self.cudnn_mode, sequence, kernel, recurrent_kernel, biases, initial, lengths)
        # The block kernels multiply the input, or rows of a table, in each step: that pays if the input is not wide.
        if path == "block" and (inputs.shape[-1] if table is None else table.shape[0]) <= self.units:
            if table is not None:
                kernel = tf.matmul(table, kernel)
            results = block_lstm.run(inputs, kernel, recurrent_kernel, bias, initial, every_state=every_state)
        else:
            if table is None:
                projected = sequences.project(inputs, lambda rows: self.affine(rows, weights))
            else:
                projected = sequences.lookup(self.affine(table, weights), inputs)
            results = bptt.run(
                self.cell(),
                projected,
                recurrent_kernel,
                weights.vectors,
                initial,
                mask,
                dropout=self._recurrent_dropout(regularization_masks, initial[0]),
                zoneout=self.zoneout(regularization_masks, projected, initial[0]),
                every_state=every_state,
                keep=training,
            )
        if lengths is None:
            return results
        results = results if every_state else results[:1]
        return (
            results[0],
            *(sequences.at_lengths(s, lengths, first) for s, first in zip(results, initial, strict=False)),
        )

    def _initial(self, inputs: tf.Tensor, initial_state: Any) -> cells.Tensors:
        """Returns the states before the first step, each [batch, units], in float32 also in mixed precision."""
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

    def _weights(self, masks: Masks | None = None) -> CallWeights:
        kernel, recurrent_kernel = tf.convert_to_tensor(self.kernel), tf.convert_to_tensor(self.recurrent_kernel)
        if self.regularization.weight_norm:
            kernel = with_norms(kernel, tf.convert_to_tensor(self.kernel_norms))
            recurrent_kernel = with_norms(recurrent_kernel, tf.convert_to_tensor(self.recurrent_kernel_norms))
        if masks is not None and self.regularization.weight_drop:
            recurrent_kernel = recurrent_kernel * masks.recurrent_kernel(recurrent_kernel)
        if self.regularization.layer_norm:
            kernel, recurrent_kernel = (
                normalized_cells.centered(weight, self.normalized_columns()) for weight in (kernel, recurrent_kernel)
            )
        kernel, recurrent_kernel = (tf.cast(weight, self.compute_dtype) for weight in (kernel, recurrent_kernel))

        bias, recurrent_bias = None if self.bias is None else tf.convert_to_tensor(self.bias), None
        if bias is not None and len(bias.shape) == 2:
            bias, recurrent_bias = tf.unstack(bias)
        norms = {name: tf.convert_to_tensor(weight) for name, weight in self.layer_norm.items()}
        input_gain = norms.pop("input_gain", None)
        if norms and input_gain is None:  # one LN over the sum of both products, so that its bias belongs to the cell
            bias, recurrent_bias = None, bias
        vectors = (*norms.values(), *(() if recurrent_bias is None else (recurrent_bias,)))
        return CallWeights(kernel, recurrent_kernel, bias, vectors, input_gain)

    def affine(self, rows: tf.Tensor, weights: CallWeights) -> tf.Tensor:
        """Computes x W + b of rows [rows, features], or LN(x W) + b, in the compute dtype."""
        product = tf.matmul(rows, weights.kernel)
        if weights.input_gain is not None:
            product = tf.cast(product, self.variable_dtype)
            product = normalized_cells.normalized_groups(product, self.normalized_columns()) * weights.input_gain
            product = tf.cast(product, self.compute_dtype)
        if weights.bias is None:
            return product
        # bias_add has the faster gradient, but sums bfloat16 in bfloat16: 4096 ones make 256.
        return tf.nn.bias_add(product, weights.bias) if product.dtype == tf.float32 else product + weights.bias

    def _recurrent_dropout(self, masks: Masks | None, hidden: tf.Tensor) -> tf.Tensor | None:
        """Returns the factors [batch, units] of h where it enters the recurrent product."""
        return masks.recurrent(hidden) if masks is not None and self.regularization.recurrent_dropout else None

    def zoneout(self, masks: Masks | None, projected: tf.Tensor, hidden: tf.Tensor) -> bptt.Zoneout | None:
        """Returns the zoneout of a sequence [time, batch, gates * units]; without masks it is the expectation."""
        rates = self.regularization.zoneout[: self.states_count]
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
            "regularization": dataclasses.asdict(self.regularization),
            "seed": self.seed,
        }
