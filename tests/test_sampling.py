"""Sampling against the distribution that it draws from, and its random numbers against the same hash in Python."""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from nlpseq.sampling import Filter, filtered_logits, sample_tokens, uniform
from nlpseq.text.tokenizers import BOS, PAD, UNKNOWN

VOCABULARY = 9  # the four reserved ids and five words


# What may be drawn


def filtered(logits: np.ndarray, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0) -> np.ndarray:
    scaled = tf.constant(logits, tf.float32) / temperature
    return filtered_logits(scaled, tf.fill([len(logits)], top_k), tf.fill([len(logits)], top_p)).numpy()


def filtered_by_hand(logits: np.ndarray, temperature: float, top_k: int, top_p: float) -> np.ndarray:
    scaled = logits / temperature
    kept = np.zeros(len(scaled), bool)
    total = 0.0
    probabilities = np.exp(scaled - scaled.max()) / np.exp(scaled - scaled.max()).sum()
    for rank, index in enumerate(np.argsort(-scaled)):
        if (rank and total >= top_p) or (top_k > 0 and rank >= top_k):
            break
        kept[index] = True
        total += probabilities[index]
    return kept


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5])
@pytest.mark.parametrize(
    ("top_k", "top_p"), [(0, 1.0), (1, 1.0), (3, 1.0), (0, 0.5), (0, 0.9), (3, 0.6), (4, 0.95), (0, 0.0)]
)
def test_what_is_kept_is_what_numpy_keeps(temperature: float, top_k: int, top_p: float) -> None:
    logits = np.random.default_rng(0).normal(size=(8, 20), scale=1.5).astype(np.float32)
    result = filtered(logits, temperature, top_k, top_p)
    for row in range(8):
        kept = filtered_by_hand(logits[row].astype(float), temperature, top_k, top_p)
        np.testing.assert_array_equal(result[row] > -1e8, kept)
        np.testing.assert_allclose(result[row][kept], logits[row][kept] / temperature, rtol=1e-5)


def test_top_p_by_hand() -> None:
    logits = np.log(np.array([[0.15, 0.5, 0.3, 0.05]], np.float32))
    kept = [(filtered(logits, top_p=top_p)[0] > -1e8).tolist() for top_p in (0.4, 0.6, 0.9, 0.99)]
    assert kept == [
        [False, True, False, False],
        [False, True, True, False],
        [True, True, True, False],
        [True, True, True, True],
    ]


def test_more_than_the_vocabulary_keeps_all() -> None:
    assert (filtered(np.zeros((2, 5), np.float32), top_k=9) > -1e8).all()


def test_top_p_of_one_keeps_all() -> None:
    # In float32 the first probability of this row is already 1.
    assert (filtered(np.array([[30.0, 0.0, -5.0, 1.0]], np.float32), top_p=1.0) > -1e8).all()


# Sampling


@functools.cache
def traced(filtered: bool, capacity: int | None, rows: int | None) -> Any:
    """One graph for all models and prompts, since to trace the sampling takes longer than to run it."""

    def draw(
        logits: tf.Tensor, prompt: tf.Tensor, prompt_lengths: tf.Tensor, top_k: tf.Tensor, top_p: tf.Tensor, **how: Any
    ) -> tf.Tensor:
        only = Filter(top_k, top_p) if filtered else None

        def step(ids: tf.Tensor, state: tuple[()]) -> tuple[tf.Tensor, tuple[()]]:
            return tf.gather(logits, ids), state

        return sample_tokens(step, (), prompt, prompt_lengths, only=only, capacity=capacity, **how)

    kinds = {"length": tf.int32, "temperature": tf.float32, "seed": tf.int32, "top_k": tf.int32, "top_p": tf.float32}
    return tf.function(draw).get_concrete_function(
        logits=tf.TensorSpec([VOCABULARY, VOCABULARY], tf.float32),
        prompt=tf.TensorSpec([rows, None], tf.int32),
        prompt_lengths=tf.TensorSpec([rows], tf.int32),
        **{name: tf.TensorSpec([rows], kind) for name, kind in kinds.items()},
    )


def test_what_training_never_had_is_never_drawn() -> None:
    never = [PAD, UNKNOWN, BOS, 5]
    logits = tf.one_hot(tf.fill([VOCABULARY], 5), VOCABULARY, on_value=20.0)

    def step(ids: tf.Tensor, state: tuple[()]) -> tuple[tf.Tensor, tuple[()]]:
        return tf.gather(logits, ids), state

    one = tf.ones([1], tf.int32)
    for temperature in (0.0, 1.0, 50.0):
        how = {"length": 40 * one, "temperature": tf.constant([temperature]), "seed": one}
        drawn = set(sample_tokens(step, (), one[None], one, never=never, **how).numpy()[0, 1:].tolist())
        assert drawn.isdisjoint(never)
        if temperature:
            assert drawn == set(range(VOCABULARY)) - set(never)


def sampled(
    logits: np.ndarray,
    length: int,
    *,
    seeds: Sequence[int] = (1,),
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    prompts: Sequence[Sequence[int]] = ((BOS,),),
    capacity: int | None = None,
    rows: int | None = None,
) -> np.ndarray:
    """Tokens after the prompts, of a model whose next logits are a row of ``logits``, by the last token."""
    batch = max(len(seeds), len(prompts))
    prompts = [prompts[row % len(prompts)] for row in range(batch)]
    longest = max(map(len, prompts))
    padded = np.array([[*prompt, *[PAD] * (longest - len(prompt))] for prompt in prompts], np.int32)
    written = traced(top_k > 0 or top_p < 1, capacity, rows)(
        logits=tf.constant(logits, tf.float32),
        prompt=tf.constant(padded),
        prompt_lengths=tf.constant([len(prompt) for prompt in prompts]),
        length=tf.fill([batch], length),
        temperature=tf.fill([batch], temperature),
        seed=tf.constant([seeds[row % len(seeds)] for row in range(batch)]),
        top_k=tf.fill([batch], top_k),
        top_p=tf.fill([batch], top_p),
    ).numpy()
    if capacity is not None:
        assert written.shape == (batch, capacity)
    for row, prompt in enumerate(prompts):
        assert written[row, : len(prompt)].tolist() == list(prompt)
        assert not written[row, len(prompt) + length :].any()
    return np.stack([written[row, len(prompt) : len(prompt) + length] for row, prompt in enumerate(prompts)])


@pytest.fixture(scope="module")
def chain() -> np.ndarray:
    return np.random.default_rng(7).normal(size=(9, 9), scale=1.2).astype(np.float32)


def test_same_seed_same_tokens(chain: np.ndarray) -> None:
    first = sampled(chain, 60, seeds=(3, 3, 4))
    assert first.shape == (3, 60)
    assert first.dtype == np.int32
    np.testing.assert_array_equal(first[0], first[1])
    np.testing.assert_array_equal(first[:1], sampled(chain, 60, seeds=(3,)))
    assert (first[0] != first[2]).mean() > 0.3


def test_a_drawn_row_does_not_depend_on_the_others(chain: np.ndarray) -> None:
    prompts = [(BOS,), (4, 5, 6), (7, 4)]
    together = sampled(chain, 30, seeds=(1, 2, 3), prompts=prompts)
    for row, prompt in enumerate(prompts):
        np.testing.assert_array_equal(together[row : row + 1], sampled(chain, 30, seeds=(row + 1,), prompts=[prompt]))


def test_a_result_of_fixed_size_holds_the_same(chain: np.ndarray) -> None:
    prompts = [(BOS,), (4, 5, 6), (7, 4)]
    expected = sampled(chain, 20, seeds=(1, 2, 3), prompts=prompts)
    np.testing.assert_array_equal(sampled(chain, 20, seeds=(1, 2, 3), prompts=prompts, capacity=32), expected)
    np.testing.assert_array_equal(sampled(chain, 20, prompts=prompts[:1], capacity=32, rows=1), expected[:1])


def test_a_prompt_as_long_as_wanted_leaves_nothing_to_draw(chain: np.ndarray) -> None:
    assert sampled(chain, 0, prompts=[(4, 5, 6)]).shape == (1, 0)


def mixed(word: int) -> int:
    """One of the generator's permutations, in Python's integers."""
    word = (word + 0x9E3779B9) % 2**32
    word = (word ^ (word >> 16)) * 0x85EBCA6B % 2**32
    word = (word ^ (word >> 13)) * 0xC2B2AE35 % 2**32
    return word ^ (word >> 16)


def test_numbers_are_those_of_the_hash() -> None:
    seeds = [0, 1, 2, 77, 2**31 - 1, -1, -(2**31)]
    indices = [0, 1, 5, 1000, 2**31 - 1, 3, 4]
    expected = [(mixed(mixed(s % 2**32) ^ i % 2**32) >> 8) / 2**24 for s, i in zip(seeds, indices, strict=True)]
    found = uniform(tf.constant(seeds, tf.int32), tf.constant(indices, tf.int32)).numpy()
    np.testing.assert_array_equal(found, np.array(expected, np.float32))


def test_numbers_are_uniform_along_both_arguments() -> None:
    many = tf.range(40_000)
    for values in (uniform(tf.ones_like(many), many), uniform(many, tf.zeros_like(many))):
        counts = np.bincount((values.numpy() * 50).astype(int), minlength=50)
        # 49 degrees of freedom: more than 110 has a probability of 1e-6.
        assert ((counts - 800) ** 2 / 800).sum() < 110
        following = np.corrcoef(values.numpy()[:-1], values.numpy()[1:])[0, 1]
        assert abs(following) < 0.025


def test_a_longer_draw_begins_like_a_shorter_one(chain: np.ndarray) -> None:
    np.testing.assert_array_equal(sampled(chain, 50)[:, :20], sampled(chain, 20))


def test_temperature_zero_takes_the_most_probable(chain: np.ndarray) -> None:
    expected, last = [], BOS
    for _ in range(30):
        last = 3 + int(chain[last, 3:].argmax())
        expected.append(last)
    for seed in (1, 2):
        assert sampled(chain, 30, temperature=0.0, seeds=(seed,))[0].tolist() == expected
    assert sampled(chain, 30, temperature=1.0, top_k=1)[0].tolist() == expected


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_frequencies_approach_the_distribution(temperature: float) -> None:
    wanted = np.array([-1.0, 0.3, 1.0, 0.0, -0.5, 0.8])
    logits = np.tile(np.concatenate([[5.0, 5.0, 5.0], wanted]), (9, 1))
    draws = sampled(logits, 400, temperature=temperature, seeds=range(50)).ravel()
    observed = np.bincount(draws, minlength=9)[3:]
    probabilities = np.exp(wanted / temperature) / np.exp(wanted / temperature).sum()
    expected = probabilities * draws.size
    # 5 degrees of freedom: more than 30 has a probability of 1e-5.
    assert ((observed - expected) ** 2 / expected).sum() < 30
    assert observed.sum() == draws.size == 20_000


def test_steps_depend_on_the_token_before() -> None:
    # 4 is followed by 5 and 5 by 4, always.
    logits = np.full((9, 9), -40.0)
    logits[BOS, 4] = logits[4, 5] = logits[5, 4] = 40.0
    assert sampled(logits, 7)[0].tolist() == [4, 5, 4, 5, 4, 5, 4]


def test_what_top_k_leaves_out_is_never_drawn() -> None:
    logits = np.tile([9.0, 9.0, 9.0, 0.0, 1.0, 0.9, 0.8, 0.7, 0.6], (9, 1))
    assert set(sampled(logits, 100, top_k=2, seeds=range(10)).ravel().tolist()) == {4, 5}
    assert set(sampled(logits, 100, top_p=0.5, seeds=range(10)).ravel().tolist()) == {4, 5, 6}


@pytest.mark.parametrize("temperature", [0.0, 0.1, 1.0, 100.0])
def test_padding_unknown_and_begin_are_never_drawn(temperature: float) -> None:
    logits = np.tile([50.0, 50.0, 50.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], (9, 1))
    draws = sampled(logits, 200, temperature=temperature, seeds=range(5))
    assert draws.min() >= 3
    assert draws.max() <= 8


def test_length_zero_draws_nothing(chain: np.ndarray) -> None:
    assert sampled(chain, 0, seeds=(1, 2)).size == 0
