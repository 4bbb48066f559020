"""How gradients go back through time in a trained or untrained language model."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from nlpseq.layers.recurrent_base import Recurrent
from nlpseq.networks.language_model import LanguageModel

_JACOBIAN_LAGS = (1, 2, 4, 8, 16, 32, 64)
_JACOBIAN_ROWS = 1


def gradient_norms(model: LanguageModel, ids: tf.Tensor) -> list[float]:
    """How much of the last step's loss each earlier input hears of (Bengio et al. 1994; Pascanu et al. 2013).

    Args:
        model: trained or not.
        ids: int32 [batch, time + 1].

    Returns:
        norms: of the gradient of the loss at the last step with respect to the layer's input k steps before, k = 0 …
            time - 1; the mean over the batch.
    """
    embedded = model.embedding(ids[:, :-1])
    with tf.GradientTape() as tape:
        tape.watch(embedded)
        outputs, _ = model.encoder(embedded)
        logits = model.output_layer(outputs[:, -1])
        loss = tf.reduce_sum(tf.nn.sparse_softmax_cross_entropy_with_logits(ids[:, -1], logits))
    norms = tf.reduce_mean(tf.norm(tape.gradient(loss, embedded), axis=-1), axis=0)
    return norms.numpy()[::-1].tolist()


def largest_singular_values(model: LanguageModel, ids: tf.Tensor) -> dict[int, float]:
    """How much a change of the state can have grown at most, or what is left of it, some steps later.

    The state of an LSTM is h and c together. A product of the steps' Jacobians is what a gradient passes through; it
    vanishes if its largest singular value goes to 0 (Pascanu et al. 2013, arXiv:1211.5063, section 2.1).

    Args:
        model: of one recurrent layer.
        ids: int32 [batch, time + 1]; the last steps of some of them are measured.

    Returns:
        By lag, the largest singular value of the derivative of the last state by the one so many steps before: the
        geometric mean over rows.
    """
    (layer,) = model.encoder.layers
    values: dict[int, list[float]] = {}
    for row in model.embedding(ids[:_JACOBIAN_ROWS, :-1]):
        longest = min(row.shape[0] - 1, _JACOBIAN_LAGS[-1])
        _, *states = layer(row[None, :-longest])
        jacobians = []
        for at in range(row.shape[0] - longest, row.shape[0]):
            jacobian, states = _step_jacobian(layer, row[at], states)
            jacobians.append(jacobian)
        product = np.eye(len(jacobians[0]))
        for lag in range(1, longest + 1):
            product = product @ jacobians[-lag]
            if lag in _JACOBIAN_LAGS:
                values.setdefault(lag, []).append(float(np.linalg.norm(product, ord=2)))
    return {lag: float(np.exp(np.mean(np.log(np.maximum(of_rows, 1e-300))))) for lag, of_rows in values.items()}


def _step_jacobian(layer: Recurrent, inputs: tf.Tensor, states: list[tf.Tensor]) -> tuple[np.ndarray, list[tf.Tensor]]:
    """Returns a step's Jacobian, float64 [state, state], and the states after it, each [1, units].

    Args:
        layer: that makes the step.
        inputs: [features].
        states: before the step, each [1, units].
    """
    size = layer.units * len(states)
    # As many equal rows as there are numbers in the state: the gradient of each row is that of one of them.
    before = [tf.repeat(state, size, axis=0) for state in states]
    with tf.GradientTape() as tape:
        tape.watch(before)
        _, *after = layer(tf.tile(inputs[None, None], [size, 1, 1]), initial_state=before)
    wanted = tf.split(tf.eye(size), len(states), axis=-1)
    gradients = tape.gradient(after, before, output_gradients=wanted)
    return tf.concat(gradients, axis=-1).numpy().astype(np.float64), [state[:1] for state in after]
