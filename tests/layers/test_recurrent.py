"""The recurrent layers against keras.layers and against the NumPy reference (which test_reference.py checks)."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from nlpseq.layers import GRU, LSTM, RNN, Bidirectional
from tests.layers import reference

BATCH, TIME, FEATURES, UNITS = 3, 5, 4, 6


class LoopLSTM(LSTM):
    """Trains through the loop over time where an LSTM would take the block kernels."""

    def path(self, **facts: bool) -> str:
        return "loop"


# name: (our layer, Keras' layer, the reference cell, further arguments)
CELLS: dict[str, tuple[Any, Any, reference.Cell, dict[str, Any]]] = {
    "rnn-tanh": (RNN, keras.layers.SimpleRNN, reference.Simple("tanh"), {}),
    "rnn-relu": (RNN, keras.layers.SimpleRNN, reference.Simple("relu"), {"activation": "relu"}),
    "lstm": (LSTM, keras.layers.LSTM, reference.LSTM(), {}),
    "lstm-loop": (LoopLSTM, keras.layers.LSTM, reference.LSTM(), {}),
    "gru": (GRU, keras.layers.GRU, reference.ResetAfterGRU(), {}),
    "gru-reset-before": (GRU, keras.layers.GRU, reference.GRU(), {"reset_after": False}),
}
MASKS = {
    "none": None,
    "right": np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [0, 0, 0, 0, 0]], bool),
    "left": np.array([[0, 0, 1, 1, 1], [0, 1, 1, 1, 1], [1, 1, 1, 1, 1]], bool),
    "inside": np.array([[1, 0, 1, 0, 1], [0, 1, 0, 1, 1], [1, 1, 0, 0, 1]], bool),
}
every_cell = pytest.mark.parametrize("name", CELLS)
every_mask = pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)


@pytest.fixture(autouse=True)
def _seed() -> Iterator[None]:
    keras.utils.set_random_seed(1)
    yield
    keras.mixed_precision.set_dtype_policy("float32")


def make(name: str, *, theirs: bool = False, **options: Any) -> Any:
    """A layer of the table, built, with weights drawn from seed 0: ours and Keras' get the same."""
    ours, keras_layer, _, further = CELLS[name]
    layer = (keras_layer if theirs else ours)(UNITS, **further, **options)
    layer.build((BATCH, TIME, FEATURES))
    draw = np.random.default_rng(0)
    layer.set_weights([draw.normal(scale=0.5, size=weight.shape) for weight in layer.get_weights()])
    return layer


def draw(*shape: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def states_of(name: str) -> list[np.ndarray]:
    return [draw(BATCH, UNITS, seed=2 + index) for index in range(2 if name.startswith("lstm") else 1)]


def outputs_and_gradients(
    call: Callable[..., Any], weights: list[Any], *inputs: np.ndarray, dtype: str = "float32", graph: bool = False
) -> list[np.ndarray]:
    """What a layer gives, and the gradients of sum(output * noise) wrt its inputs and weights."""
    tensors = [tf.constant(value, dtype) for value in inputs]

    def run() -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            results = tf.nest.flatten(call(*tensors))
            noise = [draw(*result.shape, seed=9 + index) for index, result in enumerate(results)]
            loss = tf.add_n([tf.reduce_sum(r * tf.constant(n, dtype)) for r, n in zip(results, noise, strict=True)])
        return results + tape.gradient(loss, tensors + [weight.value for weight in weights])

    return [np.array(value) for value in (tf.function(run) if graph else run)()]


def assert_close(ours: list[np.ndarray], theirs: list[np.ndarray], tolerance: float = 1e-5) -> None:
    assert len(ours) == len(theirs)
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, rtol=tolerance, atol=tolerance)


@every_cell
@every_mask
@pytest.mark.parametrize(
    ("sequences", "with_states"),
    [(False, False), (True, True)],
    ids=["last", "sequences-and-states"],
)
@pytest.mark.parametrize("go_backwards", [False, True], ids=["forwards", "backwards"])
def test_equals_keras(
    name: str, mask: np.ndarray | None, sequences: bool, with_states: bool, go_backwards: bool
) -> None:
    """Every output, every returned state and every gradient, eagerly."""
    results = []
    for theirs in (False, True):
        layer = make(
            name, theirs=theirs, return_sequences=sequences, return_state=with_states, go_backwards=go_backwards
        )

        def call(sequence: tf.Tensor, *states: tf.Tensor, layer: Any = layer) -> Any:
            return layer(sequence, mask=mask, initial_state=list(states) or None, training=True)

        states = states_of(name) if with_states else []
        results.append(outputs_and_gradients(call, layer.trainable_weights, draw(BATCH, TIME, FEATURES), *states))
    assert_close(*results)


@every_cell
@every_mask
def test_graph_equals_reference(name: str, mask: np.ndarray | None) -> None:
    """The same in a tf.function, in float64, against the NumPy reference."""
    layer = make(name, dtype="float64", return_sequences=True, return_state=True)
    sequence, states, weights = draw(BATCH, TIME, FEATURES), states_of(name), layer.get_weights()

    def call(sequence: tf.Tensor, *states: tf.Tensor) -> Any:
        return layer(sequence, mask=mask, initial_state=list(states), training=True)

    ours = outputs_and_gradients(call, layer.trainable_weights, sequence, *states, dtype="float64", graph=True)

    cell = CELLS[name][2]
    outputs, final, kept = reference.forward(cell, sequence, tuple(states), tuple(weights), mask)
    d_outputs, *d_final = [draw(*value.shape, seed=9 + index) for index, value in enumerate([outputs, *final])]
    d_sequence, d_states, d_weights = reference.backward(cell, sequence, tuple(weights), kept, d_outputs, d_final, mask)
    assert_close(ours, [outputs, *final, d_sequence, *d_states, *d_weights], 1e-10)


@every_cell
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


@every_cell
@pytest.mark.parametrize("go_backwards", [False, True], ids=["forwards", "backwards"])
@pytest.mark.parametrize("with_states", [False, True], ids=["zeros", "states"])
def test_lengths_equal_each_row_alone(name: str, go_backwards: bool, with_states: bool) -> None:
    """Outputs past the length are zeros, states are those at the true length, padding changes no gradient."""
    lengths = [5, 2, 0]
    sequence, states = draw(BATCH, TIME, FEATURES), states_of(name) if with_states else []
    layer = make(name, return_sequences=True, return_state=True, go_backwards=go_backwards)

    def padded(sequence: tf.Tensor, *states: tf.Tensor) -> Any:
        return layer(sequence, lengths=tf.constant(lengths), initial_state=list(states) or None, training=True)

    def row_by_row(sequence: tf.Tensor, *states: tf.Tensor) -> Any:
        rows = []
        for row, length in enumerate(lengths):
            first = [state[row : row + 1] for state in states] or None
            if length == 0:
                zeros = [tf.zeros([1, UNITS])] * (2 if name.startswith("lstm") else 1)
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
    states = [value.astype("float32") for value in states_of("gru")]
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


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("mask", [MASKS["none"], MASKS["right"], MASKS["left"]], ids=["none", "right", "left"])
def test_bidirectional_equals_keras(cell: str, mask: np.ndarray | None) -> None:
    keras_cell = {"rnn": keras.layers.SimpleRNN, "lstm": keras.layers.LSTM, "gru": keras.layers.GRU}[cell]
    ours = Bidirectional(cell, UNITS, return_sequences=True, return_state=True)
    theirs = keras.layers.Bidirectional(keras_cell(UNITS, return_sequences=True, return_state=True))
    for layer in (ours, theirs):
        layer.build((BATCH, TIME, FEATURES))
    theirs.set_weights(ours.get_weights())
    results = [
        outputs_and_gradients(
            lambda sequence, layer=layer: layer(sequence, mask=None if mask is None else tf.constant(mask)),
            layer.trainable_weights,
            draw(BATCH, TIME, FEATURES),
        )
        for layer in (ours, theirs)
    ]
    assert_close(*results)


@pytest.mark.parametrize("sequences", [False, True], ids=["last", "sequences"])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_bidirectional_with_lengths_equals_each_row_alone(cell: str, sequences: bool) -> None:
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


def test_bidirectional_takes_the_states_of_both_directions() -> None:
    layer = Bidirectional("lstm", UNITS, return_state=True)
    states = [draw(BATCH, UNITS, seed=seed).astype("float32") for seed in range(4)]
    sequence = draw(BATCH, TIME, FEATURES).astype("float32")
    results = layer(sequence, initial_state=states)
    ahead = layer.forward(sequence, initial_state=states[:2])
    back = layer.backward(sequence, initial_state=states[2:])
    assert_close(list(results[1:]), [*ahead[1:], *back[1:]], 0)
    with pytest.raises(ValueError, match="needs 4"):
        layer(sequence, initial_state=states[:2])


@every_cell
def test_gradients_do_not_depend_on_training(name: str) -> None:
    """In inference the gates are not kept; a saliency map still gets the right gradient."""
    layer = make(name, return_sequences=True)
    results = [
        outputs_and_gradients(
            lambda sequence, training=training: layer(sequence, training=training),
            layer.trainable_weights,
            draw(BATCH, TIME, FEATURES),
            graph=True,
        )
        for training in (True, False)
    ]
    assert_close(*results, 1e-6)


@every_cell
def test_unknown_batch_and_time_trace_once(name: str) -> None:
    layer = make(name, return_sequences=True, return_state=True)
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
        sequence = draw(batch, time, FEATURES).astype("float32")
        lengths = np.full([batch], time, np.int32)
        results, gradient = run(tf.constant(sequence), tf.constant(lengths))
        assert_close([r.numpy() for r in results], [r.numpy() for r in layer(sequence)])
        assert gradient.shape == sequence.shape
        assert np.all(np.isfinite(gradient))
    assert len(traces) == 1


@every_cell
@pytest.mark.parametrize("mask", [MASKS["none"], MASKS["inside"]], ids=["none", "inside"])
def test_xla_equals_plain(name: str, mask: np.ndarray | None) -> None:
    layer = make(name, return_sequences=True, return_state=True)
    sequence = tf.constant(draw(BATCH, TIME, FEATURES), tf.float32)
    weights = [weight.value for weight in layer.trainable_weights]

    def run() -> Any:
        with tf.GradientTape() as tape:
            tape.watch(sequence)
            results = layer(sequence, mask=mask, training=True)
            loss = tf.add_n([tf.reduce_sum(tf.sin(result)) for result in results])
        return list(results) + tape.gradient(loss, [sequence, *weights])

    assert_close(*([np.array(value) for value in tf.function(run, jit_compile=jit)()] for jit in (True, False)))


@every_cell
def test_mixed_bfloat16_is_close_to_float32(name: str) -> None:
    """The products' operands are rounded to 8 bits of mantissa, the state is not."""
    results = {}
    for policy in ("float32", "mixed_bfloat16"):
        layer = make(name, dtype=policy, return_sequences=True, return_state=True)
        sequence = tf.constant(draw(BATCH, TIME, FEATURES), tf.float32)
        with tf.GradientTape() as tape:
            output, *states = layer(sequence, training=True)
            loss = tf.reduce_mean(tf.square(tf.cast(output, tf.float32)))
        assert {output.dtype, *(state.dtype for state in states)} == {tf.as_dtype(layer.compute_dtype)}
        assert all(weight.dtype == "float32" for weight in layer.weights)
        gradients = tape.gradient(loss, [weight.value for weight in layer.trainable_weights])
        results[policy] = [np.array(tf.cast(value, tf.float32)) for value in [output, *gradients]]
    for full, half in zip(results["float32"], results["mixed_bfloat16"], strict=True):
        assert np.max(np.abs(full - half)) < 0.05 * np.max(np.abs(full))


@every_cell
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
    read, *states = Bidirectional("gru", 4, return_sequences=True, return_state=True)(embedded, lengths=lengths)
    hidden = LSTM(8)(read, initial_state=[keras.ops.concatenate(states, -1)] * 2)
    model = keras.Model([tokens, lengths], keras.layers.Dense(1)(hidden))
    rng = np.random.default_rng(0)
    inputs = [rng.integers(1, 20, [16, 7]), rng.integers(1, 8, [16])]
    targets = np.mean(inputs[0] > 10, axis=1, keepdims=True)
    losses: list[float] = []
    for options in ({"jit_compile": False}, {"jit_compile": True}, {"jit_compile": False, "run_eagerly": True}):
        model.compile(keras.optimizers.Adam(0.02), "mse", **options)
        losses += model.fit(inputs, targets, epochs=4, verbose=0).history["loss"]
    assert np.all(np.isfinite(losses))
    assert losses[-1] < losses[0] / 2
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(model.predict(inputs, verbose=0), loaded.predict(inputs, verbose=0))


@every_cell
def test_inference_converts_to_builtin_tflite_operators(name: str) -> None:
    """Any length, one file: what the export builds on."""
    layer = make(name, return_sequences=True)
    weights = [tf.constant(weight) for weight in layer.get_weights()]

    @tf.function(input_signature=[tf.TensorSpec([1, None, FEATURES])])
    def infer(sequence: tf.Tensor) -> tf.Tensor:
        with mock.patch.multiple(layer, **dict(zip(("kernel", "recurrent_kernel", "bias"), weights, strict=True))):
            return layer.call(sequence)

    converter = tf.lite.TFLiteConverter.from_concrete_functions([infer.get_concrete_function()])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    interpreter = Interpreter(model_content=converter.convert())
    sequence = draw(1, 9, FEATURES).astype("float32")
    interpreter.resize_tensor_input(interpreter.get_input_details()[0]["index"], sequence.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], sequence)
    interpreter.invoke()
    result = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    np.testing.assert_allclose(result, layer(sequence), atol=1e-6)


MIRRORED = """
import keras, numpy as np, tensorflow as tf
from nlpseq.layers import GRU, LSTM
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    model = keras.Sequential([keras.Input([None, 4]), LSTM(6, return_sequences=True), GRU(6)])

def gradients(rows):
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.sin(model(rows, training=True)))
    return [tf.convert_to_tensor(g) for g in tape.gradient(loss, [w.value for w in model.trainable_variables])]

@tf.function
def step(rows):
    return [strategy.reduce("SUM", g, axis=None) for g in strategy.run(gradients, args=(rows,))]

rows = np.random.default_rng(0).normal(size=[8, 5, 4]).astype("float32")
shards = strategy.experimental_distribute_values_from_function(
    lambda context: tf.constant(rows[context.replica_id_in_sync_group :: 2])
)
for together, alone in zip(step(shards), gradients(rows), strict=True):
    np.testing.assert_allclose(together, alone, atol=1e-5)
print("equal on", strategy.num_replicas_in_sync)
"""


def test_two_replicas_give_the_gradients_of_one() -> None:
    """In a process of its own: TensorFlow splits a device into logical ones before it is first used, or never."""
    result = subprocess.run([sys.executable, "-c", MIRRORED], capture_output=True, text=True, timeout=120)
    assert result.stdout.strip() == "equal on 2", result.stderr[-2000:]


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
    layer = CELLS[name][0](UNITS, **CELLS[name][3])
    layer.build((None, None, FEATURES))
    kernel = layer.recurrent_kernel.numpy()
    np.testing.assert_allclose(kernel @ kernel.T, np.eye(UNITS), atol=1e-5)


@every_cell
def test_the_input_kernel_starts_as_glorot_and_bengio_have_it(name: str) -> None:
    """Uniform within sqrt(6 / (inputs + outputs)), hence of variance 2 / (inputs + outputs) (2010, equation 16)."""
    layer = CELLS[name][0](100, **CELLS[name][3])
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


@pytest.mark.parametrize("lengths", [None, [5, 2, 0]])
@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize(
    "layer",
    [
        lambda dtype: LSTM(6, return_sequences=True, dtype=dtype),
        lambda dtype: LSTM(3, return_sequences=True, dtype=dtype),
        lambda dtype: GRU(6, return_sequences=True, go_backwards=True, dtype=dtype),
        lambda dtype: Bidirectional("lstm", 6, return_sequences=True, dtype=dtype),
    ],
    ids=["lstm", "more rows than units", "gru backwards", "bidirectional"],
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
