"""The encoder-decoder: steps of decoding, attention, shared vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from nlpseq.layers.cross_entropy import output_cross_entropy
from tests.networks.kinds import VOCABULARY, inputs, network

KIND = "encoder-decoder"


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"attention": "additive", "cell": "gru", "layer_norm": True},
        {"bidirectional": False, "cell": "rnn", "decoder_layers": 1, "zoneout": 0.3, "copying": "always"},
        {"tie_embeddings": False, "encoder_layers": 2, "decoder_layers": 3, "zoneout_cell": 0.2, "weight_norm": True},
    ],
    ids=str,
)
def test_step_by_step_decoding_agrees_with_the_whole_target(settings: dict[str, Any]) -> None:
    """Probabilities of single steps, beams side by side, are those of the whole target at once."""
    made = network(KIND, seed=2, **settings)
    source = inputs(KIND)[0]
    beams = np.random.default_rng(5).integers(4, VOCABULARY, (3, 2, 3), dtype=np.int32)
    whole = [tf.nn.softmax(made((source, beams[:, beam]))).numpy() for beam in range(2)]
    memory, states = made.encode(source)
    states = [tf.repeat(state[:, None], 2, axis=1) for state in states]
    for position in range(3):
        probabilities, states = made.step(memory, tf.constant(beams[:, :, position]), states)
        for beam in range(2):
            np.testing.assert_allclose(probabilities[:, beam], whole[beam][:, position], atol=1e-5)


def test_the_output_layer_is_what_its_weights_say() -> None:
    for tied in (True, False):
        made = network(KIND, tie_embeddings=tied)
        made.output_bias.assign(np.linspace(-1, 1, VOCABULARY))
        readout, _, _ = made.read_out(*inputs(KIND))
        weights, bias = made.output_weights(readout.dtype)
        np.testing.assert_allclose(made(inputs(KIND)), readout.numpy() @ weights.numpy().T + bias, atol=1e-5)


def test_attention_is_a_distribution_over_what_is_real() -> None:
    source, target = inputs(KIND)
    _, weights, _ = network(KIND).read_out(source, target)
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


@pytest.mark.parametrize("shared", [True, False])
def test_a_piece_is_chosen_or_copied(shared: bool) -> None:
    """Against equation 9 of See et al. 2017, piece by piece; and the loss of a target against its probability."""
    copied_as = [0, 0, 0, 3, *range(8, VOCABULARY), 0, 0, 0, 0]  # each piece stands four ids higher on the other side
    sizes = {"shared_vocabulary": shared, "copied_as": () if shared else copied_as}
    made = network(KIND, sizes=sizes, copying="always")
    made.copy_gate.set_weights([np.full((5, 1), 0.3, np.float32), np.array([0.5], np.float32)])
    source, target = inputs(KIND)
    readout, weights, memory = made.read_out(source, target)
    share = 1 / (1 + np.exp(-(readout.numpy() @ np.full(5, 0.3) + 0.5)))
    expected = (1 - share[..., None]) * tf.nn.softmax(made.logits(readout)).numpy()
    for row, position, place in np.ndindex(*weights.numpy().shape):
        written = source[row, place] if shared else copied_as[source[row, place]]
        expected[row, position, written] += share[row, position] * weights[row, position, place]
    np.testing.assert_allclose(made.probabilities(readout, weights, memory), expected, rtol=1e-4)
    np.testing.assert_allclose(np.exp(made((source, target))), expected, rtol=1e-4)

    wanted = np.random.default_rng(6).integers(4, VOCABULARY, target.shape, dtype=np.int32)
    wanted[0, 0] = np.max(memory.copies[0])  # one that can be copied
    real = tf.where(wanted > 0)
    copied = made.copied(readout, weights, memory, tf.constant(wanted), real)
    losses = output_cross_entropy(
        tf.gather_nd(readout, real), *made.output_weights(tf.float32), tf.gather_nd(wanted, real), 0.0, copied
    )
    probabilities = np.take_along_axis(expected, wanted[:, :, None], axis=2)
    np.testing.assert_allclose(losses, -np.log(probabilities.reshape(-1)), rtol=1e-4)
