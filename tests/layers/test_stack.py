"""Stacks of recurrent layers: padding, both directions, carried states, against Keras' own layers."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from nlpseq.layers.stack import RecurrentStack, last_outputs

CELLS = ("rnn", "lstm", "gru")
PAIRS = (("rnn", False), ("lstm", True), ("gru", False), ("gru", True))
BATCH, TIME, FEATURES, UNITS = 4, 6, 3, 5
LENGTHS = np.array([6, 1, 4, 2], np.int32)
REAL = np.arange(TIME) < LENGTHS[:, None]
KERAS = {"rnn": keras.layers.SimpleRNN, "lstm": keras.layers.LSTM, "gru": keras.layers.GRU}


def sequences(seed: int = 0, time: int = TIME) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(BATCH, time, FEATURES)).astype(np.float32)


def randomized(stack: RecurrentStack, seed: int = 1) -> RecurrentStack:
    """Built, and no weight (biases too) at its first value."""
    if not stack.built:
        stack.build((None, None, FEATURES))
    generator = np.random.default_rng(seed)
    for variable in stack.weights:
        variable.assign(generator.normal(size=variable.shape, scale=0.5))
    return stack


def outputs_of(stack: RecurrentStack, sequence: np.ndarray, lengths: np.ndarray | None = LENGTHS) -> np.ndarray:
    lengths = None if lengths is None else tf.constant(lengths)
    return stack(tf.constant(sequence), lengths=lengths)[0].numpy()


def keras_layers(stack: RecurrentStack) -> list[keras.layers.Layer]:
    """Keras' own layers with the same weights; of both directions the forward one comes first."""
    weights, found = stack.get_weights(), []
    for first in range(0, len(weights), 3):  # kernel, recurrent kernel, bias
        layer = KERAS[stack.cell](UNITS, return_sequences=True)
        layer.build((None, None, len(weights[first])))
        layer.set_weights(weights[first : first + 3])
        found.append(layer)
    return found


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("depth", [1, 2])
def test_one_direction_equals_keras_layers_on_top_of_each_other(cell: str, depth: int) -> None:
    stack = randomized(RecurrentStack(cell, UNITS, depth))
    layers = keras_layers(stack)
    assert len(layers) == depth
    expected = tf.constant(sequences())
    for layer in layers:
        expected = layer(expected)
    np.testing.assert_allclose(outputs_of(stack, sequences(), None), expected, atol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("depth", [1, 2])
def test_both_directions_equal_each_sequence_reversed_by_hand(cell: str, depth: int) -> None:
    stack = randomized(RecurrentStack(cell, UNITS, depth, bidirectional=True))
    layers = keras_layers(stack)
    assert len(layers) == 2 * depth
    outputs = outputs_of(stack, sequences())
    assert outputs.shape == (BATCH, TIME, 2 * UNITS)
    for row in range(BATCH):
        expected = sequences()[row : row + 1, : LENGTHS[row]]  # no padding at all
        for forward, backward in zip(layers[::2], layers[1::2], strict=True):
            ahead, back = forward(expected).numpy(), backward(expected[:, ::-1]).numpy()[:, ::-1]
            expected = np.concatenate([ahead, back], axis=-1)
        np.testing.assert_allclose(outputs[row, : LENGTHS[row]], expected[0], atol=1e-5)


@pytest.mark.parametrize(("cell", "bidirectional"), PAIRS)
def test_padding_changes_nothing_that_is_real(cell: str, bidirectional: bool) -> None:
    stack = randomized(RecurrentStack(cell, UNITS, 2, bidirectional=bidirectional))
    outputs = outputs_of(stack, sequences())[REAL]
    other_values = np.where(REAL[:, :, None], sequences(), 7.0).astype(np.float32)
    np.testing.assert_allclose(outputs_of(stack, other_values)[REAL], outputs, atol=1e-6)
    longer = np.concatenate([sequences(), np.full((BATCH, 3, FEATURES), -9.0, np.float32)], axis=1)
    np.testing.assert_allclose(outputs_of(stack, longer)[:, :TIME][REAL], outputs, atol=1e-6)


@pytest.mark.parametrize(("cell", "bidirectional"), PAIRS)
def test_gradients_do_not_depend_on_padding(cell: str, bidirectional: bool) -> None:
    stack = randomized(RecurrentStack(cell, UNITS, 2, bidirectional=bidirectional))

    def gradients(sequence: np.ndarray) -> list[np.ndarray]:
        with tf.GradientTape() as tape:
            outputs, _ = stack(tf.constant(sequence), lengths=tf.constant(LENGTHS), training=True)
            loss = tf.reduce_sum(tf.where(tf.constant(REAL)[:, :, None], outputs**2, 0.0))
        return [gradient.numpy() for gradient in tape.gradient(loss, stack.trainable_variables)]

    other_values = np.where(REAL[:, :, None], sequences(), 7.0).astype(np.float32)
    for one, other in zip(gradients(sequences()), gradients(other_values), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
        assert np.abs(one).sum() > 0


@pytest.mark.parametrize("cell", CELLS)
def test_two_halves_equal_the_whole(cell: str) -> None:
    stack = randomized(RecurrentStack(cell, UNITS, 2))
    sequence = tf.constant(sequences(time=9))
    whole, last = stack(sequence)
    first, states = stack(sequence[:, :4])
    second, last_of_halves = stack(sequence[:, 4:], states=states)
    np.testing.assert_allclose(tf.concat([first, second], axis=1), whole, atol=1e-6)
    assert len(states) == len(last) == 2 * stack.states_per_layer
    for one, other in zip(last_of_halves, last, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
        assert one.shape == (BATCH, UNITS)


@pytest.mark.parametrize("cell", CELLS)
def test_zero_states_begin_a_stream(cell: str) -> None:
    stack = randomized(RecurrentStack(cell, UNITS, 3))
    zeros = stack.zero_states(tf.constant(BATCH))
    assert [state.shape for state in zeros] == [(BATCH, UNITS)] * {"rnn": 3, "lstm": 6, "gru": 3}[cell]
    expected, _ = stack(tf.constant(sequences()))
    outputs, _ = stack(tf.constant(sequences()), states=zeros)
    np.testing.assert_allclose(outputs, expected, atol=1e-6)
    moved, _ = stack(tf.constant(sequences()), states=[state + 0.5 for state in zeros])
    assert np.abs(moved.numpy() - expected.numpy()).max() > 0.01


@pytest.mark.parametrize("cell", CELLS)
def test_the_first_state_of_the_last_layer_is_its_last_output(cell: str) -> None:
    stack = randomized(RecurrentStack(cell, UNITS, 2))
    outputs, states = stack(tf.constant(sequences()))
    np.testing.assert_allclose(states[stack.states_per_layer], outputs[:, -1], atol=1e-6)


def test_both_directions_carry_no_state() -> None:
    stack = randomized(RecurrentStack("gru", UNITS, bidirectional=True))
    assert stack(tf.constant(sequences()), lengths=tf.constant(LENGTHS))[1] == []
    with pytest.raises(ValueError, match="has no state to carry on"):
        stack(tf.constant(sequences()), lengths=tf.constant(LENGTHS), states=[tf.zeros([BATCH, UNITS])])
    with pytest.raises(ValueError, match="needs the sequences' lengths"):
        stack(tf.constant(sequences()))


def test_unknown_cell() -> None:
    with pytest.raises(ValueError, match=r"RecurrentStack\(cell='lsmt'\): choose rnn, lstm or gru"):
        RecurrentStack("lsmt", 4)


def test_dropout_stands_between_layers_and_acts_in_training_only() -> None:
    stack = randomized(RecurrentStack("lstm", UNITS, 2, dropout=0.5))
    sequence = tf.constant(sequences())
    quiet = stack(sequence)[0].numpy()
    np.testing.assert_array_equal(stack(sequence, training=False)[0], quiet)
    one, other = (stack(sequence, training=True)[0].numpy() for _ in range(2))
    assert (one != quiet).any()
    assert (one != other).any()
    single = randomized(RecurrentStack("lstm", UNITS, 1, dropout=0.5))
    np.testing.assert_allclose(single(sequence, training=True)[0], single(sequence)[0], atol=1e-6)


@pytest.mark.parametrize(("cell", "bidirectional"), [("lstm", False), ("gru", True)])
def test_is_saved_and_loaded(cell: str, bidirectional: bool, tmp_path: Path) -> None:
    sequence, lengths = keras.Input((None, FEATURES)), keras.Input((), dtype="int32")
    stack = RecurrentStack(cell, UNITS, 2, bidirectional=bidirectional, dropout=0.2, name="stack")
    model = keras.Model([sequence, lengths], stack(sequence, lengths=lengths)[0])
    randomized(stack)
    expected = model([sequences(), LENGTHS]).numpy()
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again([sequences(), LENGTHS]), expected, atol=1e-6)
    loaded = again.get_layer("stack")
    assert isinstance(loaded, RecurrentStack)
    assert loaded.get_config() == stack.get_config()
    np.testing.assert_allclose(expected[REAL], outputs_of(stack, sequences())[REAL], atol=1e-5)


def test_last_outputs_by_hand() -> None:
    outputs = tf.reshape(tf.range(2 * 3 * 4), [2, 3, 4])
    lengths = tf.constant([3, 1])
    assert last_outputs(outputs[:, :, :2], lengths, 2, False).numpy().tolist() == [[8, 9], [12, 13]]
    # The forward half at the end, the backward half at the beginning.
    assert last_outputs(outputs, lengths, 2, True).numpy().tolist() == [[8, 9, 2, 3], [12, 13, 14, 15]]
    assert last_outputs(outputs, tf.constant([0, 2]), 2, True).numpy().tolist() == [[0, 1, 2, 3], [16, 17, 14, 15]]


@pytest.mark.parametrize("cell", CELLS)
def test_last_outputs_are_the_final_states(cell: str) -> None:
    stack = randomized(RecurrentStack(cell, UNITS))
    outputs = outputs_of(stack, sequences())
    for row in range(BATCH):
        _, states = stack(tf.constant(sequences()[row : row + 1, : LENGTHS[row]]))
        last = last_outputs(tf.constant(outputs), tf.constant(LENGTHS), UNITS, False)
        np.testing.assert_allclose(last[row], states[0][0], atol=1e-6)
