"""Greedy search and beam search, as TensorFlow graphs over any model that predicts one step at a time.

The model is given as a ``step`` function. It takes the ids of the last tokens and a state, and returns probabilities
and the next state. A state is any structure of tensors whose first axes are those of the ids.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from nlpseq.text.tokenizers import BOS, EOS, PAD, UNKNOWN

State = Any
Step = Callable[[tf.Tensor, State], tuple[tf.Tensor, State]]

_TINY = 1e-37  # a probability whose logarithm is still a number
IMPOSSIBLE = -1e9  # a log-probability below all real ones; -inf would turn into NaN when multiplied by 0
_TRIED = 4  # tokens in greedy search: the end at first, and some that complete a loop, are impossible


LONGEST_LOOP = 12  # tokens
_DISTANCES = np.arange(1, LONGEST_LOOP + 1, dtype=np.int32)


class Restraint(NamedTuple):
    """What no sequence may do: be empty, or have a part that comes a third time in a row.

    Parts have up to :data:`LONGEST_LOOP` tokens. What the source repeats more often may be repeated as often.

    Attributes:
        source: int32 [batch, length], padded with 0. Where it holds nothing but EOS, nothing may be written.
        shortest_loops: int32 [vocabulary] each, for tokens of the source and of the target: of how many tokens a part
            must be that each token stands in; more than :data:`LONGEST_LOOP` for a token of no such part. Where numbers
            are written digit by digit, "000" is none.
    """

    source: tf.Tensor
    shortest_loops: tuple[np.ndarray, np.ndarray]

    def is_broken_by(self, ids: tf.Tensor) -> tf.Tensor:
        """Whether each sequence is empty or in a loop, even if the source is as well; bool [batch].

        Args:
            ids: int32 [batch, length], padded with 0.
        """
        so_far = tf.cumsum(tf.cast(_equal_to_earlier(ids, self.shortest_loops[1]), tf.int32), axis=2)
        so_far = tf.pad(so_far, [[0, 0], [0, 0], [1, 0]])
        # In a loop of three parts of n tokens, 2 n tokens in a row are equal to earlier ones.
        length, window = tf.shape(ids)[1], 2 * _DISTANCES[:, None]
        starts = tf.maximum(tf.range(1, length + 1) - window, 0) + (_DISTANCES[:, None] - 1) * (length + 1)
        before = tf.gather(tf.reshape(so_far, [ids.shape[0] or -1, LONGEST_LOOP * (length + 1)]), starts, axis=1)
        loops = tf.reduce_any(so_far[:, :, 1:] - before >= window, axis=[1, 2])
        return loops | ((ids[:, 0] == EOS) & (self.source[:, 0] != EOS))

    def most_equal(self) -> tf.Tensor:
        """For each distance, how many tokens in a row may equal those so far before them; int32 [batch, LONGEST_LOOP].

        They make up two parts and all but the end of a third; more only where the source repeats itself more often.
        """
        equal = tf.cast(_equal_to_earlier(self.source, self.shortest_loops[0]), tf.int32)
        # Parts of m tokens that come again k times make k m equal tokens: for parts of n tokens, k n are allowed.
        equal = tf.reduce_sum(equal, axis=2)[:, None] * _DISTANCES[:, None] // _DISTANCES
        return tf.maximum(tf.reduce_max(equal, axis=2), 2 * _DISTANCES - 1)

    def start(self, *shape: tf.Tensor | int) -> tf.Tensor:
        """The history of sequences before their first token, int32 [*shape, 2 * LONGEST_LOOP]."""
        return tf.zeros([*shape, 2 * LONGEST_LOOP], tf.int32)

    def applied(
        self, history: tf.Tensor, index: tf.Tensor, tokens: tf.Tensor, scores: tf.Tensor, most_equal: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Makes candidates impossible that do what they may not.

        Args:
            history: int32 [batch, n, 2 * LONGEST_LOOP]: the last tokens of n sequences, the last one first; then for
                each distance how many tokens up to the last equal those so far before them.
            index: int32 [], how many tokens each sequence has.
            tokens: int32 [batch, n], the next one of each.
            scores: float32 [batch, n], of the tokens.
            most_equal: of :meth:`most_equal`.

        Returns:
            The scores, and the histories with the tokens.
        """
        recent, runs = history[..., :LONGEST_LOOP], history[..., LONGEST_LOOP:]
        may_loop = tf.gather(self.shortest_loops[1], tokens)[..., None] <= _DISTANCES
        runs = tf.where((recent == tokens[..., None]) & may_loop, runs + 1, 0)
        is_broken = tf.reduce_any(runs > most_equal[:, None], axis=-1)
        is_broken |= (tokens == EOS) & (index < 1) & (self.source[:, :1] != EOS)
        history = tf.concat([tokens[..., None], recent[..., :-1], runs], axis=-1)
        return tf.where(is_broken, IMPOSSIBLE, scores), history


def _equal_to_earlier(ids: tf.Tensor, shortest_loop: np.ndarray) -> tf.Tensor:
    """Whether each token equals the one so far before it, bool [batch, LONGEST_LOOP, length]."""
    distances = _DISTANCES[:, None]
    places = tf.range(tf.shape(ids)[1])[None] + LONGEST_LOOP - distances
    earlier = tf.gather(tf.pad(ids, [[0, 0], [LONGEST_LOOP, 0]]), places, axis=1)
    may_loop = tf.gather(shortest_loop, ids)[:, None] <= distances
    return (earlier == ids[:, None]) & may_loop & (ids != PAD)[:, None]


class Hypotheses(NamedTuple):
    """Decoded sequences, best first.

    Attributes:
        ids: int32 [batch, n_best, length], without BOS, with EOS, padded with 0.
        scores: float [batch, n_best], log-probability divided by the length penalty.
    """

    ids: tf.Tensor
    scores: tf.Tensor


def penalty_of_length(length: tf.Tensor, length_penalty: float) -> tf.Tensor:
    """Returns ((5 + length) / 6) ** length_penalty, as in Wu et al. 2016, arXiv:1609.08144, equation 14.

    Args:
        length: int32 of any shape, in tokens; EOS counts.
        length_penalty: alpha in the paper.
    """
    return tf.pow((5.0 + tf.cast(length, tf.float32)) / 6.0, length_penalty)


def greedy_search(
    step: Step, state: State, batch: tf.Tensor | int, max_length: tf.Tensor, restraint: Restraint | None = None
) -> Hypotheses:
    """Takes the most probable token at every step.

    Args:
        step: from ids int32 [batch, 1] and a state to probabilities [batch, 1, vocabulary] and the next state.
        state: before the first token.
        batch: the number of rows; an int where it is known, as TensorFlow Lite needs it, else an int32 scalar.
        max_length: int32 scalar, or [batch] with a limit for each row. Longer sequences are cut there.
        restraint: on what may follow.
    """
    rows = batch if isinstance(batch, int) else None
    longest = _longest(max_length)
    tokens = tf.TensorArray(tf.int32, size=longest, element_shape=[rows])

    def running(index: tf.Tensor, last: tf.Tensor, done: tf.Tensor, *_: Any) -> tf.Tensor:
        return (index < longest) & ~tf.reduce_all(done)

    def advance(
        index: tf.Tensor, last: tf.Tensor, done: tf.Tensor, score: tf.Tensor, tokens: Any, history: Any, state: State
    ) -> Any:
        probabilities, state = step(tf.expand_dims(last, 1), state)
        possible = tf.squeeze(probabilities, 1) * possible_tokens(probabilities.shape[-1])
        if restraint is None:
            best = tf.argmax(possible, axis=-1, output_type=tf.int32)
            largest = tf.reduce_max(possible, axis=-1, keepdims=True)
        else:
            values, several = tf.math.top_k(possible, min(_TRIED, possible.shape[-1]))
            histories = tf.repeat(history, values.shape[1], axis=1)
            values, histories = restraint.applied(histories, index, several, values, most_equal)
            largest, place = tf.math.top_k(values, 1)
            best = tf.squeeze(tf.gather(several, place, batch_dims=1), 1)
            history = tf.gather(histories, place, batch_dims=1)
        score += tf.where(done, 0.0, tf.squeeze(tf.math.log(tf.maximum(largest, _TINY)), 1))
        best = tf.where(done, PAD, best)
        done |= best == EOS
        if max_length.shape.rank == 1:
            done |= index + 1 >= max_length
        return index + 1, best, done, score, tokens.write(index, best), history, state

    none_done = tf.fill([batch], False)
    history, most_equal = (), None
    if restraint is not None:
        history, most_equal = restraint.start(batch, 1), restraint.most_equal()
    _, _, _, score, tokens, _, _ = tf.while_loop(
        running, advance, (0, tf.fill([batch], BOS), none_done, tf.zeros([batch]), tokens, history, state)
    )
    ids = tf.transpose(tokens.stack())  # steps that were not taken left zeros, which is padding
    ids = tf.ensure_shape(ids, [rows, None])
    lengths = tf.reduce_sum(tf.cast(ids != PAD, tf.int32), axis=1)
    return Hypotheses(ids[:, None], (score / penalty_of_length(lengths, 1.0))[:, None])


def beam_search(
    step: Step,
    state: State,
    batch: tf.Tensor | int,
    max_length: tf.Tensor,
    *,
    beam: int,
    length_penalty: float = 1.0,
    n_best: int = 1,
    restraint: Restraint | None = None,
) -> Hypotheses:
    """Keeps the ``beam`` most probable beginnings, and the ``beam`` finished sequences with the best scores.

    The search ends when no beginning can become better than the ``n_best`` best finished sequences. A sequence that
    is cut at ``max_length`` comes after every finished one.

    Args:
        step: from ids int32 [batch, beam] and a state to probabilities [batch, beam, vocabulary] and the next state.
        state: before the first token; every tensor is [batch, ...] and is repeated for each beam here.
        batch: the number of rows; an int where it is known, as TensorFlow Lite needs it, else an int32 scalar.
        max_length: int32 scalar, or [batch] with a limit for each row; in tokens, and EOS counts.
        beam: at least 1.
        length_penalty: at least 0, the exponent of :func:`penalty_of_length`; 0 ranks by plain log-probability.
        n_best: how many sequences to return, at most ``beam``.
        restraint: on what may follow.
    """
    state = tf.nest.map_structure(lambda tensor: tf.repeat(tensor[:, None], beam, axis=1), state)
    only_first = tf.one_hot(0, beam, on_value=0.0, off_value=IMPOSSIBLE)  # all beams start alike, so one is kept
    longest, each_its_own = _longest(max_length), max_length.shape.rank == 1

    most_equal = None if restraint is None else restraint.most_equal()

    class Search(NamedTuple):
        index: tf.Tensor  # []: steps taken
        ids: tf.Tensor  # [batch, beam, longest]: the beginnings, most probable first
        log_probabilities: tf.Tensor  # [batch, beam]
        finished: tf.Tensor  # [batch, beam, longest], best first
        finished_scores: tf.Tensor  # [batch, beam]
        history: Any  # of the beginnings, for the restraint
        state: State

    def running(search: Search) -> tf.Tensor:
        # Log-probabilities only fall, and the full length divides them by the most.
        best_possible = search.log_probabilities[:, 0] / penalty_of_length(max_length, length_penalty)
        over = best_possible <= search.finished_scores[:, n_best - 1]
        if each_its_own:
            over |= search.index >= max_length
        return (search.index < longest) & ~tf.reduce_all(over)

    def advance(search: Search) -> tuple[Search]:
        last = tf.cond(
            search.index > 0,
            lambda: tf.gather(search.ids, tf.maximum(search.index - 1, 0), axis=2),
            lambda: tf.fill([batch, beam], BOS),
        )
        probabilities, state = step(last, search.state)
        vocabulary = probabilities.shape[-1]
        # The best beginning has 1: TensorFlow Lite takes logarithms number by number, so only the best ones get them.
        relative = tf.exp(search.log_probabilities - search.log_probabilities[:, :1])
        candidates = probabilities * possible_tokens(vocabulary) * relative[:, :, None]
        # At most beam of these candidates are ends, and hardly more than beam complete a loop: so beam of them go on.
        tried = 2 * beam if restraint is None else 3 * beam
        values, flat = tf.math.top_k(tf.reshape(candidates, [batch, beam * vocabulary]), min(tried, beam * vocabulary))
        logarithms = tf.math.log(tf.maximum(values, _TINY)) + search.log_probabilities[:, :1]
        scores = tf.where(values > 0, logarithms, IMPOSSIBLE)
        origin, token = flat // vocabulary, flat % vocabulary
        history = search.history
        if restraint is not None:
            histories = tf.gather(history, origin, batch_dims=1)
            scores, history = restraint.applied(histories, search.index, token, scores, most_equal)
        ids = tf.gather(search.ids, origin, batch_dims=1)
        ids = tf.concat([ids[:, :, : search.index], tf.expand_dims(token, 2), ids[:, :, search.index + 1 :]], axis=2)
        ends = token == EOS
        counted = ends & (search.index < max_length)[:, None] if each_its_own else ends

        penalty = penalty_of_length(search.index + 1, length_penalty)
        pool = tf.concat([search.finished_scores, tf.where(counted, scores / penalty, IMPOSSIBLE)], axis=1)
        finished_scores, best = tf.math.top_k(pool, beam)
        finished = tf.gather(tf.concat([search.finished, ids], axis=1), best, batch_dims=1)

        alive, best = tf.math.top_k(tf.where(ends, IMPOSSIBLE, scores), beam)
        origin = tf.gather(origin, best, batch_dims=1)
        state = tf.nest.map_structure(lambda tensor: tf.gather(tensor, origin, batch_dims=1), state)
        history = tf.nest.map_structure(lambda tensor: tf.gather(tensor, best, batch_dims=1), history)
        ids = tf.gather(ids, best, batch_dims=1)
        if each_its_own:  # a row past its limit stays as it was there
            goes_on = (search.index < max_length)[:, None]
            alive = tf.where(goes_on, alive, search.log_probabilities)
            ids = tf.where(goes_on[:, None], ids, search.ids)
        return (Search(search.index + 1, ids, alive, finished, finished_scores, history, state),)

    nothing = tf.zeros([batch, beam, longest], tf.int32)
    start = Search(
        tf.constant(0),
        nothing,
        tf.tile(only_first[None], [batch, 1]),
        nothing,
        tf.fill([batch, beam], IMPOSSIBLE),
        () if restraint is None else restraint.start(batch, beam),
        state,
    )
    rows = batch if isinstance(batch, int) else None
    shapes = tf.nest.map_structure(lambda tensor: tensor.shape, start)
    shapes = shapes._replace(
        ids=tf.TensorShape([rows, beam, None]),
        finished=tf.TensorShape([rows, beam, None]),
        log_probabilities=tf.TensorShape([rows, beam]),
        finished_scores=tf.TensorShape([rows, beam]),
        history=tf.nest.map_structure(lambda tensor: tf.TensorShape([rows, beam, tensor.shape[-1]]), start.history),
        state=tf.nest.map_structure(lambda tensor: tf.TensorShape([rows, beam, *tensor.shape[2:]]), state),
    )
    (search,) = tf.while_loop(running, advance, (start,), shape_invariants=(shapes,))
    penalty = penalty_of_length(max_length, length_penalty)
    cut = search.log_probabilities / (penalty[:, None] if each_its_own else penalty)
    missing = search.finished_scores <= IMPOSSIBLE / 2
    # Cut sequences lack their end, so they come after every finished one, whatever their score.
    ranking = tf.concat([tf.where(missing, 2 * IMPOSSIBLE, search.finished_scores), cut + IMPOSSIBLE], axis=1)
    _, best = tf.math.top_k(ranking, n_best)
    scores = tf.gather(tf.concat([search.finished_scores, cut], axis=1), best, batch_dims=1)
    return Hypotheses(tf.gather(tf.concat([search.finished, search.ids], axis=1), best, batch_dims=1), scores)


def restrained_search(search: Callable[[Restraint | None], Hypotheses], restraint: Restraint) -> Hypotheses:
    """Searches freely, and once more under the restraint where the best sequence does what it may not.

    So the restraint changes nothing where it is not needed, and hardly costs time.

    Args:
        search: :func:`greedy_search` or :func:`beam_search` of a batch, but for the restraint.
        restraint: for that batch.
    """
    found = search(None)

    def again(broken: tf.Tensor, ids: tf.Tensor, scores: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        other = search(restraint)
        ids = tf.where(broken[:, None, None], other.ids, ids)
        return tf.zeros_like(broken), ids, tf.where(broken[:, None], other.scores, scores)

    # A loop of at most one turn: the converter gives the branches of a condition another copy of all weights.
    broken = restraint.is_broken_by(found.ids[:, 0])
    shapes = (broken.shape, tf.TensorShape([*found.ids.shape[:2], None]), found.scores.shape)
    _, ids, scores = tf.while_loop(
        lambda broken, *_: tf.reduce_any(broken), again, (broken, found.ids, found.scores), shape_invariants=shapes
    )
    return Hypotheses(ids, scores)


def _longest(max_length: tf.Tensor) -> tf.Tensor:
    """Returns the largest limit of [] or [batch]."""
    return tf.reduce_max(max_length) if max_length.shape.rank == 1 else max_length


def possible_tokens(vocabulary: int) -> np.ndarray:
    """Returns float32 [vocabulary], 1 for each token that may follow: not for padding, unknown and BOS."""
    possible = np.ones(vocabulary, np.float32)
    possible[[PAD, UNKNOWN, BOS]] = 0
    return possible
