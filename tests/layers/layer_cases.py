"""The layers that tests run, with their counterparts in Keras and NumPy, and what the tests of them share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from nlpseq.layers import GRU, LSTM, RNN, Regularization
from tests.layers import normalized_reference, reference

BATCH, TIME, FEATURES, UNITS = 3, 5, 4, 6
MASKS = {
    "none": None,
    "right": np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [0, 0, 0, 0, 0]], bool),
    "left": np.array([[0, 0, 1, 1, 1], [0, 1, 1, 1, 1], [1, 1, 1, 1, 1]], bool),
    "inside": np.array([[1, 0, 1, 0, 1], [0, 1, 0, 1, 1], [1, 1, 0, 0, 1]], bool),
}
EVERYTHING: dict[str, Any] = {
    "input_dropout": 0.2,
    "output_dropout": 0.2,
    "over_time": False,
    "recurrent_dropout": 0.3,
    "weight_drop": 0.2,
    "zoneout_hidden": 0.2,
    "zoneout_cell": 0.3,
    "layer_norm": True,
    "weight_norm": True,
}
LENGTHS = np.array([5, 2, 0], np.int32)  # the same as the mask "right"


class LoopLSTM(LSTM):
    """Trains through the loop over time where an LSTM would take the block kernels."""

    def path(self, **facts: bool) -> str:
        return "loop"


@dataclass(frozen=True)
class Case:
    """One layer and its counterparts."""

    layer: Any
    keras_layer: Any
    cell: reference.Cell
    normalized_cell: reference.Cell | None
    options: dict[str, Any] = field(default_factory=dict)
    states: int = 1

    def initial(self) -> list[np.ndarray]:
        """States to begin with, each [batch, units]."""
        return [draw(BATCH, UNITS, seed=2 + index) for index in range(self.states)]


_TANH = (reference.Simple("tanh"), normalized_reference.LayerNormSimple("tanh"))
_RELU = (reference.Simple("relu"), normalized_reference.LayerNormSimple("relu"))
_LSTM = (reference.LSTM(), normalized_reference.LayerNormLSTM())
_GRU = (reference.ResetAfterGRU(), normalized_reference.LayerNormGRU())
CASES = {
    "rnn-tanh": Case(RNN, keras.layers.SimpleRNN, *_TANH),
    "rnn-relu": Case(RNN, keras.layers.SimpleRNN, *_RELU, {"activation": "relu"}),
    "lstm": Case(LSTM, keras.layers.LSTM, *_LSTM, states=2),
    "lstm-loop": Case(LoopLSTM, keras.layers.LSTM, *_LSTM, states=2),
    "gru": Case(GRU, keras.layers.GRU, *_GRU),
    "gru-reset-before": Case(GRU, keras.layers.GRU, reference.GRU(), None, {"reset_after": False}),
}


LAYERS = {"rnn": RNN, "lstm": LSTM, "gru": GRU}


def options_of(cell: str, fields: dict[str, Any] = EVERYTHING) -> dict[str, Any]:
    """Leaves out what a cell, "rnn", "lstm" or "gru", does not have."""
    return {name: value for name, value in fields.items() if cell == "lstm" or name != "zoneout_cell"}


def regularized(cell: str, fields: dict[str, Any] | None = None, units: int = UNITS, **options: Any) -> Any:
    """A layer that returns all it can, not built yet."""
    options = {"return_sequences": True, "return_state": True, "seed": 5, **options}
    return LAYERS[cell](units, regularization=None if fields is None else Regularization(**fields), **options)


def draw(*shape: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def tensor(*shape: int, seed: int = 1) -> tf.Tensor:
    return tf.constant(draw(*shape, seed=seed), tf.float32)


def make(name: str, *, theirs: bool = False, **options: Any) -> Any:
    """A layer of the table, built, with weights drawn from seed 0: ours and Keras' get the same."""
    case = CASES[name]
    layer = (case.keras_layer if theirs else case.layer)(UNITS, **case.options, **options)
    layer.build((BATCH, TIME, FEATURES))
    rng = np.random.default_rng(0)
    # Gains and norms are drawn around 1, so that layer normalization does not make everything small.
    around_one = [("gain" in weight.name or "norms" in weight.name) for weight in layer.weights]
    layer.set_weights(
        [rng.normal(scale=0.5, size=w.shape) + one for w, one in zip(layer.weights, around_one, strict=True)]
    )
    return layer


def outputs_and_gradients(
    call: Callable[..., Any], weights: list[Any], *inputs: np.ndarray, dtype: str = "float32", graph: bool = False
) -> list[np.ndarray]:
    """What a layer gives, and the gradients of sum(output * noise) by its inputs and its weights."""
    tensors = [tf.constant(value, dtype) for value in inputs]

    def run() -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            results = tf.nest.flatten(call(*tensors))
            noise = [draw(*result.shape, seed=9 + index) for index, result in enumerate(results)]
            loss = tf.add_n([tf.reduce_sum(r * tf.constant(n, dtype)) for r, n in zip(results, noise, strict=True)])
        return results + tape.gradient(loss, tensors + [weight.value for weight in weights])

    return [np.array(value) for value in (tf.function(run) if graph else run)()]


def assert_close(ours: list[Any], theirs: list[Any], tolerance: float = 1e-5) -> None:
    """Equal within the tolerance, which counts from an array's largest value or 1."""
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, rtol=tolerance, atol=tolerance * max(1, np.abs(other).max()))


def in_tflite(function: Callable[[tf.Tensor], tf.Tensor], spec: tf.TensorSpec) -> Callable[[tf.Tensor], np.ndarray]:
    """The function of one tensor, converted to TensorFlow Lite's builtin operators, variables as constants."""
    traced = tf.function(function, autograph=False).get_concrete_function(spec)
    frozen = convert_variables_to_constants_v2(traced, lower_control_flow=False)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    interpreter = Interpreter(model_content=converter.convert())

    def run(values: tf.Tensor) -> np.ndarray:
        place = interpreter.get_input_details()[0]["index"]
        interpreter.resize_tensor_input(place, values.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(place, values)
        interpreter.invoke()
        return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])

    return run
