"""The recurrent cells in NumPy, forward and backward written out step by step, as in a textbook.

Nothing here is fast. `nlpseq.layers` is tested against it, and it is tested against finite differences. Weights have
Keras' layout: W [features, gates * units], R [units, gates * units], b [gates * units], the gates side by side.

Names: `d_v` is the loss' gradient of the value v. `pre` is a gate before its activation. `@` is the matrix product.
"""

# ruff: noqa: N806 (matrices are capitals, as in the papers)

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

Array = np.ndarray
States = tuple[Array, ...]
Weights = tuple[Array, Array, Array]


def sigmoid(pre: Array) -> Array:
    return 1 / (1 + np.exp(-pre))


def gates(matrix: Array, count: int) -> list[Array]:
    """The columns of each gate."""
    return np.split(matrix, count, axis=-1)


class Cell(Protocol):
    """One step of a network and that step's gradient."""

    def step(self, x: Array, states: States, weights: Weights) -> tuple[States, Any]:
        """The states after the step, and what its gradient needs."""

    def step_gradient(self, d_states: States, kept: Any, weights: Weights) -> tuple[Array, States, Weights]:
        """From the gradient of the states after the step: of x, of the states before, and of the weights."""


class Simple:
    """h' = activation(x W + h R + b) (Elman 1990)."""

    def __init__(self, activation: str = "tanh") -> None:
        self.activation = activation

    def step(self, x: Array, states: States, weights: Weights) -> tuple[States, Any]:
        W, R, b = weights
        (h,) = states
        pre = x @ W + h @ R + b
        h_new = np.tanh(pre) if self.activation == "tanh" else np.maximum(pre, 0)
        return (h_new,), (x, h, h_new)

    def step_gradient(self, d_states: States, kept: Any, weights: Weights) -> tuple[Array, States, Weights]:
        W, R, _ = weights
        x, h, h_new = kept
        (d_h_new,) = d_states
        d_pre = d_h_new * (1 - h_new**2) if self.activation == "tanh" else d_h_new * (h_new > 0)
        return d_pre @ W.T, (d_pre @ R.T,), (x.T @ d_pre, h.T @ d_pre, d_pre.sum(axis=0))


class LSTM:
    """Long short-term memory with a forget gate (Hochreiter & Schmidhuber 1997; Gers et al. 2000): i, f, g, o."""

    def step(self, x: Array, states: States, weights: Weights) -> tuple[States, Any]:
        W, R, b = weights
        h, c = states
        pre_i, pre_f, pre_g, pre_o = gates(x @ W + h @ R + b, 4)
        i = sigmoid(pre_i)  # how much of the candidate goes in
        f = sigmoid(pre_f)  # how much of the old cell stays
        g = np.tanh(pre_g)  # the candidate
        o = sigmoid(pre_o)  # how much of the cell is shown
        c_new = f * c + i * g
        h_new = o * np.tanh(c_new)
        return (h_new, c_new), (x, h, c, i, f, g, o, c_new)

    def step_gradient(self, d_states: States, kept: Any, weights: Weights) -> tuple[Array, States, Weights]:
        W, R, _ = weights
        x, h, c, i, f, g, o, c_new = kept
        d_h_new, d_c_new = d_states
        # h' = o * tanh(c')
        d_o = d_h_new * np.tanh(c_new)
        d_c_new = d_c_new + d_h_new * o * (1 - np.tanh(c_new) ** 2)
        # c' = f * c + i * g
        d_f, d_c = d_c_new * c, d_c_new * f
        d_i, d_g = d_c_new * g, d_c_new * i
        # sigmoid' = s (1 - s), tanh' = 1 - t^2
        d_pre = np.concatenate([d_i * i * (1 - i), d_f * f * (1 - f), d_g * (1 - g**2), d_o * o * (1 - o)], axis=1)
        return d_pre @ W.T, (d_pre @ R.T, d_c), (x.T @ d_pre, h.T @ d_pre, d_pre.sum(axis=0))


class GRU:
    """Gated recurrent unit, the reset gate before the recurrent product (Cho et al. 2014). Gates: z, r, g."""

    def step(self, x: Array, states: States, weights: Weights) -> tuple[States, Any]:
        W, R, b = weights
        R_z, R_r, R_g = gates(R, 3)
        (h,) = states
        x_z, x_r, x_g = gates(x @ W + b, 3)
        z = sigmoid(x_z + h @ R_z)  # how much of the old state stays
        r = sigmoid(x_r + h @ R_r)  # how much of the old state the candidate sees
        g = np.tanh(x_g + (r * h) @ R_g)  # the candidate
        h_new = z * h + (1 - z) * g
        return (h_new,), (x, h, z, r, g)

    def step_gradient(self, d_states: States, kept: Any, weights: Weights) -> tuple[Array, States, Weights]:
        W, R, _ = weights
        R_z, R_r, R_g = gates(R, 3)
        x, h, z, r, g = kept
        (d_h_new,) = d_states
        # h' = z * h + (1 - z) * g
        d_z, d_g, d_h = d_h_new * (h - g), d_h_new * (1 - z), d_h_new * z
        # g = tanh(x_g + (r * h) R_g)
        d_pre_g = d_g * (1 - g**2)
        d_seen = d_pre_g @ R_g.T
        d_r, d_h = d_seen * h, d_h + d_seen * r
        d_pre_z, d_pre_r = d_z * z * (1 - z), d_r * r * (1 - r)
        d_h = d_h + d_pre_z @ R_z.T + d_pre_r @ R_r.T
        d_pre = np.concatenate([d_pre_z, d_pre_r, d_pre_g], axis=1)
        d_R = np.concatenate([h.T @ d_pre_z, h.T @ d_pre_r, (r * h).T @ d_pre_g], axis=1)
        return d_pre @ W.T, (d_h,), (x.T @ d_pre, d_R, d_pre.sum(axis=0))


class ResetAfterGRU:
    """Gated recurrent unit, the reset gate after the recurrent product, as cuDNN has it. b is [2, 3 * units]."""

    def step(self, x: Array, states: States, weights: Weights) -> tuple[States, Any]:
        W, R, b = weights
        (h,) = states
        x_z, x_r, x_g = gates(x @ W + b[0], 3)
        h_z, h_r, h_g = gates(h @ R + b[1], 3)
        z = sigmoid(x_z + h_z)
        r = sigmoid(x_r + h_r)
        g = np.tanh(x_g + r * h_g)
        h_new = z * h + (1 - z) * g
        return (h_new,), (x, h, z, r, g, h_g)

    def step_gradient(self, d_states: States, kept: Any, weights: Weights) -> tuple[Array, States, Weights]:
        W, R, _ = weights
        x, h, z, r, g, h_g = kept
        (d_h_new,) = d_states
        # h' = z * h + (1 - z) * g
        d_z, d_g, d_h = d_h_new * (h - g), d_h_new * (1 - z), d_h_new * z
        # g = tanh(x_g + r * h_g)
        d_pre_g = d_g * (1 - g**2)
        d_r, d_h_g = d_pre_g * h_g, d_pre_g * r
        d_pre_z, d_pre_r = d_z * z * (1 - z), d_r * r * (1 - r)
        d_from_x = np.concatenate([d_pre_z, d_pre_r, d_pre_g], axis=1)
        d_from_h = np.concatenate([d_pre_z, d_pre_r, d_h_g], axis=1)
        d_b = np.stack([d_from_x.sum(axis=0), d_from_h.sum(axis=0)])
        return d_from_x @ W.T, (d_h + d_from_h @ R.T,), (x.T @ d_from_x, h.T @ d_from_h, d_b)


def forward(
    cell: Cell, sequence: Array, states: States, weights: Weights, mask: Array | None = None, go_backwards: bool = False
) -> tuple[Array, States, list[Any]]:
    """Runs a cell over a sequence.

    Args:
        cell: the cell.
        sequence: [batch, time, features].
        states: before the first step, each [batch, units].
        weights: W, R, b.
        mask: bool [batch, time]; a masked step carries the states on and repeats the last output, zeros at first.
        go_backwards: from the last step to the first.

    Returns:
        The outputs [batch, time, units] in the order they were made, the last states, and what `backward` needs.
    """
    outputs, kept = [], []
    output = np.zeros_like(states[0])
    for t in _order(sequence, go_backwards):
        valid = _valid(mask, t, len(sequence))
        states_new, step_kept = cell.step(sequence[:, t], states, weights)
        states = tuple(np.where(valid, new, old) for new, old in zip(states_new, states, strict=True))
        output = np.where(valid, states_new[0], output)
        outputs.append(output)
        kept.append(step_kept)
    return np.stack(outputs, axis=1), states, kept


def backward(
    cell: Cell,
    sequence: Array,
    weights: Weights,
    kept: list[Any],
    d_outputs: Array,
    d_states: Sequence[Array],
    mask: Array | None = None,
    go_backwards: bool = False,
) -> tuple[Array, States, Weights]:
    """Back-propagation through time (Werbos 1990): from the last step to the first.

    Args:
        cell, sequence, weights, mask, go_backwards: as given to `forward`.
        kept: what `forward` kept.
        d_outputs: the loss' gradient of the outputs [batch, time, units].
        d_states: of the last states, each [batch, units].

    Returns:
        The gradients of the sequence, of the first states and of the weights (the sum over all steps).
    """
    d_sequence = np.zeros_like(sequence)
    d_weights = tuple(np.zeros_like(weight) for weight in weights)
    d_states = tuple(d_states)
    d_output = np.zeros_like(d_states[0])
    for made, t in reversed(list(enumerate(_order(sequence, go_backwards)))):
        valid = _valid(mask, t, len(sequence))
        d_output = d_output + d_outputs[:, made]
        # A masked step passes the gradient of its states and of its output to the step before, untouched.
        d_step = tuple(np.where(valid, d, 0) for d in (d_states[0] + d_output, *d_states[1:]))
        d_x, d_before, d_step_weights = cell.step_gradient(d_step, kept[made], weights)
        d_states = tuple(np.where(valid, new, old) for new, old in zip(d_before, d_states, strict=True))
        d_output = np.where(valid, 0, d_output)
        d_sequence[:, t] = d_x
        d_weights = tuple(total + d for total, d in zip(d_weights, d_step_weights, strict=True))
    return d_sequence, d_states, d_weights


def _order(sequence: Array, go_backwards: bool) -> range:
    length = sequence.shape[1]
    return range(length - 1, -1, -1) if go_backwards else range(length)


def _valid(mask: Array | None, t: int, batch: int) -> Array:
    """bool [batch, 1]: whether the step counts."""
    return np.ones([batch, 1], bool) if mask is None else mask[:, t, None]
