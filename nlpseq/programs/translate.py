"""Translating: tokenizer, encoder, search, detokenizer."""

from __future__ import annotations

from typing import Any, Protocol

import tensorflow as tf

from nlpseq.decoding import Hypotheses, Restraint, beam_search, greedy_search, restrained_search
from nlpseq.networks.encoder_decoder import EncoderDecoder, Memory
from nlpseq.programs.program import Program, Signature
from nlpseq.text.graph import in_graph
from nlpseq.text.graph.capitals import without_capitals
from nlpseq.text.piece_facts import characters_of, shortest_loops_of
from nlpseq.text.tokenizers import BOS, EOS, PAD
from nlpseq.text.vocabulary import Vocabulary

_BYTES_A_PIECE = 8  # of the source; there are four or so, and whoever calls splits a text that has more
_WRITTEN_BYTES_A_PIECE = 16  # of the longest source
_FURTHER_CHARACTERS = 18  # SentencePiece has a space before each text, which counts as well


class SearchConfig(Protocol):
    """How translations are searched for.

    Attributes:
        beam: hypotheses kept; 1 is greedy.
        length_penalty: exponent; 0 ranks by plain log-probability.
        longest_factor, longest_extra: pieces of a translation at most, for each piece of the source and in addition.
        characters_factor: characters of a translation at most, for each of the source and 20 more; 0: no limit.
    """

    @property
    def beam(self) -> int: ...
    @property
    def length_penalty(self) -> float: ...
    @property
    def longest_factor(self) -> float: ...
    @property
    def longest_extra(self) -> int: ...
    @property
    def characters_factor(self) -> float: ...


def translation_program(
    network: EncoderDecoder,
    vocabulary: Vocabulary,
    config: SearchConfig,
    limit: int,
    *,
    capitals_as_small: bool = False,
    **stated: Any,
) -> Program:
    """The signatures ``translate`` and ``translate_greedy``.

    Args:
        network: trained.
        vocabulary: tokenizers "source" and "target".
        config: of the search.
        limit: pieces of a source at most, the end mark included.
        capitals_as_small: whether a source in capitals is read as if it were in small letters.
        stated: further attributes of the :class:`Program`.
    """
    source, target = vocabulary.tokenizers["source"], vocabulary.tokenizers["target"]
    shared = source.has_pieces_of(target)
    read, write = in_graph(source), in_graph(target)
    most_written = int(longest_target(config, limit))
    sizes = {"N": _BYTES_A_PIECE * limit, "M": _WRITTEN_BYTES_A_PIECE * limit, "S": limit, "T": most_written}

    def translate(text: tf.Tensor, beam: int) -> dict[str, tf.Tensor]:
        rows = text.shape[0] or tf.shape(text)[0]
        with tf.name_scope("text"):
            encoded = read.encode(without_capitals(text) if capitals_as_small else text, limit - 1)
        end = EOS * tf.one_hot(encoded.lengths, limit, dtype=tf.int32)
        source_ids = tf.pad(encoded.ids, [[0, 0], [0, 1]]) + end
        something = tf.cast(encoded.lengths > 0, tf.int32)  # nothing translates to nothing
        longest = tf.reduce_max(encoded.lengths) + 1
        given = tf.reshape(source_ids[:, :longest], [rows, -1])  # the work follows the text, not the buffer
        memory, states = network.encode(given)
        most = tf.where(encoded.lengths > 0, longest_target(config, encoded.lengths + 1), 1)
        # A text's translation does not depend on the others in its batch; one text alone has a plain limit.
        limits = most[0] if text.shape[0] == 1 else most
        found = search(network, vocabulary, config, given, memory, states, rows, limits, beam, n_best=beam)
        ids = found.ids * something[:, None, None]
        lengths = tf.reduce_sum(tf.cast(ids != PAD, tf.int32), axis=2)
        best = ids[:, 0]
        _, weights, _ = network.decode(previous_pieces(best), states, memory)
        seen = tf.cast(best != PAD, tf.float32)[:, :, None]
        ids = _padded(ids, [rows, beam, sizes["T"]])
        with tf.name_scope("text"):
            written = write.decode(
                tf.reshape(ids, [rows * beam, sizes["T"]]), tf.reshape(lengths, [rows * beam]), sizes["M"]
            )
        texts = tf.reshape(written.text, [rows, beam, sizes["M"]])
        outputs = {
            "text": texts[:, 0],
            "score": found.scores[:, 0] * tf.cast(something, tf.float32),
            "alignment": _padded(weights * seen, [rows, sizes["T"], limit]),
            "ids": ids[:, 0],
            "source_ids": source_ids * something[:, None],
            "left_out": encoded.left_out,
        }
        if beam > 1:
            outputs |= {"n_best_text": texts, "n_best_score": found.scores}
        return outputs

    return Program(
        signatures=(
            Signature("translate", lambda text: translate(text, config.beam), {**sizes, "B": config.beam}),
            Signature("translate_greedy", lambda text: translate(text, 1), sizes),
        ),
        pieces=source.all_pieces(),
        target_pieces=() if shared else target.all_pieces(),
        **stated,
    )


def search_function(network: EncoderDecoder, vocabulary: Vocabulary, config: SearchConfig, beam: int) -> Any:
    """A traced function from source ids, int32 [batch, source], to the best :class:`Hypotheses` of each."""

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.int32)], autograph=False)
    def best(source: tf.Tensor) -> Hypotheses:
        memory, states = network.encode(source)
        limits = longest_target(config, tf.reduce_sum(tf.cast(source != PAD, tf.int32), axis=1))
        rows = tf.shape(source)[0]
        return search(network, vocabulary, config, source, memory, states, rows, limits, beam, n_best=1)

    return best


def search(
    network: EncoderDecoder,
    vocabulary: Vocabulary,
    config: SearchConfig,
    source: tf.Tensor,
    memory: Memory,
    states: list[tf.Tensor],
    rows: tf.Tensor | int,
    limit: tf.Tensor,
    beam: int,
    n_best: int,
) -> Hypotheses:
    """The best targets for what :meth:`EncoderDecoder.encode` returned. None is empty, runs in a loop or on and on.

    Args:
        source: int32 [batch, source], what was encoded.
        limit: int32 [] or [batch], pieces of a target.
    """
    read, written = (vocabulary.tokenizers[side].all_pieces() for side in ("source", "target"))
    restraint = Restraint(source, (shortest_loops_of(read), shortest_loops_of(written)))

    def step(ids: tf.Tensor, states: list[tf.Tensor]) -> tuple[tf.Tensor, list[tf.Tensor]]:
        return network.step(memory, ids, states)

    def best(restraint: Restraint | None) -> Hypotheses:
        if beam == 1:
            return greedy_search(step, [state[:, None] for state in states], rows, limit, restraint)
        penalty = config.length_penalty
        return beam_search(
            step, states, rows, limit, beam=beam, length_penalty=penalty, n_best=n_best, restraint=restraint
        )

    found = restrained_search(best, restraint)
    if not config.characters_factor:
        return found
    given = tf.reduce_sum(tf.cast(tf.gather(characters_of(read, written=False), source), tf.float32), axis=1)
    so_far = tf.cumsum(tf.cast(tf.gather(characters_of(written, written=True), found.ids), tf.int32), axis=2)
    most = tf.cast(given * config.characters_factor, tf.int32) + _FURTHER_CHARACTERS
    return found._replace(ids=tf.where(so_far <= most[:, None, None], found.ids, PAD))


def previous_pieces(target: tf.Tensor) -> tf.Tensor:
    """What the decoder has seen before each piece of a target: BOS, then the target but its last. int32 [batch, n]."""
    return tf.pad(target[:, :-1], [[0, 0], [1, 0]], constant_values=BOS)


def longest_target(config: SearchConfig, source_length: Any) -> Any:
    """Pieces after which decoding gives up, for a source of so many: an int, or int32 [...] for such a tensor."""
    factor = config.longest_factor
    if factor.is_integer():
        return int(factor) * source_length + config.longest_extra
    if isinstance(source_length, int):
        return int(factor * source_length) + config.longest_extra
    return tf.cast(tf.cast(source_length, tf.float32) * factor, tf.int32) + config.longest_extra


def _padded(tensor: tf.Tensor, shape: list[Any]) -> tf.Tensor:
    """With zeros after the last two axes, up to a shape that is known."""
    after = [[0, size - tf.shape(tensor)[axis]] for axis, size in enumerate(shape) if axis]
    return tf.reshape(tf.pad(tensor, [[0, 0], *after]), shape)
