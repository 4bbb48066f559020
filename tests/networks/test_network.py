"""The contract that every network keeps: an ordinary Keras model, made from a frozen configuration."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from nlpseq.config import Section, assign, from_toml
from nlpseq.errors import UserError
from nlpseq.layers.dropout import Dropout
from nlpseq.layers.regularization import Regularization
from nlpseq.networks.encoder_decoder import EncoderDecoderConfig
from nlpseq.networks.language_model import LanguageModelConfig
from nlpseq.networks.network import Network, RecurrentConfig
from nlpseq.networks.recurrent_classifier import ClassifierConfig
from tests.networks.kinds import CELLS, KINDS, inputs, network, targets, without_dropout

CONFIGS = (LanguageModelConfig, ClassifierConfig, EncoderDecoderConfig)

# Settings that draw masks in training alone; zoneout takes its expectation in inference.
MASKED = {"recurrent_dropout": 0.5, "weight_drop": 0.5}
ZONEOUT = {"zoneout": 0.5, "zoneout_cell": 0.5}
NORMALIZED = {"layer_norm": True, "weight_norm": True}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


def trained(made: Network, kind: str) -> np.ndarray:
    """Logits in training; all weights get a gradient there."""
    with tf.GradientTape() as tape:
        logits = made(inputs(kind), training=True)
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(targets(kind), logits))
    for gradient in tape.gradient(loss, [variable.value for variable in made.trainable_variables]):
        values = tf.convert_to_tensor(gradient).numpy()
        assert np.isfinite(values).all()
        assert values.any()
    return logits.numpy()


# Keras; `fit` trains each of them in tests/tasks


@pytest.mark.parametrize("cell", CELLS)
def test_it_is_saved_and_loaded_safely(kind: str, cell: str, tmp_path: Path) -> None:
    extra = {"language_model_weight": 0.5, "pooling": "attention"} if kind == "classifier" else {}
    made = network(kind, cell=cell, layer_norm=cell == "gru", weight_norm=cell == "rnn", zoneout=0.2, **extra)
    made.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras", compile=False, safe_mode=True)
    assert type(loaded) is type(made)
    assert loaded.config == made.config
    names = [[variable.path for variable in network.trainable_variables] for network in (loaded, made)]
    assert names[0] == names[1]
    np.testing.assert_array_equal(loaded(inputs(kind)), made(inputs(kind)))


def test_its_configuration_comes_back(kind: str) -> None:
    made = network(kind, units=7, weight_drop=0.25, sizes={"name": "mine"})
    config = json.loads(json.dumps(made.get_config()))
    again = type(made).from_config(config)
    again.build()
    assert again.get_config() == made.get_config()
    assert again.config == made.config
    assert [tuple(weight.shape) for weight in again.weights] == [tuple(weight.shape) for weight in made.weights]


def test_a_configuration_with_wrong_keys_is_refused(kind: str) -> None:
    made = network(kind)
    config = made.get_config()
    with pytest.raises(ValueError, match=r"has no setting layrs, unit: choose from cell, units, .*weight_norm"):
        type(made).from_config({**config, "settings": {"cell": "gru", "unit": 4, "layrs": 2}})
    del config["settings"]
    with pytest.raises(ValueError, match="needs the dict 'settings', but was given name, "):
        type(made).from_config(config)


def test_building_twice_changes_nothing(kind: str) -> None:
    made = network(kind)
    before = made.get_weights()
    made.build()
    for one, other in zip(before, made.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


# Padding


@pytest.mark.parametrize("settings", [{}, ZONEOUT, {"cell": "gru", **NORMALIZED}, {"cell": "rnn"}], ids=str)
def test_padding_changes_nothing(kind: str, settings: dict[str, Any]) -> None:
    """Neither columns after the texts nor rows below them. A language model gives logits for padding, too: cut."""
    made = network(kind, **settings)
    given = inputs(kind)
    padded = tf.nest.map_structure(lambda ids: np.pad(ids, [(0, 2), (0, 3)]), given)
    expected, found = made(given).numpy(), made(padded).numpy()
    np.testing.assert_allclose(found[tuple(map(slice, expected.shape))], expected, atol=1e-6)


# Regularization


@pytest.mark.parametrize("config_type", [RecurrentConfig, *CONFIGS])
def test_nothing_inside_of_the_layers_is_on_by_default(config_type: type[RecurrentConfig]) -> None:
    config = config_type()
    assert config.regularization == Regularization()
    assert not config.variational_dropout


@pytest.mark.parametrize(("name", "rate"), MASKED.items())
def test_masks_are_drawn_in_training_alone(kind: str, name: str, rate: float) -> None:
    made, plain = without_dropout(kind, **{name: rate}), without_dropout(kind, seed=2)
    plain.set_weights(made.get_weights())
    given = inputs(kind)
    inferred = made(given).numpy()
    np.testing.assert_allclose(inferred, plain(given), atol=1e-6)
    one, other = trained(made, kind), made(given, training=True).numpy()
    assert np.abs(one - inferred).max() > 1e-3
    assert np.abs(one - other).max() > 1e-3


@pytest.mark.parametrize(("name", "rate"), ZONEOUT.items())
def test_zoneout_draws_in_training_and_takes_the_expectation_in_inference(kind: str, name: str, rate: float) -> None:
    made, plain = without_dropout(kind, **{name: rate}), without_dropout(kind)
    given = inputs(kind)
    inferred = made(given).numpy()
    assert np.abs(inferred - plain(given)).max() > 1e-3  # the same weights, since they have the same seed
    np.testing.assert_array_equal(made(given), inferred)
    one, other = trained(made, kind), made(given, training=True).numpy()
    assert np.abs(one - other).max() > 1e-3


@pytest.mark.parametrize("name", NORMALIZED)
def test_normalization_has_weights_that_train(kind: str, name: str) -> None:
    made, plain = without_dropout(kind, **{name: True}), without_dropout(kind)
    assert len(made.weights) > len(plain.weights)
    np.testing.assert_allclose(trained(made, kind), made(inputs(kind)), atol=1e-5)


@pytest.mark.parametrize("variational", [False, True])
def test_variational_dropout_has_one_mask_for_all_steps(kind: str, variational: bool) -> None:
    layers = {"encoder_layers": 2, "decoder_layers": 3} if kind == "encoder-decoder" else {"layers": 2}
    made = network(kind, dropout=0.5, variational_dropout=variational, **layers)
    masks = [layer for layer in made._flatten_layers() if isinstance(layer, Dropout)]
    over_sequences = [layer for layer in masks if layer.name != "word_dropout"]
    if kind == "classifier":
        over_sequences.remove(made.output_dropout)  # of one vector a text
    assert len(over_sequences) >= 2
    for layer in over_sequences:
        values = layer(np.ones((4, 8, 16), np.float32), training=True).numpy()
        assert set(np.unique(values)) == {0, 2}
        assert (values == values[:, :1]).all() == variational
    assert np.isfinite(made(inputs(kind), training=True)).all()


def test_settings_that_do_not_fit_together_are_named() -> None:
    @dataclasses.dataclass(frozen=True)
    class Task:
        model: Section = LanguageModelConfig()  # noqa: RUF009 (it is frozen)

    message = r"^config section 'model': zoneout_cell is 0\.1, but cell is 'gru'.* set cell to lstm, or zoneout_cell to"
    with pytest.raises(UserError, match=message):
        from_toml(Task, None, ["model.zoneout_cell=0.1", "model.cell=gru"])
    config = from_toml(Task, None, ["model.cell=gru", "model.zoneout_cell=0.1", "model.cell=lstm"])
    with pytest.raises(UserError, match=message):
        assign(config, "model.cell", "gru")
