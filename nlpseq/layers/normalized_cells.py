"""Cells with layer normalization (Ba et al. 2016, arXiv:1607.06450, equation 4 and supplementary material).

LN(a) = gain * (a - mean(a)) / deviation(a) + bias, over the units of a vector (over all gates of a product, as there).

The mean of a product h R over its columns is h times the mean of R's columns. So if the rows of a kernel have mean 0,
its products have mean 0 too, and a step and its gradient need only the second moment. :func:`centered` makes such a
kernel once a call, outside of the loop. The rest is as in `nlpseq.layers.cells`. A step keeps one more tensor, the
product before it is normalized; normalized values and deviations are computed from it for all steps at once.

The vectors of the weights are the gains, followed by the biases if there are any. If the paper adds several biases to
one sum, there is one here.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from nlpseq.layers.cells import GRUCell, LSTMCell, ReLUCell, TanhCell, Tensors, Trace, Weights, recurrent_outer

EPSILON = 1e-5  # added to the variance


class LayerNormTanhCell(TanhCell):
    """h' = tanh(LN(x W + h R)) (equation 4). State: h. Vectors: gain and bias, each [units].

    The projected input is x W, with a centered kernel and no bias.
    """

    kept: tuple[int, ...] = (1,)
    further: tuple[int, ...] = (1,)

    def step(self, projected: tf.Tensor, states: Tensors, weights: Weights) -> tuple[Tensors, Tensors]:
        (h,) = states
        gain, *bias = weights.vectors
        total = projected + weights.recurrent(h)
        pre = total * inverse_deviation(total) * gain
        return (self.activate(pre + bias[0] if bias else pre),), (total,)

    def factors(self, trace: Trace) -> Tensors:
        (total,) = trace.gates
        inverse = inverse_deviation(total)
        return self.slope(trace.own[0]), total * inverse, inverse

    def step_gradient(self, factors: Tensors, d_states: Tensors, transposed: Weights) -> tuple[Tensors, Tensors]:
        slope, normalized, inverse = factors
        d_pre = d_states[0] * slope
        d_total = centered_gradient(d_pre * transposed.vectors[0], normalized, inverse)
        return (transposed.recurrent_gradient(d_total),), (d_total, d_pre)

    def weight_gradients(self, trace: Trace, d_pre: tf.Tensor, *further: tf.Tensor) -> Tensors:
        (total,) = trace.gates
        (d_scaled,) = further
        return recurrent_outer(trace, d_pre), *gain_and_bias_gradients(d_scaled, total * inverse_deviation(total))


class LayerNormReLUCell(LayerNormTanhCell, ReLUCell):
    """h' = max(0, LN(x W + h R)). State, vectors and projected input: as in `LayerNormTanhCell`."""


class LayerNormLSTMCell(LSTMCell):
    """Long short-term memory with layer normalization (equations 20 to 22). States: h, c.

    i, f, g, o before their activation = LN(x W) + LN(h R) + b
    c' = f * c + i * g
    h' = o * tanh(LN(c'))

    Vectors: the gain of LN(h R) [4 * units], the gain and the bias of LN(c') [units].
    The projected input is LN(x W) + b.
    """

    kept: tuple[int, ...] = (1, 1, 1, 1, 4)
    further: tuple[int, ...] = (4, 1)

    def step(self, projected: tf.Tensor, states: Tensors, weights: Weights) -> tuple[Tensors, Tensors]:
        h, c = states
        recurrent = weights.recurrent(h)
        pre = projected + recurrent * inverse_deviation(recurrent) * weights.vectors[0]
        i, f, g, o = tf.split(pre, 4, axis=-1)
        i, f, g, o = tf.sigmoid(i), tf.sigmoid(f), tf.tanh(g), tf.sigmoid(o)
        c = f * c + i * g
        normalized, _ = normalize(c)
        return (o * self.shown(normalized, weights), c), (i, f, g, o, recurrent)

    def shown(self, normalized: tf.Tensor, weights: Weights) -> tf.Tensor:
        """Returns tanh(LN(c')), from c' with mean 0 and variance 1."""
        _, gain, *bias = weights.vectors
        return tf.tanh(normalized * gain + bias[0] if bias else normalized * gain)

    def factors(self, trace: Trace) -> Tensors:
        i, f, g, o, recurrent = trace.gates
        _, c = trace.own
        new = i * g
        old = c - new
        normalized, inverse = normalize(c)
        shown = self.shown(normalized, trace.weights)
        h = o * shown
        recurrent_inverse = inverse_deviation(recurrent)
        # The derivatives: of h' by LN(c'); by the gates, as in LSTMCell; of c' by c. Then what both LN need.
        gates = (o - h * shown, new - new * i, old - old * f, i - new * g, h - h * o, f)
        return *gates, normalized, inverse, recurrent * recurrent_inverse, recurrent_inverse

    def step_gradient(self, factors: Tensors, d_states: Tensors, transposed: Weights) -> tuple[Tensors, Tensors]:
        to_shown, to_i, to_f, to_g, to_o, f, normalized, inverse, recurrent, recurrent_inverse = factors
        recurrent_gain, cell_gain, *_ = transposed.vectors
        d_h, d_c = d_states
        d_shown = d_h * to_shown
        d_c = d_c + gradient(d_shown * cell_gain, normalized, inverse)
        d_pre = tf.concat([d_c * to_i, d_c * to_f, d_c * to_g, d_h * to_o], axis=-1)
        d_recurrent = centered_gradient(d_pre * recurrent_gain, recurrent, recurrent_inverse)
        return (transposed.recurrent_gradient(d_recurrent), d_c * f), (d_pre, d_recurrent, d_shown)

    def weight_gradients(self, trace: Trace, d_pre: tf.Tensor, *further: tf.Tensor) -> Tensors:
        recurrent = trace.gates[4]
        d_recurrent, d_shown = further
        d_gain, _ = gain_and_bias_gradients(d_pre, recurrent * inverse_deviation(recurrent))
        d_cell = gain_and_bias_gradients(d_shown, normalize(trace.own[1])[0])
        return recurrent_outer(trace, d_recurrent), d_gain, *d_cell


class LayerNormGRUCell(GRUCell):
    """Gated recurrent unit with layer normalization (equations 23 to 25). State: h.

    z, r = sigmoid(LN(x W) + LN(h R)), one LN over both gates
    g = tanh(LN(x W) + r * LN(h R)), another LN over the candidate
    h' = z * h + (1 - z) * g; the paper's z is our 1 - z, as in `keras.layers.GRU`

    Vectors: the gain of LN(h R) and its bias, each [3 * units]. The projected input is LN(x W).
    """

    kept: tuple[int, ...] = (1, 1, 1, 3)
    further: tuple[int, ...] = (3,)

    def step(self, projected: tf.Tensor, states: Tensors, weights: Weights) -> tuple[Tensors, Tensors]:
        (h,) = states
        units = h.shape[-1]
        product = weights.recurrent(h)
        recurrent = normalized_groups(product, [2 * units, units]) * weights.vectors[0]
        if len(weights.vectors) > 1:
            recurrent = tf.nn.bias_add(recurrent, weights.vectors[1])
        x_zr, x_g = tf.split(projected, [2 * units, units], axis=-1)
        h_zr, h_g = tf.split(recurrent, [2 * units, units], axis=-1)
        z, r = tf.split(tf.sigmoid(x_zr + h_zr), 2, axis=-1)
        g = tf.tanh(x_g + r * h_g)
        return (g + z * (h - g),), (z, r, g, product)

    def factors(self, trace: Trace) -> Tensors:
        z, r, g, product = trace.gates
        (h_new,) = trace.own
        gain, *bias = trace.weights.vectors
        units = z.shape[-1]
        products = tf.split(product, [2 * units, units], axis=-1)
        inverses = [inverse_deviation(product) for product in products]
        normalized = [product * inverse for product, inverse in zip(products, inverses, strict=True)]
        h_g = normalized[1] * gain[2 * units :]
        if bias:
            h_g = h_g + bias[0][2 * units :]
        to_g = (1 - z) * (1 - g * g)
        return (h_new - g) * (1 - z), to_g * h_g * (r - r * r), to_g, r, z, *normalized, *inverses

    def step_gradient(self, factors: Tensors, d_states: Tensors, transposed: Weights) -> tuple[Tensors, Tensors]:
        to_z, to_r, to_g, r, z, normalized_zr, normalized_g, inverse_zr, inverse_g = factors
        (d_h,) = d_states
        units = d_h.shape[-1]
        gain_zr, gain_g = tf.split(transposed.vectors[0], [2 * units, units])
        d_zr, d_g = tf.concat([d_h * to_z, d_h * to_r], axis=-1), d_h * to_g
        d_product = tf.concat(
            [
                centered_gradient(d_zr * gain_zr, normalized_zr, inverse_zr),
                centered_gradient(d_g * r * gain_g, normalized_g, inverse_g),
            ],
            axis=-1,
        )
        d_before = d_h * z + transposed.recurrent_gradient(d_product)
        return (d_before,), (tf.concat([d_zr, d_g], axis=-1), d_product)

    def weight_gradients(self, trace: Trace, d_pre: tf.Tensor, *further: tf.Tensor) -> Tensors:
        _, r, _, product = trace.gates
        units = r.shape[-1]
        d_zr, d_g = tf.split(d_pre, [2 * units, units], axis=-1)
        d_scaled = tf.concat([d_zr, d_g * tf.cast(r, d_g.dtype)], axis=-1)
        normalized = normalized_groups(product, [2 * units, units])
        return recurrent_outer(trace, further[0]), *gain_and_bias_gradients(d_scaled, normalized)


def inverse_deviation(centered: tf.Tensor) -> tf.Tensor:
    """Returns 1 / deviation [..., 1] of vectors [..., n] whose mean is 0."""
    return tf.math.rsqrt(tf.reduce_mean(tf.square(centered), axis=-1, keepdims=True) + EPSILON)


def normalize(values: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Gives vectors [..., n] mean 0 and variance 1. Returns them, and 1 / their deviation before [..., 1]."""
    values = values - tf.reduce_mean(values, axis=-1, keepdims=True)
    inverse = inverse_deviation(values)
    return values * inverse, inverse


def centered_gradient(d_normalized: tf.Tensor, normalized: tf.Tensor, inverse: tf.Tensor) -> tf.Tensor:
    """Returns the gradient of vectors whose mean is 0, from that of the normalized vectors.

    It is right up to a constant, which the centered kernel that made the vectors takes away.
    """
    shared = tf.reduce_mean(d_normalized * normalized, axis=-1, keepdims=True)
    return (d_normalized - normalized * shared) * inverse


def gradient(d_normalized: tf.Tensor, normalized: tf.Tensor, inverse: tf.Tensor) -> tf.Tensor:
    """Returns the gradient of any vectors, from that of the normalized vectors."""
    d_normalized = d_normalized - tf.reduce_mean(d_normalized, axis=-1, keepdims=True)
    return centered_gradient(d_normalized, normalized, inverse)


def gain_and_bias_gradients(d_scaled: tf.Tensor, normalized: tf.Tensor) -> Tensors:
    """Returns the gradients of gain and bias [n], from that of gain * normalized + bias [time, batch, n]."""
    d_scaled = tf.cast(d_scaled, normalized.dtype)
    return tf.reduce_sum(d_scaled * normalized, axis=[0, 1]), tf.reduce_sum(d_scaled, axis=[0, 1])


def centered(kernel: tf.Tensor, groups: Sequence[int]) -> tf.Tensor:
    """Shifts the rows of a kernel [n, m] to mean 0 in each group of columns. The groups' sizes sum to m."""
    parts = tf.split(kernel, list(groups), axis=-1)
    return tf.concat([part - tf.reduce_mean(part, axis=-1, keepdims=True) for part in parts], axis=-1)


def normalized_groups(product: tf.Tensor, groups: Sequence[int]) -> tf.Tensor:
    """Normalizes the product of a centered kernel [..., m] over each group of columns."""
    parts = tf.split(product, list(groups), axis=-1)
    return tf.concat([part * inverse_deviation(part) for part in parts], axis=-1)
