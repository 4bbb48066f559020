"""Cross-entropy for a large vocabulary.

Both functions use the kernel of the softmax and keep only the probabilities for the backward pass. TensorFlow's
``sparse_softmax_cross_entropy_with_logits`` takes nine times as long for [560, 6000] on one core (10.9 against 1.2 ms).
The log of the sum of exponentials is the largest logit minus the log of the largest probability.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from nlpseq.layers.cells import Tensors

_TINY = 1e-30  # of a probability, below what float32 knows beside it


def cross_entropy(logits: tf.Tensor, targets: tf.Tensor, label_smoothing: float = 0.0) -> tf.Tensor:
    """Computes the cross-entropy of each position, in nats.

    A target keeps 1 - label_smoothing of the probability; the rest is spread evenly over the vocabulary (Szegedy et al.
    2016, arXiv:1512.00567, section 7).

    Args:
        logits: float [..., vocabulary].
        targets: int32 [...].
        label_smoothing: 0 <= label_smoothing < 1.

    Returns:
        float32 [...].
    """

    @tf.custom_gradient
    def differentiable(logits: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        of_targets, of_all, probabilities = _losses(logits, flat_targets)
        losses = (1 - label_smoothing) * of_targets + label_smoothing * of_all if label_smoothing else of_targets

        def gradient(d_losses: tf.Tensor) -> tf.Tensor:
            spread = label_smoothing / tf.cast(tf.shape(logits)[1], tf.float32)
            d_logits = d_losses[:, None] * (probabilities - spread)
            places = tf.stack([tf.range(tf.size(flat_targets)), flat_targets], axis=1)
            return tf.cast(tf.tensor_scatter_nd_sub(d_logits, places, (1 - label_smoothing) * d_losses), logits.dtype)

        return losses, gradient

    flat_targets = tf.reshape(tf.cast(targets, tf.int32), [-1])
    losses = differentiable(tf.reshape(logits, [-1, logits.shape[-1]]))
    return tf.ensure_shape(tf.reshape(losses, tf.shape(targets)), targets.shape)


class Copied(NamedTuple):
    """The second way in which a target may be written: it is copied from the source (See et al. 2017, equation 9).

    Attributes:
        share: float32 [positions], of this way; the softmax has the rest.
        probability: float32 [positions], of the target if it is copied.
    """

    share: tf.Tensor
    probability: tf.Tensor


def output_cross_entropy(
    hidden: tf.Tensor,
    weights: tf.Tensor,
    bias: tf.Tensor,
    targets: tf.Tensor,
    label_smoothing: float = 0.0,
    copied: Copied | None = None,
) -> tf.Tensor:
    """Computes :func:`cross_entropy` of the output layer's logits, hidden weights^T + bias.

    Only the probabilities are kept for the backward pass, and no gradient as large as the logits is ever written. A
    position's loss scales the rows of the two small products around the logits instead. The target's part is added to
    them as one row.

    Args:
        hidden: float [positions, units].
        weights: [vocabulary, units], one row for each id, in the dtype of hidden.
        bias: [vocabulary], in the dtype of hidden.
        targets: int32 [positions].
        label_smoothing: 0 <= label_smoothing < 1. What is spread over the vocabulary is the softmax' alone.
        copied: the other way to the targets, if there is one.

    Returns:
        float32 [positions].
    """

    @tf.custom_gradient
    def differentiable(
        hidden: tf.Tensor, weights: tf.Tensor, bias: tf.Tensor
    ) -> tuple[tuple[tf.Tensor, tf.Tensor], Callable[[tf.Tensor, tf.Tensor], Tensors]]:
        dtype = hidden.dtype
        logits = tf.nn.bias_add(tf.matmul(hidden, weights, transpose_b=True), bias)
        of_targets, of_all, probabilities = _losses(logits, targets)
        probabilities = tf.cast(probabilities, dtype)

        def gradient(d_of_targets: tf.Tensor, d_of_all: tf.Tensor) -> Tensors:
            vocabulary = tf.cast(tf.shape(weights)[0], tf.float32)
            d_losses, of_target, of_each = d_of_targets + d_of_all, d_of_targets[:, None], d_of_all / vocabulary
            scaled = d_losses[:, None] * tf.cast(hidden, tf.float32)

            expected = tf.cast(tf.matmul(probabilities, weights), tf.float32)  # the mean row of the weights
            d_hidden = d_losses[:, None] * expected
            d_hidden -= of_target * tf.cast(tf.gather(weights, targets), tf.float32)
            d_hidden -= of_each[:, None] * tf.cast(tf.reduce_sum(tf.cast(weights, tf.float32), axis=0), tf.float32)

            d_weights = tf.cast(tf.matmul(probabilities, tf.cast(scaled, dtype), transpose_a=True), tf.float32)
            d_weights -= tf.linalg.matvec(tf.cast(hidden, tf.float32), of_each, transpose_a=True)
            rows = of_target * tf.cast(hidden, tf.float32)
            d_weights = tf.tensor_scatter_nd_sub(d_weights, targets[:, None], rows)

            d_bias = tf.linalg.matvec(tf.cast(probabilities, tf.float32), d_losses, transpose_a=True)
            d_bias = tf.tensor_scatter_nd_sub(d_bias - tf.reduce_sum(of_each), targets[:, None], of_target[:, 0])
            return tf.cast(d_hidden, dtype), tf.cast(d_weights, dtype), tf.cast(d_bias, dtype)

        return (of_targets, of_all), gradient

    targets = tf.cast(targets, tf.int32)
    of_targets, of_all = differentiable(hidden, weights, bias)
    if copied is not None:
        of_targets = -tf.math.log((1 - copied.share) * tf.exp(-of_targets) + copied.share * copied.probability + _TINY)
    return (1 - label_smoothing) * of_targets + label_smoothing * of_all if label_smoothing else of_targets


def _losses(logits: tf.Tensor, targets: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Returns, all float32, minus the log-probability of the targets and its mean over the vocabulary, [positions].

    And the probabilities of logits, [positions, vocabulary].
    """
    logits = tf.cast(logits, tf.float32)
    probabilities = tf.nn.softmax(logits)
    log_sum = tf.reduce_max(logits, axis=-1) - tf.math.log(tf.reduce_max(probabilities, axis=-1))
    of_targets = log_sum - tf.gather(logits, targets, batch_dims=1)
    return of_targets, log_sum - tf.reduce_mean(logits, axis=-1), probabilities
