"""The loss of a large vocabulary."""

from __future__ import annotations

import tensorflow as tf


def cross_entropy(logits: tf.Tensor, targets: tf.Tensor, label_smoothing: float = 0.0) -> tf.Tensor:
    """Cross-entropy in nats of each position, against targets that keep 1 - label_smoothing of the probability.

    The rest is spread evenly over the vocabulary (Szegedy et al. 2016, arXiv:1512.00567, section 7). Since
    log-sum-exp = cross-entropy + logit of the target, smoothing costs a mean and a gather, not a second softmax.

    Args:
        logits: float [..., vocabulary].
        targets: int32 [...].
        label_smoothing: 0 <= label_smoothing < 1.

    Returns:
        float32 [...].
    """
    logits = tf.cast(logits, tf.float32)
    loss = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)
    if not label_smoothing:
        return loss
    of_target = tf.gather(logits, targets, batch_dims=targets.shape.rank)
    return loss + label_smoothing * (of_target - tf.reduce_mean(logits, axis=-1))
