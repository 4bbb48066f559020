"""The encoder-decoder: steps of decoding, attention, shared vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.networks.kinds import VOCABULARY, inputs, network

KIND = "encoder-decoder"


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"attention": "additive", "cell": "gru", "layer_norm": True},
        {"bidirectional": False, "cell": "rnn", "decoder_layers": 1, "zoneout": 0.3},
        {"tie_embeddings": False, "encoder_layers": 2, "decoder_layers": 3, "zoneout_cell": 0.2, "weight_norm": True},
    ],
    ids=str,
)
def test_step_by_step_decoding_agrees_with_the_whole_target(settings: dict[str, Any]) -> None:
    """Logits of single steps, beams side by side, are those of the whole target at once."""
    made = network(KIND, seed=2, **settings)
    source = inputs(KIND)[0]
    beams = np.random.default_rng(5).integers(4, VOCABULARY, (3, 2, 3), dtype=np.int32)
    whole = [made((source, beams[:, beam])).numpy() for beam in range(2)]
    memory, states = made.encode(source)
    states = [tf.repeat(state[:, None], 2, axis=1) for state in states]
    for position in range(3):
        logits, states = made.step(memory, tf.constant(beams[:, :, position]), states)
        for beam in range(2):
            np.testing.assert_allclose(logits[:, beam], whole[beam][:, position], atol=1e-5)


def test_the_output_layer_is_what_its_weights_say() -> None:
    for tied in (True, False):
        made = network(KIND, tie_embeddings=tied)
        made.output_bias.assign(np.linspace(-1, 1, VOCABULARY))
        readout, _ = made.read_out(*inputs(KIND))
        weights, bias = made.output_weights(readout.dtype)
        np.testing.assert_allclose(made(inputs(KIND)), readout.numpy() @ weights.numpy().T + bias, atol=1e-5)


def test_attention_is_a_distribution_over_what_is_real() -> None:
    source, target = inputs(KIND)
    _, weights = network(KIND).read_out(source, target)
    assert weights.shape == (3, 3, 5)
    np.testing.assert_allclose(tf.reduce_sum(weights, axis=-1), 1, atol=1e-6)
    assert not weights.numpy().transpose(0, 2, 1)[source == 0].any()


@pytest.mark.parametrize(("shared", "tied", "one"), [(True, True, True), (True, False, False), (False, True, False)])
def test_both_sides_share_vectors_if_they_share_ids_and_vectors_are_tied(shared: bool, tied: bool, one: bool) -> None:
    made = network(KIND, sizes={"shared_vocabulary": shared}, tie_embeddings=tied)
    assert (made.source_embedding is made.target_embedding) == one
    rows = [
        variable
        for variable in made.trainable_variables
        if variable.shape[0] == VOCABULARY and "bias" not in variable.path
    ]
    assert len(rows) == 2 - one


def test_hidden_words_change_training_alone() -> None:
    made, hidden = network(KIND, dropout=0.0), network(KIND, dropout=0.0, word_dropout=0.5)
    hidden.set_weights(made.get_weights())
    np.testing.assert_array_equal(hidden(inputs(KIND)), made(inputs(KIND)))
    assert np.abs(hidden(inputs(KIND), training=True) - made(inputs(KIND), training=True)).max() > 0.01
