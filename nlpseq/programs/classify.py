"""Classifying: markup out, tokenizer, network, and what each piece had to do with the verdict."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import tensorflow as tf

from nlpseq.networks.recurrent_classifier import RecurrentClassifier
from nlpseq.programs.program import Program, Signature
from nlpseq.text.graph import in_graph
from nlpseq.text.graph.steps import side_by_side
from nlpseq.text.tokenizers import Tokenizer
from nlpseq.text.vocabulary import Vocabulary

_MARKUP = re.compile(r"<br ?/?>", re.IGNORECASE)
_NOTHING = "?"  # stands for a text without a piece
_BYTES_A_PIECE = 10  # of a longer text, the pieces at both ends fill the model
_HEAD = 4  # a fourth of a text too long is its beginning; the rest is its end, where a verdict stands


def classification_program(network: RecurrentClassifier, vocabulary: Vocabulary, limit: int, **stated: Any) -> Program:
    """The signature ``classify``.

    Args:
        network: trained.
        vocabulary: a tokenizer "text", and labels.
        limit: pieces of a text that are read.
        stated: further attributes of the :class:`Program`.
    """
    tokenizer = vocabulary.tokenizers["text"]
    read, nothing = in_graph(tokenizer), tokenizer.encode(_NOTHING)
    size = _BYTES_A_PIECE * limit + (-_BYTES_A_PIECE * limit) % 64

    def classify(text: tf.Tensor) -> dict[str, tf.Tensor]:
        rows = text.shape[0] or tf.shape(text)[0]
        with tf.name_scope("text"):
            encoded = read.encode(_without_markup(text), size)
        ids, lengths = _fitting_in_graph(encoded.ids, encoded.lengths, limit)
        instead = np.zeros((1, limit), np.int32)
        instead[0, : len(nothing)] = nothing
        ids = tf.where(lengths[:, None] > 0, ids, instead)
        longest = tf.maximum(tf.reduce_max(lengths), len(nothing))
        given = tf.reshape(ids[:, :longest], [rows, -1])  # the work follows the text, not the buffer
        probabilities, relevance = network.explain(given)
        after = [[0, 0], [0, limit - tf.shape(given)[1]]]
        return {
            "probabilities": probabilities,
            "relevance": tf.reshape(tf.pad(relevance, after), [rows, limit]),
            "ids": ids,
            "left_out": encoded.left_out + tf.maximum(encoded.lengths - limit, 0),
        }

    sizes = {"N": size, "S": limit, "C": len(vocabulary.labels)}
    pieces = tokenizer.all_pieces()
    return Program((Signature("classify", classify, sizes),), pieces, labels=vocabulary.labels, **stated)


def without_markup(text: str) -> str:
    """The text with a space for each line break of HTML, which is no word."""
    return _MARKUP.sub(" ", text)


def ids_to_read(text: str, tokenizer: Tokenizer) -> list[int]:
    """The ids of all of a text; those of "?" where it has none."""
    return tokenizer.encode(without_markup(text)) or tokenizer.encode(_NOTHING)


def fitting(ids: list[int], limit: int) -> list[int]:
    """At most ``limit`` ids: of a text too long its beginning and, mostly, its end."""
    head = limit // _HEAD
    return ids if len(ids) <= limit else ids[:head] + ids[head - limit :]


def _fitting_in_graph(ids: tf.Tensor, lengths: tf.Tensor, limit: int) -> tuple[tf.Tensor, tf.Tensor]:
    """:func:`fitting` for int32 [batch, n] ids, of which ``lengths`` [batch] count: [batch, limit] and [batch]."""
    place = tf.range(limit)[None]
    skipped = tf.maximum(lengths - limit, 0)[:, None]
    places = tf.minimum(place + tf.where(place < limit // _HEAD, 0, skipped), ids.shape[1] - 1)
    return tf.gather(ids, places, batch_dims=1), tf.minimum(lengths, limit)


def _without_markup(text: tf.Tensor) -> tf.Tensor:
    """:func:`without_markup` for uint8 [batch, n]."""
    letters = tf.cast(text, tf.int32)
    letters = tf.where((letters >= ord("A")) & (letters <= ord("Z")), letters + 32, letters)
    size = text.shape[1]
    ahead = tf.pad(letters, [[0, 0], [0, 6]])
    first, others = tf.zeros_like(letters), tf.zeros_like(ahead)
    for markup in ("<br>", "<br/>", "<br >", "<br />"):
        found = tf.ones_like(letters)
        for index, letter in enumerate(markup.encode()):
            found *= tf.cast(tf.equal(ahead[:, index : index + size], letter), tf.int32)
        first += found
        for index in range(1, len(markup)):
            others += tf.pad(found, [[0, 0], [index, 6 - index]])
    spaced = tf.where(first > 0, ord(" "), tf.cast(text, tf.int32))
    there = 1 - others[:, :size]
    shorter = tf.cond(tf.reduce_any(first > 0), lambda: side_by_side(spaced, there, size), lambda: spaced)
    return tf.cast(shorter, tf.uint8)
