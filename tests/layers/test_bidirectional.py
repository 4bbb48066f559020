"""Both directions against keras.layers.Bidirectional, and against each row alone."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from nlpseq.layers import Bidirectional
from tests.layers.layer_cases import BATCH, FEATURES, MASKS, TIME, UNITS, assert_close, draw, outputs_and_gradients


@pytest.fixture(autouse=True)
def _seed() -> None:
    keras.utils.set_random_seed(1)


@pytest.mark.parametrize(("cell", "mask"), [("rnn", "left"), ("lstm", "none"), ("lstm", "left"), ("gru", "right")])
def test_equals_keras(cell: str, mask: str) -> None:
    keras_cell = {"rnn": keras.layers.SimpleRNN, "lstm": keras.layers.LSTM, "gru": keras.layers.GRU}[cell]
    ours = Bidirectional(cell, UNITS, return_sequences=True, return_state=True)
    theirs = keras.layers.Bidirectional(keras_cell(UNITS, return_sequences=True, return_state=True))
    for layer in (ours, theirs):
        layer.build((BATCH, TIME, FEATURES))
    theirs.set_weights(ours.get_weights())
    results = [
        outputs_and_gradients(
            lambda sequence, layer=layer: layer(sequence, mask=None if mask == "none" else tf.constant(MASKS[mask])),
            layer.trainable_weights,
            draw(BATCH, TIME, FEATURES),
        )
        for layer in (ours, theirs)
    ]
    assert_close(*results)


@pytest.mark.parametrize(("cell", "sequences"), [("rnn", True), ("lstm", False), ("lstm", True), ("gru", False)])
def test_with_lengths_equals_each_row_alone(cell: str, sequences: bool) -> None:
    layer = Bidirectional(cell, UNITS, return_sequences=sequences, return_state=True)
    sequence, lengths = draw(BATCH, TIME, FEATURES).astype("float32"), [5, 2, 3]
    results = layer(sequence, lengths=tf.constant(lengths))
    assert len(results) == 1 + (4 if cell == "lstm" else 2)
    for row, length in enumerate(lengths):
        alone = layer(sequence[row : row + 1, :length])
        output = results[0][row, :length] if sequences else results[0][row]
        np.testing.assert_allclose(output, alone[0][0], atol=1e-6)
        for state, state_alone in zip(results[1:], alone[1:], strict=True):
            np.testing.assert_allclose(state[row], state_alone[0], atol=1e-6)


def test_takes_the_states_of_both_directions() -> None:
    layer = Bidirectional("lstm", UNITS, return_state=True)
    states = [draw(BATCH, UNITS, seed=seed).astype("float32") for seed in range(4)]
    sequence = draw(BATCH, TIME, FEATURES).astype("float32")
    results = layer(sequence, initial_state=states)
    ahead = layer.forward(sequence, initial_state=states[:2])
    back = layer.backward(sequence, initial_state=states[2:])
    assert_close(list(results[1:]), [*ahead[1:], *back[1:]], 0)
    with pytest.raises(ValueError, match="needs 4"):
        layer(sequence, initial_state=states[:2])
