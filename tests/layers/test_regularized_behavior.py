"""Each kind of regularization does what its paper says."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from nlpseq.layers import GRU, Regularization
from nlpseq.layers.regularization import Masks
from tests.layers.layer_cases import (
    BATCH,
    EVERYTHING,
    FEATURES,
    LAYERS,
    TIME,
    UNITS,
    options_of,
    regularized,
    tensor,
)

every_cell = pytest.mark.parametrize("cell", LAYERS)


@pytest.fixture(autouse=True)
def _seed() -> None:
    keras.utils.set_random_seed(1)


def assert_equal_results(ours: Any, theirs: Any, tolerance: float = 0) -> None:
    for one, other in zip(tf.nest.flatten(ours), tf.nest.flatten(theirs), strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


def gradients_of(layer: Any, *inputs: Any, **options: Any) -> dict[str, np.ndarray]:
    """Of sum(sin(outputs)) wrt each weight by name, in training."""
    with tf.GradientTape() as tape:
        outputs = layer(*inputs, training=True, **options)
        outputs = outputs[0] if isinstance(outputs, (list, tuple)) else outputs
        loss = tf.reduce_sum(tf.sin(tf.cast(outputs, tf.float32)))
    weights = layer.trainable_weights
    gradients = tape.gradient(loss, [weight.value for weight in weights])
    return {weight.name: gradient.numpy() for weight, gradient in zip(weights, gradients, strict=True)}


def random_operators(function: Any) -> set[str]:
    """Those in a traced function and in the functions it calls."""
    graph = function.get_concrete_function().graph.as_graph_def()
    nodes = [*graph.node, *(node for inner in graph.library.function for node in inner.node_def)]
    return {node.op for node in nodes if "Random" in node.op}


@every_cell
def test_input_dropout_is_the_plain_layer_on_dropped_inputs(cell: str) -> None:
    """Zaremba et al. 2014: the recurrent connections are not touched."""
    layer, plain = regularized(cell, {"input_dropout": 0.5}), regularized(cell)
    sequence = tensor(BATCH, TIME, FEATURES)
    plain.build(sequence.shape)
    layer.build(sequence.shape)
    plain.set_weights(layer.get_weights())
    seed = tf.cast(keras.random.SeedGenerator(5).next(), tf.int32)
    mask = Masks(layer.regularization, seed).inputs(sequence)
    assert_equal_results(layer(sequence, training=True), plain(sequence * mask, training=True))


@every_cell
@pytest.mark.parametrize("over_time", [True, False])
def test_output_dropout_leaves_the_states_alone(cell: str, over_time: bool) -> None:
    layer = regularized(cell, {"output_dropout": 0.5, "over_time": over_time}, units=32)
    sequence = tensor(BATCH, TIME, FEATURES)
    quiet, *quiet_states = layer(sequence)
    outputs, *states = layer(sequence, training=True)
    assert_equal_results(states, quiet_states, 1e-6)
    dropped = outputs.numpy() == 0
    np.testing.assert_allclose(outputs.numpy()[~dropped], 2 * quiet.numpy()[~dropped], rtol=1e-5, atol=1e-6)
    assert 0.3 < dropped.mean() < 0.7
    assert (dropped == dropped[:, :1]).all() == over_time


def test_output_dropout_without_sequences_is_one_mask_of_the_last_output() -> None:
    layer = GRU(50, regularization=Regularization(output_dropout=0.5))
    sequence = tensor(20, TIME, FEATURES)
    quiet, outputs = layer(sequence).numpy(), layer(sequence, training=True).numpy()
    assert outputs.shape == (20, 50)
    np.testing.assert_allclose(outputs[outputs != 0], 2 * quiet[outputs != 0], rtol=1e-5)
    assert 0.4 < (outputs == 0).mean() < 0.6


@every_cell
def test_recurrent_dropout_hides_the_same_units_at_all_steps(cell: str) -> None:
    """Gal & Ghahramani 2016: a hidden unit's row of the recurrent kernel is not used at any step of that sequence."""
    layer = regularized(cell, {"recurrent_dropout": 0.5}, units=40)
    of_rows = gradients_of(layer, tensor(1, 12, FEATURES))["recurrent_kernel"]
    hidden = (of_rows == 0).all(axis=1)
    assert 0.2 < hidden.mean() < 0.8
    assert (of_rows[~hidden] != 0).all()


def test_recurrent_dropout_hides_other_units_in_another_sequence() -> None:
    layer = regularized("lstm", {"recurrent_dropout": 0.5}, units=40)
    of_rows = gradients_of(layer, tensor(8, 12, FEATURES))["recurrent_kernel"]
    assert (of_rows == 0).all(axis=1).mean() < 0.2


def test_what_recurrent_dropout_hides_is_still_carried_on() -> None:
    """Only where h enters the product is it masked: a GRU whose update gate is open repeats its state exactly."""
    layer = regularized("gru", {"recurrent_dropout": 0.5})
    layer.build((BATCH, TIME, FEATURES))
    bias = np.zeros((2, 3 * UNITS), np.float32)
    bias[0, :UNITS] = 100  # z = 1
    layer.bias.assign(bias)
    state = tensor(BATCH, UNITS, seed=2)
    assert_equal_results(layer(tensor(BATCH, TIME, FEATURES), initial_state=state, training=True)[1], state, 1e-6)


@every_cell
def test_weight_drop_drops_entries_of_the_recurrent_kernel_only_and_one_mask_serves_a_call(cell: str) -> None:
    """Merity et al. 2017: an entry without gradient was dropped at every step of every sequence."""
    layer = regularized(cell, {"weight_drop": 0.4}, units=40)
    gradients = gradients_of(layer, tensor(8, 12, FEATURES))
    assert (gradients["recurrent_kernel"] == 0).mean() == pytest.approx(0.4, abs=0.05)
    assert (gradients["kernel"] != 0).all()
    assert (gradients["bias"] != 0).all()
    again = gradients_of(layer, tensor(8, 12, FEATURES))
    assert ((gradients["recurrent_kernel"] == 0) != (again["recurrent_kernel"] == 0)).any()


def test_weight_drop_changes_nothing_where_the_state_is_zero() -> None:
    layer, sequence = regularized("lstm", {"weight_drop": 0.9}), tensor(BATCH, 1, FEATURES)
    assert_equal_results(layer(sequence, training=True), layer(sequence), 1e-6)


@every_cell
def test_zoneout_units_keep_exactly_their_last_value(cell: str) -> None:
    """Krueger et al. 2016, section 3: with the probability given, other ones at every step."""
    layer = regularized(cell, {"zoneout_hidden": 0.3}, units=100)
    outputs = layer(tensor(10, 20, FEATURES), training=True)[0].numpy()
    kept = outputs[:, 1:] == outputs[:, :-1]
    assert kept.mean() == pytest.approx(0.3, abs=0.02)
    assert (kept[:, 1:] == kept[:, :-1]).mean() == pytest.approx(0.3**2 + 0.7**2, abs=0.03)


def test_zoneout_of_the_cell_leaves_the_hidden_state_to_the_fresh_cell() -> None:
    """h' comes from the cell before zoneout took it back (equation 4 of the paper)."""
    sequence, states = tensor(BATCH, 1, FEATURES), [tensor(BATCH, UNITS, seed=seed) for seed in (2, 3)]
    layer, plain = regularized("lstm", {"zoneout_cell": 0.5}), regularized("lstm")
    layer.build(sequence.shape)
    plain.build(sequence.shape)
    plain.set_weights(layer.get_weights())
    _, h, c = layer(sequence, initial_state=states, training=True)
    _, plain_h, plain_c = plain(sequence, initial_state=states, training=True)
    assert_equal_results(h, plain_h, 1e-6)
    kept = c.numpy() == states[1].numpy()
    assert 0.1 < kept.mean() < 0.9
    np.testing.assert_allclose(c.numpy()[~kept], plain_c.numpy()[~kept], rtol=1e-6)


@every_cell
def test_zoneout_in_inference_is_the_mean_of_training(cell: str) -> None:
    """Of one step: 20,000 rows with the same input and state."""
    fields = {"zoneout_hidden": 0.3, **({"zoneout_cell": 0.6} if cell == "lstm" else {})}
    layer = regularized(cell, fields)
    rows = [
        tf.repeat(tensor(1, *shape, seed=seed), 20_000, axis=0) for seed, shape in ((1, (1, FEATURES)), (2, (UNITS,)))
    ]
    states = [rows[1], rows[1] * 0.5][: layer.states_count]
    for drawn, expected in zip(
        layer(rows[0], initial_state=states, training=True), layer(rows[0], initial_state=states), strict=True
    ):
        np.testing.assert_allclose(tf.reduce_mean(drawn, axis=0), expected[0], atol=0.02)


@every_cell
def test_layer_norm_does_not_see_the_scale_of_a_kernel_or_a_shift_of_its_columns(cell: str) -> None:
    """Ba et al. 2016, table 1: weight matrix re-scaling and re-centering."""
    layer = regularized(cell, {"layer_norm": True}, units=32)
    sequence = 3 * tensor(BATCH, TIME, FEATURES)
    state = [tensor(BATCH, 32, seed=seed) for seed in range(layer.states_count)]
    expected = layer(sequence, initial_state=state)
    # The simple network normalizes the sum of both products, the others each one.
    together = (
        [(layer.kernel, layer.recurrent_kernel)] if cell == "rnn" else [(layer.recurrent_kernel,), (layer.kernel,)]
    )
    for kernels in together:
        starts = [kernel.numpy() for kernel in kernels]
        for kernel, start in zip(kernels, starts, strict=True):
            kernel.assign(10 * start)
        assert_equal_results(layer(sequence, initial_state=state), expected, 1e-3)
        for kernel, start in zip(kernels, starts, strict=True):
            kernel.assign(start + np.linspace(-1, 1, len(start))[:, None].astype(np.float32))
        assert_equal_results(layer(sequence, initial_state=state), expected, 1e-3)
        for kernel, start in zip(kernels, starts, strict=True):
            kernel.assign(start)
    plain = regularized(cell, units=32)
    plain.build(sequence.shape)
    before = plain(sequence)[0].numpy()
    plain.recurrent_kernel.assign(10 * plain.recurrent_kernel)
    assert np.abs(plain(sequence)[0].numpy() - before).max() > 0.1


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_layer_norm_does_not_see_the_scale_of_one_input(cell: str) -> None:
    """Ba et al. 2016, table 1: re-scaling a single training case."""
    layer = regularized(cell, {"layer_norm": True}, units=32)
    sequence = 3 * tensor(BATCH, TIME, FEATURES)
    scales = tf.constant([1.0, 5.0, 20.0])[:, None, None]
    assert_equal_results(layer(sequence * scales), layer(sequence), 1e-3)


def test_layer_norm_has_gains_of_one_and_no_biases_without_bias() -> None:
    names = {
        cell: {weight.name: weight.shape for weight in built.weights}
        for cell in LAYERS
        if (built := regularized(cell, {"layer_norm": True}, use_bias=False)).build((None, None, FEATURES)) is None
    }
    kernels = {cell: {"kernel", "recurrent_kernel"} for cell in LAYERS}
    assert set(names["rnn"]) == kernels["rnn"] | {"gain"}
    assert set(names["lstm"]) == kernels["lstm"] | {"input_gain", "recurrent_gain", "cell_gain"}
    assert set(names["gru"]) == kernels["gru"] | {"input_gain", "recurrent_gain"}
    layer = regularized("lstm", {"layer_norm": True})
    layer.build((None, None, FEATURES))
    assert {n: w.shape for w in layer.weights if (n := w.name) not in kernels["lstm"]} == {
        "bias": (4 * UNITS,),
        "input_gain": (4 * UNITS,),
        "recurrent_gain": (4 * UNITS,),
        "cell_gain": (UNITS,),
        "cell_bias": (UNITS,),
    }
    np.testing.assert_array_equal(layer.layer_norm["cell_gain"], np.ones(UNITS))
    np.testing.assert_array_equal(layer.layer_norm["cell_bias"], np.zeros(UNITS))


@every_cell
def test_weight_norm_starts_as_the_plain_layer(cell: str) -> None:
    layer, plain = regularized(cell, {"weight_norm": True}), regularized(cell)
    sequence = tensor(BATCH, TIME, FEATURES)
    layer.build(sequence.shape)
    plain.build(sequence.shape)
    plain.set_weights(layer.get_weights()[:3])
    assert_equal_results(layer(sequence), plain(sequence), 1e-5)


@every_cell
def test_weight_norm_sets_the_norms_and_its_gradient_turns_but_does_not_stretch(cell: str) -> None:
    """Salimans & Kingma 2016, equations 2 and 4: ||w|| = g whatever ||v||, and the gradient of v is orthogonal to v."""
    layer = regularized(cell, {"weight_norm": True})
    sequence = tensor(BATCH, TIME, FEATURES)
    layer.build(sequence.shape)
    columns = layer.kernel.shape[1]
    for norms, seed in ((layer.kernel_norms, 1), (layer.recurrent_kernel_norms, 2)):
        norms.assign(np.random.default_rng(seed).uniform(0.5, 2, columns))
    expected = layer(sequence)
    weights = layer._weights(None)
    np.testing.assert_allclose(tf.norm(weights.kernel, axis=0), layer.kernel_norms, rtol=1e-5)
    np.testing.assert_allclose(tf.norm(weights.recurrent_kernel, axis=0), layer.recurrent_kernel_norms, rtol=1e-5)
    gradients = gradients_of(layer, sequence)
    for v, d_v in ((layer.kernel, gradients["kernel"]), (layer.recurrent_kernel, gradients["recurrent_kernel"])):
        assert np.abs(d_v).max() > 1e-3
        np.testing.assert_allclose((v.numpy() * d_v).sum(axis=0), np.zeros(columns), atol=1e-5)
        v.assign(v.numpy() * np.random.default_rng(3).uniform(1, 9, columns))
    assert_equal_results(layer(sequence), expected, 1e-5)


# What off means


@every_cell
def test_nothing_is_drawn_or_made_when_everything_is_off(cell: str) -> None:
    layer, plain = regularized(cell, {}), regularized(cell)
    sequence = tensor(BATCH, TIME, FEATURES)
    layer.build(sequence.shape)
    plain.build(sequence.shape)
    plain.set_weights(layer.get_weights())
    assert [variable.path.split("/")[-1] for variable in layer.variables] == ["kernel", "recurrent_kernel", "bias"]
    assert_equal_results(layer(sequence, training=True), plain(sequence, training=True))
    assert random_operators(tf.function(lambda: layer(sequence, training=True))) == set()


@every_cell
def test_inference_draws_nothing_and_repeats_itself(cell: str) -> None:
    layer = regularized(cell, options_of(cell))
    sequence = tensor(BATCH, TIME, FEATURES)
    assert_equal_results(layer(sequence), layer(sequence))
    assert random_operators(tf.function(lambda: layer(sequence))) == set()
    assert random_operators(tf.function(lambda: layer(sequence, training=True))) != set()
    dropped = {n: EVERYTHING[n] for n in ("input_dropout", "output_dropout", "recurrent_dropout", "weight_drop")}
    dropping, plain = regularized(cell, dropped), regularized(cell)
    dropping.build(sequence.shape)
    plain.build(sequence.shape)
    plain.set_weights(dropping.get_weights())
    assert_equal_results(dropping(sequence), plain(sequence))


@pytest.mark.parametrize("name", EVERYTHING)
def test_what_stays_outside_of_the_steps_leaves_the_fast_path_open(name: str) -> None:
    layer = regularized("lstm", {name: EVERYTHING[name]})
    inside = name in ("recurrent_dropout", "zoneout_hidden", "zoneout_cell", "layer_norm")
    assert layer.path(training=True) == ("loop" if inside else regularized("lstm").path(training=True))


@every_cell
def test_ids_pick_rows_of_a_table(cell: str) -> None:
    """Each step drops values of its own also where steps read the same row."""
    table, ids = tf.Variable(tensor(4, FEATURES)), tf.constant([[0, 1, 1, 3, 0], [3, 3, 3, 1, 1]])
    for fields in (options_of(cell), {"layer_norm": True}, {"weight_norm": True, "recurrent_dropout": 0.3}):
        results = []
        for by_ids in (True, False):
            keras.utils.set_random_seed(5)
            layer = regularized(cell, fields)
            with tf.GradientTape() as tape:
                if by_ids:
                    outputs = layer(table.value(), ids=ids, training=True)
                else:
                    outputs = layer(tf.gather(table, ids), training=True)
                loss = tf.reduce_sum(tf.sin(outputs[0]))
            gradients = tape.gradient(loss, [table, *(weight.value for weight in layer.trainable_weights)])
            results.append([*outputs, *(tf.convert_to_tensor(gradient) for gradient in gradients)])
        assert_equal_results(*results, 1e-4)
