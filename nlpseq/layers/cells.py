"""The recurrent cells, each one's step and the step's gradient, and the pass over a sequence that runs them (BPTT).

Everything here is time-major: a sequence is [time, batch, features]. The input's projection x W + b is one GEMM over
all steps, made by the caller; the forward loop holds only what depends on the last step. The backward pass computes the
elementwise factors for all steps at once, loops in reverse over what depends on the next step's gradient, and takes the
recurrent weights' gradient as one GEMM over all steps.

In mixed precision the operands of every product are bfloat16; states, gates and what is done to them stay float32.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import tensorflow as tf

Tensors = tuple[tf.Tensor, ...]


@dataclass(frozen=True)
class Weights:
    """What a step, or its gradient, multiplies with.

    kernels: the recurrent kernel [units, gates * units], split where a cell needs its parts one after the other; in a
        backward pass their transposes. Transposed once, since a product with `transpose_b` packs the kernel anew at
        every step: 213 against 90 microseconds for [32, 1024] x [1024, 256] on one core.
    bias: [gates * units], only in the GRU's reset-after form, or None.
    """

    kernels: Tensors
    bias: tf.Tensor | None = None


@dataclass(frozen=True)
class Trace:
    """A forward pass as the backward pass needs it.

    initial: the states before the first step, each [batch, units], h first.
    after: the states after each step, each [time, batch, units].
    gates: what the cell's step kept, in its order, each [time, batch, units].
    """

    initial: Tensors
    after: Tensors
    gates: Tensors


class TanhCell:
    """h' = tanh(x W + h R + b) (Elman 1990). State: h."""

    gates = 1
    states = 1
    kept = 0

    def parts(self, kernel: tf.Tensor) -> Tensors:
        """The recurrent kernel as the step uses it."""
        return (kernel,)

    def step(self, projected: tf.Tensor, states: Tensors, weights: Weights) -> tuple[Tensors, Tensors]:
        """One step: the states after it, and the gates to keep for the gradient."""
        (h,) = states
        return (self.activate(projected + matmul(h, weights.kernels[0])),), ()

    def factors(self, trace: Trace) -> Tensors:
        """The elementwise factors of the gradient, for all steps at once."""
        return (self.slope(trace.after[0]),)

    def step_gradient(self, factors: Tensors, d_states: Tensors, transposed: Weights) -> tuple[Tensors, tf.Tensor]:
        """From the gradient of the states after a step: of the states before it, and of its projected input."""
        d_pre = d_states[0] * factors[0]
        return (matmul(d_pre, transposed.kernels[0]),), d_pre

    def weight_gradients(self, trace: Trace, d_pre: tf.Tensor) -> Tensors:
        """The recurrent kernel's gradient, and the recurrent bias' in the reset-after GRU, from all steps' `d_pre`."""
        return (recurrent_outer(trace, d_pre),)

    def activate(self, pre: tf.Tensor) -> tf.Tensor:
        return tf.tanh(pre)

    def slope(self, h: tf.Tensor) -> tf.Tensor:
        """The activation's derivative, from its value."""
        return 1 - h * h


class ReLUCell(TanhCell):
    """h' = max(0, x W + h R + b) (Le et al. 2015, arXiv:1504.00941). State: h."""

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

    def parts(self, kernel: tf.Tensor) -> Tensors:
        return (kernel,)

    def step(self, projected: tf.Tensor, states: Tensors, weights: Weights) -> tuple[Tensors, Tensors]:
        h, c = states
        i, f, g, o = tf.split(projected + matmul(h, weights.kernels[0]), 4, axis=-1)
        i, f, g, o = tf.sigmoid(i), tf.sigmoid(f), tf.tanh(g), tf.sigmoid(o)
        c = f * c + i * g
        return (o * tf.tanh(c), c), (i, f, g, o)

    def factors(self, trace: Trace) -> Tensors:
        i, f, g, o = trace.gates
        h, c = trace.after
        new = i * g
        old = c - new  # f * c before the step
        # How c' follows h'; the gates before their activation: i, f, g follow c', o follows h'; how c' follows c.
        return o - h * tf.tanh(c), new - new * i, old - old * f, i - new * g, h - h * o, f

    def step_gradient(self, factors: Tensors, d_states: Tensors, transposed: Weights) -> tuple[Tensors, tf.Tensor]:
        to_c, to_i, to_f, to_g, to_o, f = factors
        d_h, d_c = d_states
        d_c = d_c + d_h * to_c
        d_pre = tf.concat([d_c * to_i, d_c * to_f, d_c * to_g, d_h * to_o], axis=-1)
        return (matmul(d_pre, transposed.kernels[0]), d_c * f), d_pre

    def weight_gradients(self, trace: Trace, d_pre: tf.Tensor) -> Tensors:
        return (recurrent_outer(trace, d_pre),)


class GRUCell:
    """Gated recurrent unit, the reset gate after the recurrent product, as cuDNN has it. State: h.

    z, r = sigmoid(x W + b + h R + b')
    g = tanh(x W + b + r * (h R + b')), each with its own columns: z, r, g
    h' = z * h + (1 - z) * g
    """

    gates = 3
    states = 1
    kept = 4

    def parts(self, kernel: tf.Tensor) -> Tensors:
        return (kernel,)

    def step(self, projected: tf.Tensor, states: Tensors, weights: Weights) -> tuple[Tensors, Tensors]:
        (h,) = states
        recurrent = matmul(h, weights.kernels[0])
        if weights.bias is not None:
            recurrent = tf.nn.bias_add(recurrent, weights.bias)
        x_z, x_r, x_g = tf.split(projected, 3, axis=-1)
        h_z, h_r, h_g = tf.split(recurrent, 3, axis=-1)
        z, r = tf.sigmoid(x_z + h_z), tf.sigmoid(x_r + h_r)
        g = tf.tanh(x_g + r * h_g)
        return (g + z * (h - g),), (z, r, g, h_g)

    def factors(self, trace: Trace) -> Tensors:
        z, r, g, h_g = trace.gates
        (h_new,) = trace.after
        to_g = (1 - z) * (1 - g * g)
        # How h' follows the gates before their activation, z, r, g; r scales what reaches h R_g; how h' follows h.
        return (h_new - g) * (1 - z), to_g * h_g * (r - r * r), to_g, r, z

    def step_gradient(self, factors: Tensors, d_states: Tensors, transposed: Weights) -> tuple[Tensors, tf.Tensor]:
        to_z, to_r, to_g, r, z = factors
        (d_h,) = d_states
        d_z, d_r, d_g = d_h * to_z, d_h * to_r, d_h * to_g
        d_recurrent = tf.concat([d_z, d_r, d_g * r], axis=-1)
        return (d_h * z + matmul(d_recurrent, transposed.kernels[0]),), tf.concat([d_z, d_r, d_g], axis=-1)

    def weight_gradients(self, trace: Trace, d_pre: tf.Tensor) -> Tensors:
        r = trace.gates[1]
        d_z, d_r, d_g = tf.split(d_pre, 3, axis=-1)
        d_recurrent = tf.concat([d_z, d_r, d_g * tf.cast(r, d_pre.dtype)], axis=-1)
        return recurrent_outer(trace, d_recurrent), tf.reduce_sum(tf.cast(d_recurrent, r.dtype), axis=[0, 1])


class ResetBeforeGRUCell:
    """Gated recurrent unit as published, the reset gate before the recurrent product (Cho et al. 2014). State: h.

    z, r = sigmoid(x W + b + h R)
    g = tanh(x W + b + (r * h) R), each with its own columns: z, r, g
    h' = z * h + (1 - z) * g
    """

    gates = 3
    states = 1
    kept = 4

    def parts(self, kernel: tf.Tensor) -> Tensors:
        units = kernel.shape[0]
        return kernel[:, : 2 * units], kernel[:, 2 * units :]

    def step(self, projected: tf.Tensor, states: Tensors, weights: Weights) -> tuple[Tensors, Tensors]:
        (h,) = states
        gates_kernel, candidate_kernel = weights.kernels
        x_z, x_r, x_g = tf.split(projected, 3, axis=-1)
        h_z, h_r = tf.split(matmul(h, gates_kernel), 2, axis=-1)
        z, r = tf.sigmoid(x_z + h_z), tf.sigmoid(x_r + h_r)
        seen = r * h
        g = tf.tanh(x_g + matmul(seen, candidate_kernel))
        return (g + z * (h - g),), (z, r, g, seen)

    def factors(self, trace: Trace) -> Tensors:
        z, r, g, seen = trace.gates
        (h_new,) = trace.after
        return (h_new - g) * (1 - z), seen * (1 - r), (1 - z) * (1 - g * g), r, z

    def step_gradient(self, factors: Tensors, d_states: Tensors, transposed: Weights) -> tuple[Tensors, tf.Tensor]:
        to_z, to_r, to_g, r, z = factors
        (d_h,) = d_states
        gates_kernel, candidate_kernel = transposed.kernels
        d_g = d_h * to_g
        d_reset = matmul(d_g, candidate_kernel)
        d_zr = tf.concat([d_h * to_z, d_reset * to_r], axis=-1)
        return (d_h * z + d_reset * r + matmul(d_zr, gates_kernel),), tf.concat([d_zr, d_g], axis=-1)

    def weight_gradients(self, trace: Trace, d_pre: tf.Tensor) -> Tensors:
        seen = trace.gates[3]
        units = seen.shape[-1]
        d_zr, d_g = d_pre[..., : 2 * units], d_pre[..., 2 * units :]
        return (tf.concat([recurrent_outer(trace, d_zr), outer(seen, d_g)], axis=-1),)


Cell = TanhCell | LSTMCell | GRUCell | ResetBeforeGRUCell


def run(
    cell: Cell,
    projected: tf.Tensor,
    kernel: tf.Tensor,
    bias: tf.Tensor | None,
    initial: Tensors,
    mask: tf.Tensor | None = None,
    *,
    every_state: bool = False,
    keep: bool = True,
) -> Tensors:
    """Runs a cell over a sequence; differentiable in everything but the mask.

    Args:
        cell: the cell.
        projected: [time, batch, gates * units], x W + b, in the kernel's dtype.
        kernel: the recurrent one [units, gates * units]; products take its dtype.
        bias: the recurrent one [gates * units], only for :class:`GRUCell`, or None.
        initial: the states before the first step, each [batch, units]; what is computed with states takes their dtype.
        mask: bool [time, batch, 1]; where it is False the step carries the states on. None: every step counts.
        every_state: return the states after each step, not only h.
        keep: keep the gates for the backward pass. Without it (inference) they cost nothing, and a gradient, if one is
            asked for, runs the forward pass again.

    Returns:
        hidden [time, batch, units], followed by the states after the last step, each [batch, units]; with `every_state`
        every state after each step, each [time, batch, units], h first.
    """

    @tf.custom_gradient
    def differentiable(
        projected: tf.Tensor, kernel: tf.Tensor, *arguments: tf.Tensor
    ) -> tuple[Tensors, Callable[..., Tensors]]:
        initial, biases = arguments[: cell.states], arguments[cell.states :]
        parts = cell.parts(kernel)
        weights = Weights(parts, *(tf.cast(bias, initial[0].dtype) for bias in biases))
        after, final, gates = _forward(cell, projected, weights, initial, mask, keep)

        def gradient(*d_results: tf.Tensor) -> Tensors:
            kept = gates if keep else _forward(cell, projected, weights, initial, mask, True)[2]
            trace = Trace(initial, after, kept)
            d_sequences, d_final = (d_results, ()) if every_state else (d_results[:1], d_results[1:])
            d_final = d_final or tuple(tf.zeros_like(state) for state in final)
            transposed = Weights(tuple(tf.transpose(part) for part in parts))
            d_pre, d_initial = _backward(cell, trace, transposed, mask, d_sequences, d_final)
            d_kernel, *d_biases = cell.weight_gradients(trace, d_pre)
            d_biases = [tf.cast(d_bias, bias.dtype) for d_bias, bias in zip(d_biases, biases, strict=False)]
            return (d_pre, d_kernel, *d_initial, *d_biases)

        return after if every_state else (after[0], *final), gradient

    return differentiable(projected, kernel, *initial, *(() if bias is None else (bias,)))


def _forward(
    cell: Cell, projected: tf.Tensor, weights: Weights, initial: Tensors, mask: tf.Tensor | None, keep: bool
) -> tuple[Tensors, Tensors, Tensors]:
    """Runs the steps in the order of time.

    Returns:
        The states after each step [time, batch, units], those after the last one [batch, units], and the gates at each
        step [time, batch, units] (none without `keep`).
    """
    units, dtype = initial[0].shape[-1], initial[0].dtype

    def step(values: Tensors, states: Tensors) -> tuple[Tensors, Tensors]:
        after, gates = cell.step(tf.cast(values[0], dtype), states, weights)
        if mask is not None:
            after = tuple(tf.where(values[1], new, old) for new, old in zip(after, states, strict=True))
        return after, (*after, *gates) if keep else after

    sequences = [projected] if mask is None else [projected, mask]
    widths = [units] * (cell.states + (cell.kept if keep else 0))
    outputs, final = scan(step, sequences, initial, widths, dtype)
    return outputs[: cell.states], final, outputs[cell.states :]


def _backward(
    cell: Cell, trace: Trace, transposed: Weights, mask: tf.Tensor | None, d_sequences: Tensors, d_final: Tensors
) -> tuple[tf.Tensor, Tensors]:
    """Runs the steps' gradients against the order of time.

    A masked step's projected input gets no gradient, and the states' gradients pass through it.

    Returns:
        The gradients of the projected input [time, batch, gates * units] and of the initial states [batch, units].
    """
    units, dtype = d_final[0].shape[-1], transposed.kernels[0].dtype
    factors = cell.factors(trace)

    def step(values: Tensors, d_after: Tensors) -> tuple[Tensors, Tensors]:
        d_outputs, at_step = values[: len(d_sequences)], values[len(d_sequences) : len(d_sequences) + len(factors)]
        d_after = tuple(d + out for d, out in zip(d_after, d_outputs, strict=False)) + d_after[len(d_outputs) :]
        d_before, d_pre = cell.step_gradient(at_step, d_after, transposed)
        if mask is not None:
            d_before = tuple(tf.where(values[-1], new, old) for new, old in zip(d_before, d_after, strict=True))
            d_pre = tf.where(values[-1], d_pre, tf.zeros_like(d_pre))
        return d_before, (tf.cast(d_pre, dtype),)

    sequences = [*d_sequences, *factors] + ([] if mask is None else [mask])
    (d_pre,), d_initial = scan(step, sequences, d_final, [cell.gates * units], dtype, reverse=True)
    return d_pre, d_initial


def scan(
    step: Callable[[Tensors, Tensors], tuple[Tensors, Tensors]],
    sequences: Sequence[tf.Tensor],
    carry: Tensors,
    widths: Sequence[int],
    dtype: tf.DType,
    *,
    reverse: bool = False,
) -> tuple[Tensors, Tensors]:
    """Runs a step over the time dimension.

    Args:
        step: (values at t, carry) -> (carry, outputs at t).
        sequences: each [time, batch, ...].
        carry: each [batch, n].
        widths: the last dimension of each output.
        dtype: of the outputs.
        reverse: from the last step to the first; outputs stay in the order of time.

    Returns:
        outputs: each [time, batch, width].
        carry: after the last step.
    """
    static_length = sequences[0].shape[0]
    length = tf.shape(sequences[0])[0] if static_length is None else static_length
    batch = carry[0].shape[0]
    outputs = [tf.TensorArray(dtype, length, element_shape=[batch, width]) for width in widths]

    def body(i: tf.Tensor, carry: Tensors, outputs: list[tf.TensorArray]) -> tuple:
        t = length - 1 - i if reverse else i
        # Gathered, not read from a TensorArray: filling one copies the whole sequence, 5 % of a training step.
        carry, values = step(tuple(tf.gather(s, t) for s in sequences), carry)
        return i + 1, carry, [array.write(t, value) for array, value in zip(outputs, values, strict=True)]

    _, carry, outputs = tf.while_loop(lambda i, *_: i < length, body, (tf.constant(0), carry, outputs))
    stacked = tuple(array.stack() for array in outputs)
    for sequence, width in zip(stacked, widths, strict=True):
        sequence.set_shape([static_length, batch, width])
    return stacked, carry


def matmul(left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    """left @ right: operands in the dtype of `right` (the weights), the result in that of `left`."""
    return tf.cast(tf.matmul(tf.cast(left, right.dtype), right), left.dtype)


def outer(left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    """The sum of left^T right over time and batch, one GEMM in the dtype of `right`: a weight's gradient [n, m]."""
    left = tf.reshape(tf.cast(left, right.dtype), [-1, left.shape[-1]])
    return tf.matmul(left, tf.reshape(right, [-1, right.shape[-1]]), transpose_a=True)


def recurrent_outer(trace: Trace, d_recurrent: tf.Tensor) -> tf.Tensor:
    """The recurrent kernel's gradient from that of h R [time, batch, m], h being the state before each step."""
    first = tf.cast(trace.initial[0], d_recurrent.dtype)
    return outer(trace.after[0][:-1], d_recurrent[1:]) + tf.matmul(first, d_recurrent[0], transpose_a=True)
