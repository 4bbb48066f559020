"""What was traced obeys the cells' equations, and is what the layer itself computes."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from nlpseq.layers import Regularization
from nlpseq.layers.bidirectional import Bidirectional
from nlpseq.layers.recurrent import LAYERS
from nlpseq.layers.tracing import directions, traces


def traced(layer: keras.layers.Layer) -> tuple[tf.Tensor, dict[str, np.ndarray]]:
    sequence = tf.constant(np.random.default_rng(3).normal(size=(7, 3)), tf.float32)
    return sequence, {name: values.numpy() for name, values in traces(layer, sequence).items()}


def built(cell: str, **options: object) -> keras.layers.Layer:
    keras.utils.set_random_seed(5)
    layer = LAYERS[cell](4, return_sequences=True, **options)
    layer.build((None, None, 3))
    return layer


def before(values: np.ndarray) -> np.ndarray:
    return np.vstack([np.zeros_like(values[:1]), values[:-1]])


@pytest.mark.parametrize("cell", LAYERS)
@pytest.mark.parametrize("options", [{}, {"zoneout_hidden": 0.2}, {"layer_norm": True}], ids=str)
def test_states_are_those_of_the_layer(cell: str, options: dict[str, object]) -> None:
    layer = built(cell, regularization=Regularization(**options))  # type: ignore[arg-type]
    sequence, values = traced(layer)
    assert values["state"] == pytest.approx(layer(sequence[None])[0].numpy(), abs=1e-6)


def test_an_lstm_s_gates_make_its_states() -> None:
    _, values = traced(built("lstm"))
    c = values["forget gate"] * before(values["cell state"]) + values["input gate"] * values["candidate"]
    assert values["cell state"] == pytest.approx(c, abs=1e-6)
    assert values["state"] == pytest.approx(values["output gate"] * np.tanh(c), abs=1e-6)


def test_a_gru_s_gates_make_its_states() -> None:
    _, values = traced(built("gru"))
    z = values["update gate"]
    assert values["state"] == pytest.approx(z * before(values["state"]) + (1 - z) * values["candidate"], abs=1e-6)
    assert ((values["reset gate"] > 0) & (values["reset gate"] < 1)).all()


def test_a_layer_that_reads_backwards_is_shown_in_the_order_of_the_text() -> None:
    keras.utils.set_random_seed(5)
    both = Bidirectional("gru", 4, return_sequences=True)
    both.build((None, None, 3))
    sequence = tf.constant(np.random.default_rng(3).normal(size=(7, 3)), tf.float32)
    states = [traces(layer, sequence)["state"].numpy() for layer in directions(both).values()]
    assert np.concatenate(states, axis=-1) == pytest.approx(both(sequence[None])[0].numpy(), abs=1e-6)
