"""The LSTM by TensorFlow's block kernels: the fastest way to train a plain LSTM on a CPU.

The forward pass is one kernel for all steps (``BlockLSTMV2``). The elementwise part of a step's gradient is another
(``LSTMBlockCellGrad``). The arithmetic is that of :class:`nlpseq.layers.cells.LSTMCell`, but fewer values pass through
memory and TensorFlow's executor. Each weight's gradient is still one product over all steps. The kernel computes x W
and h R as one product a step; projected inputs would be one more sequence to write and read.

Measured against the loop of `cells`, forward and backward, one core: 256 units 1.05, 384 units 1.05, 512 units 1.01,
1024 units 0.88 times as fast (there W no longer fits the cache).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from nlpseq.layers.cells import Tensors, outer

MOST_UNITS = 512


def run(
    sequence: tf.Tensor,
    kernel: tf.Tensor,
    recurrent_kernel: tf.Tensor,
    bias: tf.Tensor | None,
    initial: Tensors,
    *,
    every_state: bool = False,
) -> Tensors:
    """Runs an LSTM over a sequence. Everything has a gradient.

    Args:
        sequence: float32 [time, batch, features], or int32 [time, batch] to pick rows of the kernel.
        kernel: float32 [features, 4 * units]; columns of all weights are in the order i, f, g, o.
        recurrent_kernel: [units, 4 * units].
        bias: [4 * units], or None.
        initial: h and c before the first step, each [batch, units].
        every_state: return h and c after each step.

    Returns:
        h after each step [time, batch, units], and h and c after the last one, each [batch, units]. With `every_state`
        h and c after each step instead.
    """
    bias = tf.zeros_like(kernel[0]) if bias is None else bias
    ids = sequence if sequence.dtype.is_integer else None
    inputs = sequence if ids is None else tf.one_hot(ids, kernel.shape[0])

    @tf.custom_gradient
    def differentiable(inputs: tf.Tensor, *weights: tf.Tensor) -> tuple[Tensors, Callable[..., Tensors]]:
        kernel, recurrent_kernel, bias, h, c = weights
        unused = tf.zeros_like(recurrent_kernel[:, 0])
        steps = tf.raw_ops.BlockLSTMV2(
            seq_len_max=tf.shape(inputs, tf.int64)[0],
            x=inputs,
            cs_prev=c,
            h_prev=h,
            w=tf.concat([kernel, recurrent_kernel], axis=0),
            wci=unused,
            wcf=unused,
            wco=unused,
            b=bias,
        )

        def gradient(*d_results: tf.Tensor) -> Tensors:
            zeros = tf.zeros_like(c)
            d_sequences, d_final = (d_results, (zeros, zeros)) if every_state else (d_results[:1], d_results[1:])
            d_pre, d_h, d_c = _backward(steps, c, _exchanged(recurrent_kernel), d_sequences, d_final)
            rows = tf.reshape(d_pre, [-1, d_pre.shape[-1]])
            if ids is None:
                d_inputs = tf.reshape(tf.matmul(rows, tf.transpose(_exchanged(kernel))), tf.shape(inputs))
                d_kernel = outer(inputs, d_pre)
            else:
                d_inputs = None
                d_kernel = tf.math.unsorted_segment_sum(rows, tf.reshape(ids, [-1]), tf.shape(kernel)[0])
            d_recurrent = outer(steps.h[:-1], d_pre[1:]) + tf.matmul(h, d_pre[0], transpose_a=True)
            d_bias = tf.raw_ops.BiasAddGrad(out_backprop=rows)
            return d_inputs, _exchanged(d_kernel), _exchanged(d_recurrent), _exchanged(d_bias), d_h, d_c

        return (steps.h, steps.cs) if every_state else (steps.h, steps.h[-1], steps.cs[-1]), gradient

    return differentiable(inputs, kernel, recurrent_kernel, bias, *initial)


def _backward(
    steps: Any,
    first_c: tf.Tensor,
    recurrent_kernel: tf.Tensor,
    d_sequences: Tensors,
    d_final: Tensors,
) -> Tensors:
    """Runs the steps' gradients from the last step to the first.

    Args:
        steps: the result of ``BlockLSTMV2``.
        first_c: [batch, units], before the first step.
        recurrent_kernel: its columns in the order i, g, f, o.
        d_sequences: the gradients of h, and of c if it was returned, after each step [time, batch, units].
        d_final: the gradients of h and c after the last step, each [batch, units].

    Returns:
        The gradients of the gates before their activation [time, batch, 4 * units], in the order i, g, f, o, and those
        of the states before the first step.
    """
    batch, units = steps.h.shape[1:]
    transposed = tf.transpose(recurrent_kernel)
    before = tf.concat([first_c[None], steps.cs[:-1]], axis=0)
    # The kernel reads only the shapes of the weights and of the input.
    zeros, no_peephole = tf.zeros_like(first_c), tf.zeros_like(recurrent_kernel[:, 0])
    no_weights = tf.zeros([1 + units, 4 * units])

    def body(t: tf.Tensor, d_states: Tensors, d_pre: tf.TensorArray) -> tuple:
        begin = tf.expand_dims(t, 0)

        def at(sequence: tf.Tensor) -> tf.Tensor:
            """Returns the step's values, without a copy."""
            return tf.ensure_shape(tf.strided_slice(sequence, begin, begin + 1, shrink_axis_mask=1), [batch, units])

        d_h, d_c = (
            *(d + at(out) for d, out in zip(d_states, d_sequences, strict=False)),
            *d_states[len(d_sequences) :],
        )
        step = tf.raw_ops.LSTMBlockCellGrad(
            x=zeros[:, :1],
            cs_prev=at(before),
            h_prev=zeros,
            w=no_weights,
            wci=no_peephole,
            wcf=no_peephole,
            wco=no_peephole,
            b=no_weights[0],
            i=at(steps.i),
            cs=zeros,
            f=at(steps.f),
            o=at(steps.o),
            ci=at(steps.ci),
            co=at(steps.co),
            cs_grad=d_c,
            h_grad=d_h,
            use_peephole=False,
        )
        return t - 1, (tf.matmul(step.dicfo, transposed), step.cs_prev_grad), d_pre.write(t, step.dicfo)

    length = tf.shape(steps.h)[0]
    outputs = tf.TensorArray(tf.float32, length, element_shape=[batch, 4 * units])
    _, (d_h, d_c), outputs = tf.while_loop(lambda t, *_: t >= 0, body, (length - 1, tuple(d_final), outputs))
    d_pre = outputs.stack()
    d_pre.set_shape([None, batch, 4 * units])
    return d_pre, d_h, d_c


def _exchanged(columns: tf.Tensor) -> tf.Tensor:
    """Changes the order i, f, g, o of our columns to the order i, g, f, o of the gradient's kernel, or back."""
    i, second, third, o = tf.split(columns, 4, axis=-1)
    return tf.concat([i, third, second, o], axis=-1)
