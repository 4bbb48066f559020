"""Gradients through time against finite differences."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from nlpseq.networks.language_model import LanguageModel
from nlpseq.pipeline.gradient_flow import gradient_norms, largest_singular_values
from tests.tasks.tiny import tiny_task


def model_of(tmp_path: Path, cell: str) -> LanguageModel:
    settings = ("model.units=3", "model.embedding=2", "model.layers=1", f"model.cell={cell}")
    task, vocabulary = tiny_task(tmp_path, "char-lm", *settings)
    keras.utils.set_random_seed(4)
    return task.network(vocabulary)


def test_norms_of_the_gradient_are_those_of_finite_differences(tmp_path: Path) -> None:
    model = model_of(tmp_path, "lstm")
    ids = tf.constant([[5, 9, 7, 6, 8]])
    embedded = model.embedding(ids[:, :-1]).numpy()

    def loss(inputs: np.ndarray) -> float:
        """Of the last step alone."""
        logits = model.output_layer(model.encoder(tf.constant(inputs))[0][:, -1]).numpy().astype(np.float64)
        return float(np.log(np.exp(logits).sum()) - logits[0, ids[0, -1]])

    expected, step = np.zeros(embedded.shape), 1e-2
    for place in np.ndindex(*embedded.shape):
        nudge = np.zeros_like(embedded)
        nudge[place] = step
        expected[place] = (loss(embedded + nudge) - loss(embedded - nudge)) / (2 * step)
    latest_first = np.linalg.norm(expected[0], axis=-1)[::-1]
    assert gradient_norms(model, ids) == pytest.approx(latest_first.tolist(), rel=0.02, abs=1e-5)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_singular_values_are_those_of_finite_differences(tmp_path: Path, cell: str) -> None:
    model = model_of(tmp_path, cell)
    ids = tf.constant([[5, 9, 7, 6, 8, 5]])
    (layer,) = model.encoder.layers
    inputs = model.embedding(ids[:, :-1])
    lag, step = 4, 1e-2
    _, *states = layer(inputs[:, :-lag])
    start = np.concatenate([state.numpy()[0] for state in states])

    def last(state: np.ndarray) -> np.ndarray:
        parts = [part[None] for part in np.split(state.astype(np.float32), len(states))]
        _, *after = layer(inputs[:, -lag:], initial_state=[tf.constant(part) for part in parts])
        return np.concatenate([part.numpy()[0] for part in after]).astype(np.float64)

    columns = [(last(start + step * unit) - last(start - step * unit)) / (2 * step) for unit in np.eye(len(start))]
    expected = np.linalg.svd(np.array(columns).T, compute_uv=False)[0]
    assert largest_singular_values(model, ids)[lag] == pytest.approx(expected, rel=0.02)
