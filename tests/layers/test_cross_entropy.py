"""The loss against NumPy and finite differences."""

import numpy as np
import pytest
import tensorflow as tf

from nlpseq.layers.cross_entropy import Copied, cross_entropy, output_cross_entropy


def by_hand(logits: np.ndarray, targets: np.ndarray, smoothing: float) -> np.ndarray:
    """Minus the sum of q log p, with q of Szegedy et al. 2016, section 7."""
    logits = logits.astype(np.float64)
    shifted = logits - logits.max(axis=-1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    vocabulary = logits.shape[-1]
    q = (1 - smoothing) * np.eye(vocabulary)[targets] + smoothing / vocabulary
    return -(q * log_p).sum(axis=-1)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.9])
@pytest.mark.parametrize("shape", [(5,), (3, 4), (2, 3, 4)])
def test_equals_numpy(smoothing: float, shape: tuple[int, ...]) -> None:
    generator = np.random.default_rng(1)
    logits = generator.normal(size=(*shape, 11), scale=4.0).astype(np.float32)
    targets = generator.integers(0, 11, shape).astype(np.int32)
    loss = cross_entropy(tf.constant(logits), tf.constant(targets), smoothing)
    assert loss.dtype == tf.float32
    assert loss.shape == shape
    np.testing.assert_allclose(loss, by_hand(logits, targets, smoothing), rtol=1e-5, atol=1e-5)


def test_by_hand() -> None:
    logits = np.log(np.array([[0.5, 0.25, 0.25]], np.float32))
    np.testing.assert_allclose(cross_entropy(tf.constant(logits), tf.constant([0])), [np.log(2)], rtol=1e-6)
    # 0.7 + 0.1 of the target, 0.1 of each other one.
    expected = -(0.8 * np.log(0.5) + 0.2 * np.log(0.25))
    np.testing.assert_allclose(cross_entropy(tf.constant(logits), tf.constant([0]), 0.3), [expected], rtol=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_gradient_equals_finite_differences(smoothing: float) -> None:
    generator = np.random.default_rng(2)
    logits = generator.normal(size=(2, 3, 5)).astype(np.float32)
    targets = generator.integers(0, 5, (2, 3))
    factors = generator.normal(size=(2, 3))
    variable = tf.Variable(logits)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(cross_entropy(variable, tf.constant(targets, tf.int32), smoothing) * factors)
    gradient = tape.gradient(loss, variable).numpy()
    step = 1e-5
    for place in np.ndindex(logits.shape):
        moved = [logits.astype(np.float64) for _ in range(2)]
        moved[0][place] += step
        moved[1][place] -= step
        up, down = ((by_hand(values, targets, smoothing) * factors).sum() for values in moved)
        assert gradient[place] == pytest.approx((up - down) / (2 * step), abs=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_extreme_logits_stay_finite(smoothing: float) -> None:
    logits = tf.constant([[1e4, -1e4, 0.0]])
    assert np.isfinite(cross_entropy(logits, tf.constant([1]), smoothing)).all()
    np.testing.assert_allclose(cross_entropy(logits, tf.constant([1]), 0.0), [2e4])


def test_half_precision_is_summed_in_float32() -> None:
    logits = tf.cast(tf.random.stateless_normal([4, 5000], [1, 2]), tf.bfloat16)
    targets = tf.constant([0, 1, 2, 4999])
    loss = cross_entropy(logits, targets, 0.1)
    assert loss.dtype == tf.float32
    exact = by_hand(tf.cast(logits, tf.float32).numpy(), targets.numpy(), 0.1)
    np.testing.assert_allclose(loss, exact, rtol=1e-4)


def test_batch_and_length_may_be_unknown() -> None:
    traced = tf.function(
        lambda logits, targets: cross_entropy(logits, targets, 0.1),
        input_signature=[tf.TensorSpec([None, None, 5]), tf.TensorSpec([None, None], tf.int32)],
    )
    logits, targets = np.random.default_rng(3).normal(size=(2, 4, 5)).astype(np.float32), np.ones((2, 4), np.int32)
    np.testing.assert_allclose(traced(logits, targets), by_hand(logits, targets, 0.1), rtol=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_with_the_output_layer_it_is_the_same(dtype: str, smoothing: float) -> None:
    """Losses and all gradients, with targets that occur several times and a loss that does not count."""
    generator = np.random.default_rng(4)
    hidden, weights, bias = (tf.constant(generator.normal(size=size), dtype) for size in [(6, 5), (7, 5), (7,)])
    targets, counts = tf.constant([2, 2, 0, 6, 2, 1]), tf.constant([1.0, 0.5, 2.0, 1.0, 0.0, 3.0])

    def of_logits(hidden: tf.Tensor, weights: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
        hidden, weights, bias = (tf.cast(tensor, tf.float32) for tensor in (hidden, weights, bias))
        logits = tf.matmul(hidden, weights, transpose_b=True) + bias
        labels = (1 - smoothing) * tf.one_hot(targets, 7) + smoothing / 7
        return tf.nn.softmax_cross_entropy_with_logits(labels, logits)

    results = []
    for function in (of_logits, lambda *inputs: output_cross_entropy(*inputs, targets, smoothing)):
        with tf.GradientTape() as tape:
            tape.watch([hidden, weights, bias])
            losses = function(hidden, weights, bias)
            loss = tf.reduce_sum(losses * counts)
        results.append([losses, *tape.gradient(loss, [hidden, weights, bias])])
    for theirs, ours in zip(*results, strict=True):
        assert ours.dtype == theirs.dtype
        tolerance = 1e-5 if dtype == "float32" else 0.06
        np.testing.assert_allclose(tf.cast(ours, tf.float32), tf.cast(theirs, tf.float32), atol=tolerance)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_a_target_that_may_be_copied_costs_less(smoothing: float) -> None:
    """Losses and gradients of the mixture, against what TensorFlow derives from its equation."""
    generator = np.random.default_rng(7)
    hidden, weights, bias = (tf.constant(generator.normal(size=size), tf.float32) for size in [(4, 5), (7, 5), (7,)])
    share, probability = tf.constant([0.0, 0.3, 0.9, 1.0]), tf.constant([0.9, 0.0, 0.5, 0.7])
    targets = tf.constant([2, 2, 0, 6])

    def by_equation(*inputs: tf.Tensor) -> tf.Tensor:
        hidden, weights, bias, share, probability = inputs
        chosen = tf.nn.softmax(tf.matmul(hidden, weights, transpose_b=True) + bias)
        mixed = (1 - share) * tf.gather(chosen, targets, batch_dims=1) + share * probability
        return -(1 - smoothing) * tf.math.log(mixed) - smoothing * tf.reduce_mean(tf.math.log(chosen), axis=1)

    def ours(*inputs: tf.Tensor) -> tf.Tensor:
        return output_cross_entropy(*inputs[:3], targets, smoothing, Copied(*inputs[3:]))

    results = []
    inputs = [hidden, weights, bias, share, probability]
    for function in (by_equation, ours):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            losses = function(*inputs)
        results.append([losses, *tape.gradient(losses, inputs)])
    for theirs, found in zip(*results, strict=True):
        np.testing.assert_allclose(found, theirs, rtol=1e-4, atol=1e-6)


def test_equals_tensorflow_at_size() -> None:
    generator = tf.random.Generator.from_seed(5)
    logits = 5 * generator.normal([300, 6000])
    targets = generator.uniform([300], 0, 6000, tf.int32)
    theirs = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)
    np.testing.assert_allclose(cross_entropy(logits, targets), theirs, rtol=2e-6)
