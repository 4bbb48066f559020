"""Regularized layers against the NumPy reference given the same masks, and against finite differences."""

# ruff: noqa: N806 (matrices are capitals, as in the reference)

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from nlpseq.layers import GRU, LSTM, RNN, Regularization
from nlpseq.layers.regularization import Masks
from tests.layers import reference

BATCH, TIME, FEATURES, UNITS, SEED = 3, 5, 4, 6, 11

# name: (the layer, its further arguments, the reference cell, the one with layer normalization if there is one)
CELLS: dict[str, tuple[Any, dict[str, Any], reference.Cell, reference.Cell | None]] = {
    "rnn-tanh": (RNN, {}, reference.Simple("tanh"), reference.LayerNormSimple("tanh")),
    "rnn-relu": (RNN, {"activation": "relu"}, reference.Simple("relu"), reference.LayerNormSimple("relu")),
    "lstm": (LSTM, {}, reference.LSTM(), reference.LayerNormLSTM()),
    "gru": (GRU, {}, reference.ResetAfterGRU(), reference.LayerNormGRU()),
    "gru-reset-before": (GRU, {"reset_after": False}, reference.GRU(), None),
}
REGULARISATIONS: dict[str, dict[str, Any]] = {
    "none": {},
    "dropout": {"input_dropout": 0.3, "output_dropout": 0.4},
    "dropout-per-step": {"input_dropout": 0.3, "output_dropout": 0.4, "over_time": False},
    "recurrent-dropout": {"recurrent_dropout": 0.4},
    "weight-drop": {"weight_drop": 0.4},
    "zoneout": {"zoneout_hidden": 0.4, "zoneout_cell": 0.3},
    "zoneout-hidden": {"zoneout_hidden": 0.4},
    "zoneout-cell": {"zoneout_cell": 0.4},
    "layer-norm": {"layer_norm": True},
    "weight-norm": {"weight_norm": True},
    "everything": {
        "input_dropout": 0.2,
        "output_dropout": 0.2,
        "over_time": False,
        "recurrent_dropout": 0.3,
        "weight_drop": 0.2,
        "zoneout_hidden": 0.2,
        "zoneout_cell": 0.3,
        "layer_norm": True,
        "weight_norm": True,
    },
}
MASKS = {
    "right": np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [0, 0, 0, 0, 0]], bool),
    "left": np.array([[0, 0, 1, 1, 1], [0, 1, 1, 1, 1], [1, 1, 1, 1, 1]], bool),
    "inside": np.array([[1, 0, 1, 0, 1], [0, 1, 0, 1, 1], [1, 1, 0, 0, 1]], bool),
}
LENGTHS = MASKS["right"].sum(axis=1).astype(np.int32)
# name: (mask, whether it is given as lengths, with initial states, backwards)
RUNS: dict[str, tuple[np.ndarray | None, bool, bool, bool]] = {
    "plain": (None, False, False, False),
    "states": (None, False, True, False),
    "backwards": (None, False, True, True),
    "right": (MASKS["right"], False, True, False),
    "left": (MASKS["left"], False, True, False),
    "inside-backwards": (MASKS["inside"], False, True, True),
    "lengths": (MASKS["right"], True, True, False),
}


@pytest.fixture(autouse=True)
def _seed() -> None:
    keras.utils.set_random_seed(1)


def draw(*shape: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def regularization(cell: str, name: str) -> Regularization:
    """Of the table; what the cell does not have is left out, or the test is skipped if nothing is left."""
    fields = dict(REGULARISATIONS[name])
    if cell != "lstm":
        fields.pop("zoneout_cell", None)
    if CELLS[cell][3] is None:
        fields.pop("layer_norm", None)
    if not fields and name != "none":
        pytest.skip(f"{cell} has no {name}")
    return Regularization(**fields)


def make(cell: str, regularized: Regularization, **options: Any) -> Any:
    """A built layer, no weight at its first value."""
    layer_type, further, *_ = CELLS[cell]
    layer = layer_type(
        UNITS,
        return_sequences=True,
        return_state=True,
        regularization=regularized,
        seed=SEED,
        **further,
        **options,
    )
    layer.build((BATCH, TIME, FEATURES))
    rng = np.random.default_rng(0)
    layer.set_weights(
        [rng.normal(scale=0.5, size=w.shape) + ("gain" in w.name or "norms" in w.name) for w in layer.weights]
    )
    return layer


def first_masks(regularized: Regularization) -> Masks:
    """Those of the first call of a layer with this seed."""
    return Masks(regularized, tf.cast(keras.random.SeedGenerator(SEED).next(), tf.int32))


def as_array(mask: tf.Tensor) -> np.ndarray:
    return mask.numpy().astype(float)


class Expected:
    """A layer's outputs, states and gradients from the reference: what lies outside of the steps is added here."""

    def __init__(self, cell: str, layer: Any, run: str, training: bool) -> None:
        self.regularized: Regularization = layer.regularization
        self.mask, self.as_lengths, _, self.go_backwards = RUNS[run]
        plain, normalized = CELLS[cell][2:]
        self.cell = normalized if self.regularized.layer_norm and normalized else plain
        self.weights = [np.asarray(weight, float) for weight in layer.get_weights()]
        states = 2 if cell == "lstm" else 1
        rates = self.regularized.zoneout[:states]
        self.drop_input = self.drop_output = self.drop_weights = 1.0
        self.noise = reference.Noise(zoneout=rates)
        if training:
            masks, hidden = first_masks(self.regularized), tf.zeros([BATCH, UNITS], tf.float64)
            if self.regularized.input_dropout:
                self.drop_input = as_array(masks.inputs(tf.zeros([BATCH, TIME, FEATURES], tf.float64)))
            if self.regularized.output_dropout:
                self.drop_output = as_array(masks.outputs(tf.zeros([BATCH, TIME, UNITS], tf.float64)))
            if self.regularized.weight_drop:
                self.drop_weights = as_array(masks.recurrent_kernel(tf.zeros(self.weights[1].shape, tf.float64)))
            kept = iter(masks.kept(tf.constant(TIME), hidden))
            self.noise = reference.Noise(
                as_array(masks.recurrent(hidden)) if self.regularized.recurrent_dropout else 1.0,
                tuple(as_array(next(kept)) if rate else 0.0 for rate in rates),
            )

    def results(self, sequence: np.ndarray, states: list[np.ndarray]) -> list[np.ndarray]:
        """Outputs and states, then the gradients of the inputs and of the weights in the layer's order."""
        v_W, v_R, *further = self.weights
        norms, further = (further[1:3], further[:1] + further[3:]) if self.regularized.weight_norm else ([], further)
        W, R = (
            [g * v / np.linalg.norm(v, axis=0) for v, g in zip((v_W, v_R), norms, strict=True)] if norms else [v_W, v_R]
        )
        weights = (W, R * self.drop_weights, *further)
        # With lengths, outputs at padding are zeros, not the last one again.
        shown = self.drop_output * (self.mask[:, :, None] if self.as_lengths and self.mask is not None else 1.0)
        initial = tuple(states) or tuple(np.zeros([BATCH, UNITS]) for _ in range(self.states))
        run = (self.cell, sequence * self.drop_input)
        outputs, final, kept = reference.forward(*run, initial, weights, self.mask, self.go_backwards, self.noise)
        d_outputs, *d_final = [draw(*value.shape, seed=9 + index) for index, value in enumerate([outputs, *final])]
        d_sequence, d_states, (d_W, d_R, *d_further) = reference.backward(
            *run, weights, kept, d_outputs * shown, d_final, self.mask, self.go_backwards, self.noise
        )
        d_kernels, d_norms = [d_W, d_R * self.drop_weights], []
        if norms:
            for index, (v, g) in enumerate(zip((v_W, v_R), norms, strict=True)):
                # Salimans & Kingma 2016, equation 3.
                length = np.linalg.norm(v, axis=0)
                d_g = (d_kernels[index] * v).sum(axis=0) / length
                d_kernels[index] = g / length * d_kernels[index] - g * d_g / length**2 * v
                d_norms.append(d_g)
        d_weights = [*d_kernels, d_further[0], *d_norms, *d_further[1:]]
        d_inputs = [d_sequence * self.drop_input, *(d_states if states else [])]
        return [outputs * shown, *final, *d_inputs, *d_weights]

    @property
    def states(self) -> int:
        return 2 if isinstance(self.cell, (reference.LSTM, reference.LayerNormLSTM)) else 1


def given(run: str) -> dict[str, Any]:
    mask, as_lengths, _, _ = RUNS[run]
    if mask is None:
        return {}
    return {"lengths": tf.constant(LENGTHS)} if as_lengths else {"mask": tf.constant(mask)}


def layer_results(layer: Any, run: str, inputs: list[np.ndarray], training: bool) -> list[np.ndarray]:
    """The same from the layer."""
    tensors = [tf.constant(value, layer.variable_dtype) for value in inputs]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        results = layer(tensors[0], initial_state=tensors[1:] or None, training=training, **given(run))
        noise = [tf.constant(draw(*r.shape, seed=9 + index), r.dtype) for index, r in enumerate(results)]
        loss = tf.add_n([tf.reduce_sum(r * n) for r, n in zip(results, noise, strict=True)])
    gradients = tape.gradient(loss, tensors + [weight.value for weight in layer.trainable_weights])
    return [value.numpy() for value in [*results, *gradients]]


def inputs_of(cell: str, run: str) -> list[np.ndarray]:
    states = (2 if cell == "lstm" else 1) if RUNS[run][2] else 0
    return [draw(BATCH, TIME, FEATURES), *(draw(BATCH, UNITS, seed=2 + index) for index in range(states))]


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("name", REGULARISATIONS)
@pytest.mark.parametrize("cell", CELLS)
def test_equals_the_reference_with_the_same_masks(cell: str, name: str, run: str) -> None:
    """Every output, every returned state and every gradient, in training.

    In float32 to 1e-5 of an array's largest value: where layer normalization starts from a state of zeros it makes
    roundings larger. In float64, which always takes our own loop, that is gone.
    """
    for dtype, tolerance in (("float32", 1e-5), ("float64", 1e-9)):
        layer = make(cell, regularization(cell, name), go_backwards=RUNS[run][3], dtype=dtype)
        inputs = inputs_of(cell, run)
        expected = Expected(cell, layer, run, training=True).results(inputs[0], inputs[1:])
        results = layer_results(layer, run, inputs, training=True)
        for ours, theirs in zip(results, expected, strict=True):
            largest = max(1, np.abs(theirs).max())
            np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance * largest)


@pytest.mark.parametrize("run", ["states", "left", "lengths"])
@pytest.mark.parametrize("cell", CELLS)
def test_inference_takes_the_expectation(cell: str, run: str) -> None:
    """No mask is drawn; zoneout mixes old and new in proportion. The gradient is that of what was computed."""
    layer = make(cell, regularization(cell, "everything"))
    inputs = inputs_of(cell, run)
    expected = Expected(cell, layer, run, training=False).results(inputs[0], inputs[1:])
    for _ in range(2):
        results = layer_results(layer, run, inputs, training=False)
        for ours, theirs in zip(results, expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("run", ["plain", "inside-backwards", "left", "lengths"])
@pytest.mark.parametrize("name", ["none", "everything"])
@pytest.mark.parametrize("cell", CELLS)
def test_gradients_equal_finite_differences(cell: str, name: str, run: str) -> None:
    """Of the layer itself, in float64, within 1e-6: along random directions of every input and every weight."""
    layer = make(cell, regularization(cell, name), go_backwards=RUNS[run][3], dtype="float64")
    tensors = [tf.Variable(value, dtype="float64") for value in inputs_of(cell, run)]
    noise = [draw(BATCH, TIME, UNITS, seed=9), *(draw(BATCH, UNITS, seed=10 + index) for index in range(2))]
    seed = getattr(layer, "seed_generator", None)
    first_seed = None if seed is None else seed.state.numpy()

    @tf.function
    def loss() -> tf.Tensor:
        initial = [tensor.value() for tensor in tensors[1:]] or None
        results = layer(tensors[0].value(), initial_state=initial, training=True, **given(run))
        return tf.add_n([tf.reduce_sum(r * n) for r, n in zip(results, noise, strict=False)])

    @tf.function
    def gradients() -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            value = loss()
        return tape.gradient(value, tensors + [weight.value for weight in layer.trainable_weights])

    def with_first_masks(function: Any) -> Any:
        if seed is not None:
            seed.state.assign(first_seed)
        return function()

    step = 1e-6
    rng = np.random.default_rng(5)
    variables = tensors + layer.trainable_weights
    for variable, gradient in zip(variables, with_first_masks(gradients), strict=True):
        start = variable.numpy()
        for _ in range(2):
            direction = rng.normal(size=start.shape)
            direction /= np.linalg.norm(direction)
            variable.assign(start + step * direction)
            above = with_first_masks(loss)
            variable.assign(start - step * direction)
            below = with_first_masks(loss)
            variable.assign(start)
            measured = float(above - below) / (2 * step)
            assert np.sum(gradient * direction) == pytest.approx(measured, abs=1e-6)
