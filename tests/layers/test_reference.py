"""The NumPy reference of the cells against finite differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.layers import normalized_reference, reference
from tests.layers.layer_cases import BATCH, FEATURES, MASKS, TIME, UNITS

STEP = 1e-6

# name: (the cell, its gates, its states, the shapes of its weights beside the kernels)
CELLS: dict[str, tuple[reference.Cell, int, int, list[tuple[int, ...]]]] = {
    "rnn-tanh": (reference.Simple("tanh"), 1, 1, [(UNITS,)]),
    "rnn-relu": (reference.Simple("relu"), 1, 1, [(UNITS,)]),
    "lstm": (reference.LSTM(), 4, 2, [(4 * UNITS,)]),
    "gru": (reference.ResetAfterGRU(), 3, 1, [(2, 3 * UNITS)]),
    "gru-reset-before": (reference.GRU(), 3, 1, [(3 * UNITS,)]),
    "rnn-tanh-layer-norm": (normalized_reference.LayerNormSimple("tanh"), 1, 1, [(UNITS,)] * 2),
    "rnn-relu-layer-norm": (normalized_reference.LayerNormSimple("relu"), 1, 1, [(UNITS,)] * 2),
    "lstm-layer-norm": (normalized_reference.LayerNormLSTM(), 4, 2, [(4 * UNITS,)] * 3 + [(UNITS,)] * 2),
    "gru-layer-norm": (normalized_reference.LayerNormGRU(), 3, 1, [(2, 3 * UNITS)] + [(3 * UNITS,)] * 2),
}


def draw(*shape: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def noise(kind: str, states: int) -> reference.Noise:
    """Masks as in training, or the expectation as in inference."""
    rng = np.random.default_rng(3)
    if kind == "none":
        return reference.Noise()
    if kind == "expectation":
        return reference.Noise(zoneout=(0.3, 0.6)[:states])
    zoneout = tuple((rng.random([TIME, BATCH, UNITS]) < rate).astype(float) for rate in (0.3, 0.6)[:states])
    return reference.Noise((rng.random([BATCH, UNITS]) > 0.4) / 0.6, zoneout)


def assert_gradients_are_slopes(loss: Callable[[], float], values: list[np.ndarray], gradients: list[Any]) -> None:
    """Each gradient equals the difference of the loss at six places of its value, which are moved a little."""
    rng = np.random.default_rng(5)
    for value, gradient in zip(values, gradients, strict=True):
        for _ in range(6):
            at = tuple(rng.integers(0, size) for size in value.shape)
            start = value[at]
            value[at] = start + STEP
            above = loss()
            value[at] = start - STEP
            below = loss()
            value[at] = start
            assert gradient[at] == pytest.approx((above - below) / (2 * STEP), abs=1e-6)


# Each mask, each direction and each kind of noise meets each of the others.
@pytest.mark.parametrize(
    ("mask", "go_backwards", "kind"),
    [
        ("none", False, "none"),
        ("none", True, "masks"),
        ("none", True, "expectation"),
        ("right", True, "none"),
        ("right", False, "masks"),
        ("right", False, "expectation"),
        ("left", True, "none"),
        ("left", False, "masks"),
        ("left", False, "expectation"),
        ("inside", False, "none"),
        ("inside", True, "masks"),
        ("inside", True, "expectation"),
    ],
)
@pytest.mark.parametrize("name", CELLS)
def test_reference_equals_finite_differences(name: str, mask: str, go_backwards: bool, kind: str) -> None:
    cell, gates, count, further = CELLS[name]
    kernels = [(FEATURES, gates * UNITS), (UNITS, gates * UNITS)]
    weights = [0.5 * draw(*shape, seed=10 + index) for index, shape in enumerate(kernels + further)]
    states = [draw(BATCH, UNITS, seed=2 + index) for index in range(count)]
    sequence = draw(BATCH, TIME, FEATURES, seed=1)
    run = (MASKS[mask], go_backwards, noise(kind, count))

    outputs, final, kept = reference.forward(cell, sequence, tuple(states), tuple(weights), *run)
    d_outputs, *d_final = [draw(*value.shape, seed=20 + index) for index, value in enumerate([outputs, *final])]
    d_sequence, d_states, d_weights = reference.backward(cell, sequence, tuple(weights), kept, d_outputs, d_final, *run)

    def loss() -> float:
        outputs, final, _ = reference.forward(cell, sequence, tuple(states), tuple(weights), *run)
        return float(np.sum(outputs * d_outputs) + sum(np.sum(s * d) for s, d in zip(final, d_final, strict=True)))

    assert_gradients_are_slopes(loss, [sequence, *states, *weights], [d_sequence, *d_states, *d_weights])


def test_weight_norm_equals_finite_differences() -> None:
    v, g, d_w = draw(4, 6, seed=1), draw(6, seed=2), draw(4, 6, seed=3)
    gradients = normalized_reference.weight_norm_gradient(d_w, v, g)
    assert_gradients_are_slopes(
        lambda: float(np.sum(normalized_reference.weight_norm(v, g) * d_w)), [v, g], list(gradients)
    )
