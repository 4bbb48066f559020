"""Regularized layers against the NumPy reference with the same masks. test_reference.py checks the reference."""

# ruff: noqa: N806 (matrices are capitals, as in the reference)

from __future__ import annotations

from itertools import combinations
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from nlpseq.layers import Regularization
from nlpseq.layers.regularization import Masks
from tests.layers import normalized_reference, reference
from tests.layers.layer_cases import (
    BATCH,
    CASES,
    EVERYTHING,
    FEATURES,
    LENGTHS,
    MASKS,
    TIME,
    UNITS,
    assert_close,
    draw,
    make,
    outputs_and_gradients,
)

SEED = 11
# A Plackett-Burman design: in any two columns, on and off meet in all four ways (Biometrika 1946, 33:4).
_DESIGN = [[0] * 11] + [np.roll([1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0], shift).tolist() for shift in range(11)]
PAIRWISE = [{name: EVERYTHING[name] for name, on in zip(EVERYTHING, row, strict=False) if on} for row in _DESIGN]
OUTSIDE_OF_THE_STEPS = {"input_dropout": 0.3, "output_dropout": 0.4, "weight_drop": 0.2, "weight_norm": True}
REGULARIZATIONS = [*PAIRWISE, OUTSIDE_OF_THE_STEPS, EVERYTHING]
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
CELLS = [name for name in CASES if name != "lstm-loop"]


def regularization(cell: str, fields: dict[str, Any]) -> Regularization:
    """Leaves out what the cell does not have."""
    missing = {"zoneout_cell"} if CASES[cell].states == 1 else set()
    if CASES[cell].normalized_cell is None:
        missing |= {"layer_norm"}
    return Regularization(**{name: value for name, value in fields.items() if name not in missing})


def as_array(mask: tf.Tensor) -> np.ndarray:
    return mask.numpy().astype(float)


class Expected:
    """A layer's outputs, states and gradients by the reference. What lies outside of the steps is added here."""

    def __init__(self, name: str, layer: Any, run: str, training: bool) -> None:
        case = CASES[name]
        self.regularized: Regularization = layer.regularization
        self.mask, self.as_lengths, _, self.go_backwards = RUNS[run]
        self.cell = case.normalized_cell if self.regularized.layer_norm and case.normalized_cell else case.cell
        self.states = case.states
        self.weights = [np.asarray(weight, float) for weight in layer.get_weights()]
        rates = self.regularized.zoneout[: case.states]
        self.drop_input = self.drop_output = self.drop_weights = 1.0
        self.noise = reference.Noise(zoneout=rates)
        if training:
            # The masks of the first call of a layer with this seed.
            masks = Masks(self.regularized, tf.cast(keras.random.SeedGenerator(SEED).next(), tf.int32))
            hidden = tf.zeros([BATCH, UNITS], tf.float64)
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
        W, R, norms = v_W, v_R, []
        if self.regularized.weight_norm:
            norms, further = further[1:3], further[:1] + further[3:]
            W, R = (normalized_reference.weight_norm(v, g) for v, g in zip((v_W, v_R), norms, strict=True))
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
            pairs = [
                normalized_reference.weight_norm_gradient(d_w, v, g)
                for d_w, v, g in zip(d_kernels, (v_W, v_R), norms, strict=True)
            ]
            d_kernels, d_norms = [d_v for d_v, _ in pairs], [d_g for _, d_g in pairs]
        d_weights = [*d_kernels, d_further[0], *d_norms, *d_further[1:]]
        d_inputs = [d_sequence * self.drop_input, *(d_states if states else [])]
        return [outputs * shown, *final, *d_inputs, *d_weights]


def assert_equals_reference(
    cell: str, fields: dict[str, Any], run: str, *, dtype: str, training: bool = True, graph: bool = False
) -> None:
    """Every output, every returned state and every gradient.

    In float32 to 1e-5 of an array's largest value: layer normalization makes roundings larger where it starts from a
    state of zeros.
    """
    mask, as_lengths, with_states, go_backwards = RUNS[run]
    options = {"return_sequences": True, "return_state": True, "go_backwards": go_backwards, "dtype": dtype}
    layer = make(cell, regularization=regularization(cell, fields), seed=SEED, **options)
    sequence, states = draw(BATCH, TIME, FEATURES), CASES[cell].initial() if with_states else []
    steps = {"lengths": tf.constant(LENGTHS)} if as_lengths else {"mask": mask}

    def call(sequence: tf.Tensor, *states: tf.Tensor) -> Any:
        return layer(sequence, initial_state=list(states) or None, training=training, **steps)

    ours = outputs_and_gradients(call, layer.trainable_weights, sequence, *states, dtype=dtype, graph=graph)
    assert_close(
        ours, Expected(cell, layer, run, training).results(sequence, states), 1e-5 if dtype == "float32" else 1e-9
    )


def rotating(index: int) -> str:
    """A run of the table: each option meets several of them."""
    return list(RUNS)[index % len(RUNS)]


def test_any_two_options_meet_in_all_four_ways() -> None:
    for one, other in combinations(EVERYTHING, 2):
        assert len({(one in fields, other in fields) for fields in PAIRWISE}) == 4


@pytest.mark.parametrize("index", range(len(REGULARIZATIONS)))
@pytest.mark.parametrize("cell", CELLS)
def test_equals_the_reference_with_the_same_masks(cell: str, index: int) -> None:
    """In training, in float64: our own loop runs each of them."""
    run = rotating(index + 3 * CELLS.index(cell))
    assert_equals_reference(cell, REGULARIZATIONS[index], run, dtype="float64")


@pytest.mark.parametrize("index", range(0, len(REGULARIZATIONS), 4))
@pytest.mark.parametrize("cell", CELLS)
def test_equals_the_reference_in_float32(cell: str, index: int) -> None:
    run = rotating(index + 3 * CELLS.index(cell) + 1)
    assert_equals_reference(cell, REGULARIZATIONS[index], run, dtype="float32")


@pytest.mark.parametrize("run", ["plain", "states", "backwards", "lengths"])
@pytest.mark.parametrize("fields", [{}, OUTSIDE_OF_THE_STEPS], ids=["nothing", "outside"])
def test_the_block_kernels_equal_the_reference(fields: dict[str, Any], run: str) -> None:
    """They train an LSTM in float32 where regularization leaves the steps alone, and there is no mask."""
    assert_equals_reference("lstm", fields, run, dtype="float32")


@pytest.mark.parametrize("run", ["left", "inside-backwards", "lengths"])
@pytest.mark.parametrize("cell", CELLS)
def test_without_regularization_it_equals_the_reference(cell: str, run: str) -> None:
    assert_equals_reference(cell, {}, run, dtype="float64")


@pytest.mark.parametrize(("cell", "run"), [("lstm", "inside-backwards"), ("gru", "lengths"), ("rnn-relu", "left")])
def test_a_graph_equals_the_reference(cell: str, run: str) -> None:
    assert_equals_reference(cell, EVERYTHING, run, dtype="float64", graph=True)


@pytest.mark.parametrize(
    ("cell", "run"),
    [("lstm", "states"), ("lstm", "lengths"), ("gru", "left"), ("rnn-tanh", "states"), ("gru-reset-before", "left")],
)
def test_inference_takes_the_expectation(cell: str, run: str) -> None:
    """No mask is drawn; zoneout mixes old and new in proportion. The gradient is that of what was computed."""
    assert_equals_reference(cell, EVERYTHING, run, dtype="float32", training=False)
