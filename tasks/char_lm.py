"""Character language modelling: what comes next? (many-to-many, aligned; generation is one-to-many).

The text is read as parallel streams, and the state at a batch's end is carried into the next one: truncated
backpropagation through time (Williams & Peng 1990; Mikolov 2012, section 3.3). With SentencePiece pieces instead of
characters the same model pre-trains an encoder for other tasks (``--init-from``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf

from nlpseq import metrics
from nlpseq.config import DataConfig, Section, TaskConfig, TrainingConfig, setting
from nlpseq.data import samples
from nlpseq.data.batches import Batch, padded_batches, stream_batches
from nlpseq.data.cache import Corpus
from nlpseq.data.dataset import RunningText
from nlpseq.data.meter import Watch
from nlpseq.data.sources import Part, Record
from nlpseq.errors import DataError, UserError
from nlpseq.layers.cross_entropy import cross_entropy
from nlpseq.networks.language_model import LanguageModel, LanguageModelConfig
from nlpseq.programs.generate import PROMPT_BYTES, generation_program
from nlpseq.programs.program import Program
from nlpseq.runtime.generator import Generator
from nlpseq.runtime.predictor import Predictor
from nlpseq.runtime.questions import Answer, Question
from nlpseq.tasks.base import Loss, Prepared, Sequences, Task, Track, Trained, no_track
from nlpseq.tasks.facts import Card, TaskFacts
from nlpseq.text.tokenizers import EOS, PAD, Characters, SentencePiece, Tokenizer
from nlpseq.text.vocabulary import Vocabulary

_EVALUATION_ROWS = 16  # streams; each but the first begins without its past, which costs a little
_EVALUATION_STEPS = 256
_MIN_ROW = 2048  # no more streams than this leaves each one
_WINDOW_TOKENS = 16_384  # padded ids of windows that are scored in one call
_FEWEST_CHARACTERS = 5_000
_FEWEST_PIECES = 300  # SentencePiece wants the bytes and all characters


@dataclass(frozen=True)
class LanguageModelData(DataConfig):
    train: str = setting("sample", "a SPEC: sample, tfds:NAME, FILE.txt, or a table with a column 'text'")
    valid: str = setting("", "a SPEC; empty: the last part of the text is split off")
    valid_fraction: float = setting(0.1, "last part of the text that is split off", minimum=0.0001, maximum=0.5)


@dataclass(frozen=True)
class LanguageModelTokenizer(Section):
    kind: str = setting("characters", "sentencepiece to pre-train other tasks", choices=("characters", "sentencepiece"))
    vocabulary_size: int = setting(2000, "at most; rarer characters are spelt in bytes", minimum=1)


@dataclass(frozen=True)
class LanguageModelTraining(TrainingConfig):
    length: int = setting(64, "steps that gradients go back (truncated BPTT); the state goes further", minimum=2)
    batch_tokens: int = setting(
        0, "streams x length; 0: a 200th of the text, from 256 to 2048, which is 4 to 32 streams of 64", minimum=0
    )
    learning_rate: float = setting(3e-3, "with Adam", minimum=0)
    decay_start: float = setting(0.1, "character models gain from a long decay", minimum=0, maximum=1)
    valid_examples: int = setting(32, "evaluated after each epoch, in pieces of 64k characters", minimum=1)


@dataclass(frozen=True)
class Config(TaskConfig):
    data: LanguageModelData = field(default_factory=LanguageModelData)
    tokenizer: LanguageModelTokenizer = field(default_factory=LanguageModelTokenizer)
    model: LanguageModelConfig = field(default_factory=LanguageModelConfig)
    training: LanguageModelTraining = field(default_factory=LanguageModelTraining)


class CharacterLanguageModelling(Task[Config]):
    """Text to more text."""

    facts = TaskFacts(
        name="char-lm",
        config_type=Config,
        columns=("text",),
        sequences=("text",),
        metrics=(metrics.NATS_PER_CHARACTER, metrics.BITS_PER_CHARACTER, metrics.CHARACTERS),
        signature="generate",
        card=Card(
            summary="Continues a text character by character, and says how probable a text is.",
            usage='nlpseq generate --model {model} "Once "',
            own_data="TEXT.txt",
            limits=(
                "It writes text that looks like its training data. What the text says is not true, only probable.",
                "It can repeat stretches of its training data word for word: their licence holds for these.",
            ),
            verbatim=True,
        ),
    )

    # Data: one long text instead of examples

    def sample(self) -> Iterable[tuple[str, ...]]:
        return [(samples.stories(),)]

    def make_dataset(self) -> RunningText:
        return RunningText(self.config.data, self.facts.columns, sample=self.sample, clean=self.clean)

    def prepare(self, examples: Iterable[Record], base: Vocabulary | None) -> Prepared:
        if base is not None:
            if "text" not in base.tokenizers:
                raise UserError("--init-from: a language model can only start from a language model or a classifier")
            return Prepared(Vocabulary({"text": base.tokenizers["text"]}))
        config, characters = self.config.tokenizer, 0

        def texts() -> Iterator[str]:
            nonlocal characters
            for example in examples:
                characters += len(example.fields[0])
                yield example.fields[0]

        if config.kind == "characters":
            tokenizer: Tokenizer = Characters.train(texts(), config.vocabulary_size)
        else:
            tokenizer = SentencePiece.train(texts(), max(config.vocabulary_size, _FEWEST_PIECES))
        return Prepared(Vocabulary({"text": tokenizer}), warning=_few_characters(characters))

    def encode(
        self, examples: Sequence[Record], vocabulary: Vocabulary, notes: dict[str, int]
    ) -> Iterable[Sequence[Sequence[int]]]:
        return ([_ids(example.fields[0], vocabulary.tokenizers["text"])] for example in examples)

    def corpus(self, vocabulary: Vocabulary, part: Part, watch: Watch | None = None, *, version: int = 0) -> Corpus:
        corpus = super().corpus(vocabulary, part, watch, version=version)
        rows, length = self._rows(corpus), self.config.training.length
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
        rows = -(-self._rows(corpus) // rows_multiple) * rows_multiple
        seed = self.config.training.seed if training else None
        return stream_batches(
            corpus, rows=rows, length=self.config.training.length, seed=seed, epoch=epoch, first=first
        )

    def epoch_size(self, corpus: Corpus) -> int:
        return corpus.ids[0]

    def _rows(self, corpus: Corpus) -> int:
        return max(1, self.batch_tokens(corpus) // self.config.training.length)

    # Model

    def network(self, vocabulary: Vocabulary) -> LanguageModel:
        model = LanguageModel(self.config.model, vocabulary=vocabulary.tokenizers["text"].vocabulary_size)
        model.build()
        return model

    def supervised(self, sequences: Sequences) -> tuple[Any, tf.Tensor, tf.Tensor]:
        (ids,) = sequences
        return ids[:, :-1], ids[:, 1:], tf.ones_like(ids[:, 1:], tf.float32)

    def initial_state(self, network: LanguageModel, rows: int) -> Any:
        return network.encoder.zero_states(rows)

    def losses(
        self, network: LanguageModel, sequences: Sequences, state: Any, *, training: bool = True
    ) -> tuple[dict[str, Loss], Any]:
        inputs, targets, _ = self.supervised(sequences)
        logits, state = network.advance(inputs, state, training=training)
        losses = cross_entropy(logits, targets, self.config.training.label_smoothing)
        return {"cross_entropy": Loss(tf.reduce_sum(losses), tf.cast(tf.size(losses), tf.float32))}, state

    def tokens(self, sequences: Sequence[np.ndarray]) -> int:
        return int(np.count_nonzero(sequences[0][:, 1:]))  # the first of each row is predicted by the batch before

    def program(self, network: LanguageModel, vocabulary: Vocabulary) -> Program:
        return generation_program(network, vocabulary)

    # Results

    def questions(self, examples: Iterable[Record]) -> list[Question]:
        """Windows of the text: what is only read, and what follows it."""
        text = "".join(example.fields[0] for example in examples)
        size = PROMPT_BYTES // 8  # characters: with their context they fit, whatever they are
        return [
            Question(text[start : start + size], context=text[max(0, start - size) : start])
            for start in range(0, len(text), size)
        ]

    def ask(self, trained: Trained, questions: Sequence[Question], *, quick: bool = False) -> list[Answer]:
        """Nats per character of each text after its context, which begins a line."""
        tokenizer = trained.vocabulary.tokenizers["text"]
        given = [_ids(f"\n{question.context}", tokenizer) for question in questions]
        ids = [before + _ids(question.text, tokenizer) for before, question in zip(given, questions, strict=True)]
        score = trained.graph("windows", lambda: _score_windows(trained.model))
        answers: dict[int, Answer] = {}
        for places, batch in padded_batches([np.array(row, np.int32) for row in ids], _WINDOW_TOKENS):
            starts = tf.constant([len(given[place]) for place in places], tf.int32)
            for place, nats in zip(places, score(tf.constant(batch), starts).numpy().tolist(), strict=True):
                answers[place] = Answer("", {"nats_per_character": nats / len(questions[place].text)})
        return [answers[place] for place in range(len(questions))]

    def score(
        self, answers: Sequence[Answer], questions: Sequence[Question], *, complete: bool = True
    ) -> dict[str, Any]:
        lengths = [len(question.text) for question in questions]
        per_character = [answer.numbers["nats_per_character"] for answer in answers]
        total = sum(nats * length for nats, length in zip(per_character, lengths, strict=True))
        return metrics.language_model_scores(total, sum(lengths))

    def evaluate(
        self, trained: Trained, examples: Iterable[Record], *, quick: bool = False, track: Track = no_track
    ) -> dict[str, Any]:
        """Nats and bits per character of the whole text, with the state carried; its very first is not predicted."""
        texts = [example.fields[0] for example in examples]
        tokenizer = trained.vocabulary.tokenizers["text"]
        parts = [np.array(_ids(text, tokenizer), np.int32) for text in texts]
        ids = np.concatenate(parts) if parts else np.zeros(0, np.int32)
        if len(ids) < 2:
            raise UserError("a text to evaluate needs at least two characters")
        rows = max(1, min(_EVALUATION_ROWS, len(ids) // _MIN_ROW))
        width = -(-(len(ids) - 1) // rows)
        padded = np.zeros(rows * width + 1, np.int32)
        padded[: len(ids)] = ids
        states = trained.model.encoder.zero_states(rows)
        score = trained.graph("stream", lambda: _score_stream(trained.model))
        total = 0.0
        for start in track(range(0, width, _EVALUATION_STEPS), "evaluating"):
            stop = min(start + _EVALUATION_STEPS, width)
            batch = np.stack([padded[row * width + start : row * width + stop + 1] for row in range(rows)])
            nats, states = score(batch, states)
            total += float(nats)
        return metrics.language_model_scores(total, sum(map(len, texts)) - 1)

    def demonstration(self, predictor: Predictor, examples: Sequence[Record]) -> list[tuple[str, str]]:
        assert isinstance(predictor, Generator)
        words = [word for example in examples for word in example.fields[0][:1000].split()]
        prompts = [" ".join(words[start : start + 3]) for start in (0, len(words) // 2)]
        return [(prompt, predictor.generate(prompt, length=200).text) for prompt in prompts]


def _few_characters(count: int) -> str:
    """The warning of a text with so many characters to train on."""
    if count >= _FEWEST_CHARACTERS:
        return ""
    return (
        f"there are only {count:,} characters to train on: a model learns to spell from {_FEWEST_CHARACTERS:,} or "
        "so on; add text, or start from a trained model with --init-from"
    )


def _score_windows(network: LanguageModel) -> Any:
    matrix, vector = tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([None], tf.int32)

    @tf.function(input_signature=[matrix, vector], autograph=False)
    def score(ids: tf.Tensor, starts: tf.Tensor) -> tf.Tensor:
        """Nats [rows] of ids [rows, time] from each row's start on."""
        targets = ids[:, 1:]
        losses = cross_entropy(network(ids[:, :-1]), targets)
        counted = (tf.range(1, tf.shape(ids)[1])[None] >= starts[:, None]) & (targets != PAD)
        return tf.reduce_sum(tf.where(counted, losses, 0.0), axis=1)

    return score


def _score_stream(network: LanguageModel) -> Any:
    @tf.function(reduce_retracing=True, autograph=False)
    def score(ids: tf.Tensor, states: list[tf.Tensor]) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Nats of all of ids [rows, time] but the first of each row, and the states to go on from."""
        logits, states = network.advance(ids[:, :-1], states)
        targets = ids[:, 1:]
        losses = tf.where(targets == PAD, 0.0, cross_entropy(logits, targets))
        return tf.reduce_sum(losses), states

    return score


def _ids(text: str, tokenizer: Tokenizer) -> list[int]:
    """Ids of a running text. SentencePiece knows no line breaks: there EOS stands for one."""
    if isinstance(tokenizer, Characters):
        return tokenizer.encode(text)
    first, *others = tokenizer.encode_all(text.split("\n"))
    return [*first, *(index for line in others for index in (EOS, *line))]
