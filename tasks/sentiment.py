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
from nlpseq.tasks.base import Loss, Metric, Program, Signature, Task, Vocabulary

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
from nlpseq.runtime.classifier import Classifier as ExportedClassifier
from nlpseq.runtime.results import Classification
from nlpseq.text.in_graph import in_graph
from nlpseq.text.tokenizers import PAD, SentencePiece

_MARKUP = re.compile(r"<br ?/?>", re.IGNORECASE)
_NOTHING = "?"  # stands for a text without a piece
_MOST_LABELS = 1000
_CLASSIFIED_TOKENS = 16_384  # padded pieces classified in one call


@dataclass
class DataConfig:
    train: str = setting("sample", "a SPEC: sample, tfds:NAME, or FILE.tsv/.csv/.jsonl with columns text and label")
    valid: str = setting("", "a SPEC; empty: a part is split off by a hash of the text")
    test: str = setting("", "a SPEC, evaluated once at the end")
    columns: str = setting("", "names of the columns where the file does not say: label,text")
    labels: str = setting("", "names for the labels that stand in the data, such as 0=negative,1=positive")
    licence: str = setting("", "terms of the data, for the model card and the exported file")
    credit: str = setting("", "whose data it is, for the model card and the exported file")
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
            largest, real = _largest(states, mask)
            mean = tf.reduce_sum(states * real, axis=1) / tf.maximum(tf.reduce_sum(real, axis=1), 1)
            pooled = tf.concat([largest, mean], axis=-1)
        return self.output_layer(self.output_dropout(pooled, training=training)), states

    def explain(self, ids: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Probabilities, and what each piece adds to the log-odds of the most probable class.

        The log-odds are, near where they are, a weighted sum of the states; each state is the sum of the changes that
        pieces made to it, one after the other. A piece gets what its change of the state amounts to (as in Murdoch &
        Szlam 2017, arXiv:1702.02540, there for the last state). Of two classes, the pieces' parts and that of the
        output layer's bias sum to the log-odds. Removing the pieces that it names lowers the log-odds as much as with
        gradient x input (by 2.4 and 2.2 for three pieces of SST-2's phrases and IMDb's reviews, there 2.4 and 2.4;
        random ones: 0.2 and 0.03), without a backward pass.

        Args:
            ids: int32 [batch, time].

        Returns:
            probabilities: float32 [batch, classes].
            relevance: float32 [batch, time], 0 at padding.
        """
        mask = ids != PAD
        logits, states = self.classify(self.embed(ids), ids)
        probabilities = tf.nn.softmax(tf.cast(logits, tf.float32))
        best = tf.one_hot(tf.argmax(probabilities, axis=-1), probabilities.shape[-1])
        others = (1 - best) * probabilities
        gradient = best - others / tf.maximum(tf.reduce_sum(others, axis=-1, keepdims=True), 1e-9)
        towards = tf.matmul(gradient, tf.cast(self.output_layer.kernel, tf.float32), transpose_b=True)
        real = tf.cast(mask[:, :, None], tf.float32)
        states = tf.cast(states, tf.float32) * real
        weights = self._weights(states, mask, towards)
        ahead, back = states[..., : self.units], states[..., self.units :]
        change = (ahead - tf.pad(ahead, [[0, 0], [1, 0], [0, 0]])[:, :-1]) * real
        relevance = tf.reduce_sum(change * tf.cumsum(weights[..., : self.units], axis=1, reverse=True), axis=-1)
        if self.bidirectional:
            change = back - tf.pad(back, [[0, 0], [0, 1], [0, 0]])[:, 1:]
            relevance += tf.reduce_sum(change * tf.cumsum(weights[..., self.units :], axis=1), axis=-1)
        return probabilities, relevance

    def _weights(self, states: tf.Tensor, mask: tf.Tensor, towards: tf.Tensor) -> tf.Tensor:
        """With what each state counts when what they are pooled to is multiplied by ``towards`` [batch, pooled]."""
        towards = towards[:, None]
        if self.attention is not None:
            return self.attention(states, mask)[1][:, :, None] * towards
        largest, real = _largest(states, mask)
        if self.pooling == "last":
            last = real - tf.pad(real, [[0, 0], [0, 1], [0, 0]])[:, 1:]
            first = tf.one_hot(0, tf.shape(states)[1])[None, :, None]
            return tf.concat([last * towards[..., : self.units], first * towards[..., self.units :]], axis=-1)
        reached = tf.cast(tf.equal(states, largest[:, None]), tf.float32) * real
        reached /= tf.maximum(tf.reduce_sum(reached, axis=1, keepdims=True), 1)
        counts = tf.maximum(tf.reduce_sum(real, axis=1, keepdims=True), 1)
        return reached * towards[..., : states.shape[-1]] + real / counts * towards[..., states.shape[-1] :]

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
    metric = Metric("accuracy", higher_is_better=True, tolerance=0.003)
    roles = ("text", "label")
    fields = ("text", "label")
    own_data = "TEXTS.csv  (with columns text and label)"
    token_field = 0

    def sample(self) -> Iterable[tuple[str, ...]]:
        return reviews.reviews()

    def read(self, spec: str, part: Part = "train") -> Iterator[Record]:
        names = self._label_names()
        for record in super().read(spec, part):
            text, label = record.fields
            if names and label not in names:
                raise DataError(
                    f"data.labels has no name for the label '{label}', only for {_listed(tuple(names))}",
                    file=record.file,
                    line=record.line,
                )
            yield Record((_clean(text), names.get(label, label)), record.file, record.line)

    def _label_names(self) -> dict[str, str]:
        """Names by the labels that stand in the data."""
        pairs = [pair.partition("=") for pair in self.config.data.labels.split(",") if pair.strip()]
        if any(not equals or not label.strip() or not name.strip() for label, equals, name in pairs):
            raise UserError(
                f"data.labels is '{self.config.data.labels}': write LABEL=NAME for each label, such as "
                "0=negative,1=positive"
            )
        return {label.strip(): name.strip() for label, _, name in pairs}

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
        examples = list(examples)
        _targets(examples, vocabulary.labels)  # an unknown label is an error before minutes have been spent
        answers = self.answers(model, vocabulary, self.questions(examples))
        return self.measure(answers, vocabulary.labels, examples)

    def questions(self, examples: Iterable[Record]) -> list[str]:
        return [example.fields[0] for example in examples]

    def answers(self, model: Classifier, vocabulary: Vocabulary, questions: Sequence[str]) -> list[np.ndarray]:
        return list(self.predictor(model, vocabulary).probabilities(questions))

    def file_answer(self, exported: ExportedClassifier, question: str) -> np.ndarray:
        return np.array(list(exported.classify(question).probabilities.values()), np.float32)

    def differences(self, answers: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> dict[str, float]:
        one, other = np.array(answers), np.array(others)
        apart = np.abs(one - other).max(axis=1)
        return {
            "equal_labels": float((one.argmax(axis=1) == other.argmax(axis=1)).mean()),
            "max_probability_difference": float(apart.max()),
            "mean_probability_difference": float(apart.mean()),
        }

    def measure(
        self,
        answers: Sequence[np.ndarray],
        labels: tuple[str, ...],
        examples: Iterable[Record],
        *,
        complete: bool = False,
    ) -> dict[str, Any]:
        return evaluation.classification_scores(np.array(answers), _targets(examples, labels), labels)

    def make_predictor(self, model: Classifier, vocabulary: Vocabulary) -> ClassifierModel:
        return ClassifierModel(model, vocabulary, self.config)

    def program(self, model: Classifier, vocabulary: Vocabulary) -> Program:
        tokenizer = vocabulary.tokenizers["text"]
        read, limit = in_graph(tokenizer), self.config.data.max_length
        nothing = tokenizer.encode(_NOTHING)
        size = 10 * limit + (-10 * limit) % 64  # of a longer text the pieces at both ends fill the model

        def classify(text: tf.Tensor) -> dict[str, tf.Tensor]:
            rows = text.shape[0] or tf.shape(text)[0]
            with tf.name_scope("text"):
                encoded = read.encode(_without_markup(text), size)
            ids, lengths = _cut_in_graph(encoded.ids, encoded.lengths, limit)
            instead = np.zeros((1, limit), np.int32)
            instead[0, : len(nothing)] = nothing
            ids = tf.where(lengths[:, None] > 0, ids, instead)
            longest = tf.maximum(tf.reduce_max(lengths), len(nothing))
            given = tf.reshape(ids[:, :longest], [rows, -1])  # the work follows the text, not the buffer
            probabilities, relevance = model.explain(given)
            after = [[0, 0], [0, limit - tf.shape(given)[1]]]
            return {
                "probabilities": probabilities,
                "relevance": tf.reshape(tf.pad(relevance, after), [rows, limit]),
                "ids": ids,
                "left_out": encoded.left_out + tf.maximum(encoded.lengths - limit, 0),
            }

        sizes = {"N": size, "S": limit, "C": len(vocabulary.labels)}
        pieces = tuple(tokenizer.pieces(range(tokenizer.vocabulary_size)))
        return Program((Signature("classify", classify, sizes),), pieces)

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
        all_ids = self._all_ids(text)
        ids = np.array(_cut(all_ids, self._limit), np.int32)
        found, relevance = self._explain(ids[None])
        probabilities = found[0].numpy().tolist()
        best = int(np.argmax(probabilities))
        return Classification(
            label=self._labels[best],
            probabilities=dict(zip(self._labels, probabilities, strict=True)),
            pieces=tuple(self._tokenizer.pieces(ids)),
            relevance=tuple(relevance[0].numpy().tolist()),
            source=text,
            cut=len(ids) < len(all_ids),
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
        return np.array(_cut(self._all_ids(text), self._limit), np.int32)

    def _all_ids(self, text: str) -> list[int]:
        return self._tokenizer.encode(_clean(text)) or self._tokenizer.encode(_NOTHING)

    @cached_property
    def _probabilities(self) -> Any:
        @tf.function(input_signature=[tf.TensorSpec([None, None], tf.int32)], autograph=False)
        def probabilities(ids: tf.Tensor) -> tf.Tensor:
            return tf.nn.softmax(tf.cast(self._model(ids), tf.float32))

        return probabilities

    @cached_property
    def _explain(self) -> Any:
        ids = tf.TensorSpec([None, None], tf.int32)
        return tf.function(self._model.explain, input_signature=[ids], autograph=False)


def _largest(states: tf.Tensor, mask: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Each unit's maximum over time [batch, units], and the mask as numbers [batch, time, 1]."""
    real = tf.cast(mask[:, :, None], states.dtype)
    return tf.reduce_max(states * real - 2 * (1 - real), axis=1), real  # recurrent outputs lie between -1 and 1


def _clean(text: str) -> str:
    """Markup that stands in collected reviews is no word."""
    return _MARKUP.sub(" ", text)


def _targets(examples: Iterable[Record], labels: Sequence[str]) -> np.ndarray:
    """Each example's place among the labels: int [examples]."""
    targets = []
    for example in examples:
        if example.fields[1] not in labels:
            raise DataError(
                f"the label '{example.fields[1]}' is not one of this model's: {_listed(labels)}",
                file=example.file,
                line=example.line,
            )
        targets.append(labels.index(example.fields[1]))
    return np.array(targets)


def _without_markup(text: tf.Tensor) -> tf.Tensor:
    """:func:`_clean` for uint8 [batch, n]: each byte of markup becomes a space, and the tokeniser merges spaces."""
    letters = tf.cast(text, tf.int32)
    letters = tf.where((letters >= ord("A")) & (letters <= ord("Z")), letters + 32, letters)
    size = text.shape[1]
    ahead = tf.pad(letters, [[0, 0], [0, 6]])
    inside = tf.zeros_like(ahead)
    for markup in ("<br>", "<br/>", "<br >", "<br />"):
        found = tf.ones_like(letters)
        for index, letter in enumerate(markup.encode()):
            found *= tf.cast(tf.equal(ahead[:, index : index + size], letter), tf.int32)
        for index in range(len(markup)):
            inside += tf.pad(found, [[0, 0], [index, 6 - index]])
    return tf.cast(tf.where(inside[:, :size] > 0, ord(" "), tf.cast(text, tf.int32)), tf.uint8)


def _cut_in_graph(ids: tf.Tensor, lengths: tf.Tensor, limit: int) -> tuple[tf.Tensor, tf.Tensor]:
    """:func:`_cut` for int32 [batch, n] ids, of which ``lengths`` [batch] count: [batch, limit] and [batch]."""
    place = tf.range(limit)[None]
    skipped = tf.maximum(lengths - limit, 0)[:, None]
    places = tf.minimum(place + tf.where(place < limit // 4, 0, skipped), ids.shape[1] - 1)
    return tf.gather(ids, places, batch_dims=1), tf.minimum(lengths, limit)


def _cut(ids: list[int], limit: int) -> list[int]:
    """A text too long is read at its begin and, mostly, at its end, where a verdict stands."""
    head = limit // 4
    return ids if len(ids) <= limit else ids[:head] + ids[head - limit :]


def _listed(labels: Sequence[str]) -> str:
    shown = ", ".join(labels[:20])
    return f"{shown}, … ({len(labels)} labels)" if len(labels) > 20 else shown
