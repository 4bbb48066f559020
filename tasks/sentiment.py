"""Sentiment, and any other classification of texts: many-to-one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf

from nlpseq import metrics
from nlpseq.config import DataConfig, Section, TaskConfig, TrainingConfig, setting
from nlpseq.cores import available_cores
from nlpseq.data.batches import padded_batches
from nlpseq.data.samples import reviews
from nlpseq.data.sources import Record
from nlpseq.errors import DataError, UserError
from nlpseq.layers.cross_entropy import cross_entropy
from nlpseq.networks.recurrent_classifier import ClassifierConfig, RecurrentClassifier
from nlpseq.programs.classify import classification_program, fitting, ids_to_read, without_markup
from nlpseq.programs.program import Program
from nlpseq.runtime.classifier import Classifier
from nlpseq.runtime.predictor import Predictor
from nlpseq.runtime.questions import Answer, Question
from nlpseq.tasks.base import Loss, Prepared, Sequences, Task, Trained, few_examples
from nlpseq.tasks.facts import Card, TaskFacts
from nlpseq.text.tokenizers import PAD, Characters, SentencePiece, Tokenizer
from nlpseq.text.training_texts import TrainingTexts, fitting_kind
from nlpseq.text.vocabulary import Vocabulary

_CHARACTERS_A_PIECE = 200  # what is to be learnt of a piece must be seen a few times
_FEWEST_PIECES, _MOST_PIECES = 1000, 6000  # the fewest are besides the alphabet, which a unigram model must have
_CLASSIFIED_TOKENS = 16_384  # padded pieces classified in one call
_SHOWN_LABELS = 20


@dataclass(frozen=True)
class ClassificationData(DataConfig):
    train: str = setting("sample", "a SPEC: sample, tfds:NAME, or FILE.tsv/.csv/.jsonl with columns text and label")
    valid: str = setting("", "a SPEC; empty: a part is split off by a hash of the text")
    columns: str = setting("", "names of the columns where the file does not say: label,text")
    labels: str = setting("", "names for the labels that stand in the data, such as 0=negative,1=positive")
    valid_fraction: float = setting(0.1, "part of the texts that is split off", minimum=0.0001, maximum=0.5)
    max_length: int = setting(400, "pieces; of longer texts the beginning and the end are read", minimum=8)


@dataclass(frozen=True)
class ClassificationTokenizer(Section):
    kind: str = setting(
        "auto",
        "sentencepiece reads words and parts of words; characters suits DNA, names and codes; auto: as the texts look",
        choices=("auto", "sentencepiece", "characters"),
    )
    vocabulary_size: int = setting(
        0,
        "pieces, or characters at most; 0: by the size of the texts and their alphabet, up to 6000",
        minimum=0,
    )
    normalization: str = setting(
        "nmt_nfkc_cf", "SentencePiece's rule; this one also folds case", choices=("nmt_nfkc", "nmt_nfkc_cf", "identity")
    )


@dataclass(frozen=True)
class ClassificationTraining(TrainingConfig):
    learning_rate: float = setting(2e-3, "with Adam", minimum=0)
    decay_start: float = setting(0.1, "part of the run at the full rate before the decay begins", minimum=0, maximum=1)
    warmup_steps: int = setting(100, "Adam's second moments are poor at first; at most 5 % of the run", minimum=0)
    valid_examples: int = setting(5000, "evaluated after each epoch; the whole part at the end", minimum=1)


@dataclass(frozen=True)
class Config(TaskConfig):
    data: ClassificationData = field(default_factory=ClassificationData)
    tokenizer: ClassificationTokenizer = field(default_factory=ClassificationTokenizer)
    model: ClassifierConfig = field(default_factory=ClassifierConfig)
    training: ClassificationTraining = field(default_factory=ClassificationTraining)


class SentimentClassification(Task[Config]):
    """Text to one of a few labels."""

    fewest_epochs = 8
    facts = TaskFacts(
        name="sentiment",
        config_type=Config,
        columns=("text", "label"),
        sequences=("text", "label"),
        metrics=(
            metrics.ACCURACY,
            metrics.MACRO_F1,
            metrics.LOG_LOSS,
            metrics.CALIBRATION_ERROR,
            metrics.EXAMPLES,
        ),
        signature="classify",
        card=Card(
            summary="Gives a text one of a few labels.",
            usage='nlpseq classify --model {model} "Not bad at all!"',
            own_data="TEXTS.csv  (with columns text and label)",
            limits=(
                "It answers with one of its labels whatever the text is, also where none fits.",
                "It learnt the words of its training data: irony, other subjects and other languages mislead it. Do "
                "not decide about people with it.",
            ),
            captions={"relevance.png": "What spoke for the predicted label (orange) and against it (blue)"},
        ),
    )

    def sample(self) -> Iterable[tuple[str, ...]]:
        return reviews.reviews()

    def clean(self, example: Record) -> Record:
        """Without markup, and with the label's name; the data may have the name as well."""
        text, label = example.fields
        if (names := self._label_names()) and label not in names and label not in names.values():
            raise DataError(
                f"data.labels has no name for the label '{label}', only for {_listed(tuple(names))}",
                file=example.file,
                line=example.line,
            )
        return Record((without_markup(text), names.get(label, label)), example.file, example.line)

    def _label_names(self) -> dict[str, str]:
        """Names by the labels that stand in the data."""
        pairs = [pair.partition("=") for pair in self.config.data.labels.split(",") if pair.strip()]
        if any(not equals or not label.strip() or not name.strip() for label, equals, name in pairs):
            raise UserError(
                f"data.labels is '{self.config.data.labels}': write LABEL=NAME for each label, such as "
                "0=negative,1=positive"
            )
        return {label.strip(): name.strip() for label, _, name in pairs}

    def prepare(self, examples: Iterable[Record], base: Vocabulary | None) -> Prepared:
        if base is not None and "text" not in base.tokenizers:
            raise UserError("--init-from: a classifier can only start from a classifier or a language model")
        labels: Counter[str] = Counter()
        texts = TrainingTexts()
        for example in examples:
            labels[example.fields[1]] += 1
            texts.add(example.fields[0])
        tokenizer = self._learnt(texts) if base is None else base.tokenizers["text"]
        if len(labels) < 2:
            only = f"only the label '{next(iter(labels))}'" if labels else "no example"
            raise DataError(f"has {only}: a classifier needs at least two labels", file=self.config.data.train)
        vocabulary = Vocabulary({"text": tokenizer}, tuple(sorted(labels)))
        settings = {"tokenizer.kind": tokenizer.kind} if self.config.tokenizer.kind == "auto" else {}
        return Prepared(vocabulary, settings, few_examples(labels.total()))

    def _learnt(self, texts: TrainingTexts) -> Tokenizer:
        config = self.config.tokenizer
        kind = fitting_kind([texts], self.config.data.max_length) if config.kind == "auto" else config.kind
        fitting = min(texts.characters // _CHARACTERS_A_PIECE, _MOST_PIECES)
        size = config.vocabulary_size or max(fitting, len(texts.alphabet()) + _FEWEST_PIECES)
        if kind == Characters.kind:
            return Characters.train(texts, size, either_case=True)
        return SentencePiece.train(texts, size, config.normalization)

    def encode(
        self, examples: Sequence[Record], vocabulary: Vocabulary, notes: dict[str, int]
    ) -> Iterable[Sequence[Sequence[int]]]:
        classes = {label: 1 + place for place, label in enumerate(vocabulary.labels)}  # 0 is padding
        limit = self.config.data.max_length
        texts = vocabulary.tokenizers["text"].encode_all([example.fields[0] for example in examples])
        for example, ids in zip(examples, texts, strict=True):
            if (label := example.fields[1]) not in classes:
                raise DataError(
                    f"the label '{label}' does not occur in the training part, which has {_listed(vocabulary.labels)}",
                    file=example.file,
                    line=example.line,
                )
            if len(ids) > limit:
                what = f"texts longer than {limit} pieces (data.max_length): only the beginning and the end were read"
                notes[what] = notes.get(what, 0) + 1
            yield fitting(ids, limit), [classes[label]]

    def network(self, vocabulary: Vocabulary) -> RecurrentClassifier:
        model = RecurrentClassifier(
            self.config.model,
            vocabulary=vocabulary.tokenizers["text"].vocabulary_size,
            classes=len(vocabulary.labels),
        )
        model.build()
        return model

    def supervised(self, sequences: Sequences) -> tuple[Any, tf.Tensor, tf.Tensor]:
        ids, labels = sequences
        return ids, tf.maximum(labels[:, 0] - 1, 0), tf.cast(labels[:, 0] > 0, tf.float32)

    def losses(
        self, network: RecurrentClassifier, sequences: Sequences, state: Any, *, training: bool = True
    ) -> tuple[dict[str, Loss], Any]:
        ids, targets, real = self.supervised(sequences)
        logits, states = network.classify(network.embed(ids, training=training), ids, training=training)
        losses = cross_entropy(logits, targets, self.config.training.label_smoothing)
        named = {"cross_entropy": Loss(tf.reduce_sum(losses * real), tf.reduce_sum(real))}
        if weight := self.config.model.language_model_weight:
            following = tf.where(ids[:, 1:] != PAD)
            nats = cross_entropy(
                network.next_piece_logits(tf.gather_nd(states[:, :-1], following)), tf.gather_nd(ids[:, 1:], following)
            )
            named["language_model"] = Loss(tf.reduce_sum(nats), tf.cast(tf.size(nats), tf.float32), weight)
        return named, state

    def tokens(self, sequences: Sequence[np.ndarray]) -> int:
        return int(np.count_nonzero(sequences[0]))

    def program(self, network: RecurrentClassifier, vocabulary: Vocabulary) -> Program:
        return classification_program(network, vocabulary, self.config.data.max_length, label_names=self._label_names())

    def ask(self, trained: Trained, questions: Sequence[Question], *, quick: bool = False) -> list[Answer]:
        tokenizer, limit = trained.vocabulary.tokenizers["text"], self.config.data.max_length
        ids = [np.array(fitting(ids_to_read(question.text, tokenizer), limit), np.int32) for question in questions]
        _targets(questions, trained.vocabulary.labels)  # an unknown label is an error before minutes have been spent
        classify = trained.graph("classify", lambda: _probabilities(trained.model))
        answers: dict[int, Answer] = {}
        batches = padded_batches(ids, _CLASSIFIED_TOKENS)
        with ThreadPoolExecutor(available_cores()) as pool:
            classified = pool.map(lambda batch: classify(tf.constant(batch[1])).numpy(), batches)
            for (indices, _), rows in zip(batches, classified, strict=True):
                for index, row in zip(indices, rows, strict=True):
                    numbers = dict(zip(trained.vocabulary.labels, row.tolist(), strict=True))
                    answers[index] = Answer(trained.vocabulary.labels[int(row.argmax())], numbers)
        return [answers[index] for index in range(len(questions))]

    def score(
        self, answers: Sequence[Answer], questions: Sequence[Question], *, complete: bool = True
    ) -> dict[str, Any]:
        labels = tuple(answers[0].numbers) if answers else ()
        probabilities = np.array([list(answer.numbers.values()) for answer in answers])
        return metrics.classification_scores(probabilities, _targets(questions, labels), labels)

    def purpose(self, vocabulary: Vocabulary) -> str:
        return f"Gives a text one of {len(vocabulary.labels)} labels: {_listed(vocabulary.labels)}."

    def pictures(self, predictor: Predictor, examples: Sequence[Record]) -> dict[str, bytes]:
        from nlpseq.report.pictures import relevance_picture

        assert isinstance(predictor, Classifier)
        return {"relevance.png": relevance_picture([predictor.classify(example.fields[0]) for example in examples])}


def _probabilities(network: RecurrentClassifier) -> Any:
    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.int32)], autograph=False)
    def probabilities(ids: tf.Tensor) -> tf.Tensor:
        return tf.nn.softmax(tf.cast(network(ids), tf.float32))

    return probabilities


def _targets(questions: Sequence[Question], labels: Sequence[str]) -> np.ndarray:
    """Each question's right answer as its place among the labels: int [questions]."""
    places = {label: place for place, label in enumerate(labels)}
    for question in questions:
        if question.expected[0] not in places:
            raise DataError(
                f"the label '{question.expected[0]}' is not one of this model's: {_listed(labels)}",
                file=question.file,
                line=question.line,
            )
    return np.array([places[question.expected[0]] for question in questions], int)


def _listed(labels: Sequence[str]) -> str:
    shown = ", ".join(labels[:_SHOWN_LABELS])
    return f"{shown}, … ({len(labels)} labels)" if len(labels) > _SHOWN_LABELS else shown
