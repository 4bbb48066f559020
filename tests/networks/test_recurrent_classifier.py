"""The classifier: pooling, relevance of pieces, the second loss."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.networks.kinds import CELLS, inputs, network, without_dropout

KIND = "classifier"
POOLINGS = ("attention", "max_mean", "last")


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("cell", CELLS)
def test_a_text_is_classified_alone_as_among_others(cell: str, pooling: str) -> None:
    made = network(KIND, cell=cell, pooling=pooling)
    ids = inputs(KIND)
    together = made(ids).numpy()
    for row, alone in enumerate(ids):
        np.testing.assert_allclose(made(alone[alone > 0][None])[0], together[row], atol=1e-6)


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_of_two_classes_relevance_adds_up_to_the_log_odds(pooling: str, bidirectional: bool) -> None:
    made = network(KIND, sizes={"classes": 2}, pooling=pooling, bidirectional=bidirectional)
    made.output_layer.bias.assign([0.3, -0.4])
    ids = inputs(KIND)
    probabilities, relevance = (tensor.numpy() for tensor in made.explain(tf.constant(ids)))
    logits = made(ids).numpy()
    np.testing.assert_allclose(probabilities, tf.nn.softmax(logits), atol=1e-6)
    sign = np.where(logits[:, 0] > logits[:, 1], 1, -1)
    np.testing.assert_allclose(relevance.sum(axis=1) + sign * 0.7, sign * (logits[:, 0] - logits[:, 1]), atol=1e-5)
    assert not relevance[ids == 0].any()
    assert relevance[ids > 0].all()


def test_next_pieces_are_predicted_from_what_was_read_forward() -> None:
    made = without_dropout(KIND, language_model_weight=0.5)
    ids = inputs(KIND)
    other = ids.copy()
    other[:, 3] = np.where(ids[:, 3] == 4, 5, 4)

    def logits(given: np.ndarray) -> Any:
        return made.next_piece_logits(made.classify(made.embed(given), given)[1]).numpy()

    one, changed = logits(ids), logits(other)
    assert one.shape == (*ids.shape, 23)
    np.testing.assert_allclose(one[:, :3], changed[:, :3], atol=1e-6)
    assert np.abs(one[:, 3] - changed[:, 3]).max() > 1e-4


def test_without_a_second_loss_there_is_no_next_piece() -> None:
    with pytest.raises(ValueError, match="language_model_weight is 0: set it above 0"):
        network(KIND).next_piece_logits(tf.zeros([1, 2, 6]))


def test_word_dropout_hides_whole_pieces_in_training_alone() -> None:
    made = without_dropout(KIND, word_dropout=0.5)
    ids = np.full((4, 30), 7, np.int32)
    hidden = (made.embed(ids, training=True).numpy() == 0).sum(axis=2)
    assert set(np.unique(hidden)) == {0, 5}  # all five numbers of a piece's vector, or none
    assert made.embed(ids).numpy().all()
