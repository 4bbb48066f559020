"""Sampling from a model that predicts one step at a time, as a TensorFlow graph; a step is as in ``decoding``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from nlpseq.decoding import IMPOSSIBLE, State, Step
from nlpseq.text.tokenizers import BOS, PAD, UNKNOWN

_GOLDEN, _FIRST_FACTOR, _SECOND_FACTOR = (  # as int32: 2^32 / golden ratio, and the factors of MurmurHash3
    0x9E3779B9 - 2**32,
    0x85EBCA6B - 2**32,
    0xC2B2AE35 - 2**32,
)


def filtered_logits(logits: tf.Tensor, top_k: tf.Tensor, top_p: tf.Tensor) -> tf.Tensor:
    """Makes the tokens impossible that top-k and top-p leave out (Holtzman et al. 2020, arXiv:1904.09751).

    Args:
        logits: float32 [batch, vocabulary], divided by the temperature.
        top_k: int32 [batch]; 0 or less keeps all.
        top_p: float32 [batch]; the most probable tokens are kept, at least one, and so many that their probabilities
            add up to it; 1 keeps all.

    Returns:
        float32 [batch, vocabulary].
    """
    top_k, top_p = top_k[:, None], top_p[:, None]
    ordered = tf.math.top_k(logits, logits.shape[-1]).values
    before = tf.cumsum(tf.nn.softmax(ordered), exclusive=True, axis=-1)
    ranks = tf.range(logits.shape[-1])[None]
    kept = (before < top_p) | (ranks < 1) | (top_p >= 1)  # rounded sums may reach 1 early
    kept &= (ranks < top_k) | (top_k <= 0)
    threshold = tf.reduce_min(tf.where(kept, ordered, ordered.dtype.max), axis=-1, keepdims=True)
    return tf.where(logits < threshold, IMPOSSIBLE, logits)


class Filter(NamedTuple):
    """Says which tokens may be drawn; both are [batch], as in :func:`filtered_logits`."""

    top_k: tf.Tensor
    top_p: tf.Tensor


def sample_tokens(
    step: Step,
    state: State,
    prompt: tf.Tensor,
    prompt_lengths: tf.Tensor,
    *,
    length: tf.Tensor,
    temperature: tf.Tensor,
    seed: tf.Tensor,
    never: Sequence[int] = (PAD, UNKNOWN, BOS),
    only: Filter | None = None,
    capacity: int | None = None,
) -> tf.Tensor:
    """Reads a prompt, then draws tokens one after the other.

    The random numbers come from integer arithmetic alone, so a seed means the same on every machine.

    Args:
        step: from ids int32 [batch, 1] and a state to logits [batch, 1, vocabulary] and the next state.
        state: before the prompt.
        prompt: int32 [batch, n], padded; each row has at least one token.
        prompt_lengths: int32 [batch].
        length: int32 [batch], tokens to draw.
        temperature: float32 [batch]; 0 takes the most probable token.
        seed: int32 [batch]; the same seed draws the same tokens.
        never: tokens that are not drawn whatever their logits are, such as those that training never had.
        only: which tokens may be drawn; all where it is None.
        capacity: columns of the result; as many as needed where it is None. With a capacity all shapes are known, and
            TensorFlow Lite plans its memory once; without it, it plans anew at every step.

    Returns:
        int32 [batch, time], the prompt and the drawn tokens, padded with 0.
    """
    rows, last_of_prompt = prompt.shape[0], tf.maximum(tf.shape(prompt)[1] - 1, 0)
    totals = prompt_lengths + tf.maximum(length, 0)
    longest = tf.reduce_max(totals)
    # These stand before the loop because no step changes them.
    mixed_seed, greedy, divisor = _mixed(seed), temperature <= 0, tf.expand_dims(tf.maximum(temperature, 1e-6), 1)
    places = None if capacity is None else tf.range(capacity)[None]

    def draw(index: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        penalty = np.zeros(logits.shape[-1], np.float32)
        penalty[list(never)] = IMPOSSIBLE
        logits = tf.cast(logits, tf.float32) + penalty
        scaled = logits / divisor
        if only is not None:
            scaled = filtered_logits(scaled, only.top_k, only.top_p)
        up_to = tf.cumsum(tf.nn.softmax(scaled), axis=-1)
        total = tf.reduce_max(up_to, axis=-1, keepdims=True)
        threshold = tf.expand_dims(_uniform(mixed_seed, index - prompt_lengths), 1) * total
        passed = (up_to <= threshold) & (up_to < total)  # a product that is rounded up must not pass the last one
        drawn = tf.reduce_sum(tf.cast(passed, tf.int32), axis=-1)
        return tf.where(greedy, tf.argmax(logits, axis=-1, output_type=tf.int32), drawn)

    def write(tokens: Any, index: tf.Tensor, value: tf.Tensor) -> Any:
        if places is None:
            return tokens.write(index, value)
        return tf.where(tf.equal(places, index), tf.expand_dims(value, 1), tokens)

    def advance(index: tf.Tensor, last: tf.Tensor, tokens: Any, state: State) -> Any:
        tokens = write(tokens, index, last if rows == 1 else tf.where(index < totals, last, PAD))
        logits, state = step(tf.expand_dims(last, 1), state)
        index += 1
        given = tf.gather(prompt, tf.minimum(index, last_of_prompt), axis=1)
        return index, tf.where(index < prompt_lengths, given, draw(index, tf.squeeze(logits, 1))), tokens, state

    if capacity is None:
        tokens: Any = tf.TensorArray(tf.int32, size=longest, element_shape=[rows])
    else:
        tokens = tf.zeros([tf.shape(prompt)[0] if rows is None else rows, capacity], tf.int32)
    first = tf.squeeze(tf.gather(prompt, [0], axis=1), 1)
    _, _, tokens, _ = tf.while_loop(lambda index, *_: index < longest, advance, (tf.constant(0), first, tokens, state))
    if capacity is not None:
        return tokens
    return tf.ensure_shape(tf.transpose(tokens.stack()), [rows, None])


def uniform(seed: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
    """Returns float32 numbers in [0, 1), of 24 bits each.

    Each word is hashed with two rounds of multiplication and folding, like the last step of MurmurHash3 (Appleby 2011).
    TensorFlow Lite has these operators for int32. Products wrap around.

    Args:
        seed: int32 of any shape.
        index: int32 of the same shape, the position in the seed's sequence.
    """
    return _uniform(_mixed(seed), index)


def _uniform(mixed_seed: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
    return tf.cast(_folded(_mixed(tf.bitwise.bitwise_xor(mixed_seed, index)), 8), tf.float32) * 2.0**-24


def _mixed(word: tf.Tensor) -> tf.Tensor:
    """Permutes the int32 numbers; each bit of the result depends on all bits."""
    word = tf.bitwise.bitwise_xor(word + _GOLDEN, _folded(word + _GOLDEN, 16)) * _FIRST_FACTOR
    word = tf.bitwise.bitwise_xor(word, _folded(word, 13)) * _SECOND_FACTOR
    return tf.bitwise.bitwise_xor(word, _folded(word, 16))


def _folded(word: tf.Tensor, bits: int) -> tf.Tensor:
    """Shifts to the right and fills with zeros; the built-in shift of int32 repeats the sign."""
    return tf.math.floormod(tf.bitwise.right_shift(word, bits), 1 << (32 - bits))
