"""RNN, LSTM and GRU against keras.layers: outputs, states, gradients, layout and first values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from nlpseq.layers import GRU, LSTM, RNN, Bidirectional
from tests.layers.layer_cases import (
    BATCH,
    CASES,
    FEATURES,
    MASKS,
    TIME,
    UNITS,
    assert_close,
    draw,
    make,
    outputs_and_gradients,
)

every_cell = pytest.mark.parametrize("name", CASES)


@pytest.fixture(autouse=True)
def _seed() -> None:
    keras.utils.set_random_seed(1)


# Each mask meets both directions and both kinds of output.
@pytest.mark.parametrize(
    ("mask", "everything", "go_backwards"),
    [
        ("none", False, False),
        ("none", True, True),
        ("right", True, False),
        ("left", False, True),
        ("left", True, False),
        ("inside", True, True),
        ("inside", False, False),
    ],
)
@every_cell
def test_equals_keras(name: str, mask: str, everything: bool, go_backwards: bool) -> None:
    """The outputs, the returned states and the gradients; `everything` asks for all outputs, and for the states."""
    results = []
    for theirs in (False, True):
        layer = make(
            name, theirs=theirs, return_sequences=everything, return_state=everything, go_backwards=go_backwards
        )

        def call(sequence: tf.Tensor, *states: tf.Tensor, layer: Any = layer) -> Any:
            return layer(sequence, mask=MASKS[mask], initial_state=list(states) or None, training=True)

        states = CASES[name].initial() if everything else []
        results.append(outputs_and_gradients(call, layer.trainable_weights, draw(BATCH, TIME, FEATURES), *states))
    assert_close(*results)


@pytest.mark.parametrize("name", ["lstm", "gru-reset-before"])
def test_two_stacked_layers_equal_keras_in_a_graph(name: str) -> None:
    mask = MASKS["left"]
    results = []
    for theirs in (False, True):
        first, second = make(name, theirs=theirs, return_sequences=True), None
        second = type(first).from_config({**first.get_config(), "return_sequences": False, "name": "second"})
        second.build((BATCH, TIME, UNITS))
        draws = np.random.default_rng(7)
        second.set_weights([draws.normal(scale=0.5, size=weight.shape) for weight in second.get_weights()])

        def call(sequence: tf.Tensor, first: Any = first, second: Any = second) -> Any:
            return second(first(sequence, mask=mask, training=True), mask=mask, training=True)

        weights = first.trainable_weights + second.trainable_weights
        results.append(outputs_and_gradients(call, weights, draw(BATCH, TIME, FEATURES), graph=True))
    assert_close(*results)


@pytest.mark.parametrize(
    ("go_backwards", "with_states"), [(False, False), (True, True)], ids=["forwards-zeros", "backwards-states"]
)
@pytest.mark.parametrize("name", ["rnn-tanh", "lstm", "lstm-loop", "gru"])
def test_lengths_equal_each_row_alone(name: str, go_backwards: bool, with_states: bool) -> None:
    """Outputs past the length are zeros, states are those at the true length, padding changes no gradient."""
    lengths = [5, 2, 0]
    sequence, states = draw(BATCH, TIME, FEATURES), CASES[name].initial() if with_states else []
    layer = make(name, return_sequences=True, return_state=True, go_backwards=go_backwards)

    def padded(sequence: tf.Tensor, *states: tf.Tensor) -> Any:
        return layer(sequence, lengths=tf.constant(lengths), initial_state=list(states) or None, training=True)

    def row_by_row(sequence: tf.Tensor, *states: tf.Tensor) -> Any:
        rows = []
        for row, length in enumerate(lengths):
            first = [state[row : row + 1] for state in states] or None
            if length == 0:
                zeros = [tf.zeros([1, UNITS])] * CASES[name].states
                rows.append((tf.zeros([1, TIME, UNITS]), *(first or zeros)))
                continue
            output, *final = layer(sequence[row : row + 1, :length], initial_state=first, training=True)
            rows.append((tf.pad(output, [[0, 0], [0, TIME - length], [0, 0]]), *final))
        return [tf.concat(parts, axis=0) for parts in zip(*rows, strict=True)]

    weights = layer.trainable_weights
    assert_close(
        outputs_and_gradients(padded, weights, sequence, *states),
        outputs_and_gradients(row_by_row, weights, sequence, *states),
    )


def test_lengths_without_sequences_return_the_output_at_the_length() -> None:
    layer, every_step = make("gru"), make("gru", return_sequences=True)
    sequence, lengths = draw(BATCH, TIME, FEATURES).astype("float32"), np.array([5, 2, 0], np.int64)
    states = [value.astype("float32") for value in CASES["gru"].initial()]
    last = layer(sequence, lengths=lengths, initial_state=states)
    outputs = every_step(sequence, initial_state=states).numpy()
    np.testing.assert_allclose(last, [outputs[0, 4], outputs[1, 1], np.zeros(UNITS)], atol=1e-6)


def test_nothing_leaks_from_padding() -> None:
    """Not even NaN."""
    sequence = draw(BATCH, TIME, FEATURES).astype("float32")
    dirty = sequence.copy()
    dirty[1, 2:] = np.nan
    layer = make("lstm", return_sequences=True, return_state=True)
    lengths = np.array([5, 2, 5])
    assert_close(list(layer(dirty, lengths=lengths)), list(layer(sequence, lengths=lengths)))


@pytest.mark.parametrize("name", ["rnn-relu", "lstm", "gru", "gru-reset-before"])
def test_gradients_do_not_depend_on_training(name: str) -> None:
    """In inference the gates are not kept; a saliency map still gets the right gradient."""
    layer = make(name, return_sequences=True)
    results = [
        outputs_and_gradients(
            lambda sequence, training=training: layer(sequence, training=training),
            layer.trainable_weights,
            draw(BATCH, TIME, FEATURES),
        )
        for training in (True, False)
    ]
    assert_close(*results, 1e-6)


@pytest.mark.parametrize(
    ("layer", "precision", "lengths"),
    [
        (lambda dtype: LSTM(6, return_sequences=True, dtype=dtype), "float32", None),
        (lambda dtype: LSTM(3, return_sequences=True, dtype=dtype), "float32", [5, 2, 0]),
        (lambda dtype: LSTM(6, return_sequences=True, dtype=dtype), "mixed_bfloat16", [5, 2, 0]),
        (lambda dtype: GRU(6, return_sequences=True, go_backwards=True, dtype=dtype), "float32", [5, 2, 0]),
        (lambda dtype: Bidirectional("lstm", 6, return_sequences=True, dtype=dtype), "float32", [5, 2, 0]),
        (lambda dtype: Bidirectional("gru", 6, return_sequences=True, dtype=dtype), "mixed_bfloat16", None),
    ],
    ids=["lstm", "more rows than units", "lstm-bfloat16", "gru backwards", "bidirectional", "bidirectional-bfloat16"],
)
def test_ids_pick_rows_of_a_table(layer: Callable[[str], Any], precision: str, lengths: list[int] | None) -> None:
    table, ids = (
        tf.Variable(draw(4, 3), dtype=tf.float32),
        tf.constant([[0, 1, 1, 3, 0], [3, 3, 3, 1, 1], [0, 0, 1, 1, 3]]),
    )
    by_table = layer(precision)
    given = None if lengths is None else tf.constant(lengths)
    results = []
    for with_ids in (True, False):
        with tf.GradientTape() as tape:
            if with_ids:
                outputs = by_table(table.value(), ids=ids, lengths=given, training=True)
            else:
                outputs = by_table(tf.gather(table, ids), lengths=given, training=True)
            loss = tf.reduce_sum(tf.cast(outputs, tf.float32) * tf.constant(draw(*outputs.shape, seed=2), tf.float32))
        gradients = tape.gradient(loss, [table, *(weight.value for weight in by_table.trainable_variables)])
        results.append([outputs, *(tf.convert_to_tensor(gradient) for gradient in gradients)])
    for one, other in zip(*results, strict=True):
        tolerance = 1e-5 if precision == "float32" else 0.05
        np.testing.assert_allclose(tf.cast(one, tf.float32), tf.cast(other, tf.float32), rtol=tolerance, atol=tolerance)


@every_cell
@pytest.mark.parametrize("use_bias", [True, False], ids=["bias", "no-bias"])
def test_weights_have_keras_layout(name: str, use_bias: bool) -> None:
    ours, theirs = make(name, use_bias=use_bias), make(name, theirs=True, use_bias=use_bias)
    assert [(w.name, w.shape) for w in ours.weights] == [(w.name, w.shape) for w in theirs.weights]
    sequence = draw(BATCH, TIME, FEATURES).astype("float32")
    np.testing.assert_allclose(ours(sequence), theirs(sequence), atol=1e-5)


def test_forget_gate_starts_open() -> None:
    layer = LSTM(2)
    layer.build((None, None, 3))
    np.testing.assert_array_equal(layer.bias, [0, 0, 1, 1, 0, 0, 0, 0])


@every_cell
def test_the_recurrent_kernel_starts_orthogonal(name: str) -> None:
    """Its rows are: h R is as long as h (Saxe et al. 2013, arXiv:1312.6120), whatever h."""
    layer = CASES[name].layer(UNITS, **CASES[name].options)
    layer.build((None, None, FEATURES))
    kernel = layer.recurrent_kernel.numpy()
    np.testing.assert_allclose(kernel @ kernel.T, np.eye(UNITS), atol=1e-5)


@every_cell
def test_the_input_kernel_starts_as_glorot_and_bengio_have_it(name: str) -> None:
    """Uniform within sqrt(6 / (inputs + outputs)), hence of variance 2 / (inputs + outputs) (2010, equation 16)."""
    layer = CASES[name].layer(100, **CASES[name].options)
    layer.build((None, None, 150))
    kernel = layer.kernel.numpy()
    limit = np.sqrt(6 / sum(kernel.shape))
    assert 0.99 * limit < np.abs(kernel).max() <= limit
    assert kernel.var() == pytest.approx(2 / sum(kernel.shape), rel=0.05)
    assert abs(kernel.mean()) < 0.02 * limit


def test_an_open_forget_gate_remembers_longer() -> None:
    """What the bias of 1 is for (Jozefowicz et al. 2015): the gradient of the last cell reaches further back."""
    reached = []
    for opened in (True, False):
        keras.utils.set_random_seed(1)
        layer = LSTM(32, unit_forget_bias=opened, return_state=True)
        state = [tf.zeros([4, 32]), tf.constant(draw(4, 32), tf.float32)]
        with tf.GradientTape() as tape:
            tape.watch(state)
            _, _, cell = layer(tf.constant(draw(4, 20, 8), tf.float32), initial_state=state, training=True)
            loss = tf.reduce_sum(cell)
        reached.append(tf.norm(tape.gradient(loss, state)[1]).numpy())
    assert reached[0] > 100 * reached[1]


def test_keras_mask_goes_through() -> None:
    embedded = keras.layers.Embedding(9, FEATURES, mask_zero=True)(np.array([[3, 4, 0, 0]]))
    outputs, state = GRU(UNITS, return_sequences=True, return_state=True)(embedded)
    np.testing.assert_array_equal(outputs[0, 1], outputs[0, 3])
    np.testing.assert_array_equal(outputs[0, 1], state[0])
    np.testing.assert_array_equal(outputs._keras_mask, [[True, True, False, False]])


@pytest.mark.parametrize(
    "layer",
    [
        RNN(3, activation="relu", use_bias=False, go_backwards=True),
        LSTM(3, unit_forget_bias=False, return_sequences=True, recurrent_initializer="glorot_normal"),
        GRU(3, reset_after=False, return_state=True, dtype="mixed_bfloat16", name="reader"),
        Bidirectional("gru", 3, return_state=True, cell_options={"reset_after": False}),
    ],
    ids=["rnn", "lstm", "gru", "bidirectional"],
)
def test_config_round_trip(layer: keras.layers.Layer) -> None:
    config = keras.saving.serialize_keras_object(layer)
    assert config["registered_name"] == f"nlpseq>{type(layer).__name__}"
    again = keras.saving.deserialize_keras_object(config)
    assert again.get_config() == layer.get_config()
    assert again.compute_output_shape((2, 5, 4)) == layer.compute_output_shape((2, 5, 4))


def test_errors_say_what_is_allowed() -> None:
    with pytest.raises(ValueError, match="'swish': choose tanh or relu"):
        RNN(3, activation="swish")
    with pytest.raises(ValueError, match="'lsmt': choose one of rnn, lstm, gru"):
        Bidirectional("lsmt", 3)
    with pytest.raises(ValueError, match="units is 0"):
        LSTM(0)
    with pytest.raises(ValueError, match="given 1 initial states: it needs h and c"):
        LSTM(3)(np.zeros([2, 3, 4], "float32"), initial_state=np.zeros([2, 3], "float32"))
    with pytest.raises(ValueError, match="batch, time, features"):
        GRU(3)(np.zeros([2, 3], "float32"))
