"""A small ``.tflite`` that says again what it reads: text to ids to text, with the tokenizer in the graph.

Beside it a loop of as many steps as there are ids, over a tensor of that many rows, as an encoder and attention have.
"""

from __future__ import annotations

import functools
import itertools
import tempfile

import numpy as np
import tensorflow as tf

from nlpseq.data.samples import phrasebook
from nlpseq.export.attachment import attach
from nlpseq.text.graph import in_graph
from nlpseq.text.tokenizers import SentencePiece

N, M, S = 64, 96, 80
FACTS = {"name": "echo", "languages": ["en", "français"], "labels": []}


class Echo(tf.Module):
    def __init__(self, tokenizer: SentencePiece) -> None:
        self._graph = in_graph(tokenizer)
        vectors = np.random.default_rng(0).normal(size=(tokenizer.vocabulary_size, 8))
        self._vectors = tf.constant(vectors, tf.float32)

    @tf.function(autograph=False, input_signature=[tf.TensorSpec([N], tf.uint8, "text")])
    def translate(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        source = self._graph.encode(text[None], S)
        target = self._graph.decode(source.ids, source.lengths, M)
        memory = tf.gather(self._vectors, source.ids[0, : source.lengths[0]])

        def attend(step: tf.Tensor, alignment: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            weights = tf.nn.softmax(tf.linalg.matvec(memory, memory[step]))
            row = tf.pad(weights, [[0, S - source.lengths[0]]])
            return step + 1, tf.tensor_scatter_nd_update(alignment, [[0, step]], row[None])

        _, alignment = tf.while_loop(
            lambda step, _: step < source.lengths[0], attend, [tf.constant(0), tf.zeros([1, S, S])]
        )
        return {
            "text": target.text[0],
            "ids": source.ids[0],
            "score": tf.reduce_sum(alignment, axis=[1, 2]),
            "alignment": alignment[0],  # not the loop's own output, see docs/mobile.md
            "left_out": source.left_out + target.left_out,
        }


@functools.cache
def tokenizer() -> SentencePiece:
    sentences = [text for pair in itertools.islice(phrasebook.pairs(), 0, None, 11) for text in pair]
    return SentencePiece.train(sentences, 400)


def echo() -> bytes:
    """The file, with metadata."""
    module = Echo(tokenizer())
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, signatures={"translate": module.translate})
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        return attach(converter.convert(), FACTS)
