"""The task: how a model that tags words is trained, measured and exported."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from nlpseq.config import TaskConfig
from nlpseq.data.batches import padded_batches
from nlpseq.data.sources import Record
from nlpseq.errors import DataError
from nlpseq.metrics import Metric
from nlpseq.networks.network import Network, RecurrentConfig
from nlpseq.programs.program import Program, Signature
from nlpseq.runtime.questions import Answer, Question
from nlpseq.tasks.base import Prepared, Sequences, Task, Trained
from nlpseq.tasks.facts import Card, TaskFacts
from nlpseq.text.graph import in_graph
from nlpseq.text.tokenizers import PAD, Characters
from nlpseq.text.vocabulary import Vocabulary
from word_kinds.tagger import spaced, word_places

ACCURACY = Metric("word_accuracy", "words tagged right", True, decimals=1, scale=100, unit=" %", tolerance=0.01)
WORDS = Metric("words", "words measured", None, decimals=0)
BUFFER_BYTES = 256


@dataclass(frozen=True)
class Config(TaskConfig):
    model: RecurrentConfig = field(default_factory=lambda: RecurrentConfig(units=32, embedding=16, dropout=0.1))


@keras.saving.register_keras_serializable(package="word_kinds")
class TaggingNetwork(Network):
    """Ids, int32 [batch, time], to logits of the tags, float [batch, time, tags]."""

    config_type = RecurrentConfig

    def __init__(self, config: RecurrentConfig, *, vocabulary: int, tags: int, **kwargs: Any) -> None:
        super().__init__(config, {"vocabulary": vocabulary, "tags": tags}, **kwargs)
        self.embedding = keras.layers.Embedding(vocabulary, config.embedding)
        self.encoder = config.stack(1, bidirectional=True, name="encoder")
        self.output_layer = keras.layers.Dense(tags)

    def create_variables(self) -> None:
        self(tf.ones([1, 2], tf.int32))

    def call(self, ids: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        lengths = tf.reduce_sum(tf.cast(ids != PAD, tf.int32), axis=1)
        return self.output_layer(self.encoder(self.embedding(ids), lengths=lengths, training=training)[0])


class WordKinds(Task[Config]):
    """A sentence to one tag for each of its words. The network tags bytes; those of a word share its tag."""

    facts = TaskFacts(
        name="word-kinds",
        config_type=Config,
        columns=("text", "tags"),
        sequences=("text", "tags"),
        metrics=(ACCURACY, WORDS),
        signature="tag",
        card=Card(
            summary="Tells of each word of a text what kind of word it is.",
            usage='nlpseq tag --model {model} "Anna bought 12 apples"',
            own_data="SENTENCES.tsv  (with columns text and tags, one tag for each word)",
            limits=("It takes words for what spaces separate, so it is of no use for text without spaces.",),
        ),
    )

    def sample(self) -> Iterable[tuple[str, ...]]:
        for words in itertools.product(
            ("Anna", "Ben", "she", "nobody"), ("bought", "saw", "lost"), ("12", "7", "some", "345"), ("apples", "Fords")
        ):
            yield " ".join(words), " ".join(_kind(word) for word in words)

    def prepare(self, examples: Iterable[Record], base: Vocabulary | None) -> Prepared:
        tags = sorted({tag for example in examples for tag in example.fields[1].split()})
        return Prepared(Vocabulary({"text": Characters(())}, tuple(tags)))  # without characters: ids of bytes

    def encode(
        self, examples: Sequence[Record], vocabulary: Vocabulary, notes: dict[str, int]
    ) -> Iterable[Sequence[Sequence[int]]]:
        return [self._encoded(example, vocabulary) for example in examples]

    def _encoded(self, example: Record, vocabulary: Vocabulary) -> Sequence[Sequence[int]]:
        text, tags = spaced(example.fields[0]), example.fields[1].split()
        if len(tags) != len(text.split()) or not set(tags) <= set(vocabulary.labels):
            message = f"give each word one tag of {', '.join(vocabulary.labels)}"
            raise DataError(message, file=example.file, line=example.line)
        ids = vocabulary.tokenizers["text"].encode(text)
        begins = [0, *(place + 1 for _, place in word_places(text))]
        tag_ids = [1 + vocabulary.labels.index(tag) for tag in tags]
        return ids, np.repeat(tag_ids, np.diff(begins)).tolist()

    def network(self, vocabulary: Vocabulary) -> TaggingNetwork:
        size = vocabulary.tokenizers["text"].vocabulary_size
        network = TaggingNetwork(self.config.model, vocabulary=size, tags=len(vocabulary.labels))
        network.build()
        return network

    def supervised(self, sequences: Sequences) -> tuple[Any, tf.Tensor, tf.Tensor]:
        ids, tags = sequences
        return ids, tf.maximum(tags - 1, 0), tf.cast(tags != PAD, tf.float32)

    def program(self, network: keras.Model, vocabulary: Vocabulary) -> Program:
        graph = in_graph(vocabulary.tokenizers["text"])

        def tag(text: tf.Tensor) -> dict[str, tf.Tensor]:
            encoded = graph.encode(text, BUFFER_BYTES)
            probabilities = tf.nn.softmax(network(encoded.ids))
            return {
                "tags": 1 + tf.argmax(probabilities, axis=-1, output_type=tf.int32),
                "probabilities": tf.reduce_max(probabilities, axis=-1),
                "left_out": encoded.left_out,
            }

        return Program((Signature("tag", tag, {"N": BUFFER_BYTES}),), labels=vocabulary.labels)

    def ask(self, trained: Trained, questions: Sequence[Question], *, quick: bool = False) -> list[Answer]:
        texts = [spaced(question.text) for question in questions]
        encode, labels = trained.vocabulary.tokenizers["text"].encode, trained.vocabulary.labels
        answers: dict[int, Answer] = {}
        for indices, ids in padded_batches([np.array(encode(text), np.int32) for text in texts], 4096):
            rows = tf.nn.softmax(trained.model(ids)).numpy()
            for index, row in zip(indices, rows, strict=True):
                of_words = row[[place for _, place in word_places(texts[index])]]
                tags = [labels[tag] for tag in of_words.argmax(axis=-1)]
                answers[index] = Answer(" ".join(tags), {"confidence": float(of_words.max(axis=-1).mean())})
        return [answers[index] for index in range(len(questions))]

    def score(
        self, answers: Sequence[Answer], questions: Sequence[Question], *, complete: bool = True
    ) -> dict[str, Any]:
        pairs = [
            (tag, expected)
            for answer, question in zip(answers, questions, strict=True)
            for tag, expected in zip(answer.text.split(), question.expected[0].split(), strict=True)
        ]
        right = sum(tag == expected for tag, expected in pairs)
        return {ACCURACY.key: right / max(len(pairs), 1), WORDS.key: len(pairs)}


def _kind(word: str) -> str:
    return "number" if word.isdigit() else "capitalized" if word.istitle() else "other"
