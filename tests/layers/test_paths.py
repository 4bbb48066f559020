"""Which kernel runs a sequence, and cuDNN's, as far as that shows without a GPU."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from nlpseq.layers import GRU, LSTM, RNN, Bidirectional, cudnn

BATCH, TIME, FEATURES, UNITS = 3, 5, 4, 6
LAYERS = {
    "lstm": lambda **options: LSTM(UNITS, **options),
    "gru": lambda **options: GRU(UNITS, **options),
    "gru-reset-before": lambda **options: GRU(UNITS, reset_after=False, **options),
    "rnn-tanh": lambda **options: RNN(UNITS, **options),
    "rnn-relu": lambda **options: RNN(UNITS, activation="relu", **options),
}
every_layer = pytest.mark.parametrize("name", LAYERS)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorFlow seems to have a GPU. Graphs can be built, not run."""
    devices = tf.config.list_physical_devices()
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: ["gpu"] if kind == "GPU" else devices)


def operations(function: Any) -> set[str]:
    """Kinds of operations in a graph and in the functions that it calls."""
    graph = function.get_concrete_function().graph.as_graph_def()
    bodies = [graph.node, *(body.node_def for body in graph.library.function)]
    return {node.op for body in bodies for node in body}


def training_step(layer: Any, **arguments: Any) -> Any:
    """A graph with the gradients of a layer's weights."""

    @tf.function(autograph=False)
    def step() -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            outputs = tf.nest.flatten(layer(tf.ones([BATCH, TIME, FEATURES]), training=True, **arguments))
            loss = tf.add_n([tf.reduce_sum(output) for output in outputs])
        return tape.gradient(loss, [weight.value for weight in layer.trainable_weights])

    return step


@every_layer
def test_on_a_cpu_an_lstm_trains_through_the_block_kernels(name: str) -> None:
    layer = LAYERS[name]()
    found = operations(training_step(layer))
    assert layer.path(training=True) == ("block" if name == "lstm" else "loop")
    assert ({"BlockLSTMV2", "LSTMBlockCellGrad"} <= found) == (name == "lstm")


@pytest.mark.parametrize(
    ("layer", "facts"),
    [
        (lambda: LSTM(UNITS), {"training": False}),
        (lambda: LSTM(UNITS), {"training": True, "masked": True}),
        (lambda: LSTM(1024), {"training": True}),
        (lambda: LSTM(UNITS, dtype="float64"), {"training": True}),
        (lambda: LSTM(UNITS, dtype="mixed_bfloat16"), {"training": True}),
    ],
    ids=["inference", "mask", "large", "float64", "bfloat16"],
)
def test_the_loop_serves_where_the_block_kernels_do_not(layer: Any, facts: dict[str, bool]) -> None:
    assert layer().path(**facts) == "loop"


def test_xla_takes_the_loop() -> None:
    layer, paths = LSTM(UNITS), []

    def call(sequence: tf.Tensor) -> tf.Tensor:
        paths.append(layer.path(training=True))
        return layer(sequence, training=True)

    layer.build((None, None, FEATURES))
    compiled = tf.function(call, jit_compile=True, autograph=False)(tf.ones([BATCH, TIME, FEATURES]))
    plain = tf.function(call, autograph=False)(tf.ones([BATCH, TIME, FEATURES]))
    assert paths == ["loop", "block"]
    np.testing.assert_allclose(compiled, plain, atol=1e-6)


@every_layer
@pytest.mark.parametrize("lengths", [None, [5, 2, 1]], ids=["full", "lengths"])
@pytest.mark.usefixtures("gpu")
def test_on_a_gpu_training_takes_cudnn_where_it_has_the_cell(name: str, lengths: list[int] | None) -> None:
    layer = LAYERS[name](return_sequences=True, return_state=True)
    found = operations(training_step(layer, lengths=None if lengths is None else tf.constant(lengths)))
    known = name != "gru-reset-before"
    assert layer.path(training=True) == ("cudnn" if known else "loop")
    assert ({"CudnnRNNV3", "CudnnRNNBackpropV3"} <= found) == known
    assert ("While" in found or "StatelessWhile" in found) != known
    assert "BlockLSTMV2" not in found


@pytest.mark.usefixtures("gpu")
def test_on_a_gpu_both_directions_take_cudnn() -> None:
    layer = Bidirectional("gru", UNITS, return_sequences=True)
    found = operations(training_step(layer, lengths=tf.constant([5, 2, 1])))
    assert "CudnnRNNV3" in found
    assert not {"While", "StatelessWhile"} & found


@pytest.mark.usefixtures("gpu")
def test_on_a_gpu_a_mask_and_inference_take_the_loop() -> None:
    """A mask may have holes, and a model in use must run anywhere."""
    layer = LSTM(UNITS)
    assert layer.path(training=True, masked=True) == layer.path(training=False) == "loop"
    assert LSTM(UNITS, dtype="mixed_bfloat16").path(training=True) == "loop"


@pytest.mark.parametrize("name", ["lstm", "gru", "rnn-tanh"])
@pytest.mark.parametrize("use_bias", [True, False], ids=["bias", "no-bias"])
def test_cudnn_finds_each_gate_where_it_looks(name: str, use_bias: bool) -> None:
    """cuDNN's layout, walked through gate by gate, gives what the layer computes from the same weights."""
    keras.utils.set_random_seed(3)
    layer = LAYERS[name](use_bias=use_bias)
    layer.build((None, None, FEATURES))
    layer.set_weights([np.random.default_rng(4).normal(size=weight.shape) for weight in layer.get_weights()])
    weights = layer._weights()
    kernel, recurrent_kernel = weights.kernel, weights.recurrent_kernel
    biases = [weights.bias, weights.vectors[0] if weights.vectors else None]
    packed = cudnn.packed(layer.cudnn_mode, kernel, recurrent_kernel, tuple(biases)).numpy()

    gates = {"lstm": 4, "gru": 3, "rnn-tanh": 1}[name]
    shapes = [(UNITS, FEATURES)] * gates + [(UNITS, UNITS)] * gates + [(UNITS,)] * (2 * gates)
    ends = np.cumsum([np.prod(shape) for shape in shapes])
    assert ends[-1] == packed.size
    parts = [part.reshape(shape) for part, shape in zip(np.split(packed, ends[:-1]), shapes, strict=True)]
    w, r, b, rb = (parts[start : start + gates] for start in range(0, 4 * gates, gates))

    def sigmoid(value: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-value))

    # cuDNN's equations (API reference, cudnnRNNMode_t), with its gate numbers.
    x, h, c = np.random.default_rng(5).normal(size=(3, UNITS))
    x = x[:FEATURES]
    pre = [w[k] @ x + b[k] + r[k] @ h + rb[k] for k in range(gates)]
    states = [h]
    if name == "lstm":
        c_new = sigmoid(pre[1]) * c + sigmoid(pre[0]) * np.tanh(pre[2])
        expected, states = sigmoid(pre[3]) * np.tanh(c_new), [h, c]
    elif name == "gru":
        reset, update = sigmoid(pre[0]), sigmoid(pre[1])
        candidate = np.tanh(w[2] @ x + b[2] + reset * (r[2] @ h + rb[2]))
        expected = (1 - update) * candidate + update * h
    else:
        expected = np.tanh(pre[0])
    ours = layer(x[None, None].astype("float32"), initial_state=[state[None].astype("float32") for state in states])
    np.testing.assert_allclose(ours[0], expected, atol=1e-5)
