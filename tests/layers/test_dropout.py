"""Dropout: its rate, its scale, and its masks over time. test_replicas.py has those of a strategy."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from nlpseq.layers.dropout import Dropout


def ones(*shape: int) -> tf.Tensor:
    return tf.ones(shape)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_rate_and_scale(rate: float) -> None:
    result = Dropout(rate, seed=1)(ones(50, 40, 20), training=True).numpy()
    zeroed = (result == 0).mean()
    # 40,000 draws: five standard deviations.
    assert abs(zeroed - rate) < 5 * (rate * (1 - rate) / 40_000) ** 0.5
    np.testing.assert_allclose(result[result != 0], 1 / (1 - rate), rtol=1e-6)
    assert result.mean() == pytest.approx(1.0, abs=0.05)


def test_values_are_kept_or_zeroed() -> None:
    values = np.random.default_rng(0).normal(size=(4, 5, 6)).astype(np.float32)
    result = Dropout(0.5, seed=2)(tf.constant(values), training=True).numpy()
    np.testing.assert_allclose(result, np.where(result == 0, 0, 2 * values), rtol=1e-6)


@pytest.mark.parametrize("training", [False, None])
def test_nothing_happens_outside_of_training(training: bool | None) -> None:
    values = np.random.default_rng(0).normal(size=(4, 5, 6)).astype(np.float32)
    np.testing.assert_array_equal(Dropout(0.5)(tf.constant(values), training=training), values)


def test_a_rate_of_zero_does_nothing() -> None:
    layer = Dropout(0.0)
    np.testing.assert_array_equal(layer(ones(2, 3), training=True), np.ones((2, 3)))
    assert layer.variables == []


@pytest.mark.parametrize("rate", [-0.1, 1.0, 1.5])
def test_rates_that_make_no_sense(rate: float) -> None:
    with pytest.raises(ValueError, match=rf"rate={rate}\): the rate must be at least 0 and below 1"):
        Dropout(rate)


def test_calls_draw_other_masks_and_the_seed_repeats_them() -> None:
    one, other = Dropout(0.5, seed=3), Dropout(0.5, seed=3)
    first, second = (one(ones(8, 8), training=True).numpy() for _ in range(2))
    assert (first != second).any()
    np.testing.assert_array_equal(other(ones(8, 8), training=True), first)
    np.testing.assert_array_equal(other(ones(8, 8), training=True), second)
    assert (Dropout(0.5, seed=4)(ones(8, 8), training=True).numpy() != first).any()


def test_a_traced_function_draws_another_mask_in_every_call() -> None:
    layer = Dropout(0.5, seed=5)
    traced = tf.function(lambda values: layer(values, training=True))
    first, second = traced(ones(8, 8)).numpy(), traced(ones(8, 8)).numpy()
    assert (first != second).any()


def test_over_time_one_mask_serves_all_steps() -> None:
    result = Dropout(0.5, over_time=True, seed=6)(ones(16, 7, 32), training=True).numpy()
    np.testing.assert_array_equal(result, np.repeat(result[:, :1], 7, axis=1))
    assert (result[0, 0] != result[1, 0]).any()
    assert 0.3 < (result == 0).mean() < 0.7


def test_otherwise_each_step_has_its_own_mask() -> None:
    result = Dropout(0.5, seed=6)(ones(16, 7, 32), training=True).numpy()
    assert all((result[:, 0] != result[:, step]).any() for step in range(1, 7))


def test_gradients_pass_where_values_do() -> None:
    values = tf.Variable(ones(10, 10))
    layer = Dropout(0.5, seed=7)
    with tf.GradientTape() as tape:
        result = layer(values, training=True)
        loss = tf.reduce_sum(result)
    np.testing.assert_array_equal(tape.gradient(loss, values), result)


def test_half_precision_stays_half_precision() -> None:
    result = Dropout(0.5, seed=8, dtype="mixed_bfloat16")(ones(4, 4), training=True)
    assert result.dtype == tf.bfloat16


def test_is_saved_and_loaded(tmp_path: Path) -> None:
    inputs = keras.Input((None, 6))
    model = keras.Model(inputs, Dropout(0.25, over_time=True, seed=9, name="dropout")(inputs))
    model.save(tmp_path / "model.keras")
    layer = keras.models.load_model(tmp_path / "model.keras").get_layer("dropout")
    assert isinstance(layer, Dropout)
    assert (layer.rate, layer.over_time, layer.seed) == (0.25, True, 9)
