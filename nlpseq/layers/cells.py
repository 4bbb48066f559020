"""The recurrent cells: the step of each cell and its gradient. `nlpseq.layers.bptt` runs them over a sequence.

Everything here is time-major: a sequence is [time, batch, features]. The caller computes the input's projection
x W + b; a step computes only what depends on the step before. The gradient has three parts: `factors` computes the
elementwise part for all steps at once, `step_gradient` computes what depends on the next step's gradient, and
`weight_gradients` is one GEMM over all steps.

In mixed precision the operands of every product are bfloat16. States and gates stay float32.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import tensorflow as tf

Tensors = tuple[tf.Tensor, ...]


@dataclass(frozen=True)
class Weights:
    """The weights of a step or of its gradient.

    Args:
        kernels: the recurrent kernel [units, gates * units]; several parts if the cell needs them one after the other.
            A backward pass has their transposes. They are transposed once: a product with `transpose_b` packs the
            kernel in every step, which takes 213 instead of 90 microseconds for [32, 1024] x [1024, 256] on one core.
        vectors: the cell's further vectors, in its order: those of layer normalization, and the recurrent bias
            [gates * units] of the GRU's reset-after form.
        dropout: factors [batch, units] of h where it enters the recurrent product, the same in every step (Gal &
            Ghahramani 2016, arXiv:1512.05287), or None.
    """

    kernels: Tensors
    vectors: Tensors = ()
    dropout: tf.Tensor | None = None

    def seen(self, h: tf.Tensor) -> tf.Tensor:
        """Returns h [..., batch, units] after recurrent dropout."""
        return h if self.dropout is None else h * self.dropout

    def recurrent(self, h: tf.Tensor, part: int = 0) -> tf.Tensor:
        """Computes h R, or h times one part of R."""
        return matmul(self.seen(h), self.kernels[part])

    def recurrent_gradient(self, d_recurrent: tf.Tensor, part: int = 0) -> tf.Tensor:
        """Returns the gradient of h from that of h R. The kernels are transposed."""
        return self.seen(matmul(d_recurrent, self.kernels[part]))


@dataclass(frozen=True)
class Trace:
    """What the backward pass needs of the forward pass.

    Args:
        initial: the states before the first step, each [batch, units], h first.
        after: the states after each step, each [time, batch, units].
        own: the cell's own new states in each step, before zoneout. Without zoneout they are `after`.
        gates: the tensors that the cell's step kept, in its order, each [time, batch, n].
        weights: the weights of the forward pass.
    """

    initial: Tensors
    after: Tensors
    own: Tensors
    gates: Tensors
    weights: Weights


class Cell(Protocol):
    """One step of a network, and its gradient.

    Attributes:
        gates: width of the projected input, in units.
        states: number of states; h is the first.
        kept: width of each tensor that a step keeps for the gradient, in units.
        further: width of each tensor that a step's gradient returns after `d_pre`, in units.
    """

    @property
    def gates(self) -> int: ...
    @property
    def states(self) -> int: ...
    @property
    def kept(self) -> tuple[int, ...]: ...
    @property
    def further(self) -> tuple[int, ...]: ...

    def parts(self, kernel: tf.Tensor) -> Tensors:
        """Splits the recurrent kernel into the parts that the step uses."""

    def step(self, projected: tf.Tensor, states: Tensors, weights: Weights) -> tuple[Tensors, Tensors]:
        """Runs one step. Returns the states after it, and the tensors to keep for the gradient."""

    def factors(self, trace: Trace) -> Tensors:
        """Returns the elementwise factors of the gradient, for all steps at once."""

    def step_gradient(self, factors: Tensors, d_states: Tensors, transposed: Weights) -> tuple[Tensors, Tensors]:
        """Turns the gradients of the states after a step into two groups of gradients.

        Returns:
            The gradients of the states before the step; and that of the projected input (`d_pre`), followed by the
            other tensors that `weight_gradients` needs.
        """

    def weight_gradients(self, trace: Trace, d_pre: tf.Tensor, *further: tf.Tensor) -> Tensors:
        """Returns the gradients of the recurrent kernel and of the vectors, from all steps' `d_pre`."""


class TanhCell:
    """h' = tanh(x W + h R + b) (Elman 1990). State: h."""

    gates = 1
    states = 1
    kept: tuple[int, ...] = ()
    further: tuple[int, ...] = ()

    def parts(self, kernel: tf.Tensor) -> Tensors:
        return (kernel,)

    def step(self, projected: tf.Tensor, states: Tensors, weights: Weights) -> tuple[Tensors, Tensors]:
        (h,) = states
        return (self.activate(projected + weights.recurrent(h)),), ()

    def factors(self, trace: Trace) -> Tensors:
        return (self.slope(trace.own[0]),)

    def step_gradient(self, factors: Tensors, d_states: Tensors, transposed: Weights) -> tuple[Tensors, Tensors]:
        d_pre = d_states[0] * factors[0]
        return (transposed.recurrent_gradient(d_pre),), (d_pre,)

    def weight_gradients(self, trace: Trace, d_pre: tf.Tensor, *further: tf.Tensor) -> Tensors:
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

    i, f, o = sigmoid(x W + h R + b)
    g = tanh(x W + h R + b); the columns are in the order i, f, g, o
    c' = f * c + i * g
    h' = o * tanh(c')
    """

    gates = 4
    states = 2
    kept: tuple[int, ...] = (1, 1, 1, 1)
    further: tuple[int, ...] = ()

    def parts(self, kernel: tf.Tensor) -> Tensors:
        return (kernel,)

    def step(self, projected: tf.Tensor, states: Tensors, weights: Weights) -> tuple[Tensors, Tensors]:
        h, c = states
        i, f, g, o = tf.split(projected + weights.recurrent(h), 4, axis=-1)
        i, f, g, o = tf.sigmoid(i), tf.sigmoid(f), tf.tanh(g), tf.sigmoid(o)
        c = f * c + i * g
        return (o * tf.tanh(c), c), (i, f, g, o)

    def factors(self, trace: Trace) -> Tensors:
        i, f, g, o = trace.gates
        h, c = trace.own
        new = i * g
        old = c - new  # f * c before the step
        # The derivatives: of h' by c'; of c' by i, f and g before their activation; of h' by o; of c' by c.
        return o - h * tf.tanh(c), new - new * i, old - old * f, i - new * g, h - h * o, f

    def step_gradient(self, factors: Tensors, d_states: Tensors, transposed: Weights) -> tuple[Tensors, Tensors]:
        to_c, to_i, to_f, to_g, to_o, f = factors
        d_h, d_c = d_states
        d_c = d_c + d_h * to_c
        d_pre = tf.concat([d_c * to_i, d_c * to_f, d_c * to_g, d_h * to_o], axis=-1)
        return (transposed.recurrent_gradient(d_pre), d_c * f), (d_pre,)

    def weight_gradients(self, trace: Trace, d_pre: tf.Tensor, *further: tf.Tensor) -> Tensors:
        return (recurrent_outer(trace, d_pre),)


class GRUCell:
    """Gated recurrent unit with the reset gate after the recurrent product, as in cuDNN. State: h.

    z, r = sigmoid(x W + b + h R + b')
    g = tanh(x W + b + r * (h R + b')); the columns are in the order z, r, g
    h' = z * h + (1 - z) * g
    """

    gates = 3
    states = 1
    kept: tuple[int, ...] = (1, 1, 1, 1)
    further: tuple[int, ...] = ()

    def parts(self, kernel: tf.Tensor) -> Tensors:
        return (kernel,)

    def step(self, projected: tf.Tensor, states: Tensors, weights: Weights) -> tuple[Tensors, Tensors]:
        (h,) = states
        recurrent = weights.recurrent(h)
        if weights.vectors:
            recurrent = tf.nn.bias_add(recurrent, weights.vectors[0])
        x_z, x_r, x_g = tf.split(projected, 3, axis=-1)
        h_z, h_r, h_g = tf.split(recurrent, 3, axis=-1)
        z, r = tf.sigmoid(x_z + h_z), tf.sigmoid(x_r + h_r)
        g = tf.tanh(x_g + r * h_g)
        return (g + z * (h - g),), (z, r, g, h_g)

    def factors(self, trace: Trace) -> Tensors:
        z, r, g, h_g = trace.gates
        (h_new,) = trace.own
        to_g = (1 - z) * (1 - g * g)
        # The derivatives of h' by z, r and g before their activation; r, which scales h R_g; that of h' by h.
        return (h_new - g) * (1 - z), to_g * h_g * (r - r * r), to_g, r, z

    def step_gradient(self, factors: Tensors, d_states: Tensors, transposed: Weights) -> tuple[Tensors, Tensors]:
        to_z, to_r, to_g, r, z = factors
        (d_h,) = d_states
        d_z, d_r, d_g = d_h * to_z, d_h * to_r, d_h * to_g
        d_recurrent = tf.concat([d_z, d_r, d_g * r], axis=-1)
        d_before = d_h * z + transposed.recurrent_gradient(d_recurrent)
        return (d_before,), (tf.concat([d_z, d_r, d_g], axis=-1),)

    def weight_gradients(self, trace: Trace, d_pre: tf.Tensor, *further: tf.Tensor) -> Tensors:
        r = trace.gates[1]
        d_z, d_r, d_g = tf.split(d_pre, 3, axis=-1)
        d_recurrent = tf.concat([d_z, d_r, d_g * tf.cast(r, d_pre.dtype)], axis=-1)
        return recurrent_outer(trace, d_recurrent), tf.reduce_sum(tf.cast(d_recurrent, r.dtype), axis=[0, 1])


class ResetBeforeGRUCell:
    """Gated recurrent unit with the reset gate before the recurrent product, as published (Cho et al. 2014). State: h.

    z, r = sigmoid(x W + b + h R)
    g = tanh(x W + b + (r * h) R); the columns are in the order z, r, g
    h' = z * h + (1 - z) * g
    """

    gates = 3
    states = 1
    kept: tuple[int, ...] = (1, 1, 1, 1)
    further: tuple[int, ...] = ()

    def parts(self, kernel: tf.Tensor) -> Tensors:
        units = kernel.shape[0]
        return kernel[:, : 2 * units], kernel[:, 2 * units :]

    def step(self, projected: tf.Tensor, states: Tensors, weights: Weights) -> tuple[Tensors, Tensors]:
        (h,) = states
        x_z, x_r, x_g = tf.split(projected, 3, axis=-1)
        h_z, h_r = tf.split(weights.recurrent(h), 2, axis=-1)
        z, r = tf.sigmoid(x_z + h_z), tf.sigmoid(x_r + h_r)
        seen = r * h
        g = tf.tanh(x_g + weights.recurrent(seen, 1))
        return (g + z * (h - g),), (z, r, g, seen)

    def factors(self, trace: Trace) -> Tensors:
        z, r, g, seen = trace.gates
        (h_new,) = trace.own
        return (h_new - g) * (1 - z), seen * (1 - r), (1 - z) * (1 - g * g), r, z

    def step_gradient(self, factors: Tensors, d_states: Tensors, transposed: Weights) -> tuple[Tensors, Tensors]:
        to_z, to_r, to_g, r, z = factors
        (d_h,) = d_states
        d_g = d_h * to_g
        d_reset = transposed.recurrent_gradient(d_g, 1)
        d_zr = tf.concat([d_h * to_z, d_reset * to_r], axis=-1)
        return (d_h * z + d_reset * r + transposed.recurrent_gradient(d_zr),), (tf.concat([d_zr, d_g], axis=-1),)

    def weight_gradients(self, trace: Trace, d_pre: tf.Tensor, *further: tf.Tensor) -> Tensors:
        seen = trace.gates[3]
        units = seen.shape[-1]
        d_zr, d_g = d_pre[..., : 2 * units], d_pre[..., 2 * units :]
        return (tf.concat([recurrent_outer(trace, d_zr), outer(trace.weights.seen(seen), d_g)], axis=-1),)


def matmul(left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    """Computes left @ right in the dtype of `right` (the weights). The result has the dtype of `left`."""
    return tf.cast(tf.matmul(tf.cast(left, right.dtype), right), left.dtype)


def outer(left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    """Sums left^T right over time and batch, as one GEMM in the dtype of `right`: a weight's gradient [n, m]."""
    left = tf.reshape(tf.cast(left, right.dtype), [-1, left.shape[-1]])
    return tf.matmul(left, tf.reshape(right, [-1, right.shape[-1]]), transpose_a=True)


def recurrent_outer(trace: Trace, d_recurrent: tf.Tensor) -> tf.Tensor:
    """Returns the recurrent kernel's gradient from that of h R [time, batch, m]; h is the state before each step."""
    seen = trace.weights.seen
    first = tf.cast(seen(trace.initial[0]), d_recurrent.dtype)
    return outer(seen(trace.after[0][:-1]), d_recurrent[1:]) + tf.matmul(first, d_recurrent[0], transpose_a=True)
