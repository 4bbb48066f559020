"""Attention against loops over the papers' equations."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from nlpseq.layers.attention import AdditiveAttention, AttentionPooling, MultiplicativeAttention

BATCH, TARGET, SOURCE, UNITS, MEMORY_UNITS = 3, 4, 5, 6, 8
LENGTHS = np.array([5, 1, 3])
MASK = np.arange(SOURCE) < LENGTHS[:, None]
KINDS = [AdditiveAttention, MultiplicativeAttention]


def random(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng((seed, *shape)).normal(size=shape).astype(np.float32)


def softmax(scores: np.ndarray) -> np.ndarray:
    exponentials = np.exp(scores - scores.max())
    return exponentials / exponentials.sum()


def attend(layer: keras.layers.Layer, query: np.ndarray, memory: np.ndarray, mask: np.ndarray) -> list[np.ndarray]:
    memory = tf.constant(memory)
    return [result.numpy() for result in layer(tf.constant(query), memory, layer.project(memory), tf.constant(mask))]


def weight(layer: keras.layers.Layer, name: str) -> np.ndarray:
    (found,) = [variable for variable in layer.weights if variable.path.endswith(name)]
    return found.numpy().astype(float)


def by_hand(layer: keras.layers.Layer, query: np.ndarray, memory: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Position by position; what is past the length is not there at all."""
    contexts, weights = np.zeros((BATCH, TARGET, MEMORY_UNITS)), np.zeros((BATCH, TARGET, SOURCE))
    kernel = weight(layer, "keys/kernel")  # [memory units, units]
    for row in range(BATCH):
        real = range(LENGTHS[row])
        for position in range(TARGET):
            asked = query[row, position].astype(float)
            if isinstance(layer, AdditiveAttention):
                # Bahdanau et al. 2015, A.1.2: v . tanh(W s + U h)
                moved = asked @ weight(layer, "query/kernel") + weight(layer, "query/bias")
                scores = [weight(layer, "vector") @ np.tanh(moved + memory[row, source] @ kernel) for source in real]
            else:
                # Luong et al. 2015, 3.1, "general": s W h
                scores = [asked @ (kernel.T @ memory[row, source]) for source in real]
            weights[row, position, : LENGTHS[row]] = softmax(np.array(scores))
            contexts[row, position] = sum(weights[row, position, source] * memory[row, source] for source in real)
    return contexts, weights


@pytest.mark.parametrize("kind", KINDS)
def test_equals_the_papers_equations(kind: type) -> None:
    layer = kind(UNITS)
    query, memory = random(BATCH, TARGET, UNITS), random(BATCH, SOURCE, MEMORY_UNITS)
    attend(layer, query, memory, MASK)
    for variable in layer.weights:  # biases too
        variable.assign(random(*variable.shape, seed=1))
    context, weights = attend(layer, query, memory, MASK)
    expected_context, expected_weights = by_hand(layer, query, memory)
    np.testing.assert_allclose(weights, expected_weights, atol=1e-5)
    np.testing.assert_allclose(context, expected_context, atol=1e-5)
    assert expected_weights.max(axis=-1).min() < 0.9  # not all decided by one position


@pytest.mark.parametrize("kind", KINDS)
def test_weights_sum_to_one_and_padding_gets_none(kind: type) -> None:
    _, weights = attend(kind(UNITS), random(BATCH, TARGET, UNITS), random(BATCH, SOURCE, MEMORY_UNITS), MASK)
    np.testing.assert_allclose(weights.sum(axis=-1), 1.0, atol=1e-6)
    assert (weights[np.broadcast_to(~MASK[:, None], weights.shape)] == 0).all()
    assert (weights[np.broadcast_to(MASK[:, None], weights.shape)] > 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_what_stands_at_padding_does_not_matter(kind: type) -> None:
    layer, query, memory = kind(UNITS), random(BATCH, TARGET, UNITS), random(BATCH, SOURCE, MEMORY_UNITS)
    other = np.where(MASK[:, :, None], memory, 1000.0).astype(np.float32)
    for one, another in zip(attend(layer, query, memory, MASK), attend(layer, query, other, MASK), strict=True):
        np.testing.assert_allclose(one, another, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_of_padding_alone_stays_finite(kind: type) -> None:
    nothing = np.zeros_like(MASK)
    context, weights = attend(kind(UNITS), random(BATCH, TARGET, UNITS), random(BATCH, SOURCE, MEMORY_UNITS), nothing)
    assert np.isfinite(context).all()
    np.testing.assert_allclose(weights, 1 / SOURCE, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_beams_are_target_positions(kind: type) -> None:
    layer, query, memory = kind(UNITS), random(BATCH, TARGET, UNITS), random(BATCH, SOURCE, MEMORY_UNITS)
    together = attend(layer, query, memory, MASK)
    for beam in range(TARGET):
        alone = attend(layer, query[:, beam : beam + 1], memory, MASK)
        for one, all_beams in zip(alone, together, strict=True):
            np.testing.assert_allclose(one[:, 0], all_beams[:, beam], atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_everything_is_trained(kind: type) -> None:
    layer, query, memory = kind(UNITS), random(BATCH, TARGET, UNITS), tf.constant(random(BATCH, SOURCE, MEMORY_UNITS))
    with tf.GradientTape() as tape:
        context, _ = layer(tf.constant(query), memory, layer.project(memory), tf.constant(MASK))
        loss = tf.reduce_sum(context**2)
    gradients = tape.gradient(loss, layer.trainable_variables)
    assert len(gradients) == {AdditiveAttention: 4, MultiplicativeAttention: 1}[kind]
    assert all(np.abs(gradient.numpy()).sum() > 0 for gradient in gradients)


def test_multiplicative_attention_refuses_a_query_of_another_size() -> None:
    with pytest.raises(ValueError, match=r"units=6\) got a query of 7 units"):
        attend(MultiplicativeAttention(6), random(BATCH, TARGET, 7), random(BATCH, SOURCE, MEMORY_UNITS), MASK)


@pytest.mark.parametrize("kind", KINDS)
def test_configuration_round_trip(kind: type) -> None:
    layer = kind.from_config(kind(UNITS, name="attention").get_config())
    assert (type(layer), layer.units, layer.name) == (kind, UNITS, "attention")


# Pooling


def test_pooling_equals_the_papers_equations() -> None:
    layer, states = AttentionPooling(), random(BATCH, SOURCE, UNITS)
    layer(tf.constant(states), tf.constant(MASK))
    for variable in layer.weights:
        variable.assign(random(*variable.shape, seed=2))
    pooled, weights = (result.numpy() for result in layer(tf.constant(states), tf.constant(MASK)))
    for row in range(BATCH):
        # Yang et al. 2016: u = tanh(W h + b), weights = softmax(u . v), s = sum of weights x h
        real = states[row, : LENGTHS[row]].astype(float)
        hidden = np.tanh(real @ weight(layer, "hidden/kernel") + weight(layer, "hidden/bias"))
        expected = softmax(hidden @ weight(layer, "score/kernel")[:, 0])
        np.testing.assert_allclose(weights[row, : LENGTHS[row]], expected, atol=1e-5)
        assert (weights[row, LENGTHS[row] :] == 0).all()
        np.testing.assert_allclose(pooled[row], expected @ real, atol=1e-5)


def test_pooling_of_one_state_is_that_state() -> None:
    states = random(BATCH, SOURCE, UNITS)
    pooled, weights = AttentionPooling()(tf.constant(states), tf.constant([[True] + [False] * (SOURCE - 1)] * BATCH))
    np.testing.assert_allclose(pooled, states[:, 0], atol=1e-6)
    assert weights.numpy().tolist() == [[1.0, 0.0, 0.0, 0.0, 0.0]] * BATCH


def test_pooling_is_saved_and_loaded(tmp_path: Path) -> None:
    states = keras.Input((None, UNITS))
    mask = keras.Input((None,), dtype="bool")
    model = keras.Model([states, mask], AttentionPooling(name="pooling")(states, mask))
    inputs = [random(BATCH, SOURCE, UNITS), MASK]
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    for one, other in zip(model.predict(inputs, verbose=0), again.predict(inputs, verbose=0), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_attention_is_saved_and_loaded(kind: type, tmp_path: Path) -> None:
    query, memory = keras.Input((None, UNITS)), keras.Input((None, MEMORY_UNITS))
    keys, mask = keras.Input((None, UNITS)), keras.Input((None,), dtype="bool")
    model = keras.Model([query, memory, keys, mask], kind(UNITS, name="attention")(query, memory, keys, mask))
    for variable in model.weights:
        variable.assign(random(*variable.shape, seed=3))
    inputs = [random(BATCH, TARGET, UNITS), random(BATCH, SOURCE, MEMORY_UNITS), random(BATCH, SOURCE, UNITS), MASK]
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    for one, other in zip(model.predict(inputs, verbose=0), again.predict(inputs, verbose=0), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
