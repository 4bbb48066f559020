"""Layer normalization and weight normalization in NumPy; as `tests.layers.reference`, tested by finite differences."""

# ruff: noqa: N806 (matrices are capitals, as in the papers)

from __future__ import annotations

from typing import Any

import numpy as np

from tests.layers.reference import Array, Simple, States, Weights, gates, sigmoid


def normalize(vectors: Array) -> tuple[Array, Array]:
    """Vectors [batch, n] with mean 0 and variance 1, and one over the deviation they had [batch, 1]."""
    centered = vectors - vectors.mean(axis=1, keepdims=True)
    inverse = 1 / np.sqrt((centered**2).mean(axis=1, keepdims=True) + 1e-5)
    return centered * inverse, inverse


def normalize_gradient(d_normalized: Array, normalized: Array, inverse: Array) -> Array:
    """Of the vectors, from that of the normalized ones: a change of all alike, or of their scale, changes nothing."""
    of_mean = d_normalized.mean(axis=1, keepdims=True)
    of_deviation = (d_normalized * normalized).mean(axis=1, keepdims=True)
    return inverse * (d_normalized - of_mean - normalized * of_deviation)


class LayerNormSimple(Simple):
    """h' = activation(LN(x W + h R)) (Ba et al. 2016, equation 4). Weights: W, R, b, gain; b is the bias of LN."""

    def step(self, x: Array, states: States, weights: Weights, drop: Array | float = 1.0) -> tuple[States, Any]:
        W, R, b, gain = weights
        (h,) = states
        seen = drop * h
        n, inverse = normalize(x @ W + seen @ R)
        pre = gain * n + b
        h_new = np.tanh(pre) if self.activation == "tanh" else np.maximum(pre, 0)
        return (h_new,), (x, seen, drop, n, inverse, h_new)

    def step_gradient(self, d_states: States, kept: Any, weights: Weights) -> tuple[Array, States, Weights]:
        W, R, _, gain = weights
        x, seen, drop, n, inverse, h_new = kept
        (d_h_new,) = d_states
        d_pre = d_h_new * (1 - h_new**2) if self.activation == "tanh" else d_h_new * (h_new > 0)
        d_total = normalize_gradient(d_pre * gain, n, inverse)
        d_weights = (x.T @ d_total, seen.T @ d_total, d_pre.sum(axis=0), (d_pre * n).sum(axis=0))
        return d_total @ W.T, (drop * (d_total @ R.T),), d_weights


class LayerNormLSTM:
    """Ba et al. 2016, supplementary material: LN of each product and of the new cell.

    Weights: W, R, b, the gains of LN(x W) and LN(h R), the gain and the bias of LN(c').
    """

    def step(self, x: Array, states: States, weights: Weights, drop: Array | float = 1.0) -> tuple[States, Any]:
        W, R, b, gain_x, gain_h, gain_c, bias_c = weights
        h, c = states
        seen = drop * h
        n_x, inverse_x = normalize(x @ W)
        n_h, inverse_h = normalize(seen @ R)
        pre_i, pre_f, pre_g, pre_o = gates(gain_x * n_x + gain_h * n_h + b, 4)
        i, f, g, o = sigmoid(pre_i), sigmoid(pre_f), np.tanh(pre_g), sigmoid(pre_o)
        c_new = f * c + i * g
        n_c, inverse_c = normalize(c_new)
        shown = np.tanh(gain_c * n_c + bias_c)
        h_new = o * shown
        kept = (x, seen, drop, c, i, f, g, o, shown, n_x, inverse_x, n_h, inverse_h, n_c, inverse_c)
        return (h_new, c_new), kept

    def step_gradient(self, d_states: States, kept: Any, weights: Weights) -> tuple[Array, States, Weights]:
        W, R, _, gain_x, gain_h, gain_c, _ = weights
        x, seen, drop, c, i, f, g, o, shown, n_x, inverse_x, n_h, inverse_h, n_c, inverse_c = kept
        d_h_new, d_c_new = d_states
        # h' = o * tanh(LN(c'))
        d_o, d_shown = d_h_new * shown, d_h_new * o
        d_pre_c = d_shown * (1 - shown**2)
        d_c_new = d_c_new + normalize_gradient(d_pre_c * gain_c, n_c, inverse_c)
        # c' = f * c + i * g
        d_f, d_c = d_c_new * c, d_c_new * f
        d_i, d_g = d_c_new * g, d_c_new * i
        d_pre = np.concatenate([d_i * i * (1 - i), d_f * f * (1 - f), d_g * (1 - g**2), d_o * o * (1 - o)], axis=1)
        # pre = LN(x W) + LN(h R) + b
        d_from_x = normalize_gradient(d_pre * gain_x, n_x, inverse_x)
        d_from_h = normalize_gradient(d_pre * gain_h, n_h, inverse_h)
        d_gains = ((d_pre * n_x).sum(axis=0), (d_pre * n_h).sum(axis=0))
        d_cell = ((d_pre_c * n_c).sum(axis=0), d_pre_c.sum(axis=0))
        d_weights = (x.T @ d_from_x, seen.T @ d_from_h, d_pre.sum(axis=0), *d_gains, *d_cell)
        return d_from_x @ W.T, (drop * (d_from_h @ R.T), d_c), d_weights


class LayerNormGRU:
    """Ba et al. 2016, supplementary material: in each product one LN over both gates, another over the candidate.

    Weights: W, R, b [2, 3 * units] (the biases of LN(x W) and of LN(h R)), the gains of LN(x W) and LN(h R).
    """

    def step(self, x: Array, states: States, weights: Weights, drop: Array | float = 1.0) -> tuple[States, Any]:
        W, R, b, gain_x, gain_h = weights
        (h,) = states
        seen = drop * h
        n_x, inverse_x = self.normalize(x @ W)
        n_h, inverse_h = self.normalize(seen @ R)
        x_z, x_r, x_g = gates(gain_x * n_x + b[0], 3)
        h_z, h_r, h_g = gates(gain_h * n_h + b[1], 3)
        z = sigmoid(x_z + h_z)
        r = sigmoid(x_r + h_r)
        g = np.tanh(x_g + r * h_g)
        h_new = z * h + (1 - z) * g
        return (h_new,), (x, h, seen, drop, z, r, g, h_g, n_x, inverse_x, n_h, inverse_h)

    def step_gradient(self, d_states: States, kept: Any, weights: Weights) -> tuple[Array, States, Weights]:
        W, R, _, gain_x, gain_h = weights
        x, h, seen, drop, z, r, g, h_g, n_x, inverse_x, n_h, inverse_h = kept
        (d_h_new,) = d_states
        # h' = z * h + (1 - z) * g
        d_z, d_g, d_h = d_h_new * (h - g), d_h_new * (1 - z), d_h_new * z
        # g = tanh(x_g + r * h_g)
        d_pre_g = d_g * (1 - g**2)
        d_r, d_h_g = d_pre_g * h_g, d_pre_g * r
        d_pre_z, d_pre_r = d_z * z * (1 - z), d_r * r * (1 - r)
        d_scaled_x = np.concatenate([d_pre_z, d_pre_r, d_pre_g], axis=1)
        d_scaled_h = np.concatenate([d_pre_z, d_pre_r, d_h_g], axis=1)
        d_b = np.stack([d_scaled_x.sum(axis=0), d_scaled_h.sum(axis=0)])
        d_gains = ((d_scaled_x * n_x).sum(axis=0), (d_scaled_h * n_h).sum(axis=0))
        d_from_x = self.normalize_gradient(d_scaled_x * gain_x, n_x, inverse_x)
        d_from_h = self.normalize_gradient(d_scaled_h * gain_h, n_h, inverse_h)
        d_weights = (x.T @ d_from_x, seen.T @ d_from_h, d_b, *d_gains)
        return d_from_x @ W.T, (d_h + drop * (d_from_h @ R.T),), d_weights

    def normalize(self, product: Array) -> tuple[Array, Array]:
        """Of both gates and of the candidate, side by side."""
        z, r, g = gates(product, 3)
        n_zr, inverse_zr = normalize(np.concatenate([z, r], axis=1))
        n_g, inverse_g = normalize(g)
        return np.concatenate([n_zr, n_g], axis=1), np.concatenate([inverse_zr, inverse_g], axis=1)

    def normalize_gradient(self, d_normalized: Array, normalized: Array, inverse: Array) -> Array:
        at = normalized.shape[1] // 3 * 2
        d_zr = normalize_gradient(d_normalized[:, :at], normalized[:, :at], inverse[:, :1])
        d_g = normalize_gradient(d_normalized[:, at:], normalized[:, at:], inverse[:, 1:])
        return np.concatenate([d_zr, d_g], axis=1)


def weight_norm(v: Array, g: Array) -> Array:
    """w = g v / ||v||, column by column (Salimans & Kingma 2016, equation 2)."""
    return g * v / np.linalg.norm(v, axis=0)


def weight_norm_gradient(d_w: Array, v: Array, g: Array) -> tuple[Array, Array]:
    """The gradients of v and g from that of w (equation 3)."""
    length = np.linalg.norm(v, axis=0)
    d_g = (d_w * v).sum(axis=0) / length
    return g / length * d_w - g * d_g / length**2 * v, d_g
