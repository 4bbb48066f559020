"""Character language modelling: what comes next? (many-to-many, aligned; generation is one-to-many).

The text is read as parallel streams, and the state at a batch's end is carried into the next one: truncated
backpropagation through time (Williams & Peng 1990; Mikolov 2012, section 3.3). With SentencePiece pieces instead of
characters the same model pre-trains an encoder for other tasks (``--init-from``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from nlpseq.tasks.base import Loss, Metric, Program, Signature, Task, Vocabulary

from nlpseq import evaluation
from nlpseq.config import TrainingConfig, setting
from nlpseq.data import samples, sources
from nlpseq.data.batches import Batch, padded_batches, stream_batches
from nlpseq.data.cache import Corpus
from nlpseq.data.sources import Part, Record
from nlpseq.decoding import Filter, sample
from nlpseq.errors import DataError, UserError
from nlpseq.layers.cross_entropy import cross_entropy
from nlpseq.layers.regularisation import Dropout
from nlpseq.layers.stack import RecurrentStack
from nlpseq.runtime.exported import encoded
from nlpseq.runtime.generator import Generator
from nlpseq.runtime.results import Generation
from nlpseq.text.in_graph import in_graph
from nlpseq.text.tokenizers import END, FIRST_BYTE, PAD, Characters, SentencePiece, Tokenizer

_EVALUATION_ROWS = 16  # streams; each but the first begins without its past, which costs a little
_EVALUATION_STEPS = 256
_SMALL_VOCABULARY = 512  # fewer than a replica's positions in a batch: projecting all rows is less work
_PROMPT_BYTES, _WRITTEN_BYTES = 1024, 2048  # the buffers of an exported file
_WINDOW_TOKENS = 16_384  # padded ids of windows that are scored in one call
_MIN_ROW = 2048  # no more streams than this leaves each one


@dataclass
class DataConfig:
    train: str = setting("sample", "a SPEC: sample, tfds:NAME, FILE.txt, or a table with a column 'text'")
    valid: str = setting("", "a SPEC; empty: the last part of the text is split off")
    test: str = setting("", "a SPEC, evaluated once at the end")
    columns: str = setting("", "names of the columns where a table does not say")
    licence: str = setting("", "terms of the data, for the model card and the exported file")
    credit: str = setting("", "whose data it is, for the model card and the exported file")
    valid_fraction: float = setting(0.1, "last part of the text that is split off", minimum=0.0001, maximum=0.5)


@dataclass
class TokenizerConfig:
    kind: str = setting("characters", "sentencepiece to pre-train other tasks", choices=("characters", "sentencepiece"))
    vocabulary_size: int = setting(2000, "at most; rarer characters are spelt in bytes", minimum=1)


@dataclass
class ModelConfig:
    cell: str = setting("lstm", "gru is smaller, rnn is for comparison", choices=("rnn", "lstm", "gru"))
    units: int = setting(256, "of each recurrent layer", minimum=1)
    layers: int = setting(2, "stacked recurrent layers", minimum=1)
    embedding: int = setting(128, "size of a character's vector", minimum=1)
    dropout: float = setting(0.2, "on the input of each layer and before the output", minimum=0, maximum=0.9)


@dataclass
class LanguageModelTraining(TrainingConfig):
    epochs: int = setting(20, "an upper bound", minimum=1)
    length: int = setting(64, "steps that gradients go back (truncated BPTT); the state goes further", minimum=2)
    batch_tokens: int = setting(2048, "streams x length: 32 streams of 64", minimum=2)
    learning_rate: float = setting(3e-3, "with Adam", minimum=0)
    decay_start: float = setting(0.1, "character models gain from a long decay", minimum=0, maximum=1)
    valid_examples: int = setting(32, "evaluated after each epoch, in pieces of 64k characters", minimum=1)


@dataclass
class Config:
    data: DataConfig = field(default_factory=DataConfig)
    tokenizer: TokenizerConfig = field(default_factory=TokenizerConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    training: LanguageModelTraining = field(default_factory=LanguageModelTraining)


@keras.saving.register_keras_serializable(package="nlpseq")
class LanguageModel(keras.Model):
    """Predicts the next id from all before it.

    Args:
        vocabulary: number of ids.
        The rest: as in :class:`ModelConfig`.

    Call arguments:
        ids: int32 [batch, time].

    Returns:
        logits: float [batch, time, vocabulary].
    """

    built: bool

    def __init__(
        self, *, vocabulary: int, cell: str, units: int, layers: int, embedding: int, dropout: float, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self._settings = {
            "vocabulary": vocabulary,
            "cell": cell,
            "units": units,
            "layers": layers,
            "embedding": embedding,
            "dropout": dropout,
        }
        self.embedding = keras.layers.Embedding(vocabulary, embedding, name="embedding")
        self.encoder = RecurrentStack(cell, units, layers, dropout=dropout, name="encoder")
        self.input_dropout = Dropout(dropout, name="input_dropout")
        self.output_dropout = Dropout(dropout, name="output_dropout")
        self.output_layer = keras.layers.Dense(vocabulary, name="output")

    def build(self, input_shape: Any = None) -> None:
        if not self.built:
            self.built = True
            self(tf.ones([1, 2], tf.int32))

    def call(self, ids: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        return self.advance(ids, None, training)[0]

    def advance(
        self, ids: tf.Tensor, states: list[tf.Tensor] | None, training: bool | None = None
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Logits, and the states to go on from; ``states`` None begins a text."""
        if training and self.embedding.input_dim <= _SMALL_VOCABULARY and not self.input_dropout.rate:
            outputs, states = self.encoder(self.embedding.embeddings, states=states, ids=ids, training=True)
        else:
            embedded = self.input_dropout(self.embedding(ids), training=training)
            outputs, states = self.encoder(embedded, states=states, training=training)
        return self.output_layer(self.output_dropout(outputs, training=training)), states

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self._settings}

    def get_build_config(self) -> dict[str, Any]:
        return {"input_shape": None}  # Keras builds from a config that is not empty

    def build_from_config(self, config: dict[str, Any]) -> None:
        self.build()


class CharacterLanguageModelling(Task[Config]):
    """Text to more text."""

    name = "char-lm"
    config_type = Config
    metric = Metric("nats_per_character", higher_is_better=False, tolerance=0.01)
    roles = ("text",)
    fields = ("text",)
    own_data = "TEXT.txt"

    # Data: one long text instead of examples

    def sample(self) -> Iterable[tuple[str, ...]]:
        return [(samples.stories(),)]

    def read(self, spec: str, part: Part = "train") -> Iterator[Record]:
        chunks = sources.read_text(spec, part=part, columns=self.config.data.columns or None, sample=samples.stories)
        for index, chunk in enumerate(chunks):
            yield Record((chunk,), spec, index + 1)

    def examples(self, part: Part) -> Iterator[Record]:
        data = self.config.data
        own = data.valid or sources.has_part(data.train, "valid")
        if own or part == "test":
            return super().examples(part)
        total = sum(len(record.fields[0]) for record in self.read(data.train))
        cut = total - int(total * data.valid_fraction)
        return self._between(0, cut) if part == "train" else self._between(cut, total)

    def _between(self, start: int, stop: int) -> Iterator[Record]:
        """The characters of the training SPEC from start to stop."""
        position = 0
        for record in self.read(self.config.data.train):
            text = record.fields[0]
            wanted = text[max(0, start - position) : max(0, stop - position)]
            position += len(text)
            if wanted:
                yield Record((wanted,), record.file, record.line)
            if position >= stop:
                return

    def fit_vocabulary(self, examples: Iterable[Record]) -> Vocabulary:
        config = self.config.tokenizer
        texts = (example.fields[0] for example in examples)
        if config.kind == "characters":
            return Vocabulary({"text": Characters.train(texts, config.vocabulary_size)})
        return Vocabulary({"text": SentencePiece.train(texts, max(config.vocabulary_size, 300))})

    def adopt_vocabulary(self, other: Vocabulary, examples: Iterable[Record]) -> Vocabulary:
        if "text" not in other.tokenizers:
            raise UserError("--init-from: a language model can only start from a language model or a classifier")
        return Vocabulary({"text": other.tokenizers["text"]})

    def encode(self, example: Record, vocabulary: Vocabulary, notes: dict[str, int]) -> Sequence[Sequence[int]] | None:
        return [_ids(example.fields[0], vocabulary.tokenizers["text"])]

    def corpus(self, vocabulary: Vocabulary, part: Part) -> Corpus:
        corpus = super().corpus(vocabulary, part)
        rows, length = self._rows(), self.config.training.length
        if part == "train" and corpus.ids[0] < 2 * rows:  # an epoch begins up to a quarter of the text late
            raise DataError(
                f"has {corpus.ids[0]} characters to train on: {rows} streams need {rows * length} or more; "
                "give more text, or a smaller training.batch_tokens",
                file=self.config.data.train,
            )
        return corpus

    def batches(
        self, corpus: Corpus, *, training: bool, epoch: int = 0, first: int = 0, rows_multiple: int = 1
    ) -> Iterator[Batch]:
        rows = -(-self._rows() // rows_multiple) * rows_multiple
        seed = self.config.training.seed if training else None
        return stream_batches(
            corpus, rows=rows, length=self.config.training.length, seed=seed, epoch=epoch, first=first
        )

    def epoch_size(self, corpus: Corpus) -> int:
        return corpus.ids[0]

    def _rows(self) -> int:
        return max(1, self.config.training.batch_tokens // self.config.training.length)

    # Model

    def build_model(self, vocabulary: Vocabulary) -> LanguageModel:
        model = LanguageModel(vocabulary=vocabulary.tokenizers["text"].vocabulary_size, **vars(self.config.model))
        model.build()
        return model

    def keras_batch(self, fields: tuple[tf.Tensor, ...]) -> tuple[Any, tf.Tensor, tf.Tensor]:
        (ids,) = fields
        return ids[:, :-1], ids[:, 1:], tf.ones_like(ids[:, 1:], tf.float32)

    def initial_state(self, model: LanguageModel, rows: int) -> Any:
        return model.encoder.zero_states(rows)

    def losses(self, model: LanguageModel, fields: tuple[tf.Tensor, ...], state: Any) -> tuple[dict[str, Loss], Any]:
        (ids,) = fields
        logits, state = model.advance(ids[:, :-1], state, training=True)
        losses = cross_entropy(logits, ids[:, 1:], self.config.training.label_smoothing)
        return {"cross_entropy": Loss(tf.reduce_sum(losses), tf.cast(tf.size(losses), tf.float32))}, state

    # Results

    def evaluate(
        self, model: LanguageModel, vocabulary: Vocabulary, examples: Iterable[Record], *, final: bool = False
    ) -> dict[str, Any]:
        predictor = self.predictor(model, vocabulary)
        return predictor.score_texts([example.fields[0] for example in examples])

    def program(self, model: LanguageModel, vocabulary: Vocabulary) -> Program:
        tokenizer = vocabulary.tokenizers["text"]
        if not isinstance(tokenizer, Characters):
            raise UserError(
                "a language model over pieces pre-trains other models (--init-from); one to be exported reads "
                'characters: tokenizer.kind = "characters"'
            )
        graph, (newline,) = in_graph(tokenizer), tokenizer.encode("\n")

        def generate(text: tf.Tensor, length: tf.Tensor, **numbers: tf.Tensor) -> dict[str, tf.Tensor]:
            with tf.name_scope("text"):
                encoded = graph.encode(text, _PROMPT_BYTES)
            blank = tf.equal(encoded.lengths, 0)  # then a line begins
            begin = tf.one_hot(tf.zeros_like(encoded.lengths), _PROMPT_BYTES, dtype=tf.int32) * newline
            prompt = tf.where(blank[:, None], begin, encoded.ids)
            lengths = tf.maximum(encoded.lengths, 1)
            length = tf.clip_by_value(length, 0, _WRITTEN_BYTES - lengths)
            only = Filter(numbers.pop("top_k"), numbers.pop("top_p")) if "top_k" in numbers else None
            capacity = _WRITTEN_BYTES + 1
            written = _sampled(model, prompt, lengths, length=length, only=only, capacity=capacity, **numbers)
            written = tf.where(blank[:, None], written[:, 1:], written[:, :-1])
            with tf.name_scope("text"):
                decoded = graph.decode(written, encoded.lengths + length, _WRITTEN_BYTES)
            return {"text": decoded.text, "left_out": encoded.left_out + decoded.left_out}

        def score(text: tf.Tensor, context: tf.Tensor) -> dict[str, tf.Tensor]:
            rows = text.shape[0] or tf.shape(text)[0]
            with tf.name_scope("text"):
                encoded = graph.encode(text, _PROMPT_BYTES)
            previous = tf.pad(encoded.ids[:, :-1], [[0, 0], [1, 0]], constant_values=newline)
            # A character that is spelt in bytes has several ids, of which the first begins it.
            goes_on = (encoded.ids >= FIRST_BYTE + 0x80) & (encoded.ids < FIRST_BYTE + 0xC0)
            real = tf.range(_PROMPT_BYTES)[None] < encoded.lengths[:, None]
            begins = tf.cast(~goes_on & real, tf.int32)
            counted = (tf.cumsum(begins, axis=1) > context[:, None]) & real

            def advance(index: tf.Tensor, sums: tf.Tensor, states: list[tf.Tensor]) -> Any:
                ids = tf.gather(previous, index, axis=1)
                logits, states = model.advance(tf.reshape(ids, [rows, 1]), states)
                log_probabilities = tf.nn.log_softmax(tf.cast(logits[:, 0], tf.float32))
                chosen = tf.gather(log_probabilities, tf.gather(encoded.ids, index, axis=1), axis=1, batch_dims=1)
                return index + 1, sums + tf.where(tf.gather(counted, index, axis=1), chosen, 0.0), states

            start = (tf.constant(0), tf.zeros([rows]), model.encoder.zero_states(rows))
            _, sums, _ = tf.while_loop(lambda index, *_: index < tf.reduce_max(encoded.lengths), advance, start)
            return {
                "nats": -sums,
                "characters": tf.reduce_sum(begins * tf.cast(counted, tf.int32), axis=1),
                "left_out": encoded.left_out,
            }

        sizes = {"N": _PROMPT_BYTES, "M": _WRITTEN_BYTES}
        numbers = {"length": 60, "temperature": 0.7, "seed": 1}
        return Program(
            (
                Signature("generate", generate, sizes, numbers),
                Signature("sample", generate, sizes, {**numbers, "top_k": 10, "top_p": 0.9}),
                Signature("score", score, {"N": _PROMPT_BYTES}, {"context": 4}),
            )
        )

    def questions(self, examples: Iterable[Record]) -> list[tuple[str, str]]:
        """Windows of the text: what is only read, and what follows it."""
        text = "".join(example.fields[0] for example in examples)
        size = _PROMPT_BYTES // 4  # characters that fit whatever they are
        return [
            (text[max(0, start - size // 2) : start], text[start : start + size // 2])
            for start in range(0, len(text), size // 2)
        ]

    def answers(
        self, model: LanguageModel, vocabulary: Vocabulary, questions: Sequence[tuple[str, str]]
    ) -> list[tuple[float, int]]:
        nats = self.predictor(model, vocabulary).nats(questions)
        return [(value, len(new)) for value, (_, new) in zip(nats, questions, strict=True)]

    def file_answer(self, exported: Generator, question: tuple[str, str]) -> tuple[float, int]:
        context, new = question
        outputs = exported.model.call("score", encoded(context + new), context=len(context))
        return outputs["nats"].item(), outputs["characters"].item()

    def differences(
        self, answers: Sequence[tuple[float, int]], others: Sequence[tuple[float, int]]
    ) -> dict[str, float]:
        apart = [abs(a[0] / a[1] - b[0] / max(b[1], 1)) for a, b in zip(answers, others, strict=True)]
        return {
            "max_nats_per_character_difference": max(apart),
            "mean_nats_per_character_difference": float(np.mean(apart)),
        }

    def measure(
        self,
        answers: Sequence[tuple[float, int]],
        labels: tuple[str, ...],
        examples: Iterable[Record],
        *,
        complete: bool = False,
    ) -> dict[str, Any]:
        return evaluation.language_model_scores(
            sum(nats for nats, _ in answers), sum(characters for _, characters in answers)
        )

    @staticmethod
    def usage(model: str) -> str:
        return f'nlpseq generate --model {model} "Once "'

    def demonstration(
        self, model: LanguageModel, vocabulary: Vocabulary, examples: Sequence[Record]
    ) -> list[tuple[str, str]]:
        prompts = [" ".join(example.fields[0].split()[:3]) for example in examples[:2]]
        predictor = self.predictor(model, vocabulary)
        return [(prompt, predictor.generate(prompt, length=200).text) for prompt in prompts]

    def make_predictor(self, model: LanguageModel, vocabulary: Vocabulary) -> GeneratorModel:
        return GeneratorModel(model, vocabulary)


class GeneratorModel:
    """A trained language model, ready to use."""

    def __init__(self, model: LanguageModel, vocabulary: Vocabulary) -> None:
        self._model, self._tokenizer = model, vocabulary.tokenizers["text"]

    def generate(
        self,
        prompt: str = "",
        *,
        length: int = 200,
        temperature: float = 0.8,
        top_k: int = 0,
        top_p: float = 1.0,
        seed: int = 1,
    ) -> Generation:
        """Goes on from the prompt for ``length`` characters.

        Args:
            prompt: text to go on from; "" begins a line.
            length: characters to write.
            temperature: 0 always takes the most probable; 1 draws as the model thinks; above, wilder.
            top_k: draws among so many; 0: all.
            top_p: draws among the most probable that add up to this; 1: all.
            seed: the same seed writes the same text.

        Raises:
            UserError: a number is out of its range.
        """
        if length < 0 or temperature < 0 or not 0 < top_p <= 1 or top_k < 0:
            raise UserError(
                f"length {length}, temperature {temperature}, top-k {top_k}, top-p {top_p}: they must be at least 0, "
                "top-p above 0 and at most 1"
            )
        ids = _ids(prompt or "\n", self._tokenizer)
        if isinstance(self._tokenizer, SentencePiece) and prompt and not prompt.endswith("\n"):
            ids = ids[:-1]  # the line goes on
        written = self._write(
            tf.constant([ids]),
            length=tf.constant([length]),
            temperature=tf.constant([temperature], tf.float32),
            top_k=tf.constant([top_k]),
            top_p=tf.constant([top_p], tf.float32),
            seed=tf.constant([seed]),
        )
        text = _text(written.numpy()[0].tolist(), self._tokenizer)
        begin = 0 if prompt else len("\n")
        return Generation(text[begin : len(prompt or "\n") + length], prompt, seed)

    def score_texts(self, texts: Sequence[str]) -> dict[str, float]:
        """Nats and bits per character of a text given in parts; its very first character is not predicted."""
        parts = [np.array(_ids(text, self._tokenizer), np.int32) for text in texts]
        ids = np.concatenate(parts) if parts else np.zeros(0, np.int32)
        if len(ids) < 2:
            raise UserError("a text to evaluate needs at least two characters")
        rows = max(1, min(_EVALUATION_ROWS, len(ids) // _MIN_ROW))
        width = -(-(len(ids) - 1) // rows)
        padded = np.zeros(rows * width + 1, np.int32)
        padded[: len(ids)] = ids
        states = self._model.encoder.zero_states(rows)
        total = 0.0
        for start in range(0, width, _EVALUATION_STEPS):
            stop = min(start + _EVALUATION_STEPS, width)
            batch = np.stack([padded[row * width + start : row * width + stop + 1] for row in range(rows)])
            nats, states = self._score(batch, states)
            total += float(nats)
        return evaluation.language_model_scores(total, sum(map(len, texts)) - 1)

    def nats(self, windows: Sequence[tuple[str, str]]) -> list[float]:
        """Negative log-likelihood of each text that follows its context, which begins a line."""
        given = [_ids(f"\n{context}", self._tokenizer) for context, _ in windows]
        ids = [before + _ids(text, self._tokenizer) for before, (_, text) in zip(given, windows, strict=True)]
        nats = np.zeros(len(windows))
        for places, batch in padded_batches([np.array(row, np.int32) for row in ids], _WINDOW_TOKENS):
            starts = np.array([len(given[place]) for place in places], np.int32)
            nats[places] = self._nats(batch, starts).numpy()
        return nats.tolist()

    @cached_property
    def _nats(self) -> Any:
        matrix, vector = tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([None], tf.int32)

        @tf.function(input_signature=[matrix, vector], autograph=False)
        def nats(ids: tf.Tensor, starts: tf.Tensor) -> tf.Tensor:
            targets = ids[:, 1:]
            losses = cross_entropy(self._model(ids[:, :-1]), targets)
            counted = (tf.range(1, tf.shape(ids)[1])[None] >= starts[:, None]) & (targets != PAD)
            return tf.reduce_sum(tf.where(counted, losses, 0.0), axis=1)

        return nats

    @cached_property
    def _score(self) -> Any:
        @tf.function(reduce_retracing=True, autograph=False)
        def score(ids: tf.Tensor, states: list[tf.Tensor]) -> tuple[tf.Tensor, list[tf.Tensor]]:
            logits, states = self._model.advance(ids[:, :-1], states)
            targets = ids[:, 1:]
            losses = tf.where(targets == PAD, 0.0, cross_entropy(logits, targets))
            return tf.reduce_sum(losses), states

        return score

    @cached_property
    def _write(self) -> Any:
        @tf.function(reduce_retracing=True, autograph=False)
        def write(prompt: tf.Tensor, *, top_k: tf.Tensor, top_p: tf.Tensor, **numbers: tf.Tensor) -> tf.Tensor:
            lengths = tf.fill([1], tf.shape(prompt)[1])
            return _sampled(self._model, prompt, lengths, only=Filter(top_k, top_p), **numbers)

        return write


def _sampled(model: LanguageModel, prompt: tf.Tensor, lengths: tf.Tensor, **options: Any) -> tf.Tensor:
    """The prompt and what :func:`nlpseq.decoding.sample` draws after it: int32 [batch, time]."""
    states = model.encoder.zero_states(prompt.shape[0] or tf.shape(prompt)[0])
    return sample(model.advance, states, prompt, lengths, **options)


def _ids(text: str, tokenizer: Tokenizer) -> list[int]:
    """Ids of a running text. SentencePiece knows no line breaks: there END stands for one."""
    if isinstance(tokenizer, Characters):
        return tokenizer.encode(text)
    return [index for line in text.splitlines() for index in (*tokenizer.encode(line), END)]


def _text(ids: list[int], tokenizer: Tokenizer) -> str:
    if isinstance(tokenizer, Characters):
        return tokenizer.decode(ids)
    lines: list[list[int]] = [[]]
    for index in ids:
        if index == END:
            lines.append([])
        else:
            lines[-1].append(index)
    return "\n".join(tokenizer.decode(line) for line in lines)
