"""The NumPy reference of the cells against finite differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.layers import reference

BATCH, TIME, FEATURES, UNITS = 3, 5, 4, 6

# name: (the cell, its gates, its states, the shapes of its weights beside the kernels)
CELLS: dict[str, tuple[reference.Cell, int, int, list[tuple[int, ...]]]] = {
    "rnn-tanh": (reference.Simple("tanh"), 1, 1, [(UNITS,)]),
    "rnn-relu": (reference.Simple("relu"), 1, 1, [(UNITS,)]),
    "lstm": (reference.LSTM(), 4, 2, [(4 * UNITS,)]),
    "gru": (reference.ResetAfterGRU(), 3, 1, [(2, 3 * UNITS)]),
    "gru-reset-before": (reference.GRU(), 3, 1, [(3 * UNITS,)]),
    "rnn-tanh-layer-norm": (reference.LayerNormSimple("tanh"), 1, 1, [(UNITS,)] * 2),
    "rnn-relu-layer-norm": (reference.LayerNormSimple("relu"), 1, 1, [(UNITS,)] * 2),
    "lstm-layer-norm": (reference.LayerNormLSTM(), 4, 2, [(4 * UNITS,)] * 3 + [(UNITS,)] * 2),
    "gru-layer-norm": (reference.LayerNormGRU(), 3, 1, [(2, 3 * UNITS)] + [(3 * UNITS,)] * 2),
}
MASKS = {
    "none": None,
    "right": np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [0, 0, 0, 0, 0]], bool),
    "left": np.array([[0, 0, 1, 1, 1], [0, 1, 1, 1, 1], [1, 1, 1, 1, 1]], bool),
    "inside": np.array([[1, 0, 1, 0, 1], [0, 1, 0, 1, 1], [1, 1, 0, 0, 1]], bool),
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


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
@pytest.mark.parametrize("go_backwards", [False, True], ids=["forwards", "backwards"])
@pytest.mark.parametrize("kind", ["none", "masks", "expectation"])
def test_reference_equals_finite_differences(name: str, mask: np.ndarray | None, go_backwards: bool, kind: str) -> None:
    cell, gates, count, further = CELLS[name]
    kernels = [(FEATURES, gates * UNITS), (UNITS, gates * UNITS)]
    weights = [0.5 * draw(*shape, seed=10 + index) for index, shape in enumerate(kernels + further)]
    states = [draw(BATCH, UNITS, seed=2 + index) for index in range(count)]
    values = [draw(BATCH, TIME, FEATURES, seed=1), *states, *weights]
    drawn = noise(kind, count)

    def run() -> tuple[np.ndarray, tuple[np.ndarray, ...], list[Any]]:
        return reference.forward(
            cell, values[0], tuple(values[1 : 1 + count]), tuple(values[1 + count :]), mask, go_backwards, drawn
        )

    outputs, final, kept = run()
    d_outputs, *d_final = [draw(*value.shape, seed=20 + index) for index, value in enumerate([outputs, *final])]
    d_sequence, d_states, d_weights = reference.backward(
        cell, values[0], tuple(values[1 + count :]), kept, d_outputs, d_final, mask, go_backwards, drawn
    )

    def loss() -> float:
        outputs, final, _ = run()
        return float(np.sum(outputs * d_outputs) + sum(np.sum(s * d) for s, d in zip(final, d_final, strict=True)))

    step = 1e-6
    rng = np.random.default_rng(5)
    for value, gradient in zip(values, [d_sequence, *d_states, *d_weights], strict=True):
        for _ in range(6):
            at = tuple(rng.integers(0, size) for size in value.shape)
            kept_value = value[at]
            value[at] = kept_value + step
            above = loss()
            value[at] = kept_value - step
            below = loss()
            value[at] = kept_value
            assert gradient[at] == pytest.approx((above - below) / (2 * step), abs=1e-6)
