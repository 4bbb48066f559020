"""The layers wherever TensorFlow runs them: any shape, XLA, mixed precision, `fit`, saved models, TensorFlow Lite.

Each is shown for a few layers, plain or with all of regularization; test_recurrent.py and test_regularized_equality.py
show that what they compute is right.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from nlpseq.layers import LSTM, Bidirectional
from tests.layers.layer_cases import (
    BATCH,
    FEATURES,
    MASKS,
    TIME,
    assert_close,
    in_tflite,
    make,
    options_of,
    regularized,
    tensor,
)


@pytest.fixture(autouse=True)
def _seed() -> None:
    keras.utils.set_random_seed(1)


def layer_of(name: str, regularization: str, **options: Any) -> Any:
    """A layer that returns all it can: "plain", or with "everything"."""
    if regularization == "plain":
        return make(name, return_sequences=True, return_state=True, **options)
    layer = regularized(name, options_of(name), **options)
    layer.build((None, None, FEATURES))
    return layer


@pytest.mark.parametrize(("name", "regularization"), [("lstm", "plain"), ("gru-reset-before", "plain"), ("gru", "all")])
def test_unknown_batch_and_time_trace_once(name: str, regularization: str) -> None:
    layer = layer_of(name, regularization)
    traces = []

    @tf.function(input_signature=[tf.TensorSpec([None, None, FEATURES]), tf.TensorSpec([None], tf.int32)])
    def run(sequence: tf.Tensor, lengths: tf.Tensor) -> Any:
        traces.append(1)
        with tf.GradientTape() as tape:
            tape.watch(sequence)
            results = layer(sequence, lengths=lengths, training=True)
            loss = tf.add_n([tf.reduce_sum(result) for result in results])
        return results, tape.gradient(loss, sequence)

    for batch, time in [(2, 3), (4, 7), (1, 1)]:
        sequence = tensor(batch, time, FEATURES)
        results, gradient = run(sequence, tf.fill([batch], time))
        assert gradient.shape == sequence.shape
        assert np.all(np.isfinite(gradient))
        if regularization == "plain":
            assert_close(list(results), list(layer(sequence)))
    assert len(traces) == 1


@pytest.mark.parametrize(("name", "regularization"), [("lstm", "all"), ("gru", "plain")])
def test_xla_equals_plain(name: str, regularization: str) -> None:
    """With the same masks of dropout and zoneout."""
    sequence, mask = tensor(BATCH, TIME, FEATURES), None if regularization == "plain" else MASKS["inside"]
    results = []
    for jit in (True, False):
        keras.utils.set_random_seed(3)
        layer = layer_of(name, regularization)
        weights = [weight.value for weight in layer.trainable_weights]

        def run(layer: Any = layer, weights: Any = weights) -> Any:
            with tf.GradientTape() as tape:
                tape.watch(sequence)
                results = layer(sequence, mask=mask, training=True)
                loss = tf.add_n([tf.reduce_sum(tf.sin(result)) for result in results])
            return list(results) + tape.gradient(loss, [sequence, *weights])

        results.append([np.array(value) for value in tf.function(run, jit_compile=jit)()])
    assert_close(*results, 1e-5 if regularization == "plain" else 1e-4)


@pytest.mark.parametrize("regularization", ["plain", "all"])
@pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])
def test_mixed_bfloat16_is_close_to_float32(name: str, regularization: str) -> None:
    """The products' operands are rounded to 8 bits of mantissa, the state is not."""
    name = "rnn-tanh" if (name, regularization) == ("rnn", "plain") else name
    results = []
    for policy in ("float32", "mixed_bfloat16"):
        keras.utils.set_random_seed(4)
        layer = layer_of(name, regularization, dtype=policy)
        with tf.GradientTape() as tape:
            outputs, *states = layer(tensor(BATCH, TIME, FEATURES), training=True)
            loss = tf.reduce_mean(tf.square(tf.cast(outputs, tf.float32)))
        assert {outputs.dtype, *(state.dtype for state in states)} == {tf.as_dtype(layer.compute_dtype)}
        assert all(weight.dtype == "float32" for weight in layer.weights)
        gradients = tape.gradient(loss, [weight.value for weight in layer.trainable_weights])
        results.append([np.array(tf.cast(value, tf.float32)) for value in [outputs, *gradients]])
    for full, half in zip(*results, strict=True):
        assert np.max(np.abs(full - half)) < (0.05 if regularization == "plain" else 0.1) * np.max(np.abs(full))


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_mixed_bfloat16_sums_the_bias_gradient_in_float32(name: str) -> None:
    """Over many rows: a sum of ones kept in bfloat16 stops at 256."""
    gradients = []
    for policy in ("float32", "mixed_bfloat16"):
        layer = make(name, dtype=policy)
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.cast(layer(tf.ones([4096, 1, FEATURES]), training=True), tf.float32))
        gradients.append(tape.gradient(loss, layer.bias.value).numpy())
    assert np.max(np.abs(gradients[0])) > 512
    assert np.max(np.abs(gradients[0] - gradients[1])) < 0.05 * np.max(np.abs(gradients[0]))


def test_model_trains_under_fit_saves_and_loads(tmp_path: Path) -> None:
    tokens = keras.Input([None], dtype="int32")
    lengths = keras.Input([], dtype="int32")
    embedded = keras.layers.Embedding(20, 8, mask_zero=True)(tokens)
    reader = Bidirectional("gru", 4, return_sequences=True, return_state=True, name="reader")
    read, *states = reader(embedded, lengths=lengths)
    hidden = LSTM(8, regularization={"weight_drop": 0.1, "weight_norm": True}, name="last")(
        read, initial_state=[keras.ops.concatenate(states, -1)] * 2
    )
    model = keras.Model([tokens, lengths], keras.layers.Dense(1)(hidden))
    rng = np.random.default_rng(0)
    inputs = [rng.integers(1, 20, [16, 7]), rng.integers(1, 8, [16])]
    targets = np.mean(inputs[0] > 10, axis=1, keepdims=True)
    losses: list[float] = []
    for jit in (False, True):
        model.compile(keras.optimizers.Adam(0.02), "mse", jit_compile=jit)
        losses += model.fit(inputs, targets, epochs=5, verbose=0).history["loss"]
    assert np.all(np.isfinite(losses))
    assert np.mean(losses[-3:]) < np.mean(losses[:2]) / 2
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(model(inputs), loaded(inputs))
    for name in ("reader", "last"):
        assert loaded.get_layer(name).get_config() == model.get_layer(name).get_config()


@pytest.mark.parametrize(
    ("name", "regularization"), [("rnn-relu", "plain"), ("gru-reset-before", "plain"), ("lstm", "all")]
)
def test_inference_converts_to_builtin_tflite_operators(name: str, regularization: str) -> None:
    """One file for any length."""
    layer = layer_of(name, regularization)
    infer = in_tflite(lambda sequence: layer(sequence)[0], tf.TensorSpec([1, None, FEATURES]))
    sequence = tensor(1, 9, FEATURES)
    np.testing.assert_allclose(infer(sequence), layer(sequence)[0], atol=1e-5)
