"""That each kind of regularization does what its paper says, and that it works wherever a plain layer does."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from nlpseq.layers import GRU, LSTM, RNN, Bidirectional, Regularization
from nlpseq.layers.regularization import Masks
from nlpseq.layers.stack import RecurrentStack

BATCH, TIME, FEATURES, UNITS = 3, 5, 4, 6
EVERYTHING: dict[str, Any] = {
    "input_dropout": 0.2,
    "output_dropout": 0.2,
    "over_time": False,
    "recurrent_dropout": 0.3,
    "weight_drop": 0.2,
    "zoneout_hidden": 0.2,
    "layer_norm": True,
    "weight_norm": True,
}
CELLS = {"rnn": RNN, "lstm": LSTM, "gru": GRU}
every_cell = pytest.mark.parametrize("cell", CELLS)


@pytest.fixture(autouse=True)
def _seed() -> Iterator[None]:
    keras.utils.set_random_seed(1)
    yield
    keras.mixed_precision.set_dtype_policy("float32")


def draw(*shape: int, seed: int = 1) -> tf.Tensor:
    return tf.constant(np.random.default_rng(seed).normal(size=shape), tf.float32)


def make(cell: str, fields: dict[str, Any] | None = None, units: int = UNITS, **options: Any) -> Any:
    """A layer that returns all it can, with weights of its first values."""
    if fields is not None and cell == "lstm" and fields == EVERYTHING:
        fields = {**fields, "zoneout_cell": 0.3}
    options = {"return_sequences": True, "return_state": True, "seed": 5, **options}
    return CELLS[cell](units, regularization=None if fields is None else Regularization(**fields), **options)


def gradients_of(layer: Any, *inputs: Any, **options: Any) -> dict[str, np.ndarray]:
    """Of sum(sin(outputs)) wrt each weight by name, in training."""
    with tf.GradientTape() as tape:
        outputs = layer(*inputs, training=True, **options)
        outputs = outputs[0] if isinstance(outputs, (list, tuple)) else outputs
        loss = tf.reduce_sum(tf.sin(tf.cast(outputs, tf.float32)))
    weights = layer.trainable_weights
    gradients = tape.gradient(loss, [weight.value for weight in weights])
    return {weight.name: gradient.numpy() for weight, gradient in zip(weights, gradients, strict=True)}


def assert_equal_results(ours: Any, theirs: Any, tolerance: float = 0) -> None:
    for one, other in zip(tf.nest.flatten(ours), tf.nest.flatten(theirs), strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


def random_operators(function: Any) -> set[str]:
    """Those in a traced function and in the functions it calls."""
    graph = function.get_concrete_function().graph.as_graph_def()
    nodes = [*graph.node, *(node for inner in graph.library.function for node in inner.node_def)]
    return {node.op for node in nodes if "Random" in node.op}


# The masks


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
    hidden, cell = (m.numpy() for m in masks(zoneout_hidden=0.2, zoneout_cell=0.6).kept(tf.constant(40), draw(20, 50)))
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


# What the papers say


@every_cell
def test_input_dropout_is_the_plain_layer_on_dropped_inputs(cell: str) -> None:
    """Zaremba et al. 2014: the recurrent connections are not touched."""
    layer, plain = make(cell, {"input_dropout": 0.5}), make(cell)
    sequence = draw(BATCH, TIME, FEATURES)
    plain.build(sequence.shape)
    layer.build(sequence.shape)
    plain.set_weights(layer.get_weights())
    seed = tf.cast(keras.random.SeedGenerator(5).next(), tf.int32)
    mask = Masks(layer.regularization, seed).inputs(sequence)
    assert_equal_results(layer(sequence, training=True), plain(sequence * mask, training=True))


@every_cell
@pytest.mark.parametrize("over_time", [True, False])
def test_output_dropout_leaves_the_states_alone(cell: str, over_time: bool) -> None:
    layer = make(cell, {"output_dropout": 0.5, "over_time": over_time}, units=32)
    sequence = draw(BATCH, TIME, FEATURES)
    quiet, *quiet_states = layer(sequence)
    outputs, *states = layer(sequence, training=True)
    assert_equal_results(states, quiet_states, 1e-6)
    dropped = outputs.numpy() == 0
    np.testing.assert_allclose(outputs.numpy()[~dropped], 2 * quiet.numpy()[~dropped], rtol=1e-5, atol=1e-6)
    assert 0.3 < dropped.mean() < 0.7
    assert (dropped == dropped[:, :1]).all() == over_time


def test_output_dropout_without_sequences_is_one_mask_of_the_last_output() -> None:
    layer = GRU(50, regularization=Regularization(output_dropout=0.5))
    sequence = draw(20, TIME, FEATURES)
    quiet, outputs = layer(sequence).numpy(), layer(sequence, training=True).numpy()
    assert outputs.shape == (20, 50)
    np.testing.assert_allclose(outputs[outputs != 0], 2 * quiet[outputs != 0], rtol=1e-5)
    assert 0.4 < (outputs == 0).mean() < 0.6


@every_cell
def test_recurrent_dropout_hides_the_same_units_at_all_steps(cell: str) -> None:
    """Gal & Ghahramani 2016: a hidden unit's row of the recurrent kernel is not used at any step of that sequence."""
    layer = make(cell, {"recurrent_dropout": 0.5}, units=40)
    of_rows = gradients_of(layer, draw(1, 12, FEATURES))["recurrent_kernel"]
    hidden = (of_rows == 0).all(axis=1)
    assert 0.2 < hidden.mean() < 0.8
    assert (of_rows[~hidden] != 0).all()


def test_recurrent_dropout_hides_other_units_in_another_sequence() -> None:
    layer = make("lstm", {"recurrent_dropout": 0.5}, units=40)
    of_rows = gradients_of(layer, draw(8, 12, FEATURES))["recurrent_kernel"]
    assert (of_rows == 0).all(axis=1).mean() < 0.2


def test_what_recurrent_dropout_hides_is_still_carried_on() -> None:
    """Only where h enters the product is it masked: a GRU whose update gate is open repeats its state exactly."""
    layer = make("gru", {"recurrent_dropout": 0.5})
    layer.build((BATCH, TIME, FEATURES))
    bias = np.zeros((2, 3 * UNITS), np.float32)
    bias[0, :UNITS] = 100  # z = 1
    layer.bias.assign(bias)
    state = draw(BATCH, UNITS, seed=2)
    assert_equal_results(layer(draw(BATCH, TIME, FEATURES), initial_state=state, training=True)[1], state, 1e-6)


@every_cell
def test_weight_drop_drops_entries_of_the_recurrent_kernel_only_and_one_mask_serves_a_call(cell: str) -> None:
    """Merity et al. 2017: an entry without gradient was dropped at every step of every sequence."""
    layer = make(cell, {"weight_drop": 0.4}, units=40)
    gradients = gradients_of(layer, draw(8, 12, FEATURES))
    assert (gradients["recurrent_kernel"] == 0).mean() == pytest.approx(0.4, abs=0.05)
    assert (gradients["kernel"] != 0).all()
    assert (gradients["bias"] != 0).all()
    again = gradients_of(layer, draw(8, 12, FEATURES))
    assert ((gradients["recurrent_kernel"] == 0) != (again["recurrent_kernel"] == 0)).any()


def test_weight_drop_changes_nothing_where_the_state_is_zero() -> None:
    layer, sequence = make("lstm", {"weight_drop": 0.9}), draw(BATCH, 1, FEATURES)
    assert_equal_results(layer(sequence, training=True), layer(sequence), 1e-6)


@every_cell
def test_zoneout_units_keep_exactly_their_last_value(cell: str) -> None:
    """Krueger et al. 2016, section 3: with the probability given, other ones at every step."""
    layer = make(cell, {"zoneout_hidden": 0.3}, units=100)
    outputs = layer(draw(10, 20, FEATURES), training=True)[0].numpy()
    kept = outputs[:, 1:] == outputs[:, :-1]
    assert kept.mean() == pytest.approx(0.3, abs=0.02)
    assert (kept[:, 1:] == kept[:, :-1]).mean() == pytest.approx(0.3**2 + 0.7**2, abs=0.03)


def test_zoneout_of_the_cell_leaves_the_hidden_state_to_the_fresh_cell() -> None:
    """h' comes from the cell before zoneout took it back (equation 4 of the paper)."""
    sequence, states = draw(BATCH, 1, FEATURES), [draw(BATCH, UNITS, seed=seed) for seed in (2, 3)]
    layer, plain = make("lstm", {"zoneout_cell": 0.5}), make("lstm")
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
    layer = make(cell, fields)
    rows = [
        tf.repeat(draw(1, *shape, seed=seed), 20_000, axis=0) for seed, shape in ((1, (1, FEATURES)), (2, (UNITS,)))
    ]
    states = [rows[1], rows[1] * 0.5][: layer.states_count]
    for drawn, expected in zip(
        layer(rows[0], initial_state=states, training=True), layer(rows[0], initial_state=states), strict=True
    ):
        np.testing.assert_allclose(tf.reduce_mean(drawn, axis=0), expected[0], atol=0.02)


@every_cell
def test_layer_norm_does_not_see_the_scale_of_a_kernel_or_a_shift_of_its_columns(cell: str) -> None:
    """Ba et al. 2016, table 1: weight matrix re-scaling and re-centering."""
    layer = make(cell, {"layer_norm": True}, units=32)
    sequence = 3 * draw(BATCH, TIME, FEATURES)
    state = [draw(BATCH, 32, seed=seed) for seed in range(layer.states_count)]
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
    plain = make(cell, units=32)
    plain.build(sequence.shape)
    before = plain(sequence)[0].numpy()
    plain.recurrent_kernel.assign(10 * plain.recurrent_kernel)
    assert np.abs(plain(sequence)[0].numpy() - before).max() > 0.1


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_layer_norm_does_not_see_the_scale_of_one_input(cell: str) -> None:
    """Ba et al. 2016, table 1: re-scaling a single training case."""
    layer = make(cell, {"layer_norm": True}, units=32)
    sequence = 3 * draw(BATCH, TIME, FEATURES)
    scales = tf.constant([1.0, 5.0, 20.0])[:, None, None]
    assert_equal_results(layer(sequence * scales), layer(sequence), 1e-3)


def test_layer_norm_has_gains_of_one_and_no_biases_without_bias() -> None:
    names = {
        cell: {weight.name: weight.shape for weight in built.weights}
        for cell in CELLS
        if (built := make(cell, {"layer_norm": True}, use_bias=False)).build((None, None, FEATURES)) is None
    }
    kernels = {cell: {"kernel", "recurrent_kernel"} for cell in CELLS}
    assert set(names["rnn"]) == kernels["rnn"] | {"gain"}
    assert set(names["lstm"]) == kernels["lstm"] | {"input_gain", "recurrent_gain", "cell_gain"}
    assert set(names["gru"]) == kernels["gru"] | {"input_gain", "recurrent_gain"}
    layer = make("lstm", {"layer_norm": True})
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
    layer, plain = make(cell, {"weight_norm": True}), make(cell)
    sequence = draw(BATCH, TIME, FEATURES)
    layer.build(sequence.shape)
    plain.build(sequence.shape)
    plain.set_weights(layer.get_weights()[:3])
    assert_equal_results(layer(sequence), plain(sequence), 1e-5)


@every_cell
def test_weight_norm_sets_the_norms_and_its_gradient_turns_but_does_not_stretch(cell: str) -> None:
    """Salimans & Kingma 2016, equations 2 and 4: ||w|| = g whatever ||v||, and the gradient of v is orthogonal to v."""
    layer = make(cell, {"weight_norm": True})
    sequence = draw(BATCH, TIME, FEATURES)
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
    layer, plain = make(cell, {}), make(cell)
    sequence = draw(BATCH, TIME, FEATURES)
    layer.build(sequence.shape)
    plain.build(sequence.shape)
    plain.set_weights(layer.get_weights())
    assert [variable.path.split("/")[-1] for variable in layer.variables] == ["kernel", "recurrent_kernel", "bias"]
    assert_equal_results(layer(sequence, training=True), plain(sequence, training=True))
    assert random_operators(tf.function(lambda: layer(sequence, training=True))) == set()


@every_cell
def test_inference_draws_nothing_and_repeats_itself(cell: str) -> None:
    layer = make(cell, EVERYTHING)
    sequence = draw(BATCH, TIME, FEATURES)
    assert_equal_results(layer(sequence), layer(sequence))
    assert random_operators(tf.function(lambda: layer(sequence))) == set()
    assert random_operators(tf.function(lambda: layer(sequence, training=True))) != set()
    dropped = {n: EVERYTHING[n] for n in ("input_dropout", "output_dropout", "recurrent_dropout", "weight_drop")}
    dropping, plain = make(cell, dropped), make(cell)
    dropping.build(sequence.shape)
    plain.build(sequence.shape)
    plain.set_weights(dropping.get_weights())
    assert_equal_results(dropping(sequence), plain(sequence))


@pytest.mark.parametrize("name", [*EVERYTHING, "zoneout_cell"])
def test_what_stays_outside_of_the_steps_leaves_the_fast_path_open(name: str) -> None:
    layer = make("lstm", {name: EVERYTHING.get(name, 0.1)})
    inside = name in ("recurrent_dropout", "zoneout_hidden", "zoneout_cell", "layer_norm")
    assert layer.path(training=True) == ("loop" if inside else make("lstm").path(training=True))


# Seeds


def test_calls_draw_other_masks_and_the_seed_repeats_them() -> None:
    sequence = draw(BATCH, TIME, FEATURES)

    def outputs(seed: int | None) -> list[np.ndarray]:
        keras.utils.set_random_seed(7)
        layer = make("gru", {"recurrent_dropout": 0.5, "zoneout_hidden": 0.3}, seed=seed, kernel_initializer="ones")
        traced = tf.function(lambda: layer(sequence, training=True)[0])
        return [traced().numpy() for _ in range(3)]

    for seed in (1, None):  # None: from Keras' global seed
        one, again = outputs(seed), outputs(seed)
        np.testing.assert_array_equal(one, again)
        assert (one[0] != one[1]).any()
        assert (one[1] != one[2]).any()
    assert (outputs(1)[0] != outputs(2)[0]).any()


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


# Logical devices must be set up before TensorFlow starts, hence another process.
REPLICAS = textwrap.dedent(
    """
    import json
    import keras
    import tensorflow as tf

    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
    )
    from nlpseq.layers import LSTM

    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    fields = dict(input_dropout=0.2, output_dropout=0.2, recurrent_dropout=0.3, weight_drop=0.2, zoneout_hidden=0.2,
                  zoneout_cell=0.3, layer_norm=True, weight_norm=True)
    keras.utils.set_random_seed(2)
    with strategy.scope():
        layers = [LSTM(8, regularization={name: value, "layer_norm": True}, seed=1, name=name)
                  for name, value in fields.items()]
        layers.append(LSTM(8, regularization=fields, seed=1))
        for layer in layers:
            layer.build((None, None, 4))

    rows = tf.sin(tf.reshape(tf.range(3.0 * 5 * 4), [3, 5, 4]))  # the same in both replicas

    def run():
        outputs = []
        for layer in layers:
            with tf.GradientTape() as tape:
                output = layer(rows, training=True)
                loss = tf.reduce_sum(output)
            gradients = tape.gradient(loss, [weight.value for weight in layer.trainable_weights])
            outputs.append((output, tf.add_n([tf.reduce_sum(tf.abs(g)) for g in gradients])))
        return outputs

    @tf.function
    def step():
        return strategy.run(run)

    results = [
        [[value.numpy().tolist() for value in strategy.experimental_local_results(output)] for output, _ in step()]
        for _ in range(2)
    ]
    print(json.dumps(results))
    """
)


def test_replicas_draw_different_masks_and_every_run_the_same_ones() -> None:
    runs = [
        subprocess.Popen([sys.executable, "-c", REPLICAS], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    outputs = [run.communicate(timeout=600) for run in runs]
    assert [run.returncode for run in runs] == [0, 0], outputs[0][1][-3000:]
    results, again = (np.array(json.loads(output.splitlines()[-1])) for output, _ in outputs)
    np.testing.assert_array_equal(results, again)
    assert np.isfinite(results).all()
    by_layer = results.transpose(1, 0, 2, 3, 4).reshape(results.shape[1], 4, -1)  # calls x replicas
    *kinds, everything = by_layer
    for index, draws in enumerate([*kinds, everything]):
        equal = [np.array_equal(draws[one], draws[other]) for one in range(4) for other in range(one)]
        deterministic = index in (6, 7)  # layer_norm, weight_norm
        assert all(equal) if deterministic else not any(equal)


# Wherever a plain layer works


@every_cell
def test_xla_draws_the_same_masks(cell: str) -> None:
    sequence = draw(BATCH, TIME, FEATURES)
    given = tf.constant(np.random.default_rng(0).random([BATCH, TIME]) < 0.7)
    results = []
    for jit in (True, False):
        keras.utils.set_random_seed(3)
        layer = make(cell, EVERYTHING)
        layer.build(sequence.shape)
        weights = [weight.value for weight in layer.trainable_weights]

        def run(layer: Any = layer, weights: Any = weights) -> Any:
            with tf.GradientTape() as tape:
                tape.watch(sequence)
                results = layer(sequence, mask=given, training=True)
                loss = tf.add_n([tf.reduce_sum(tf.sin(result)) for result in results])
            return list(results) + tape.gradient(loss, [sequence, *weights])

        traced = tf.function(run, jit_compile=jit)
        results.append([value.numpy() for _ in range(2) for value in traced()])
    assert_equal_results(*results, 1e-4)


@every_cell
@pytest.mark.parametrize("name", [*EVERYTHING, "everything"])
def test_mixed_bfloat16_is_close_to_float32(cell: str, name: str) -> None:
    if name == "over_time":
        pytest.skip("no regularization of its own")
    fields = EVERYTHING if name == "everything" else {name: EVERYTHING[name]}
    results = []
    for policy in ("float32", "mixed_bfloat16"):
        keras.utils.set_random_seed(4)
        layer = make(cell, fields, dtype=policy)
        sequence = draw(BATCH, TIME, FEATURES)
        layer.build(sequence.shape)
        state = [draw(BATCH, UNITS, seed=seed) for seed in range(2, 2 + layer.states_count)]
        with tf.GradientTape() as tape:
            outputs, *states = layer(sequence, initial_state=state, training=True)
            loss = tf.reduce_mean(tf.square(tf.cast(outputs, tf.float32)))
        assert {outputs.dtype, *(s.dtype for s in states)} == {tf.as_dtype(layer.compute_dtype)}
        assert all(weight.dtype == "float32" for weight in layer.weights)
        gradients = tape.gradient(loss, [weight.value for weight in layer.trainable_weights])
        results.append([tf.cast(value, tf.float32).numpy() for value in [outputs, *gradients]])
    for full, half in zip(*results, strict=True):
        assert np.max(np.abs(full - half)) < 0.1 * np.max(np.abs(full))


@every_cell
def test_unknown_batch_and_time_trace_once(cell: str) -> None:
    layer = make(cell, EVERYTHING)
    layer.build((None, None, FEATURES))
    traces = []

    @tf.function(input_signature=[tf.TensorSpec([None, None, FEATURES]), tf.TensorSpec([None], tf.int32)])
    def run(sequence: tf.Tensor, lengths: tf.Tensor) -> Any:
        traces.append(1)
        with tf.GradientTape() as tape:
            tape.watch(sequence)
            results = layer(sequence, lengths=lengths, training=True)
            loss = tf.add_n([tf.reduce_sum(result) for result in results])
        return tape.gradient(loss, sequence)

    for batch, time in [(2, 3), (4, 7), (1, 1)]:
        gradient = run(draw(batch, time, FEATURES), tf.fill([batch], time))
        assert gradient.shape == (batch, time, FEATURES)
        assert np.all(np.isfinite(gradient))
    assert len(traces) == 1


@every_cell
def test_ids_pick_rows_of_a_table(cell: str) -> None:
    """Each step drops values of its own also where steps read the same row."""
    table, ids = tf.Variable(draw(4, FEATURES)), tf.constant([[0, 1, 1, 3, 0], [3, 3, 3, 1, 1]])
    for fields in (EVERYTHING, {"layer_norm": True}, {"weight_norm": True, "recurrent_dropout": 0.3}):
        results = []
        for by_ids in (True, False):
            keras.utils.set_random_seed(5)
            layer = make(cell, fields)
            with tf.GradientTape() as tape:
                if by_ids:
                    outputs = layer(table.value(), ids=ids, training=True)
                else:
                    outputs = layer(tf.gather(table, ids), training=True)
                loss = tf.reduce_sum(tf.sin(outputs[0]))
            gradients = tape.gradient(loss, [table, *(weight.value for weight in layer.trainable_weights)])
            results.append([*outputs, *(tf.convert_to_tensor(gradient) for gradient in gradients)])
        assert_equal_results(*results, 1e-4)


@pytest.mark.parametrize(("cell", "depth", "bidirectional"), [("rnn", 1, False), ("lstm", 2, False), ("gru", 1, True)])
def test_model_trains_under_fit_saves_and_loads(cell: str, depth: int, bidirectional: bool, tmp_path: Path) -> None:
    tokens, lengths = keras.Input([None], dtype="int32"), keras.Input([], dtype="int32")
    embedded = keras.layers.Embedding(20, 8)(tokens)
    stack = RecurrentStack(cell, 8, depth, bidirectional=bidirectional, regularization=EVERYTHING, seed=2, name="stack")
    pooled = keras.layers.GlobalAveragePooling1D()(stack(embedded, lengths=lengths)[0])
    model = keras.Model([tokens, lengths], keras.layers.Dense(1)(pooled))
    rng = np.random.default_rng(0)
    inputs = [rng.integers(1, 20, [16, 7]), np.full([16], 7)]
    targets = np.mean(inputs[0] > 10, axis=1, keepdims=True)
    losses: list[float] = []
    for jit in (False, True):
        model.compile(keras.optimizers.Adam(0.02), "mse", jit_compile=jit)
        losses += model.fit(inputs, targets, epochs=8, verbose=0).history["loss"]
    assert np.all(np.isfinite(losses))
    assert np.mean(losses[-3:]) < np.mean(losses[:2])
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(model.predict(inputs, verbose=0), loaded.predict(inputs, verbose=0))
    again = loaded.get_layer("stack")
    assert isinstance(again, RecurrentStack)
    assert again.get_config() == stack.get_config()
    assert again.regularization == Regularization(**EVERYTHING)


@every_cell
@pytest.mark.parametrize("name", ["layer_norm", "weight_norm", "everything"])
def test_inference_converts_to_builtin_tflite_operators(cell: str, name: str) -> None:
    layer = make(cell, EVERYTHING if name == "everything" else {name: True}, return_state=False)
    layer.build((None, None, FEATURES))
    frozen = {
        attribute: tf.constant(getattr(layer, attribute))
        for attribute in ("kernel", "recurrent_kernel", "bias", "kernel_norms", "recurrent_kernel_norms")
        if hasattr(layer, attribute)
    }
    frozen["layer_norm"] = {key: tf.constant(weight) for key, weight in layer.layer_norm.items()}

    @tf.function(input_signature=[tf.TensorSpec([1, None, FEATURES])])
    def infer(sequence: tf.Tensor) -> tf.Tensor:
        with mock.patch.multiple(layer, **frozen):
            return layer.call(sequence)

    converter = tf.lite.TFLiteConverter.from_concrete_functions([infer.get_concrete_function()])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    interpreter = Interpreter(model_content=converter.convert())
    sequence = draw(1, 9, FEATURES)
    interpreter.resize_tensor_input(interpreter.get_input_details()[0]["index"], sequence.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], sequence)
    interpreter.invoke()
    result = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    np.testing.assert_allclose(result, layer(sequence), atol=1e-5)


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


def test_a_configuration_from_before_there_was_regularization_loads() -> None:
    config = LSTM(3).get_config()
    del config["regularization"], config["seed"]
    assert LSTM.from_config(config).regularization == Regularization()


@pytest.mark.parametrize("rate", [-0.1, 1.0])
@pytest.mark.parametrize(
    "name", ["input_dropout", "recurrent_dropout", "weight_drop", "zoneout_hidden", "zoneout_cell"]
)
def test_rates_that_make_no_sense(name: str, rate: float) -> None:
    with pytest.raises(ValueError, match=rf"{name}={rate}\): a rate must be at least 0 and below 1"):
        Regularization(**{name: rate})


def test_errors_say_what_is_allowed() -> None:
    with pytest.raises(ValueError, match="use reset_after=True"):
        GRU(3, reset_after=False, regularization=Regularization(layer_norm=True))
    for layer in (RNN, GRU):
        with pytest.raises(
            ValueError, match=r"zoneout_cell=0\.1, but only an LSTM has a cell state: use zoneout_hidden"
        ):
            layer(3, regularization=Regularization(zoneout_cell=0.1))
    with pytest.raises(ValueError, match="has no droput: choose from input_dropout, "):
        LSTM(3, regularization={"droput": 0.1})
