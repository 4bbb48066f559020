"""RNN, LSTM and GRU by cuDNN's kernel, which runs a whole sequence on a GPU.

This was written on a machine without a GPU and has never run. The tests show that the graph has the right shapes and
that the weights are where cuDNN looks for them (cuDNN API reference, ``cudnnGetRNNWeightParams``).
"""

from __future__ import annotations

import tensorflow as tf

from nlpseq.layers.cells import Tensors

# The place of each of cuDNN's gates in our kernels. An LSTM has i, f, g, o in both; cuDNN's GRU has r, z, g.
_ORDERS = {"lstm": (0, 1, 2, 3), "gru": (1, 0, 2), "rnn_tanh": (0,), "rnn_relu": (0,)}


def run(
    mode: str,
    sequence: tf.Tensor,
    kernel: tf.Tensor,
    recurrent_kernel: tf.Tensor,
    biases: tuple[tf.Tensor | None, tf.Tensor | None],
    initial: Tensors,
    lengths: tf.Tensor | None,
) -> Tensors:
    """Runs a cell over a sequence. Everything but the lengths has a gradient, TensorFlow's own.

    Args:
        mode: "lstm", "gru" (reset after), "rnn_tanh" or "rnn_relu".
        sequence: float32 [time, batch, features].
        kernel: [features, gates * units].
        recurrent_kernel: [units, gates * units].
        biases: the input's bias and the recurrent one, each [gates * units] or None.
        initial: the states before the first step, each [batch, units].
        lengths: int32 [batch], or None if all steps are valid.

    Returns:
        h after each step [time, batch, units], with zeros past the length, and the states after the last valid step,
        each [batch, units].
    """
    h, c = (initial[0][None], initial[1][None]) if mode == "lstm" else (initial[0][None], tf.constant(0.0))
    if lengths is None:
        lengths = tf.fill([tf.shape(sequence)[1]], tf.shape(sequence)[0])
    result = tf.raw_ops.CudnnRNNV3(
        input=sequence,
        input_h=h,
        input_c=c,
        params=packed(mode, kernel, recurrent_kernel, biases),
        sequence_lengths=lengths,
        rnn_mode=mode,
        is_training=True,
    )
    final = (result.output_h[0], result.output_c[0]) if mode == "lstm" else (result.output_h[0],)
    return (result.output, *final)


def packed(
    mode: str, kernel: tf.Tensor, recurrent_kernel: tf.Tensor, biases: tuple[tf.Tensor | None, tf.Tensor | None]
) -> tf.Tensor:
    """Packs the weights into one vector: input kernels, recurrent kernels, input biases, recurrent biases.

    Each kernel is split into gates, in cuDNN's order, and transposed to [units, features].
    """
    given = (tf.zeros_like(kernel[0]) if bias is None else bias for bias in biases)
    parts = []
    for weights in (kernel, recurrent_kernel, *given):
        gates = tf.split(weights, len(_ORDERS[mode]), axis=-1)
        parts += [tf.reshape(tf.transpose(gates[gate]), [-1]) for gate in _ORDERS[mode]]
    return tf.concat(parts, axis=0)
