"""The recurrent cells, each one's step and the step's gradient, and the pass over a sequence that runs them (BPTT).

Everything here is time-major: a sequence is [time, batch, features]. The input's projection x W + b is one GEMM over
all steps, made by the caller; the forward loop holds only what depends on the last step. The backward pass computes the
elementwise factors for all steps at once, loops in reverse over what depends on the next step's gradient, and takes the
recurrent weights' gradient as one GEMM over all steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import tensorflow as tf

Tensors = tuple[tf.Tensor, ...]


@dataclass(frozen=True)
class Weights:
    """What a step needs.

    kernel: [units, gates * units].
    bias: [gates * units], only in the GRU's reset-after form, or None.
    transposed: the kernel's transpose, only in the backward pass: made once, since a product with `transpose_b` packs
        the kernel anew at every step (213 against 90 microseconds for [32, 1024] x [1024, 256] on one core).
    """

    kernel: tf.Tensor
    bias: tf.Tensor | None
    transposed: tf.Tensor | None = None


@dataclass(frozen=True)
class Trace:
    """A forward pass as the backward pass needs it, each [time, batch, units].

    states: the states after each step, h first.
    before: the states before each step.
    gates: what the cell's step kept, in its order.
    """

    states: Tensors
    before: Tensors
    gates: Tensors


class TanhCell:
    """h = tanh(x W + h R + b) (Elman 1990). States: h."""

    gates = 1
    states = 1
    kept = 0

    def step(self, projected: tf.Tensor, states: Tensors, weights: Weights) -> tuple[Tensors, Tensors]:
        """One step: the states after it, and the gates to keep for the gradient."""
        (h,) = states
        return (self.activate(projected + matmul(h, weights.kernel)),), ()

    def factors(self, trace: Trace) -> Tensors:
        """The elementwise factors of the gradient, for all steps at once."""
        return (self.slope(trace.states[0]),)

    def step_gradient(self, factors: Tensors, d_states: Tensors, weights: Weights) -> tuple[Tensors, tf.Tensor]:
        """From the gradient of the states after a step: of the states before it, and of its projected input."""
        d_pre = d_states[0] * factors[0]
        return (matmul(d_pre, weights.transposed),), d_pre

    def weight_gradients(self, trace: Trace, d_pre: tf.Tensor, weights: Weights) -> Tensors:
        """The recurrent kernel's gradient, and the recurrent bias' where there is one."""
        return (outer(trace.before[0], d_pre, weights.kernel.dtype),)

    def activate(self, pre: tf.Tensor) -> tf.Tensor:
        return tf.tanh(pre)

    def slope(self, h: tf.Tensor) -> tf.Tensor:
        """The activation's derivative, from its value."""
        return 1 - h * h


class ReLUCell(TanhCell):
    """h = max(0, x W + h R + b) (Le et al. 2015, arXiv:1504.00941). States: h."""

    def activate(self, pre: tf.Tensor) -> tf.Tensor:
        return tf.nn.relu(pre)

    def slope(self, h: tf.Tensor) -> tf.Tensor:
        return tf.cast(h > 0, h.dtype)


class LSTMCell:
    """Long short-term memory with a forget gate (Hochreiter & Schmidhuber 1997; Gers et al. 2000). States: h, c.

    i, f, o = sigmoid(x W + h R + b);  g = tanh(x W + h R + b), each with its own columns: i, f, g, o
    c' = f * c + i * g
    h' = o * tanh(c')
    """

    gates = 4
    states = 2
    kept = 4

    def step(self, projected: tf.Tensor, states: Tensors, weights: Weights) -> tuple[Tensors, Tensors]:
        h, c = states
        i, f, g, o = tf.split(projected + matmul(h, weights.kernel), 4, axis=-1)
        i, f, g, o = tf.sigmoid(i), tf.sigmoid(f), tf.tanh(g), tf.sigmoid(o)
        c = f * c + i * g
        return (o * tf.tanh(c), c), (i, f, g, o)

    def factors(self, trace: Trace) -> Tensors:
        i, f, g, o = trace.gates
        h, c = trace.states
        new = i * g
        old = c - new  # f * c before the step
        return o - h * tf.tanh(c), new - new * i, old - old * f, i - new * g, h - h * o, f

    def step_gradient(self, factors: Tensors, d_states: Tensors, weights: Weights) -> tuple[Tensors, tf.Tensor]:
        to_c, to_i, to_f, to_g, to_o, f = factors
        d_h, d_c = d_states
        d_c = d_c + d_h * to_c
        d_pre = tf.concat([d_c * to_i, d_c * to_f, d_c * to_g, d_h * to_o], axis=-1)
        return (matmul(d_pre, weights.transposed), d_c * f), d_pre

    def weight_gradients(self, trace: Trace, d_pre: tf.Tensor, weights: Weights) -> Tensors:
        return (outer(trace.before[0], d_pre, weights.kernel.dtype),)


class GRUCell:
    """Gated recurrent unit, the reset gate after the recurrent product, as cuDNN has it. States: h.

    z, r = sigmoid(x W + b + h R + b')
    g = tanh(x W + b + r * (h R + b')), each with its own columns: z, r, g
    h' = z * h + (1 - z) * g
    """

    gates = 3
    states = 1
    kept = 4

    def step(self, projected: tf.Tensor, states: Tensors, weights: Weights) -> tuple[Tensors, Tensors]:
        (h,) = states
        recurrent = matmul(h, weights.kernel)
        if weights.bias is not None:
            recurrent = tf.nn.bias_add(recurrent, weights.bias)
        x_z, x_r, x_g = tf.split(projected, 3, axis=-1)
        h_z, h_r, h_g = tf.split(recurrent, 3, axis=-1)
        z, r = tf.sigmoid(x_z + h_z), tf.sigmoid(x_r + h_r)
        g = tf.tanh(x_g + r * h_g)
        return (g + z * (h - g),), (z, r, g, h_g)

    def factors(self, trace: Trace) -> Tensors:
        z, r, g, h_g = trace.gates
        to_g = (1 - z) * (1 - g * g)
        return (trace.before[0] - g) * z * (1 - z), to_g * h_g * r * (1 - r), to_g, r, z

    def step_gradient(self, factors: Tensors, d_states: Tensors, weights: Weights) -> tuple[Tensors, tf.Tensor]:
        to_z, to_r, to_g, r, z = factors
        (d_h,) = d_states
        d_z, d_r, d_g = d_h * to_z, d_h * to_r, d_h * to_g
        d_recurrent = tf.concat([d_z, d_r, d_g * r], axis=-1)
        return (d_h * z + matmul(d_recurrent, weights.transposed),), tf.concat([d_z, d_r, d_g], axis=-1)

    def weight_gradients(self, trace: Trace, d_pre: tf.Tensor, weights: Weights) -> Tensors:
        d_z, d_r, d_g = tf.split(d_pre, 3, axis=-1)
        d_recurrent = tf.concat([d_z, d_r, d_g * trace.gates[1]], axis=-1)
        d_kernel = outer(trace.before[0], d_recurrent, weights.kernel.dtype)
        return (d_kernel,) if weights.bias is None else (d_kernel, tf.reduce_sum(d_recurrent, axis=[0, 1]))


class ResetBeforeGRUCell:
    """Gated recurrent unit as published, the reset gate before the recurrent product (Cho et al. 2014). States: h.

    z, r = sigmoid(x W + b + h R)
    g = tanh(x W + b + (r * h) R), each with its own columns: z, r, g
    h' = z * h + (1 - z) * g
    """

    gates = 3
    states = 1
    kept = 3

    def step(self, projected: tf.Tensor, states: Tensors, weights: Weights) -> tuple[Tensors, Tensors]:
        (h,) = states
        units = h.shape[-1]
        x_z, x_r, x_g = tf.split(projected, 3, axis=-1)
        h_z, h_r = tf.split(matmul(h, weights.kernel[:, : 2 * units]), 2, axis=-1)
        z, r = tf.sigmoid(x_z + h_z), tf.sigmoid(x_r + h_r)
        g = tf.tanh(x_g + matmul(r * h, weights.kernel[:, 2 * units :]))
        return (g + z * (h - g),), (z, r, g)

    def factors(self, trace: Trace) -> Tensors:
        z, r, g = trace.gates
        return (trace.before[0] - g) * z * (1 - z), trace.before[0] * r * (1 - r), (1 - z) * (1 - g * g), r, z

    def step_gradient(self, factors: Tensors, d_states: Tensors, weights: Weights) -> tuple[Tensors, tf.Tensor]:
        to_z, to_r, to_g, r, z = factors
        (d_h,) = d_states
        units = d_h.shape[-1]
        d_z, d_g = d_h * to_z, d_h * to_g
        d_reset = matmul(d_g, weights.transposed[2 * units :])
        d_zr = tf.concat([d_z, d_reset * to_r], axis=-1)
        before = d_h * z + d_reset * r + matmul(d_zr, weights.transposed[: 2 * units])
        return (before,), tf.concat([d_zr, d_g], axis=-1)

    def weight_gradients(self, trace: Trace, d_pre: tf.Tensor, weights: Weights) -> Tensors:
        (before,), r, dtype = trace.before, trace.gates[1], weights.kernel.dtype
        units = r.shape[-1]
        d_zr, d_g = d_pre[..., : 2 * units], d_pre[..., 2 * units :]
        return (tf.concat([outer(before, d_zr, dtype), outer(r * before, d_g, dtype)], axis=-1),)


Cell = TanhCell | LSTMCell | GRUCell | ResetBeforeGRUCell


def run(
    cell: Cell,
    projected: tf.Tensor,
    weights: Weights,
    initial: Tensors,
    mask: tf.Tensor | None = None,
    *,
    every_state: bool = False,
    keep: bool = True,
) -> Tensors:
    """Runs a cell over a sequence; differentiable in everything but the mask.

    Args:
        cell: the cell.
        projected: [time, batch, gates * units], x W + b, in the state's dtype.
        weights: the recurrent ones; products take the kernel's dtype (bfloat16 in mixed precision).
        initial: the states before the first step, each [batch, units].
        mask: bool [time, batch, 1]; where it is False the step carries the states on. None: every step counts.
        every_state: return the states after each step, not only h.
        keep: keep the gates for the backward pass. Without it (inference) they cost nothing, and a gradient, if one is
            asked for, runs the forward pass again.

    Returns:
        hidden [time, batch, units], followed by the states after the last step, each [batch, units]; with `every_state`
        every state after each step, each [time, batch, units], h first.
    """
    has_bias = weights.bias is not None

    @tf.custom_gradient
    def differentiable(projected: tf.Tensor, *arguments: tf.Tensor) -> tuple[Tensors, Callable[..., Tensors]]:
        initial, recurrent = arguments[: cell.states], Weights(arguments[cell.states], (*arguments, None)[-1])
        if has_bias:
            recurrent = Weights(*arguments[cell.states :])
        history, final, gates = _forward(cell, projected, recurrent, initial, mask, keep)
        after = tuple(states[1:] for states in history)

        def gradient(*d_results: tf.Tensor) -> Tensors:
            kept = gates if keep else _forward(cell, projected, recurrent, initial, mask, True)[2]
            trace = Trace(after, tuple(states[:-1] for states in history), kept)
            if every_state:
                d_sequences, d_final = d_results, tuple(tf.zeros_like(state) for state in final)
            else:
                d_sequences, d_final = d_results[:1], d_results[1:]
            d_pre, d_initial = _backward(cell, trace, recurrent, mask, d_sequences, d_final)
            return (d_pre, *d_initial, *cell.weight_gradients(trace, d_pre, recurrent))

        return after if every_state else (after[0], *final), gradient

    return differentiable(projected, *initial, weights.kernel, *([weights.bias] if has_bias else []))


def _forward(
    cell: Cell, projected: tf.Tensor, weights: Weights, initial: Tensors, mask: tf.Tensor | None, keep: bool
) -> tuple[Tensors, Tensors, Tensors]:
    """The states after each step, the states after the last one, and the gates at each step (none without `keep`)."""
    units = initial[0].shape[-1]

    def step(values: Tensors, states: Tensors) -> tuple[Tensors, Tensors]:
        after, gates = cell.step(values[0], states, weights)
        if mask is not None:
            after = tuple(tf.where(values[1], new, old) for new, old in zip(after, states, strict=True))
        return after, gates if keep else ()

    sequences = [projected] if mask is None else [projected, mask]
    gates, final, history = scan(step, sequences, initial, [units] * (cell.kept if keep else 0), record=True)
    for states in history:
        states.set_shape([None if projected.shape[0] is None else projected.shape[0] + 1, *initial[0].shape])
    return history, final, gates


def _backward(
    cell: Cell, trace: Trace, weights: Weights, mask: tf.Tensor | None, d_sequences: Tensors, d_final: Tensors
) -> tuple[tf.Tensor, Tensors]:
    """The gradients of the projected input [time, batch, gates * units] and of the initial states.

    A masked step's projected input gets none, and the states' gradients pass through it.
    """
    units = d_final[0].shape[-1]
    weights = replace(weights, transposed=tf.transpose(weights.kernel))
    factors = cell.factors(trace)

    def step(values: Tensors, d_after: Tensors) -> tuple[Tensors, Tensors]:
        d_outputs, at_step = values[: len(d_sequences)], values[len(d_sequences) : len(d_sequences) + len(factors)]
        d_after = tuple(d + out for d, out in zip(d_after, d_outputs, strict=False)) + d_after[len(d_outputs) :]
        d_before, d_pre = cell.step_gradient(at_step, d_after, weights)
        if mask is not None:
            d_before = tuple(tf.where(values[-1], new, old) for new, old in zip(d_before, d_after, strict=True))
            d_pre = tf.where(values[-1], d_pre, tf.zeros_like(d_pre))
        return d_before, (d_pre,)

    sequences = [*d_sequences, *factors] + ([] if mask is None else [mask])
    (d_pre,), d_initial, _ = scan(step, sequences, d_final, [cell.gates * units], reverse=True)
    return d_pre, d_initial


def scan(
    step: Callable[[Tensors, Tensors], tuple[Tensors, Tensors]],
    sequences: Sequence[tf.Tensor],
    carry: Tensors,
    widths: Sequence[int],
    *,
    reverse: bool = False,
    record: bool = False,
) -> tuple[Tensors, Tensors, Tensors]:
    """Runs a step over the time dimension.

    Args:
        step: (values at t, carry) -> (carry, outputs at t).
        sequences: each [time, batch, ...].
        carry: each [batch, n].
        widths: the last dimension of each output.
        reverse: from the last step to the first; outputs stay in the order of time.
        record: return the history of the carry.

    Returns:
        outputs: each [time, batch, width].
        carry: after the last step.
        history: with `record`, the carry before the first step and after each, each [time + 1, batch, n].
    """
    static_length = sequences[0].shape[0]
    length = tf.shape(sequences[0])[0] if static_length is None else static_length
    batch, dtype = carry[0].shape[0], carry[0].dtype
    outputs = [tf.TensorArray(dtype, length, element_shape=[batch, width]) for width in widths]
    history = [tf.TensorArray(dtype, length + 1, element_shape=c.shape).write(0, c) for c in carry] if record else []

    def body(i: tf.Tensor, carry: Tensors, outputs: list[tf.TensorArray], history: list[tf.TensorArray]) -> tuple:
        t = length - 1 - i if reverse else i
        carry, values = step(_at(sequences, t), carry)
        outputs = [array.write(t, value) for array, value in zip(outputs, values, strict=True)]
        history = [array.write(i + 1, value) for array, value in zip(history, carry, strict=record)]
        return i + 1, carry, outputs, history

    _, carry, outputs, history = tf.while_loop(
        lambda i, *_: i < length, body, (tf.constant(0), carry, outputs, history), maximum_iterations=length
    )
    stacked = tuple(array.stack() for array in outputs)
    for sequence, width in zip(stacked, widths, strict=True):
        sequence.set_shape([static_length, batch, width])
    return stacked, carry, tuple(array.stack() for array in history)


def _at(sequences: Sequence[tf.Tensor], t: tf.Tensor) -> Tensors:
    """Each sequence at one step. A slice of the first dimension copies nothing; a TensorArray's unstack copies it."""
    begin = tf.reshape(t, [1])
    return tuple(tf.strided_slice(s, begin, begin + 1, [1], shrink_axis_mask=1) for s in sequences)


def matmul(left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    """left @ right: operands in the dtype of `right` (the weights), the result in that of `left`."""
    return tf.cast(tf.matmul(tf.cast(left, right.dtype), right), left.dtype)


def outer(left: tf.Tensor, right: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """The sum of left^T right over time and batch, one GEMM with operands in `dtype`: a weight's gradient [n, m]."""
    left = tf.reshape(tf.cast(left, dtype), [-1, left.shape[-1]])
    right = tf.reshape(tf.cast(right, dtype), [-1, right.shape[-1]])
    return tf.matmul(left, right, transpose_a=True)
