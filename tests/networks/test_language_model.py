"""The language model: what it alone does."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from nlpseq.networks import language_model
from tests.networks.kinds import CELLS, VOCABULARY, inputs, network, without_dropout

KIND = "language model"


@pytest.mark.parametrize("cell", CELLS)
def test_it_carries_its_state(cell: str) -> None:
    """Two parts with the state carried over give the logits of the whole."""
    made = network(KIND, cell=cell, zoneout=0.3)
    ids = tf.constant(inputs(KIND))
    first, states = made.advance(ids[:, :2], made.encoder.zero_states(3))
    second, _ = made.advance(ids[:, 2:], states)
    np.testing.assert_allclose(tf.concat([first, second], axis=1), made(ids), atol=1e-6)


def test_it_sees_what_came_before_alone() -> None:
    made = network(KIND)
    ids = inputs(KIND)
    other = ids.copy()
    other[:, 3] = np.where(ids[:, 3] == 4, 5, 4)
    one, changed = made(ids).numpy(), made(other).numpy()
    np.testing.assert_array_equal(one[:, :3], changed[:, :3])
    assert (np.abs(one[:, 3:] - changed[:, 3:]).max(axis=(1, 2)) > 1e-4).all()


@pytest.mark.parametrize("settings", [{}, {"weight_drop": 0.4}, {"cell": "gru", "layer_norm": True}], ids=str)
def test_projecting_a_small_vocabulary_is_the_same(settings: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    """Logits and gradients are those of looking each id's vector up; so are the masks, from the same seed."""
    ids = inputs(KIND)
    results = []
    for largest in (VOCABULARY, VOCABULARY - 1):
        monkeypatch.setattr(language_model, "_SMALL_VOCABULARY", largest)
        made = without_dropout(KIND, **settings)
        with tf.GradientTape() as tape:
            logits, _ = made.advance(ids, None, training=True)
            loss = tf.reduce_sum(tf.sin(logits))
        found = tape.gradient(loss, [variable.value for variable in made.trainable_variables])
        results.append((logits, [tf.convert_to_tensor(gradient) for gradient in found]))
    np.testing.assert_allclose(results[0][0], results[1][0], atol=1e-5)
    for one, other in zip(results[0][1], results[1][1], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)
