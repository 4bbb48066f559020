"""Sentiment, and any other classification of texts: many-to-one.

The whole sequence of states speaks, not only the last one: they are pooled by attention, or by their maximum and mean.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from os import cpu_count
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from nlpseq.tasks.base import Loss, Metric, Task, Vocabulary

from nlpseq import evaluation
from nlpseq.config import TrainingConfig, setting
from nlpseq.data.batches import padded_batches
from nlpseq.data.samples import reviews
from nlpseq.data.sources import Part, Record
from nlpseq.errors import DataError, UserError
from nlpseq.layers.attention import AttentionPooling
from nlpseq.layers.cross_entropy import cross_entropy
from nlpseq.layers.regularisation import Dropout
from nlpseq.layers.stack import RecurrentStack, last_outputs
from nlpseq.runtime.results import Classification
from nlpseq.text.tokenizers import PAD, SentencePiece

_MARKUP = re.compile(r"<br\s*/?>", re.IGNORECASE)
_MOST_LABELS = 1000
_CLASSIFIED_TOKENS = 16_384  # padded pieces classified in one call


@dataclass
class DataConfig:
    train: str = setting("sample", "a SPEC: sample, tfds:NAME, or FILE.tsv/.csv/.jsonl with columns text and label")
    valid: str = setting("", "a SPEC; empty: a part is split off by a hash of the text")
    test: str = setting("", "a SPEC, evaluated once at the end")
    columns: str = setting("", "names of the columns where the file does not say: label,text")
    valid_fraction: float = setting(0.1, "part of the texts that is split off", minimum=0.0001, maximum=0.5)
    max_length: int = setting(400, "pieces; of longer texts the begin and the end are read", minimum=8)


@dataclass
class TokenizerConfig:
    vocabulary_size: int = setting(6000, "pieces", minimum=300)
    normalization: str = setting(
        "nmt_nfkc_cf", "SentencePiece's rule; this one also folds case", choices=("nmt_nfkc", "nmt_nfkc_cf", "identity")
    )


@dataclass
class ModelConfig:
    cell: str = setting("lstm", "gru is smaller, rnn is for comparison", choices=("rnn", "lstm", "gru"))
    units: int = setting(128, "of each recurrent layer and direction", minimum=1)
    layers: int = setting(1, "stacked recurrent layers", minimum=1)
    embedding: int = setting(128, "size of a piece's vector", minimum=1)
    bidirectional: bool = setting(True, "read both ways")
    pooling: str = setting("max_mean", "how states become one vector", choices=("attention", "max_mean", "last"))
    dropout: float = setting(0.4, "on embeddings, between layers and before the output", minimum=0, maximum=0.9)
    word_dropout: float = setting(0.1, "part of the pieces that is hidden while training", minimum=0, maximum=0.9)
    language_model_weight: float = setting(
        0.0, "of a second loss, predicting the next piece (Rei 2017); helps where labels are few", minimum=0
    )


@dataclass
class SentimentTraining(TrainingConfig):
    epochs: int = setting(8, "an upper bound", minimum=1)
    decay_start: float = setting(0.1, "part of the run at the full rate before the decay begins", minimum=0, maximum=1)
    warmup_steps: int = setting(100, "Adam's second moments are poor at first; at most 5 % of the run", minimum=0)
    patience: int = setting(3, "epochs without a better metric before the run ends; 0: never", minimum=0)
    valid_examples: int = setting(5000, "evaluated after each epoch; the whole part at the end", minimum=1)


@dataclass
class Config:
    data: DataConfig = field(default_factory=DataConfig)
    tokenizer: TokenizerConfig = field(default_factory=TokenizerConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    training: SentimentTraining = field(default_factory=SentimentTraining)


@keras.saving.register_keras_serializable(package="nlpseq")
class Classifier(keras.Model):
    """Recurrent layers, pooled, and a softmax layer.

    Args:
        vocabulary: number of ids.
        classes: number of labels.
        The rest: as in :class:`ModelConfig`.

    Call arguments:
        ids: int32 [batch, time], padded with 0.

    Returns:
        logits: float [batch, classes].
    """

    built: bool

    def __init__(
        self,
        *,
        vocabulary: int,
        classes: int,
        cell: str,
        units: int,
        layers: int,
        embedding: int,
        bidirectional: bool,
        pooling: str,
        dropout: float,
        word_dropout: float,
        language_model_weight: float,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._settings = {
            "vocabulary": vocabulary,
            "classes": classes,
            "cell": cell,
            "units": units,
            "layers": layers,
            "embedding": embedding,
            "bidirectional": bidirectional,
            "pooling": pooling,
            "dropout": dropout,
            "word_dropout": word_dropout,
            "language_model_weight": language_model_weight,
        }
        self.units, self.bidirectional, self.pooling = units, bidirectional, pooling
        self.embedding = keras.layers.Embedding(vocabulary, embedding, name="embedding")
        self.word_dropout = Dropout(word_dropout, name="word_dropout")
        self.input_dropout = Dropout(dropout, name="input_dropout")
        self.encoder = RecurrentStack(cell, units, layers, bidirectional=bidirectional, dropout=dropout, name="encoder")
        self.attention = AttentionPooling(name="attention") if pooling == "attention" else None
        self.output_dropout = Dropout(dropout, name="output_dropout")
        self.output_layer = keras.layers.Dense(classes, name="classes")
        self.next_piece = keras.layers.Dense(vocabulary, name="next_piece") if language_model_weight else None

    def build(self, input_shape: Any = None) -> None:
        if not self.built:
            self.built = True
            ids = tf.ones([1, 2], tf.int32)
            self(ids)
            if self.next_piece is not None:
                self.next_piece.build((None, None, self.units))

    def call(self, ids: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        return self.classify(self.embed(ids, training), ids, training)[0]

    def embed(self, ids: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """float [batch, time, embedding]"""
        embedded = self.embedding(ids)
        seen = self.word_dropout(tf.ones_like(embedded[:, :, :1]), training=training)
        return self.input_dropout(embedded * seen, training=training)

    def classify(
        self, embedded: tf.Tensor, ids: tf.Tensor, training: bool | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Logits, and the states [batch, time, ...] that they were pooled from."""
        mask = ids != PAD
        lengths = tf.reduce_sum(tf.cast(mask, tf.int32), axis=1)
        states, _ = self.encoder(embedded, lengths=lengths, training=training)
        if self.attention is not None:
            pooled, _ = self.attention(states, mask)
        elif self.pooling == "last":
            pooled = last_outputs(states, lengths, self.units, self.bidirectional)
        else:
            real = tf.cast(mask[:, :, None], states.dtype)
            mean = tf.reduce_sum(states * real, axis=1) / tf.maximum(tf.reduce_sum(real, axis=1), 1)
            # Recurrent outputs lie between -1 and 1.
            pooled = tf.concat([tf.reduce_max(states * real - 2 * (1 - real), axis=1), mean], axis=-1)
        return self.output_layer(self.output_dropout(pooled, training=training)), states

    def next_piece_logits(self, states: tf.Tensor) -> tf.Tensor:
        """Logits of each next piece, from the forward direction's states alone: float [..., vocabulary]."""
        assert self.next_piece is not None, "built with language_model_weight 0"
        return self.next_piece(states[..., : self.units])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self._settings}

    def get_build_config(self) -> dict[str, Any]:
        return {"input_shape": None}  # Keras builds from a config that is not empty

    def build_from_config(self, config: dict[str, Any]) -> None:
        self.build()


class SentimentClassification(Task[Config]):
    """Text to one of a few labels."""

    name = "sentiment"
    config_type = Config
    metric = Metric("accuracy", higher_is_better=True)
    roles = ("text", "label")
    fields = ("text", "label")
    own_data = "TEXTS.csv  (with columns text and label)"
    token_field = 0

    def sample(self) -> Iterable[tuple[str, ...]]:
        return reviews.reviews()

    def read(self, spec: str, part: Part = "train") -> Iterator[Record]:
        for record in super().read(spec, part):
            text, label = record.fields
            yield Record((_clean(text), label), record.file, record.line)

    def fit_vocabulary(self, examples: Iterable[Record]) -> Vocabulary:
        labels: dict[str, None] = {}

        def texts() -> Iterator[str]:
            for example in examples:
                self._collect(labels, example)
                yield example.fields[0]

        config = self.config.tokenizer
        pieces = SentencePiece.train(texts(), config.vocabulary_size, config.normalization)
        return Vocabulary({"text": pieces}, self._checked(labels))

    def adopt_vocabulary(self, other: Vocabulary, examples: Iterable[Record]) -> Vocabulary:
        if "text" not in other.tokenizers:
            raise UserError("--init-from: a classifier can only start from a classifier or a language model")
        labels: dict[str, None] = {}
        for example in examples:
            self._collect(labels, example)
        return Vocabulary({"text": other.tokenizers["text"]}, self._checked(labels))

    def encode(self, example: Record, vocabulary: Vocabulary, notes: dict[str, int]) -> Sequence[Sequence[int]] | None:
        text, label = example.fields
        if label not in vocabulary.labels:
            raise DataError(
                f"the label '{label}' does not occur in the training part, which has {_listed(vocabulary.labels)}",
                file=example.file,
                line=example.line,
            )
        ids = vocabulary.tokenizers["text"].encode(text)
        limit = self.config.data.max_length
        if len(ids) > limit:
            what = f"texts longer than {limit} pieces (data.max_length), read at their begin and end only"
            notes[what] = notes.get(what, 0) + 1
        # 0 is padding, so that classes begin at 1 on disk.
        return _cut(ids, limit), [1 + vocabulary.labels.index(label)]

    def build_model(self, vocabulary: Vocabulary) -> Classifier:
        model = Classifier(
            vocabulary=vocabulary.tokenizers["text"].vocabulary_size,
            classes=len(vocabulary.labels),
            **vars(self.config.model),
        )
        model.build()
        return model

    def keras_batch(self, fields: tuple[tf.Tensor, ...]) -> tuple[Any, tf.Tensor, tf.Tensor]:
        ids, labels = fields
        return ids, tf.maximum(labels[:, 0] - 1, 0), tf.cast(labels[:, 0] > 0, tf.float32)

    def losses(self, model: Classifier, fields: tuple[tf.Tensor, ...], state: Any) -> tuple[dict[str, Loss], Any]:
        ids, targets, real = self.keras_batch(fields)
        logits, states = model.classify(model.embed(ids, training=True), ids, training=True)
        losses = cross_entropy(logits, targets, self.config.training.label_smoothing)
        named = {"cross_entropy": Loss(tf.reduce_sum(losses * real), tf.reduce_sum(real))}
        if weight := self.config.model.language_model_weight:
            following = tf.where(ids[:, 1:] != PAD)
            nats = cross_entropy(
                model.next_piece_logits(tf.gather_nd(states[:, :-1], following)), tf.gather_nd(ids[:, 1:], following)
            )
            named["language_model"] = Loss(tf.reduce_sum(nats), tf.cast(tf.size(nats), tf.float32), weight)
        return named, state

    def evaluate(
        self, model: Classifier, vocabulary: Vocabulary, examples: Iterable[Record], *, final: bool = False
    ) -> dict[str, Any]:
        texts, targets = [], []
        for example in examples:
            if example.fields[1] not in vocabulary.labels:
                raise DataError(
                    f"the label '{example.fields[1]}' is not one of this model's: {_listed(vocabulary.labels)}",
                    file=example.file,
                    line=example.line,
                )
            texts.append(example.fields[0])
            targets.append(vocabulary.labels.index(example.fields[1]))
        probabilities = self.predictor(model, vocabulary).probabilities(texts)
        return evaluation.classification_scores(probabilities, np.array(targets), vocabulary.labels)

    def make_predictor(self, model: Classifier, vocabulary: Vocabulary) -> ClassifierModel:
        return ClassifierModel(model, vocabulary, self.config)

    @staticmethod
    def usage(model: str) -> str:
        return f'nlpseq classify --model {model} "Not bad at all!"'

    def demonstration(
        self, model: Classifier, vocabulary: Vocabulary, examples: Sequence[Record]
    ) -> list[tuple[str, str]]:
        predictor = self.predictor(model, vocabulary)
        return [(example.fields[0], predictor.classify(example.fields[0]).label) for example in examples]

    def pictures(self, model: Classifier, vocabulary: Vocabulary, examples: Sequence[Record]) -> dict[str, bytes]:
        from nlpseq.report.pictures import relevance_picture

        classified = [self.predictor(model, vocabulary).classify(example.fields[0]) for example in examples[:8]]
        return {"relevance.png": relevance_picture(classified)}

    def _collect(self, labels: dict[str, None], example: Record) -> None:
        labels.setdefault(example.fields[1])
        if len(labels) > _MOST_LABELS:
            raise DataError(
                f"the {_MOST_LABELS + 1}th different label, '{example.fields[1][:40]}': is this the label's column? "
                "Name the columns with --columns",
                file=example.file,
                line=example.line,
            )

    def _checked(self, labels: dict[str, None]) -> tuple[str, ...]:
        if len(labels) < 2:
            only = f"only the label '{next(iter(labels))}'" if labels else "no example"
            raise DataError(f"has {only}: a classifier needs at least two labels", file=self.config.data.train)
        return tuple(sorted(labels))


class ClassifierModel:
    """A trained classifier, ready to use."""

    def __init__(self, model: Classifier, vocabulary: Vocabulary, config: Config) -> None:
        self._model, self._labels = model, vocabulary.labels
        self._tokenizer, self._limit = vocabulary.tokenizers["text"], config.data.max_length

    def classify(self, text: str) -> Classification:
        """The class of a text, and what each piece had to do with it."""
        ids = self._encode(text)
        logits, relevance = self._explain(ids[None])
        probabilities = tf.nn.softmax(logits[0]).numpy().tolist()
        best = int(np.argmax(probabilities))
        return Classification(
            label=self._labels[best],
            probabilities=dict(zip(self._labels, probabilities, strict=True)),
            pieces=tuple(self._tokenizer.pieces(ids)),
            relevance=tuple(relevance[0].numpy().tolist()),
            source=text,
        )

    def probabilities(self, texts: Sequence[str]) -> np.ndarray:
        """float [texts, classes]; many texts at once, in batches of like lengths."""
        batches = padded_batches([self._encode(text) for text in texts], _CLASSIFIED_TOKENS)
        result = np.zeros((len(texts), len(self._labels)), np.float32)
        with ThreadPoolExecutor(cpu_count()) as pool:
            classified = pool.map(lambda batch: self._probabilities(batch[1]).numpy(), batches)
            for (indices, _), rows in zip(batches, classified, strict=True):
                result[indices] = rows
        return result

    def _encode(self, text: str) -> np.ndarray:
        ids = _cut(self._tokenizer.encode(_clean(text)), self._limit)
        return np.array(ids or self._tokenizer.encode("?"), np.int32)

    @cached_property
    def _probabilities(self) -> Any:
        @tf.function(input_signature=[tf.TensorSpec([None, None], tf.int32)], autograph=False)
        def probabilities(ids: tf.Tensor) -> tf.Tensor:
            return tf.nn.softmax(tf.cast(self._model(ids), tf.float32))

        return probabilities

    @cached_property
    def _explain(self) -> Any:
        @tf.function(input_signature=[tf.TensorSpec([None, None], tf.int32)], autograph=False)
        def explain(ids: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            """Gradient x input (Shrikumar et al. 2016, arXiv:1605.01713) of the best class' log-odds."""
            embedded = self._model.embed(ids)
            with tf.GradientTape() as tape:
                tape.watch(embedded)
                logits = tf.cast(self._model.classify(embedded, ids)[0], tf.float32)
                log_probabilities = tf.nn.log_softmax(logits)
                best = tf.reduce_max(log_probabilities, axis=-1)
                log_odds = best - tf.math.log(tf.maximum(1 - tf.exp(best), 1e-9))
            return logits, tf.reduce_sum(tape.gradient(log_odds, embedded) * embedded, axis=-1)

        return explain


def _clean(text: str) -> str:
    """Markup that stands in collected reviews is no word."""
    return _MARKUP.sub(" ", text)


def _cut(ids: list[int], limit: int) -> list[int]:
    """A text too long is read at its begin and, mostly, at its end, where a verdict stands."""
    head = limit // 4
    return ids if len(ids) <= limit else ids[:head] + ids[head - limit :]


def _listed(labels: Sequence[str]) -> str:
    shown = ", ".join(labels[:20])
    return f"{shown}, … ({len(labels)} labels)" if len(labels) > 20 else shown
