"""The options of regularization, their errors, and the masks that they draw."""

from __future__ import annotations

import json
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from nlpseq.layers import GRU, LSTM, RNN, Bidirectional, Regularization
from nlpseq.layers.regularization import Masks
from nlpseq.layers.stack import RecurrentStack
from tests.layers.layer_cases import (
    BATCH,
    FEATURES,
    TIME,
    UNITS,
    regularized,
    tensor,
)


def masks(**fields: Any) -> Masks:
    return Masks(Regularization(**fields), tf.constant([3, 4]))


def test_masks_have_their_rates_and_keep_the_expectation() -> None:
    drawn = masks(input_dropout=0.1, output_dropout=0.3, recurrent_dropout=0.5, weight_drop=0.7, over_time=False)
    rates = {
        0.1: drawn.inputs(tf.zeros([20, 40, 50])),
        0.3: drawn.outputs(tf.zeros([20, 40, 50])),
        0.5: drawn.recurrent(tf.zeros([200, 200])),
        0.7: drawn.recurrent_kernel(tf.zeros([100, 400])),
    }
    for rate, mask in rates.items():
        values = mask.numpy()
        assert values.size == 40_000
        # Five standard deviations.
        assert abs((values == 0).mean() - rate) < 5 * (rate * (1 - rate) / values.size) ** 0.5
        np.testing.assert_allclose(values[values != 0], 1 / (1 - rate), rtol=1e-6)


def test_zoneout_masks_have_their_rates_and_are_fresh_at_every_step() -> None:
    drawn = masks(zoneout_hidden=0.2, zoneout_cell=0.6).kept(tf.constant(40), tf.zeros([20, 50]))
    hidden, cell = (kept.numpy() for kept in drawn)
    assert hidden.shape == cell.shape == (40, 20, 50)
    for kept, rate in ((hidden, 0.2), (cell, 0.6)):
        assert abs(kept.mean() - rate) < 5 * (rate * (1 - rate) / kept.size) ** 0.5
        # Two steps that have nothing to do with each other agree in so many places.
        agreement = (kept[1:] == kept[:-1]).mean()
        assert agreement == pytest.approx(rate**2 + (1 - rate) ** 2, abs=0.02)


def test_over_time_is_one_mask_for_all_steps_and_otherwise_each_has_its_own() -> None:
    sequence = tf.zeros([8, 10, 20])
    variational = masks(input_dropout=0.5, output_dropout=0.5)
    assert variational.inputs(sequence).shape == variational.outputs(sequence).shape == (8, 1, 20)
    assert variational.outputs(sequence[:, 0]).shape == (8, 20)
    assert (variational.inputs(sequence).numpy() != variational.outputs(sequence).numpy()).any()
    naive = masks(input_dropout=0.5, over_time=False).inputs(sequence).numpy()
    assert naive.shape == (8, 10, 20)
    assert all((naive[:, 0] != naive[:, step]).any() for step in range(1, 10))


def test_masks_depend_on_the_seed_only() -> None:
    fields = {"input_dropout": 0.5, "recurrent_dropout": 0.5, "zoneout_hidden": 0.5}
    one, again, other = (Masks(Regularization(**fields), tf.constant([seed, 0])) for seed in (1, 1, 2))
    state = tf.zeros([16, 16])
    for of in (lambda m: m.recurrent(state), lambda m: m.kept(tf.constant(4), state)[0], lambda m: m.inputs(state)):
        np.testing.assert_array_equal(of(one), of(again))
        assert (of(one).numpy() != of(other).numpy()).any()
    compiled = tf.function(lambda: one.recurrent(state), jit_compile=True)
    np.testing.assert_array_equal(compiled(), one.recurrent(state))


def test_calls_draw_other_masks_and_the_seed_repeats_them() -> None:
    sequence = tensor(BATCH, TIME, FEATURES)

    def outputs(seed: int | None) -> list[np.ndarray]:
        keras.utils.set_random_seed(7)
        layer = regularized(
            "gru", {"recurrent_dropout": 0.5, "zoneout_hidden": 0.3}, seed=seed, kernel_initializer="ones"
        )
        return [layer(sequence, training=True)[0].numpy() for _ in range(3)]

    given, from_keras = outputs(1), outputs(None)  # None: from Keras' global seed
    np.testing.assert_array_equal(given, outputs(1))
    np.testing.assert_array_equal(from_keras, outputs(None))
    for calls in (given, from_keras):
        assert (calls[0] != calls[1]).any()
        assert (calls[1] != calls[2]).any()
    assert (given[0] != outputs(2)[0]).any()


def test_directions_and_layers_draw_masks_of_their_own() -> None:
    both = Bidirectional("gru", UNITS, regularization={"recurrent_dropout": 0.5}, seed=3)
    stack = RecurrentStack("lstm", UNITS, 2, bidirectional=True, regularization={"zoneout_cell": 0.5}, seed=3)
    layers = [both.forward, both.backward]
    assert [layer.seed for layer in layers] == [3, 4]
    assert [one.seed for layer in stack.layers for one in (layer.forward, layer.backward)] == [3, 4, 5, 6]
    assert all(
        one.regularization.zoneout_cell == 0.5 for layer in stack.layers for one in (layer.forward, layer.backward)
    )
    assert [layer.seed for layer in RecurrentStack("gru", 3, 2, seed=8).layers] == [8, 10]
    assert len({tuple(layer.seed_generator.state.numpy()) for layer in layers}) == 2


@pytest.mark.parametrize(
    "layer",
    [
        LSTM(3, regularization=Regularization(zoneout_cell=0.1, layer_norm=True), seed=4),
        GRU(3, regularization={"weight_drop": 0.5}),
        Bidirectional("rnn", 3, regularization=Regularization(output_dropout=0.1, over_time=False), seed=2),
        RecurrentStack("gru", 3, 2, regularization=Regularization(weight_norm=True), seed=2),
    ],
    ids=["lstm", "gru", "bidirectional", "stack"],
)
def test_config_round_trip(layer: Any) -> None:
    config = layer.get_config()
    assert type(config["regularization"]) is dict
    json.dumps(config["regularization"])
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert again.get_config() == config
    assert again.regularization == layer.regularization


@pytest.mark.parametrize("rate", [-0.1, 1.0])
@pytest.mark.parametrize(
    "name", ["input_dropout", "recurrent_dropout", "weight_drop", "zoneout_hidden", "zoneout_cell"]
)
def test_rates_that_make_no_sense(name: str, rate: float) -> None:
    with pytest.raises(ValueError, match=rf"{name}={rate}\): a rate must be at least 0 and below 1"):
        Regularization(**{name: rate})


@pytest.mark.parametrize("value", [0.3, 1, "yes"])
@pytest.mark.parametrize("name", ["over_time", "layer_norm", "weight_norm"])
def test_switches_are_true_or_false(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"{name}={value}\): give true or false"):
        Regularization(**{name: value})


def test_a_rate_is_not_true_or_false() -> None:
    with pytest.raises(ValueError, match=r"weight_drop=True\): a rate must be at least 0 and below 1"):
        Regularization(weight_drop=True)


def test_errors_say_what_is_allowed() -> None:
    with pytest.raises(ValueError, match="use reset_after=True"):
        GRU(3, reset_after=False, regularization=Regularization(layer_norm=True))
    with pytest.raises(ValueError, match="use reset_after=True"):
        Bidirectional("gru", 3, cell_options={"reset_after": False}, regularization={"layer_norm": True})
    with pytest.raises(ValueError, match="only an LSTM has a cell state: use zoneout_hidden"):
        RecurrentStack("gru", 3, regularization={"zoneout_cell": 0.1})
    for layer in (RNN, GRU):
        with pytest.raises(
            ValueError, match=r"zoneout_cell=0\.1, but only an LSTM has a cell state: use zoneout_hidden"
        ):
            layer(3, regularization=Regularization(zoneout_cell=0.1))
    with pytest.raises(ValueError, match="has no droput: choose from input_dropout, "):
        LSTM(3, regularization={"droput": 0.1})
