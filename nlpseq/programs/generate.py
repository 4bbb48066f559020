"""Writing on from a prompt, and scoring text, by a language model over characters."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from nlpseq.errors import UserError
from nlpseq.networks.language_model import LanguageModel
from nlpseq.programs.program import Program, Signature
from nlpseq.sampling import Filter, sample_tokens
from nlpseq.text.graph import in_graph
from nlpseq.text.tokenizers import FIRST_BYTE, Characters
from nlpseq.text.vocabulary import Vocabulary

PROMPT_BYTES, WRITTEN_BYTES = 1024, 2048  # the buffers


def generation_program(network: LanguageModel, vocabulary: Vocabulary, **stated: Any) -> Program:
    """The signatures ``generate``, ``sample`` and ``score``.

    Args:
        network: trained.
        vocabulary: a tokenizer "text", of characters.
        stated: further attributes of the :class:`Program`.

    Raises:
        UserError: the tokenizer is of another kind.
    """
    tokenizer = vocabulary.tokenizers["text"]
    if not isinstance(tokenizer, Characters):
        raise UserError(
            "a language model over pieces pre-trains other models (--init-from); one to be exported reads "
            'characters: tokenizer.kind = "characters"'
        )
    graph, (newline,) = in_graph(tokenizer), tokenizer.encode("\n")

    def generate(text: tf.Tensor, length: tf.Tensor, **numbers: tf.Tensor) -> dict[str, tf.Tensor]:
        rows = text.shape[0] or tf.shape(text)[0]
        with tf.name_scope("text"):
            encoded = graph.encode(text, PROMPT_BYTES)
        blank = tf.equal(encoded.lengths, 0)  # then a line begins
        begin = tf.one_hot(tf.zeros_like(encoded.lengths), PROMPT_BYTES, dtype=tf.int32) * newline
        prompt = tf.where(blank[:, None], begin, encoded.ids)
        lengths = tf.maximum(encoded.lengths, 1)
        length = tf.clip_by_value(length, 0, WRITTEN_BYTES - lengths)
        only = Filter(numbers.pop("top_k"), numbers.pop("top_p")) if "top_k" in numbers else None
        states = network.encoder.zero_states(rows)
        capacity = WRITTEN_BYTES + 1
        written = sample_tokens(
            network.advance,
            states,
            prompt,
            lengths,
            length=length,
            never=tokenizer.never_learnt(),
            only=only,
            capacity=capacity,
            **numbers,
        )
        written = tf.where(blank[:, None], written[:, 1:], written[:, :-1])
        with tf.name_scope("text"):
            decoded = graph.decode(written, encoded.lengths + length, WRITTEN_BYTES)
        return {"text": decoded.text, "left_out": encoded.left_out + decoded.left_out}

    def score(text: tf.Tensor, context: tf.Tensor) -> dict[str, tf.Tensor]:
        rows = text.shape[0] or tf.shape(text)[0]
        with tf.name_scope("text"):
            encoded = graph.encode(text, PROMPT_BYTES)
        previous = tf.pad(encoded.ids[:, :-1], [[0, 0], [1, 0]], constant_values=newline)
        # A character that is spelt in bytes has several ids, of which the first begins it.
        goes_on = (encoded.ids >= FIRST_BYTE + 0x80) & (encoded.ids < FIRST_BYTE + 0xC0)
        real = tf.range(PROMPT_BYTES)[None] < encoded.lengths[:, None]
        begins = tf.cast(~goes_on & real, tf.int32)
        counted = (tf.cumsum(begins, axis=1) > context[:, None]) & real

        def advance(index: tf.Tensor, sums: tf.Tensor, states: list[tf.Tensor]) -> Any:
            ids = tf.gather(previous, index, axis=1)
            logits, states = network.advance(tf.reshape(ids, [rows, 1]), states)
            log_probabilities = tf.nn.log_softmax(tf.cast(logits[:, 0], tf.float32))
            chosen = tf.gather(log_probabilities, tf.gather(encoded.ids, index, axis=1), axis=1, batch_dims=1)
            return index + 1, sums + tf.where(tf.gather(counted, index, axis=1), chosen, 0.0), states

        start = (tf.constant(0), tf.zeros([rows]), network.encoder.zero_states(rows))
        _, sums, _ = tf.while_loop(lambda index, *_: index < tf.reduce_max(encoded.lengths), advance, start)
        return {
            "nats": -sums,
            "characters": tf.reduce_sum(begins * tf.cast(counted, tf.int32), axis=1),
            "left_out": encoded.left_out,
        }

    sizes = {"N": PROMPT_BYTES, "M": WRITTEN_BYTES}
    numbers = {"length": 60, "temperature": 0.7, "seed": 1}
    return Program(
        (
            Signature("generate", generate, sizes, numbers),
            Signature("sample", generate, sizes, {**numbers, "top_k": 10, "top_p": 0.9}),
            Signature("score", score, {"N": PROMPT_BYTES}, {"context": 4}),
        ),
        **stated,
    )
