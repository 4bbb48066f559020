"""Searches against an exhaustive search on a tiny vocabulary."""

import functools
import itertools
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from nlpseq.decoding import Hypotheses, beam_search, greedy_search, penalty_of_length
from nlpseq.text.tokenizers import BOS, EOS, PAD

VOCABULARY = 7  # the four reserved ids and three words
WORDS = (4, 5, 6)
BATCH = 3


def table(seed: int, end: float = 0.0, vocabulary: int = VOCABULARY) -> np.ndarray:
    """Logits [batch, token before last, last token, vocabulary] of a model that knows the last two tokens."""
    logits = np.random.default_rng(seed).normal(size=(BATCH, vocabulary, vocabulary, vocabulary), scale=2.0)
    logits[..., EOS] += end
    return logits.astype(np.float32)


def start() -> dict[str, tf.Tensor]:
    """The state before the first token: the row of each sequence and its token before the last one."""
    return {"row": tf.range(BATCH), "before": tf.fill([BATCH, 1], PAD)}


def step(logits: tf.Tensor, ids: tf.Tensor, state: dict[str, tf.Tensor]) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """One step of the model that ``logits`` are."""
    rows, before = tf.reshape(state["row"], tf.shape(ids)), tf.reshape(state["before"], tf.shape(ids))
    found = tf.nn.softmax(tf.gather_nd(logits, tf.stack([rows, before, ids], axis=-1)))
    next_state = {"row": state["row"], "before": tf.reshape(ids, tf.shape(state["before"]))}
    return tf.ensure_shape(found, [None, None, logits.shape[-1]]), next_state


def log_softmax(logits: np.ndarray) -> np.ndarray:
    logits = logits.astype(np.float64)
    return logits - np.log(np.exp(logits - logits.max()).sum()) - logits.max()


def log_probability(logits: np.ndarray, row: int, tokens: tuple[int, ...]) -> float:
    total, before, last = 0.0, PAD, BOS
    for token in tokens:
        total += log_softmax(logits[row, before, last])[token]
        before, last = last, token
    return total


def exhaustive(
    logits: np.ndarray, row: int, max_length: int, length_penalty: float
) -> list[tuple[float, tuple[int, ...]]]:
    """Every sequence that ends within ``max_length``, best first."""
    found = []
    for words in range(max_length):
        for beginning in itertools.product(WORDS, repeat=words):
            tokens = (*beginning, EOS)
            found.append((log_probability(logits, row, tokens) / ((5 + len(tokens)) / 6) ** length_penalty, tokens))
    return sorted(found, reverse=True)


@functools.cache
def traced(beam: int, n_best: int, vocabulary: int, limits: int) -> Any:
    """One graph for all models and limits, since to trace a search takes longer than to run it; beam 0 is greedy."""

    def search(logits: tf.Tensor, max_length: tf.Tensor, length_penalty: tf.Tensor) -> Hypotheses:
        model = functools.partial(step, logits)
        if not beam:
            return greedy_search(model, start(), tf.constant(BATCH), max_length)
        options = {"beam": beam, "n_best": n_best, "length_penalty": length_penalty}
        return beam_search(model, start(), tf.constant(BATCH), max_length, **options)

    table_shape, limits_shape = (BATCH, vocabulary, vocabulary, vocabulary), (limits,) if limits else ()
    return tf.function(
        search,
        input_signature=[
            tf.TensorSpec(table_shape, tf.float32),
            tf.TensorSpec(limits_shape, tf.int32),
            tf.TensorSpec((), tf.float32),
        ],
        autograph=False,
    )


def searched(
    logits: np.ndarray, max_length: int | list[int], *, beam: int, n_best: int, length_penalty: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    search = traced(beam, n_best, logits.shape[-1], len(max_length) if isinstance(max_length, list) else 0)
    ids, scores = search(tf.constant(logits), tf.constant(max_length), tf.constant(length_penalty))
    return ids.numpy(), scores.numpy()


def greedily(logits: np.ndarray, max_length: int | list[int]) -> tuple[np.ndarray, np.ndarray]:
    return searched(logits, max_length, beam=0, n_best=1)


def steps_taken(logits: np.ndarray, max_length: int, **options: Any) -> tuple[int, np.ndarray]:
    """How many steps a search takes, and the ids it gives; without options it is greedy."""
    steps = 0

    def counted(ids: tf.Tensor, state: Any) -> Any:
        nonlocal steps
        steps += 1
        return step(tf.constant(logits), ids, state)

    search = beam_search if options else greedy_search
    ids = search(counted, start(), tf.constant(BATCH), tf.constant(max_length), **options).ids
    return steps, ids.numpy()


def greedy_by_hand(logits: np.ndarray, row: int, max_length: int) -> tuple[int, ...]:
    tokens: list[int] = []
    before, last = PAD, BOS
    while len(tokens) < max_length and last != EOS:
        token = max((EOS, *WORDS), key=lambda index: logits[row, before, last, index])
        tokens.append(token)
        before, last = last, token
    return tuple(tokens)


def unpadded(ids: np.ndarray) -> tuple[int, ...]:
    tokens = tuple(ids[ids != PAD].tolist())
    assert not ids[len(tokens) :].any()  # padding stands on the right only
    return tokens


# Length penalty


def test_the_penalty_of_a_length_by_hand() -> None:
    np.testing.assert_allclose(penalty_of_length(tf.constant([1, 7, 13]), 1.0), [1.0, 2.0, 3.0], rtol=1e-6)
    np.testing.assert_allclose(penalty_of_length(tf.constant([1, 7, 19]), 0.5), [1.0, 2**0.5, 2.0], rtol=1e-6)
    np.testing.assert_allclose(penalty_of_length(tf.constant([1, 7, 13]), 0.0), [1.0, 1.0, 1.0])


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
    assert EOS not in ids
    assert [unpadded(ids[row, 0]) for row in range(BATCH)] == [greedy_by_hand(logits, row, 5) for row in range(BATCH)]


def test_greedy_stops_when_all_rows_have_ended() -> None:
    logits = np.zeros((BATCH, VOCABULARY, VOCABULARY, VOCABULARY), np.float32)
    logits[:, :, BOS, 4] = logits[:, :, 4, EOS] = 9.0
    steps, ids = steps_taken(logits, 50)
    assert [unpadded(row[0]) for row in ids] == [(4, EOS)] * BATCH
    assert steps == 2


# Beam search


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("length_penalty", [0.0, 1.0])
@pytest.mark.parametrize("max_length", [1, 2, 4])
def test_a_wide_beam_finds_the_best_of_all(seed: int, length_penalty: float, max_length: int) -> None:
    logits = table(seed)
    ids, scores = searched(logits, max_length, beam=40, n_best=3, length_penalty=length_penalty)
    assert ids.shape == (BATCH, 3, max_length)
    for row in range(BATCH):
        best = exhaustive(logits, row, max_length, length_penalty)[:3]
        assert len(best) == (1 if max_length == 1 else 3)
        assert [unpadded(hypothesis) for hypothesis in ids[row, : len(best)]] == [tokens for _, tokens in best]
        np.testing.assert_allclose(scores[row, : len(best)], [score for score, _ in best], rtol=1e-4)


def test_the_length_penalty_matters() -> None:
    # The tests above would not notice a penalty that does nothing if rankings were the same.
    rankings = [
        [exhaustive(table(seed), 0, 4, length_penalty)[0][1] for seed in range(5)] for length_penalty in (0.0, 1.0)
    ]
    assert rankings[0] != rankings[1]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("length_penalty", [0.0, 1.0])
@pytest.mark.parametrize("beam", [1, 2, 3])
def test_a_narrow_beam_gives_true_scores_of_distinct_sequences(seed: int, length_penalty: float, beam: int) -> None:
    logits = table(seed, end=1.0)
    ids, scores = searched(logits, 6, beam=beam, length_penalty=length_penalty, n_best=beam)
    for row in range(BATCH):
        found = [unpadded(hypothesis) for hypothesis in ids[row]]
        assert len(set(found)) == beam
        best = exhaustive(logits, row, 6, length_penalty)[0][0]
        for tokens, score in zip(found, scores[row], strict=True):
            if tokens[-1] == EOS:
                expected = log_probability(logits, row, tokens) / ((5 + len(tokens)) / 6) ** length_penalty
                np.testing.assert_allclose(score, expected, rtol=1e-4)
                assert score <= best + 1e-4
        finished = [score for tokens, score in zip(found, scores[row], strict=True) if tokens[-1] == EOS]
        assert finished == sorted(finished, reverse=True)


@pytest.mark.parametrize("seed", range(6))
def test_a_beam_of_one_without_penalty_is_never_worse_than_greedy(seed: int) -> None:
    logits = table(seed)
    ids, scores = searched(logits, 8, beam=1, n_best=1, length_penalty=0.0)
    for row in range(BATCH):
        greedy = greedy_by_hand(logits, row, 8)
        tokens = unpadded(ids[row, 0])
        if greedy[-1] == EOS:
            assert scores[row, 0] >= log_probability(logits, row, greedy) - 1e-4
        # It follows the same way, and may only have ended it earlier, where that is more probable.
        assert tokens[:-1] == greedy[: len(tokens) - 1]
        assert tokens[-1] in (EOS, greedy[len(tokens) - 1])


@pytest.mark.parametrize("seed", range(4))
def test_a_beam_of_one_is_greedy_where_the_end_is_clear(seed: int) -> None:
    # The end is all but impossible, but for after the word 6.
    logits = table(seed)
    logits[..., EOS] = -60.0
    logits[:, :, 6, EOS] = 60.0
    logits[:, :, :, 6] += 1.0
    greedy_ids, greedy_scores = greedily(logits, 12)
    ids, scores = searched(logits, 12, beam=1, n_best=1, length_penalty=1.0)
    for row in range(BATCH):
        tokens = unpadded(greedy_ids[row, 0])
        if tokens[-1] == EOS:
            assert unpadded(ids[row, 0]) == tokens
            np.testing.assert_allclose(scores[row], greedy_scores[row], rtol=1e-4)
    assert (greedy_ids == EOS).any()


@pytest.mark.parametrize("length_penalty", [0.0, 1.0])
def test_beams_are_cut_at_the_maximum_length(length_penalty: float) -> None:
    logits = table(1, end=-60.0)
    ids, scores = searched(logits, 3, beam=30, length_penalty=length_penalty, n_best=30)
    for row in range(BATCH):
        # The three that end within the limit come first, though they are far less probable.
        finished = exhaustive(logits, row, 3, length_penalty)
        assert len(finished) == 13
        found = [unpadded(hypothesis) for hypothesis in ids[row]]
        assert found[:13] == [tokens for _, tokens in finished]
        cut = sorted(
            ((log_probability(logits, row, tokens), tokens) for tokens in itertools.product(WORDS, repeat=3)),
            reverse=True,
        )[: 30 - 13]
        assert found[13:] == [tokens for _, tokens in cut]
        np.testing.assert_allclose(scores[row, 13:], [total / (8 / 6) ** length_penalty for total, _ in cut], rtol=1e-4)


@pytest.mark.parametrize("length_penalty", [0.0, 1.0])
@pytest.mark.parametrize("beam", [1, 4])
def test_beginnings_are_given_where_nothing_has_ended(beam: int, length_penalty: float) -> None:
    # More words than candidates, so that the end is never among them; with length_penalty 1 the penalty is more than 2.
    logits, max_length = table(2, end=-100.0, vocabulary=16), 12
    ids, scores = searched(logits, max_length, beam=beam, length_penalty=length_penalty, n_best=beam)
    for row in range(BATCH):
        found = [unpadded(hypothesis) for hypothesis in ids[row]]
        assert len(set(found)) == beam
        expected = [log_probability(logits, row, tokens) / ((5 + max_length) / 6) ** length_penalty for tokens in found]
        np.testing.assert_allclose(scores[row], expected, rtol=1e-4)
        assert expected == sorted(expected, reverse=True)
        for tokens in found:
            assert len(tokens) == max_length
            assert min(tokens) >= 4


def test_a_search_for_one_answer_ends_when_it_cannot_be_overtaken() -> None:
    logits = table(0) / 10
    logits[..., EOS] += 6.0  # the end is nearly certain at once, but further answers are words that end later
    steps, answers = zip(*(steps_taken(logits, 40, beam=4, n_best=n_best) for n_best in (1, 2, 3, 4)), strict=True)
    assert steps[0] == 1
    assert list(steps) == sorted(steps)
    assert steps[0] < steps[1] < 40
    for n_best, ids in enumerate(answers, start=1):
        np.testing.assert_array_equal(ids, answers[-1][:, :n_best])


def test_a_search_goes_on_while_a_longer_answer_may_overtake() -> None:
    logits = np.full((BATCH, VOCABULARY, VOCABULARY, VOCABULARY), -30.0, np.float32)
    logits[:, :, BOS, [EOS, 4, PAD]] = np.log([0.3, 0.2, 0.5])
    for word, following in ((4, 5), (5, 6), (6, EOS)):
        logits[:, :, word, following] = 30.0
    # log 0.3 is more than log 0.2, but less than log 0.2 divided by the penalty of four tokens.
    for length_penalty, best in ((1.0, (4, 5, 6, EOS)), (0.0, (EOS,))):
        ids, _ = searched(logits, 5, beam=4, n_best=1, length_penalty=length_penalty)
        assert [unpadded(row[0]) for row in ids] == [best] * BATCH


@pytest.mark.parametrize("length_penalty", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("max_length", [5, 12, [3, 9, 6]])
def test_the_best_answer_does_not_depend_on_how_many_are_wanted(
    max_length: int | list[int], length_penalty: float
) -> None:
    for seed in range(12):
        logits = table(seed, end=seed % 4 - 1.0)
        one, score = searched(logits, max_length, beam=4, n_best=1, length_penalty=length_penalty)
        all_four, scores = searched(logits, max_length, beam=4, n_best=4, length_penalty=length_penalty)
        np.testing.assert_array_equal(one, all_four[:, :1])
        np.testing.assert_allclose(score, scores[:, :1], rtol=1e-6)


def test_a_row_does_not_depend_on_the_others() -> None:
    logits = table(3)
    whole, _ = searched(logits, 6, beam=3, length_penalty=1.0, n_best=3)
    for row in range(BATCH):
        alone, _ = searched(np.repeat(logits[row : row + 1], BATCH, axis=0), 6, beam=3, length_penalty=1.0, n_best=3)
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
    for ids in (searched(logits, 6, beam=4, n_best=4)[0], greedily(logits, 6)[0]):
        assert all(set(unpadded(row[0])) <= {EOS, *WORDS} for row in ids)
