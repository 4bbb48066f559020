"""Searches that may not be empty nor run in a loop, against a check in plain Python."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
import pytest
import tensorflow as tf

from nlpseq.decoding import LONGEST_LOOP, Hypotheses, Restraint, beam_search, greedy_search, restrained_search
from nlpseq.text.piece_facts import characters_of, shortest_loops_of
from nlpseq.text.tokenizers import EOS, PAD
from tests.test_decoding import BATCH, VOCABULARY, start, step, table, unpadded

PLAIN = np.array([255] * 4 + [1] * (VOCABULARY - 4), np.int32)  # any word may stand in any loop
SOURCE = np.tile(np.array([[4, 5, 6, EOS]], np.int32), (BATCH, 1))


@functools.cache
def traced(beam: int, restrained: bool) -> tf.types.experimental.PolymorphicFunction:
    def search(logits: tf.Tensor, source: tf.Tensor, shortest: tf.Tensor, most: tf.Tensor) -> Hypotheses:
        model = functools.partial(step, logits)

        def best(restraint: Restraint | None) -> Hypotheses:
            if not beam:
                return greedy_search(model, start(), tf.constant(BATCH), most, restraint)
            return beam_search(model, start(), tf.constant(BATCH), most, beam=beam, n_best=beam, restraint=restraint)

        if not restrained:
            return best(None)
        return restrained_search(best, Restraint(source, (shortest, shortest)))

    ids = tf.TensorSpec([None, None], tf.int32)
    shapes = [tf.TensorSpec([BATCH, *[VOCABULARY] * 3]), ids, tf.TensorSpec([VOCABULARY], tf.int32)]
    return tf.function(search, input_signature=[*shapes, tf.TensorSpec([], tf.int32)], autograph=False)


def searched(
    logits: np.ndarray,
    *,
    beam: int,
    restrained: bool = True,
    source: np.ndarray = SOURCE,
    shortest: np.ndarray = PLAIN,
    most: int = 40,
) -> list[tuple[int, ...]]:
    """The best sequence of each row."""
    found = traced(beam, restrained)(tf.constant(logits), tf.constant(source), tf.constant(shortest), tf.constant(most))
    return [unpadded(row) for row in found.ids[:, 0].numpy()]


def times_in_a_row(tokens: Sequence[int]) -> int:
    """How often the part that comes most often right after itself does so."""
    most = 1
    for size in range(1, LONGEST_LOOP + 1):
        for begin in range(len(tokens) - size + 1):
            part, times = tokens[begin : begin + size], 1
            while tokens[begin + times * size : begin + (times + 1) * size] == part:
                times += 1
            most = max(most, times)
    return most


def looping(*words: int) -> np.ndarray:
    """A model that writes these words in turn and never ends; other words are hardly possible."""
    logits = np.random.default_rng(0).normal(size=(BATCH, *[VOCABULARY] * 3)).astype(np.float32)
    logits[..., EOS] = -2e9
    for word, following in zip(words, (*words[1:], words[0]), strict=True):
        logits[:, :, word, following] += 12
    logits[:, :, :4, words[0]] += 12
    return logits


@pytest.mark.parametrize("beam", [0, 4])
@pytest.mark.parametrize("words", [(4,), (4, 5), (6, 5, 4)])
def test_nothing_comes_a_third_time_in_a_row(words: tuple[int, ...], beam: int) -> None:
    logits = looping(*words)
    assert all(times_in_a_row(tokens) > 3 for tokens in searched(logits, beam=beam, restrained=False))
    for tokens in searched(logits, beam=beam):
        assert times_in_a_row(tokens) == 2
        assert tokens[: 2 * len(words)] == 2 * words


@pytest.mark.parametrize("beam", [0, 4])
def test_what_a_source_repeats_may_be_repeated_as_often(beam: int) -> None:
    source = np.array([[4, 4, 4, 4, EOS], [4, 5, 6, EOS, PAD], [5, 4, 5, 4, EOS]], np.int32)
    found = searched(looping(4, 5), beam=beam, source=source)
    assert [times_in_a_row(tokens) for tokens in found] == [4, 2, 2]


@pytest.mark.parametrize("beam", [0, 4])
def test_some_tokens_are_no_loop_of_their_own(beam: int) -> None:
    digits = PLAIN.copy()
    digits[4] = 4
    for tokens in searched(looping(4), beam=beam, shortest=digits):
        assert tokens[:11] == (4,) * 11  # three times four of them are a loop
        assert tokens[11] != 4


@pytest.mark.parametrize("beam", [0, 4])
def test_nothing_is_empty_but_what_is_made_of_nothing(beam: int) -> None:
    logits = table(2)
    logits[..., EOS] += 9
    source = np.array([[4, EOS], [EOS, PAD], [6, EOS]], np.int32)
    assert searched(logits, beam=beam, restrained=False) == [(EOS,)] * BATCH
    first, nothing, third = searched(logits, beam=beam, source=source)
    assert nothing == (EOS,)
    assert [len(first), len(third)] == [2, 2]


@pytest.mark.parametrize("beam", [0, 4])
def test_all_else_is_as_without_a_restraint(beam: int) -> None:
    kept = 0
    for seed in range(8):
        logits = table(seed, end=0.5)
        free, restrained = (searched(logits, beam=beam, restrained=held) for held in (False, True))
        for one, other in zip(free, restrained, strict=True):
            if one[0] != EOS and times_in_a_row(one) < 3:
                assert one == other
                kept += 1
            else:
                assert other[0] != EOS
                assert times_in_a_row(other) < 3
    assert kept > 6


def test_pieces_write_characters_and_stand_in_loops() -> None:
    pieces = ["<pad>", "<unk>", "<s>", "</s>", "<0x41>", "<0xC3>", "<0xA9>", "▁", "▁cat", "7", "é", "!", "好", "..."]
    assert characters_of(pieces, written=False).tolist() == [0, 0, 0, 0, 1, 1, 0, 1, 4, 1, 1, 1, 1, 3]
    assert characters_of(pieces, written=True).tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 4, 1, 1, 1, 1, 3]
    assert shortest_loops_of(pieces).tolist() == [255] * 4 + [4] * 3 + [2, 1, 4, 4, 2, 4, 1]
