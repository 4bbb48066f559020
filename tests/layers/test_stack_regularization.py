"""A RecurrentStack with each option of regularization: both directions, carried states, files, and single steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from nlpseq.layers.stack import RecurrentStack
from tests.layers.layer_cases import FEATURES, UNITS, in_tflite, options_of, tensor

BATCH, TIME = 3, 6
LENGTHS = np.array([6, 1, 4], np.int32)
# Each option with one cell, and all of them with each cell.
OPTIONS = [
    ("rnn", {"input_dropout": 0.2}),
    ("gru", {"output_dropout": 0.2}),
    ("lstm", {"input_dropout": 0.2, "over_time": False}),
    ("gru", {"recurrent_dropout": 0.3}),
    ("lstm", {"weight_drop": 0.2}),
    ("gru", {"zoneout_hidden": 0.2}),
    ("lstm", {"zoneout_cell": 0.3}),
    ("rnn", {"layer_norm": True}),
    ("gru", {"layer_norm": True}),
    ("lstm", {"weight_norm": True}),
    *((cell, options_of(cell)) for cell in ("rnn", "lstm", "gru")),
]
every_option = pytest.mark.parametrize(("cell", "fields"), OPTIONS)


@pytest.fixture(autouse=True)
def _seed() -> None:
    keras.utils.set_random_seed(1)


def stack_of(cell: str, fields: dict[str, Any], **options: Any) -> RecurrentStack:
    """Two layers; no weight at its first value."""
    stack = RecurrentStack(cell, UNITS, 2, regularization=fields, seed=2, **options)
    stack.build((None, None, FEATURES))
    rng = np.random.default_rng(3)
    for variable in stack.weights:
        variable.assign(variable + rng.normal(scale=0.3, size=variable.shape))
    return stack


def by_single_steps(stack: RecurrentStack, time: int) -> Any:
    """A function of a sequence [1, time, features]: its outputs, as an exported program makes them."""

    def run(sequence: tf.Tensor) -> tf.Tensor:
        prepared = stack.prepared()
        outputs = tf.TensorArray(tf.float32, time, element_shape=[1, stack.units])

        def body(t: tf.Tensor, states: list[tf.Tensor], outputs: tf.TensorArray) -> tuple[Any, ...]:
            step = tf.reshape(tf.gather(sequence, t, axis=1), [1, 1, FEATURES])
            output, states = stack(step, states=states, training=False, prepared=prepared)
            return t + 1, states, outputs.write(t, output[:, 0])

        loop = (tf.constant(0), stack.zero_states(tf.constant(1)), outputs)
        *_, outputs = tf.while_loop(lambda t, *_: t < time, body, loop)
        return outputs.stack()

    return run


@every_option
def test_halves_equal_the_whole_and_training_draws(cell: str, fields: dict[str, Any]) -> None:
    stack, sequence = stack_of(cell, fields), tensor(BATCH, TIME, FEATURES)
    whole, last = stack(sequence)
    first, states = stack(sequence[:, :2])
    second, last_of_halves = stack(sequence[:, 2:], states=states)
    np.testing.assert_allclose(tf.concat([first, second], axis=1), whole, atol=1e-5)
    for one, other in zip(last_of_halves, last, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    one, other = (stack(sequence, training=True)[0].numpy() for _ in range(2))
    assert (one != other).any() == stack.regularization.is_random


@every_option
def test_both_directions_do_not_see_padding(cell: str, fields: dict[str, Any]) -> None:
    stack, sequence = stack_of(cell, fields, bidirectional=True), tensor(BATCH, TIME, FEATURES)
    outputs, _ = stack(sequence, lengths=tf.constant(LENGTHS))
    for row, length in [(1, 1), (2, 4)]:
        alone, _ = stack(sequence[row : row + 1, :length], lengths=tf.constant([length]))
        np.testing.assert_allclose(outputs[row, :length], alone[0], atol=1e-5)


@pytest.mark.parametrize(("cell", "bidirectional"), [("rnn", False), ("lstm", True), ("gru", False)])
def test_everything_is_saved_and_loaded(cell: str, bidirectional: bool, tmp_path: Path) -> None:
    stack = stack_of(cell, options_of(cell), bidirectional=bidirectional, name="stack")
    sequence, lengths = keras.Input((None, FEATURES)), keras.Input((), dtype="int32")
    model = keras.Model([sequence, lengths], stack(sequence, lengths=lengths)[0])
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras").get_layer("stack")
    assert loaded.get_config() == stack.get_config()
    given = tensor(BATCH, TIME, FEATURES)
    expected, _ = stack(given, lengths=tf.constant(LENGTHS))
    np.testing.assert_array_equal(loaded(given, lengths=tf.constant(LENGTHS))[0], expected)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_single_steps_equal_the_whole_in_tensorflow_and_in_tflite(cell: str) -> None:
    stack, sequence = stack_of(cell, options_of(cell)), tensor(1, TIME, FEATURES)
    expected = stack(sequence)[0][0].numpy()
    run = by_single_steps(stack, TIME)
    np.testing.assert_allclose(tf.function(run)(sequence)[:, 0], expected, atol=1e-5)
    np.testing.assert_allclose(in_tflite(run, tf.TensorSpec(sequence.shape))(sequence)[:, 0], expected, atol=1e-5)


def test_the_loop_of_single_steps_normalizes_no_kernel() -> None:
    stack = stack_of("lstm", {"weight_norm": True})
    spec = tf.TensorSpec([1, TIME, FEATURES])
    graph = tf.function(by_single_steps(stack, TIME)).get_concrete_function(spec).graph.as_graph_def()
    inside = {node.op for function in graph.library.function for node in function.node_def}
    assert "MatMul" in inside
    assert not inside & {"Rsqrt", "ReadVariableOp"}
    assert {"Rsqrt", "ReadVariableOp"} <= {node.op for node in graph.node}


def test_prepared_weights_are_for_steps_in_inference() -> None:
    stack = stack_of("gru", {"weight_drop": 0.3})
    with pytest.raises(ValueError, match="given prepared weights in training: they are for inference"):
        stack(tensor(1, 1, FEATURES), training=True, prepared=stack.prepared())
    with pytest.raises(ValueError, match="it cannot go step by step"):
        stack_of("gru", {}, bidirectional=True).prepared()


@pytest.mark.parametrize("depth", [0, -1, 1.5])
def test_a_stack_has_a_layer_or_more(depth: Any) -> None:
    with pytest.raises(ValueError, match=rf"depth={depth}\): give a whole number of at least 1"):
        RecurrentStack("gru", 3, depth)
