"""Greedy search, beam search and sampling, as TensorFlow graphs over any model that predicts one step at a time.

A model takes part with a ``step`` function: ids of the last tokens and a state in, logits and the next state out. The
state is any structure of tensors whose first axes are those of the ids.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from nlpseq.text.tokenizers import BEGIN, END, PAD, UNKNOWN

State = Any
Step = Callable[[tf.Tensor, State], tuple[tf.Tensor, State]]

_GOLDEN, _FIRST_FACTOR, _SECOND_FACTOR = (  # as int32: 2^32 / golden ratio, and MurmurHash3's factors
    0x9E3779B9 - 2**32,
    0x85EBCA6B - 2**32,
    0xC2B2AE35 - 2**32,
)
_NEVER = -1e9  # a log-probability that nothing real reaches; -inf would turn into NaN when multiplied by 0


class Hypotheses(NamedTuple):
    """Decoded sequences, best first.

    Attributes:
        ids: int32 [batch, n_best, length], without begin, with end, padded with 0.
        scores: float [batch, n_best]: log-probability divided by the length penalty.
    """

    ids: tf.Tensor
    scores: tf.Tensor


def length_penalty(length: tf.Tensor, alpha: float) -> tf.Tensor:
    """((5 + length) / 6) ** alpha, with the end mark counted (Wu et al. 2016, arXiv:1609.08144, equation 14)."""
    return tf.pow((5.0 + tf.cast(length, tf.float32)) / 6.0, alpha)


def greedy_search(step: Step, state: State, batch: tf.Tensor | int, max_length: tf.Tensor) -> Hypotheses:
    """Takes the most probable token at every step.

    Args:
        step: ids int32 [batch, 1] and a state to logits [batch, 1, vocabulary] and the next state.
        state: before the first token.
        batch: int32 scalar; a number where it is known, as TensorFlow Lite needs it.
        max_length: int32 scalar, or [batch] for each row its own; longer sequences are cut there.
    """
    rows = batch if isinstance(batch, int) else None
    longest = _longest(max_length)
    tokens = tf.TensorArray(tf.int32, size=longest, element_shape=[rows])

    def running(index: tf.Tensor, last: tf.Tensor, done: tf.Tensor, *_: Any) -> tf.Tensor:
        return (index < longest) & ~tf.reduce_all(done)

    def advance(index: tf.Tensor, last: tf.Tensor, done: tf.Tensor, score: tf.Tensor, tokens: Any, state: State) -> Any:
        logits, state = step(tf.expand_dims(last, 1), state)
        logits = tf.cast(tf.squeeze(logits, 1), tf.float32)
        possible = logits + _reserved(logits.shape[-1])
        best = tf.argmax(possible, axis=-1, output_type=tf.int32)
        log_probability = tf.squeeze(tf.reduce_max(possible, axis=-1, keepdims=True) - _log_normaliser(logits), 1)
        score += tf.where(done, 0.0, log_probability)
        best = tf.where(done, PAD, best)
        done |= best == END
        if max_length.shape.rank == 1:
            done |= index + 1 >= max_length
        return index + 1, best, done, score, tokens.write(index, best), state

    none_done = tf.fill([batch], False)
    _, _, _, score, tokens, _ = tf.while_loop(
        running, advance, (0, tf.fill([batch], BEGIN), none_done, tf.zeros([batch]), tokens, state)
    )
    ids = tf.transpose(tokens.stack())  # steps never taken are rows of zeros: padding
    ids = tf.ensure_shape(ids, [rows, None])
    lengths = tf.reduce_sum(tf.cast(ids != PAD, tf.int32), axis=1)
    return Hypotheses(ids[:, None], (score / length_penalty(lengths, 1.0))[:, None])


def beam_search(
    step: Step,
    state: State,
    batch: tf.Tensor | int,
    max_length: tf.Tensor,
    *,
    beam: int,
    alpha: float = 1.0,
    n_best: int = 1,
) -> Hypotheses:
    """Keeps the ``beam`` most probable beginnings, and the ``beam`` best finished sequences by normalised score.

    A sequence that reaches ``max_length`` without its end counts as finished only where too few others are.

    Args:
        step: ids int32 [batch, beam] and a state to logits [batch, beam, vocabulary] and the next state.
        state: before the first token; every tensor [batch, ...] (it is repeated for each beam here).
        batch: int32 scalar; a number where it is known, as TensorFlow Lite needs it.
        max_length: int32 scalar, or [batch] for each row its own; in tokens with the end mark.
        beam: at least 1.
        alpha: exponent of the length penalty; 0 ranks by plain log-probability.
        n_best: at most ``beam``.
    """
    state = tf.nest.map_structure(lambda tensor: tf.repeat(tensor[:, None], beam, axis=1), state)
    only_first = tf.one_hot(0, beam, on_value=0.0, off_value=_NEVER)  # all beams start alike: keep one
    longest, each_its_own = _longest(max_length), max_length.shape.rank == 1

    class Search(NamedTuple):
        index: tf.Tensor  # []: steps taken
        ids: tf.Tensor  # [batch, beam, longest]: beginnings that are alive
        log_probabilities: tf.Tensor  # [batch, beam]
        finished: tf.Tensor  # [batch, beam, longest]
        finished_scores: tf.Tensor  # [batch, beam]
        state: State

    def running(search: Search) -> tf.Tensor:
        # Log-probabilities only fall; the kindest penalty for what is alive is that of the full length.
        best_alive = search.log_probabilities[:, 0] / length_penalty(max_length, alpha)
        over = best_alive <= tf.reduce_min(search.finished_scores, axis=1)
        if each_its_own:
            over |= search.index >= max_length
        return (search.index < longest) & ~tf.reduce_all(over)

    def advance(search: Search) -> tuple[Search]:
        last = tf.cond(
            search.index > 0,
            lambda: tf.gather(search.ids, tf.maximum(search.index - 1, 0), axis=2),
            lambda: tf.fill([batch, beam], BEGIN),
        )
        logits, state = step(last, search.state)
        vocabulary = tf.shape(logits)[-1]
        candidates = tf.expand_dims(search.log_probabilities, 2) + _log_probabilities(logits)
        # Of 2 x beam candidates at most beam are ends, so at least beam go on.
        scores, flat = tf.math.top_k(
            tf.reshape(candidates, [batch, beam * vocabulary]), tf.minimum(2 * beam, beam * vocabulary)
        )
        origin, token = flat // vocabulary, flat % vocabulary
        ids = tf.gather(search.ids, origin, batch_dims=1)
        ids = tf.concat([ids[:, :, : search.index], tf.expand_dims(token, 2), ids[:, :, search.index + 1 :]], axis=2)
        ends = token == END
        counted = ends & (search.index < max_length)[:, None] if each_its_own else ends

        penalty = length_penalty(search.index + 1, alpha)
        pool = tf.concat([search.finished_scores, tf.where(counted, scores / penalty, _NEVER)], axis=1)
        finished_scores, best = tf.math.top_k(pool, beam)
        finished = tf.gather(tf.concat([search.finished, ids], axis=1), best, batch_dims=1)

        alive, best = tf.math.top_k(tf.where(ends, _NEVER, scores), beam)
        origin = tf.gather(origin, best, batch_dims=1)
        state = tf.nest.map_structure(lambda tensor: tf.gather(tensor, origin, batch_dims=1), state)
        ids = tf.gather(ids, best, batch_dims=1)
        if each_its_own:  # a row past its limit stays as it was there
            goes_on = (search.index < max_length)[:, None]
            alive = tf.where(goes_on, alive, search.log_probabilities)
            ids = tf.where(goes_on[:, None], ids, search.ids)
        return (Search(search.index + 1, ids, alive, finished, finished_scores, state),)

    nothing = tf.zeros([batch, beam, longest], tf.int32)
    start = Search(
        tf.constant(0),
        nothing,
        tf.tile(only_first[None], [batch, 1]),
        nothing,
        tf.fill([batch, beam], _NEVER),
        state,
    )
    rows = batch if isinstance(batch, int) else None
    shapes = tf.nest.map_structure(lambda tensor: tensor.shape, start)
    shapes = shapes._replace(
        ids=tf.TensorShape([rows, beam, None]),
        finished=tf.TensorShape([rows, beam, None]),
        log_probabilities=tf.TensorShape([rows, beam]),
        finished_scores=tf.TensorShape([rows, beam]),
        state=tf.nest.map_structure(lambda tensor: tf.TensorShape([rows, beam, *tensor.shape[2:]]), state),
    )
    (search,) = tf.while_loop(running, advance, (start,), shape_invariants=(shapes,))
    penalty = length_penalty(max_length, alpha)
    cut = search.log_probabilities / (penalty[:, None] if each_its_own else penalty)
    missing = search.finished_scores <= _NEVER / 2
    # Cut sequences come after every finished one, whatever their score: they lack their end.
    ranking = tf.concat([tf.where(missing, 2 * _NEVER, search.finished_scores), cut + _NEVER], axis=1)
    _, best = tf.math.top_k(ranking, n_best)
    scores = tf.gather(tf.concat([search.finished_scores, cut], axis=1), best, batch_dims=1)
    return Hypotheses(tf.gather(tf.concat([search.finished, search.ids], axis=1), best, batch_dims=1), scores)


def filtered_logits(logits: tf.Tensor, top_k: tf.Tensor, top_p: tf.Tensor) -> tf.Tensor:
    """Logits to sample from: what top-k and top-p (Holtzman 2020, arXiv:1904.09751) leave out is never drawn.

    Args:
        logits: float32 [batch, vocabulary], divided by the temperature.
        top_k: int32 [batch]; 0 or less keeps all.
        top_p: float32 [batch]; the fewest tokens whose probabilities add up to it are kept, at least one; 1 keeps all.
    """
    top_k, top_p = top_k[:, None], top_p[:, None]
    ordered = tf.math.top_k(logits, logits.shape[-1]).values
    before = tf.cumsum(tf.nn.softmax(ordered), exclusive=True, axis=-1)
    ranks = tf.range(logits.shape[-1])[None]
    kept = (before < top_p) | (ranks < 1) | (top_p >= 1)  # rounded sums reach 1 before their end
    kept &= (ranks < top_k) | (top_k <= 0)
    threshold = tf.reduce_min(tf.where(kept, ordered, ordered.dtype.max), axis=-1, keepdims=True)
    return tf.where(logits < threshold, _NEVER, logits)


class Filter(NamedTuple):
    """Which tokens may be drawn, each [batch]; see :func:`filtered_logits`."""

    top_k: tf.Tensor
    top_p: tf.Tensor


def sample(
    step: Step,
    state: State,
    prompt: tf.Tensor,
    prompt_lengths: tf.Tensor,
    *,
    length: tf.Tensor,
    temperature: tf.Tensor,
    seed: tf.Tensor,
    only: Filter | None = None,
    capacity: int | None = None,
) -> tf.Tensor:
    """Reads a prompt, then draws tokens one after the other.

    The numbers that are drawn by come out of integer arithmetic alone, so that a seed means the same everywhere.

    Args:
        step: ids int32 [batch, 1] and a state to logits [batch, 1, vocabulary] and the next state.
        state: before the prompt.
        prompt: int32 [batch, n], padded; at least one token each.
        prompt_lengths: int32 [batch].
        length: int32 [batch], tokens to draw.
        temperature: float32 [batch]; 0 takes the most probable token.
        seed: int32 [batch]; the same seed draws the same tokens.
        only: what may be drawn; None: everything.
        capacity: of the result; None: as much as it takes. With tensors of known shapes alone, TensorFlow Lite plans
            its memory once: without a capacity it does so at every step.

    Returns:
        int32 [batch, time]: the prompt and what was drawn, padded with 0.
    """
    rows, last_of_prompt = prompt.shape[0], tf.maximum(tf.shape(prompt)[1] - 1, 0)
    totals = prompt_lengths + tf.maximum(length, 0)
    longest = tf.reduce_max(totals)
    # What no step changes stands before the loop.
    mixed_seed, greedy, divisor = _mixed(seed), temperature <= 0, tf.expand_dims(tf.maximum(temperature, 1e-6), 1)
    places = None if capacity is None else tf.range(capacity)[None]

    def draw(index: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        logits = tf.cast(logits, tf.float32) + _reserved(logits.shape[-1])
        scaled = logits / divisor
        if only is not None:
            scaled = filtered_logits(scaled, only.top_k, only.top_p)
        up_to = tf.cumsum(tf.nn.softmax(scaled), axis=-1)
        total = tf.reduce_max(up_to, axis=-1, keepdims=True)
        threshold = tf.expand_dims(_uniform(mixed_seed, index - prompt_lengths), 1) * total
        passed = (up_to <= threshold) & (up_to < total)  # a product that is rounded up never leads past the end
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
    """Numbers in [0, 1) with 24 bits each, float32, from int32 seeds and positions of one shape.

    Two rounds of multiplication and folding over 32 bits for each word, after the finaliser of MurmurHash3 (Appleby
    2011), in operators of int32 that TensorFlow Lite has; products wrap around.
    """
    return _uniform(_mixed(seed), index)


def _uniform(mixed_seed: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
    return tf.cast(_folded(_mixed(tf.bitwise.bitwise_xor(mixed_seed, index)), 8), tf.float32) * 2.0**-24


def _mixed(word: tf.Tensor) -> tf.Tensor:
    """A permutation of the int32 numbers; each bit of the result depends on all bits."""
    word = tf.bitwise.bitwise_xor(word + _GOLDEN, _folded(word + _GOLDEN, 16)) * _FIRST_FACTOR
    word = tf.bitwise.bitwise_xor(word, _folded(word, 13)) * _SECOND_FACTOR
    return tf.bitwise.bitwise_xor(word, _folded(word, 16))


def _folded(word: tf.Tensor, bits: int) -> tf.Tensor:
    """The word shifted right by so many bits, zeros coming in: the built-in shift of int32 repeats the sign."""
    return tf.math.floormod(tf.bitwise.right_shift(word, bits), 1 << (32 - bits))


def _longest(max_length: tf.Tensor) -> tf.Tensor:
    """Of all rows, from [] or [batch]."""
    return tf.reduce_max(max_length) if max_length.shape.rank == 1 else max_length


def _log_probabilities(logits: tf.Tensor) -> tf.Tensor:
    """Log-softmax in float32, with the tokens that are no output made impossible."""
    logits = tf.cast(logits, tf.float32)
    return logits - _log_normaliser(logits) + _reserved(logits.shape[-1])


def _log_normaliser(logits: tf.Tensor) -> tf.Tensor:
    """log sum exp over the last axis, which stays with size 1.

    By way of the softmax, whose largest value is exp(largest logit) / sum: TensorFlow Lite computes a softmax with
    vectors, but log-softmax number by number.
    """
    largest = tf.reduce_max(logits, axis=-1, keepdims=True)
    return largest - tf.math.log(tf.reduce_max(tf.nn.softmax(logits), axis=-1, keepdims=True))


def _reserved(vocabulary: int) -> np.ndarray:
    """float32 [vocabulary], what makes the tokens impossible that are no output when it is added to logits."""
    penalty = np.zeros(vocabulary, np.float32)
    penalty[[PAD, UNKNOWN, BEGIN]] = _NEVER
    return penalty
