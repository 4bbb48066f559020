"""Searches against an exhaustive one on a tiny vocabulary, and sampling against the distribution it draws from."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from nlpseq.decoding import (
    Filter,
    Hypotheses,
    beam_search,
    filtered_logits,
    greedy_search,
    length_penalty,
    sample,
    uniform,
)
from nlpseq.text.tokenizers import BEGIN, END, PAD

VOCABULARY = 7  # the four reserved ids and three words
WORDS = (4, 5, 6)
BATCH = 3


def table(seed: int, end: float = 0.0, vocabulary: int = VOCABULARY) -> np.ndarray:
    """Logits [batch, token before last, last token, vocabulary] of a model that knows the last two tokens."""
    logits = np.random.default_rng(seed).normal(size=(BATCH, vocabulary, vocabulary, vocabulary), scale=2.0)
    logits[..., END] += end
    return logits.astype(np.float32)


class Model:
    """A step function whose state is the row's table and the token before the last one."""

    def __init__(self, logits: np.ndarray) -> None:
        self.logits = logits

    def state(self) -> dict[str, tf.Tensor]:
        return {"row": tf.range(BATCH), "before": tf.fill([BATCH, 1], PAD)}

    def step(self, ids: tf.Tensor, state: dict[str, tf.Tensor]) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        rows, before = tf.reshape(state["row"], tf.shape(ids)), tf.reshape(state["before"], tf.shape(ids))
        logits = tf.gather_nd(tf.constant(self.logits), tf.stack([rows, before, ids], axis=-1))
        next_before = tf.reshape(ids, tf.shape(state["before"]))
        return tf.ensure_shape(logits, [None, None, self.logits.shape[-1]]), {
            "row": state["row"],
            "before": next_before,
        }


def log_softmax(logits: np.ndarray) -> np.ndarray:
    logits = logits.astype(np.float64)
    return logits - np.log(np.exp(logits - logits.max()).sum()) - logits.max()


def log_probability(logits: np.ndarray, row: int, tokens: tuple[int, ...]) -> float:
    total, before, last = 0.0, PAD, BEGIN
    for token in tokens:
        total += log_softmax(logits[row, before, last])[token]
        before, last = last, token
    return total


def exhaustive(logits: np.ndarray, row: int, max_length: int, alpha: float) -> list[tuple[float, tuple[int, ...]]]:
    """Every sequence that ends within ``max_length``, best first."""
    found = []
    for words in range(max_length):
        for beginning in itertools.product(WORDS, repeat=words):
            tokens = (*beginning, END)
            found.append((log_probability(logits, row, tokens) / ((5 + len(tokens)) / 6) ** alpha, tokens))
    return sorted(found, reverse=True)


def searched(logits: np.ndarray, max_length: int | list[int], **options: Any) -> tuple[np.ndarray, np.ndarray]:
    model = Model(logits)

    @tf.function
    def search() -> Hypotheses:
        return beam_search(model.step, model.state(), tf.constant(BATCH), tf.constant(max_length), **options)

    ids, scores = search()
    return ids.numpy(), scores.numpy()


def greedily(logits: np.ndarray, max_length: int | list[int]) -> tuple[np.ndarray, np.ndarray]:
    model = Model(logits)

    @tf.function
    def search() -> Hypotheses:
        return greedy_search(model.step, model.state(), tf.constant(BATCH), tf.constant(max_length))

    ids, scores = search()
    return ids.numpy(), scores.numpy()


def greedy_by_hand(logits: np.ndarray, row: int, max_length: int) -> tuple[int, ...]:
    tokens: list[int] = []
    before, last = PAD, BEGIN
    while len(tokens) < max_length and last != END:
        token = max((END, *WORDS), key=lambda index: logits[row, before, last, index])
        tokens.append(token)
        before, last = last, token
    return tuple(tokens)


def unpadded(ids: np.ndarray) -> tuple[int, ...]:
    tokens = tuple(ids[ids != PAD].tolist())
    assert not ids[len(tokens) :].any()  # padding stands on the right only
    return tokens


# Length penalty


def test_length_penalty_by_hand() -> None:
    np.testing.assert_allclose(length_penalty(tf.constant([1, 7, 13]), 1.0), [1.0, 2.0, 3.0], rtol=1e-6)
    np.testing.assert_allclose(length_penalty(tf.constant([1, 7, 19]), 0.5), [1.0, 2**0.5, 2.0], rtol=1e-6)
    np.testing.assert_allclose(length_penalty(tf.constant([1, 7, 13]), 0.0), [1.0, 1.0, 1.0])


# Greedy search


@pytest.mark.parametrize("seed", range(6))
def test_greedy_takes_the_most_probable_token(seed: int) -> None:
    logits = table(seed)
    ids, scores = greedily(logits, 9)
    assert ids.shape == (BATCH, 1, 9)
    for row in range(BATCH):
        tokens = greedy_by_hand(logits, row, 9)
        assert unpadded(ids[row, 0]) == tokens
        expected = log_probability(logits, row, tokens) / ((5 + len(tokens)) / 6)
        np.testing.assert_allclose(scores[row, 0], expected, rtol=1e-5)


def test_greedy_is_cut_at_the_maximum_length() -> None:
    logits = table(0, end=-50.0)
    ids, _ = greedily(logits, 5)
    assert all(len(unpadded(ids[row, 0])) == 5 for row in range(BATCH))
    assert END not in ids
    assert [unpadded(ids[row, 0]) for row in range(BATCH)] == [greedy_by_hand(logits, row, 5) for row in range(BATCH)]


def test_greedy_stops_when_all_rows_have_ended() -> None:
    steps = 0
    logits = np.zeros((BATCH, VOCABULARY, VOCABULARY, VOCABULARY), np.float32)
    logits[:, :, BEGIN, 4] = logits[:, :, 4, END] = 9.0
    model = Model(logits)

    def counted(ids: tf.Tensor, state: Any) -> Any:
        nonlocal steps
        steps += 1
        return model.step(ids, state)

    ids = greedy_search(counted, model.state(), tf.constant(BATCH), tf.constant(50)).ids.numpy()
    assert [unpadded(row[0]) for row in ids] == [(4, END)] * BATCH
    assert steps == 2


# Beam search


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("alpha", [0.0, 1.0])
@pytest.mark.parametrize("max_length", [1, 2, 4])
def test_a_wide_beam_finds_the_best_of_all(seed: int, alpha: float, max_length: int) -> None:
    logits = table(seed)
    n_best = 3 if max_length > 1 else 1
    ids, scores = searched(logits, max_length, beam=40, alpha=alpha, n_best=n_best)
    assert ids.shape == (BATCH, n_best, max_length)
    for row in range(BATCH):
        best = exhaustive(logits, row, max_length, alpha)[:n_best]
        assert [unpadded(hypothesis) for hypothesis in ids[row]] == [tokens for _, tokens in best]
        np.testing.assert_allclose(scores[row], [score for score, _ in best], rtol=1e-4)


def test_alpha_matters() -> None:
    # The tests above would not notice a penalty that does nothing if rankings were the same.
    rankings = [[exhaustive(table(seed), 0, 4, alpha)[0][1] for seed in range(5)] for alpha in (0.0, 1.0)]
    assert rankings[0] != rankings[1]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("alpha", [0.0, 1.0])
@pytest.mark.parametrize("beam", [1, 2, 3])
def test_a_narrow_beam_gives_true_scores_of_distinct_sequences(seed: int, alpha: float, beam: int) -> None:
    logits = table(seed, end=1.0)
    ids, scores = searched(logits, 6, beam=beam, alpha=alpha, n_best=beam)
    for row in range(BATCH):
        found = [unpadded(hypothesis) for hypothesis in ids[row]]
        assert len(set(found)) == beam
        best = exhaustive(logits, row, 6, alpha)[0][0]
        for tokens, score in zip(found, scores[row], strict=True):
            if tokens[-1] == END:
                expected = log_probability(logits, row, tokens) / ((5 + len(tokens)) / 6) ** alpha
                np.testing.assert_allclose(score, expected, rtol=1e-4)
                assert score <= best + 1e-4
        finished = [score for tokens, score in zip(found, scores[row], strict=True) if tokens[-1] == END]
        assert finished == sorted(finished, reverse=True)


@pytest.mark.parametrize("seed", range(6))
def test_a_beam_of_one_without_penalty_is_never_worse_than_greedy(seed: int) -> None:
    logits = table(seed)
    ids, scores = searched(logits, 8, beam=1, alpha=0.0)
    for row in range(BATCH):
        greedy = greedy_by_hand(logits, row, 8)
        tokens = unpadded(ids[row, 0])
        if greedy[-1] == END:
            assert scores[row, 0] >= log_probability(logits, row, greedy) - 1e-4
        # It follows the same way, and may only have ended it earlier, where that is more probable.
        assert tokens[:-1] == greedy[: len(tokens) - 1]
        assert tokens[-1] in (END, greedy[len(tokens) - 1])


@pytest.mark.parametrize("seed", range(4))
def test_a_beam_of_one_is_greedy_where_the_end_is_clear(seed: int) -> None:
    # The end is all but impossible, but for after the word 6.
    logits = table(seed)
    logits[..., END] = -60.0
    logits[:, :, 6, END] = 60.0
    logits[:, :, :, 6] += 1.0
    greedy_ids, greedy_scores = greedily(logits, 12)
    ids, scores = searched(logits, 12, beam=1, alpha=1.0)
    for row in range(BATCH):
        tokens = unpadded(greedy_ids[row, 0])
        if tokens[-1] == END:
            assert unpadded(ids[row, 0]) == tokens
            np.testing.assert_allclose(scores[row], greedy_scores[row], rtol=1e-4)
    assert (greedy_ids == END).any()


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_beams_are_cut_at_the_maximum_length(alpha: float) -> None:
    logits = table(1, end=-80.0)
    ids, scores = searched(logits, 3, beam=30, alpha=alpha, n_best=30)
    for row in range(BATCH):
        # The three that end within the limit come first, though they are far less probable.
        finished = exhaustive(logits, row, 3, alpha)
        assert len(finished) == 13
        found = [unpadded(hypothesis) for hypothesis in ids[row]]
        assert found[:13] == [tokens for _, tokens in finished]
        cut = sorted(
            ((log_probability(logits, row, tokens), tokens) for tokens in itertools.product(WORDS, repeat=3)),
            reverse=True,
        )[: 30 - 13]
        assert found[13:] == [tokens for _, tokens in cut]
        np.testing.assert_allclose(scores[row, 13:], [total / (8 / 6) ** alpha for total, _ in cut], rtol=1e-4)


@pytest.mark.parametrize("alpha", [0.0, 1.0])
@pytest.mark.parametrize("beam", [1, 4])
def test_beginnings_are_given_where_nothing_has_ended(beam: int, alpha: float) -> None:
    # More words than candidates, so that the end is never among them; with alpha 1 the penalty is more than 2.
    logits, max_length = table(2, end=-100.0, vocabulary=16), 12
    ids, scores = searched(logits, max_length, beam=beam, alpha=alpha, n_best=beam)
    for row in range(BATCH):
        found = [unpadded(hypothesis) for hypothesis in ids[row]]
        assert len(set(found)) == beam
        expected = [log_probability(logits, row, tokens) / ((5 + max_length) / 6) ** alpha for tokens in found]
        np.testing.assert_allclose(scores[row], expected, rtol=1e-4)
        assert expected == sorted(expected, reverse=True)
        for tokens in found:
            assert len(tokens) == max_length
            assert min(tokens) >= 4


def test_a_row_does_not_depend_on_the_others() -> None:
    logits = table(3)
    whole, _ = searched(logits, 6, beam=3, alpha=1.0, n_best=3)
    for row in range(BATCH):
        alone, _ = searched(np.repeat(logits[row : row + 1], BATCH, axis=0), 6, beam=3, alpha=1.0, n_best=3)
        np.testing.assert_array_equal(alone[0], whole[row])


@pytest.mark.parametrize("end", [0.0, -3.0])
def test_each_row_may_have_its_own_limit(end: float) -> None:
    logits, limits = table(5, end), [2, 7, 4]
    for search in (lambda limit: searched(logits, limit, beam=3, n_best=3), lambda limit: greedily(logits, limit)):
        together, scores = search(limits)
        assert together.shape[-1] == max(limits)
        for row, limit in enumerate(limits):
            alone, alone_scores = search(limit)
            np.testing.assert_array_equal(together[row, :, :limit], alone[row])
            assert not together[row, :, limit:].any()
            np.testing.assert_allclose(scores[row], alone_scores[row], rtol=1e-6)


def test_searches_never_give_a_reserved_id() -> None:
    logits = table(4)
    logits[..., :3] += 30.0  # padding, unknown and begin seem certain
    for ids in (searched(logits, 6, beam=4, alpha=1.0)[0], greedily(logits, 6)[0]):
        assert all(set(unpadded(row[0])) <= {END, *WORDS} for row in ids)


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


def sampled(
    logits: np.ndarray,
    length: int,
    *,
    seeds: Sequence[int] = (1,),
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    prompts: Sequence[Sequence[int]] = ((BEGIN,),),
) -> np.ndarray:
    """Tokens after the prompts, of a model whose next logits are a row of ``logits``, by the last token."""
    rows = tf.constant(logits, tf.float32)
    batch = max(len(seeds), len(prompts))
    prompts = [prompts[row % len(prompts)] for row in range(batch)]
    longest = max(map(len, prompts))
    padded = np.array([[*prompt, *[PAD] * (longest - len(prompt))] for prompt in prompts], np.int32)

    @tf.function
    def draw() -> tf.Tensor:
        return sample(
            lambda ids, state: (tf.gather(rows, ids), state),
            (),
            tf.constant(padded),
            tf.constant([len(prompt) for prompt in prompts]),
            length=tf.fill([batch], length),
            temperature=tf.fill([batch], temperature),
            seed=tf.constant([seeds[row % len(seeds)] for row in range(batch)]),
            only=Filter(tf.fill([batch], top_k), tf.fill([batch], top_p)) if top_k or top_p < 1 else None,
        )

    written = draw().numpy()
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
    prompts = [(BEGIN,), (4, 5, 6), (7, 4)]
    together = sampled(chain, 30, seeds=(1, 2, 3), prompts=prompts)
    for row, prompt in enumerate(prompts):
        np.testing.assert_array_equal(together[row : row + 1], sampled(chain, 30, seeds=(row + 1,), prompts=[prompt]))


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
    expected, last = [], BEGIN
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
    logits[BEGIN, 4] = logits[4, 5] = logits[5, 4] = 40.0
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
