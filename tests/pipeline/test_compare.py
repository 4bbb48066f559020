"""Cells on the same text, measured alike."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from nlpseq.pipeline.compare import compare_cells, gradient_norms
from tests.tasks.tiny import tiny_task


def test_each_cell_learns_and_is_measured(corpus_file: Callable[[str], Path]) -> None:
    results = list(compare_cells(str(corpus_file("char-lm")), steps=8, units=4, seed=1))
    assert [result.cell for result in results] == ["rnn", "lstm", "gru"]
    for result in results:
        assert [step for step, _ in result.losses] == list(range(1, 9))
        assert result.losses[-1][1] < result.losses[0][1]
        assert 0 < result.valid_nats < result.losses[0][1]
        assert result.gradient_norms[0] > result.gradient_norms[20] > 0  # an untrained cell forgets
    rnn, lstm, gru = (result.parameters for result in results)
    assert rnn < gru < lstm


def test_norms_of_the_gradient_are_those_of_finite_differences(tmp_path: Path) -> None:
    task, vocabulary = tiny_task(tmp_path, "char-lm", "model.units=3", "model.embedding=2", "model.layers=1")
    keras.utils.set_random_seed(4)
    model = task.network(vocabulary)
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
