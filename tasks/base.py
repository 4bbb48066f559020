"""The contract of a task: what training, evaluating and exporting need to know of it, and nothing more.

A task says eight things: its facts, and how it prepares a vocabulary, encodes an example, makes a network, supervises
it, turns it into a program, asks it questions and scores the answers. Everything else has a default.
"""

from __future__ import annotations

import abc
import itertools
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import numpy as np
import tensorflow as tf

from nlpseq import config as configuration
from nlpseq.cores import available_cores
from nlpseq.data.batches import Batch, bucketed_batches
from nlpseq.data.cache import Corpus, Encoded, cached_corpus, encoded
from nlpseq.data.dataset import Dataset
from nlpseq.data.meter import Watch
from nlpseq.data.processes import in_order
from nlpseq.data.sources import Part, Record
from nlpseq.errors import UserError
from nlpseq.layers.cross_entropy import cross_entropy
from nlpseq.metrics import Metric
from nlpseq.programs.program import Program
from nlpseq.programs.running import RunningProgram
from nlpseq.runtime.predictor import Predictor, predictor_for
from nlpseq.runtime.questions import Answer, Question
from nlpseq.tasks.facts import TaskFacts, Teacher
from nlpseq.text.vocabulary import Vocabulary

if TYPE_CHECKING:
    import keras

Config = TypeVar("Config", bound=Any)
Item = TypeVar("Item")
Sequences = tuple[tf.Tensor, ...]  # of a batch: int32 [rows, length] each, padded with 0
Track = Callable[[Sequence[Any], str], Iterable[Any]]  # shows how far a loop over the items is

# A small corpus wants small batches: what counts is the number of steps. Beyond 2,048 tokens a core gains no speed.
_STEPS_OF_AN_EPOCH = 200
_STEPS_OF_A_RUN = 4000
_MOST_EPOCHS = 60
_LEAST_PATIENCE = 5  # epochs
_FEWEST_TOKENS, _MOST_TOKENS = 256, 2048
_FEWEST_EXAMPLES = 50  # fewer are hardly enough to try a data file out
_ASKED_AT_ONCE = 512  # questions, between two looks at the bar
_ENCODED_AT_ONCE = 2048  # examples


@dataclass(frozen=True)
class Prepared:
    """What a task learns from its training part.

    Attributes:
        vocabulary: tokenizers, and labels where there are any.
        settings: what settings that were "auto" came to, by their names.
        warning: what the user should know of the data before it is trained on; empty where all is well.
    """

    vocabulary: Vocabulary
    settings: dict[str, Any] = field(default_factory=dict)
    warning: str = ""


@dataclass(frozen=True)
class Loss:
    """One named loss of a batch: its sum over what it counts, and the count; the trainer takes weight x sum / count."""

    total: tf.Tensor
    count: tf.Tensor
    weight: float = 1.0


def few_examples(count: int) -> str:
    """The warning of a training part with so many examples."""
    if count >= _FEWEST_EXAMPLES:
        return ""
    return (
        f"there are only {count} examples to train on: a model learns little from less than {_FEWEST_EXAMPLES}; add "
        "examples, or start from a trained model with --init-from"
    )


def no_track(items: Sequence[Item], label: str) -> Iterable[Item]:
    """Shows nothing."""
    return items


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained model with what belongs to it.

    Attributes:
        name: what it goes by.
        task: with its configuration.
        model: of Keras.
        vocabulary: its tokenizers and labels.
        calibration: of a translation model, as its folder's metrics.json has it; empty where it was not measured.
    """

    name: str
    task: Task[Any]
    model: keras.Model
    vocabulary: Vocabulary
    calibration: Mapping[str, Any] = field(default_factory=dict)
    _graphs: dict[Hashable, Any] = field(default_factory=dict, repr=False)

    def graph(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """A traced function, made once, since tracing takes seconds."""
        if key not in self._graphs:
            self._graphs[key] = make()
        return self._graphs[key]

    def program(self) -> Program:
        """What is exported."""
        return self.graph("program", lambda: self.task.program(self.model, self.vocabulary))

    def predictor(self) -> Predictor:
        """The model, ready to use in this process."""
        running = self.graph("running", self._running)
        return predictor_for(running)

    def _running(self) -> RunningProgram:
        return RunningProgram(self.program(), self.task.facts.name, self.name, self.calibration)

    def with_settings(self, settings: dict[str, Any]) -> Trained:
        """The same model with other settings, such as another beam.

        Raises:
            UserError: the task has no such setting, or the value is not allowed.
        """
        task = self.task.with_settings(settings)
        return Trained(self.name, task, self.model, self.vocabulary, self.calibration)


def asked(
    trained: Trained, questions: Sequence[Question], *, quick: bool = False, track: Track = no_track
) -> list[Answer]:
    """The Keras model's answers, with a bar; a question that it has answered before is not asked again.

    Quick answers are not kept, since they are wanted while the weights still change.
    """
    known: dict[Question, Answer] = {} if quick else trained.graph("answers", dict)
    new = [question for question in dict.fromkeys(questions) if question not in known]
    chunks = [new[start : start + _ASKED_AT_ONCE] for start in range(0, len(new), _ASKED_AT_ONCE)]
    for chunk in track(chunks, "asking the Keras model"):
        known |= zip(chunk, trained.task.ask(trained, chunk, quick=quick), strict=True)
    return [known[question] for question in questions]


class Task(abc.ABC, Generic[Config]):
    """One kind of model: how its data is read, what is built, what is minimized, measured and shown.

    Args:
        config: an instance of ``facts.config_type``.
    """

    facts: ClassVar[TaskFacts]
    fewest_epochs: ClassVar[int] = 20  # an upper bound for large corpora

    def __init__(self, config: Config) -> None:
        self.config = config
        self.dataset = self.make_dataset()

    # What a task says

    @abc.abstractmethod
    def prepare(self, examples: Iterable[Record], base: Vocabulary | None) -> Prepared:
        """Learns the vocabulary from the training part.

        Args:
            examples: of the training part.
            base: the vocabulary of the model whose weights are taken over: its tokenizers must be used, with this
                corpus' labels. None where training starts from nothing.

        Raises:
            UserError: nothing can be learnt from the examples, or ``base`` is of another kind.
        """

    @abc.abstractmethod
    def encode(
        self, examples: Sequence[Record], vocabulary: Vocabulary, notes: dict[str, int]
    ) -> Iterable[Sequence[Sequence[int]] | None]:
        """Returns for each example the ids of each sequence; 0 is padding, so that classes begin at 1.

        None leaves an example out. What is cut or left out is counted in notes. Other processes call this, too: it must
        not use TensorFlow, nor change the task.
        """

    @abc.abstractmethod
    def network(self, vocabulary: Vocabulary) -> keras.Model:
        """Makes an ordinary, built Keras model; ``compile`` and ``fit`` work on it with :meth:`keras_dataset`."""

    @abc.abstractmethod
    def supervised(self, sequences: Sequences) -> tuple[Any, tf.Tensor, tf.Tensor]:
        """Returns the network's inputs, its targets, and the weights of the targets (0 at padding)."""

    @abc.abstractmethod
    def program(self, network: keras.Model, vocabulary: Vocabulary) -> Program:
        """Makes the whole program as graph functions: bytes of text in, bytes of text or numbers out.

        Raises:
            UserError: this model cannot be exported.
        """

    @abc.abstractmethod
    def ask(self, trained: Trained, questions: Sequence[Question], *, quick: bool = False) -> list[Answer]:
        """Asks the Keras model, in batches, with the libraries' tokenizers: the independent side of an export's proof.

        ``quick`` may spare what a check between two epochs does not need, such as a beam search.
        """

    @abc.abstractmethod
    def score(
        self, answers: Sequence[Answer], questions: Sequence[Question], *, complete: bool = True
    ) -> dict[str, Any]:
        """Measures answers: values by the keys of ``metrics``; without ``complete`` the first is enough."""

    # What a task may say

    def sample(self) -> Iterable[tuple[str, ...]]:
        """The rows of the bundled sample.

        Raises:
            UserError: the task has none.
        """
        raise UserError(f"the task {self.facts.name} has no bundled sample: give data with --data")

    def clean(self, example: Record) -> Record:
        """The example as the task uses it."""
        return example

    def make_dataset(self) -> Dataset:
        """Where examples come from."""
        return Dataset(self.config.data, self.facts.columns, sample=self.sample, clean=self.clean)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What ``score`` returns, with the words of this configuration; the first is watched."""
        return self.facts.metrics

    def losses(
        self, network: keras.Model, sequences: Sequences, state: Any, *, training: bool = True
    ) -> tuple[dict[str, Loss], Any]:
        """The named losses of a batch, and the state that the next batch starts from."""
        inputs, targets, weights = self.supervised(sequences)
        losses = cross_entropy(network(inputs, training=training), targets, self.config.training.label_smoothing)
        return {"cross_entropy": Loss(tf.reduce_sum(losses * weights), tf.reduce_sum(weights))}, state

    def initial_state(self, network: keras.Model, rows: int) -> Any:
        """The state carried into an epoch's first batch; () where batches are independent."""
        return ()

    def tokens(self, sequences: Sequence[np.ndarray]) -> int:
        """How many tokens of a batch are trained on."""
        return int(np.count_nonzero(sequences[-1]))

    @property
    def versions(self) -> int:
        """How many versions of the training corpus there are; each epoch reads the next."""
        return 1

    def augmented(self, examples: list[Record], first: int, version: int) -> list[Record]:
        """Training examples, from number ``first`` on, as a version of the corpus has them; drawn from the seed."""
        return examples

    def encode_for_training(
        self, examples: Sequence[Record], vocabulary: Vocabulary, notes: dict[str, int], draw: Random
    ) -> Iterable[Sequence[Sequence[int]] | None]:
        """As :meth:`encode`, of training examples; what is drawn is drawn from ``draw``."""
        return self.encode(examples, vocabulary, notes)

    def lessons(self, teachers: Sequence[Teacher]) -> Iterator[Record]:
        """Further training examples, which the teachers of ``training.teacher`` make.

        Raises:
            UserError: there is nothing that they could teach.
        """
        raise UserError(f"the task {self.facts.name} learns from no teacher")

    def read_ids(self, text: str, vocabulary: Vocabulary) -> list[int]:
        """The ids of a text as the network's encoder reads them."""
        return vocabulary.tokenizers[self.facts.sequences[0]].encode(text)

    def questions(self, examples: Iterable[Record]) -> list[Question]:
        """What to ask of examples: for each, its first column is the text and the others are the answers."""
        return [Question(each.fields[0], each.fields[1:], file=each.file, line=each.line) for each in examples]

    def evaluate(
        self, trained: Trained, examples: Iterable[Record], *, quick: bool = False, track: Track = no_track
    ) -> dict[str, Any]:
        """Metrics of the Keras model by their keys; ``quick`` as in :meth:`ask`."""
        questions = self.questions(examples)
        return self.score(asked(trained, questions, quick=quick, track=track), questions, complete=not quick)

    def purpose(self, vocabulary: Vocabulary) -> str:
        """What a model does, in a sentence."""
        return self.facts.card.summary

    def demonstration(self, predictor: Predictor, examples: Sequence[Record]) -> list[tuple[str, str]]:
        """Some inputs with what the model makes of them."""
        return [(example.fields[0], predictor.respond(example.fields[0]).line) for example in examples]

    def pictures(self, predictor: Predictor, examples: Sequence[Record]) -> dict[str, bytes]:
        """PNG files of what the model looked at, by file name."""
        return {}

    # What a task inherits

    def with_settings(self, settings: dict[str, Any]) -> Task[Config]:
        """The same task with other settings, by their names."""
        config = self.config
        for name, value in settings.items():
            config = configuration.assign(config, name, value)
        changed = type(self)(config)
        changed.dataset.take_over(self.dataset)
        return changed

    def corpus(self, vocabulary: Vocabulary, part: Part, watch: Watch | None = None, *, version: int = 0) -> Corpus:
        """The part's ids, from the cache on disk or encoded into it by all cores.

        Args:
            vocabulary: tokenizers and labels.
            part: of the data.
            watch: shows how far it is.
            version: of the training part; an epoch reads the one of its number, from the first again after the last.

        Raises:
            UserError: the part has no example.
        """

        fields = len(self.facts.sequences)

        def work(number: int, jobs: int) -> Iterator[tuple[Encoded, dict[str, int]]]:
            examples = self.dataset.examples(part, watch if number == 0 else None)
            for place in itertools.count():
                if not (several := list(itertools.islice(examples, _ENCODED_AT_ONCE))):
                    return
                if place % jobs == number:
                    notes: dict[str, int] = {}
                    if part == "train":
                        several = self.augmented(several, place * _ENCODED_AT_ONCE, version)
                        draw = Random(f"pieces {self.config.training.seed} {version} {place}")
                        found = self.encode_for_training(several, vocabulary, notes, draw)
                    else:
                        found = self.encode(several, vocabulary, notes)
                    yield encoded((ids for ids in found if ids is not None), fields), notes

        def encode(notes: dict[str, int]) -> Iterator[Encoded]:
            for several, counted in in_order(work, available_cores() if self.dataset.is_large(part) else 1):
                yield several
                for what, count in counted.items():
                    notes[what] = notes.get(what, 0) + count

        largest = max([tokenizer.vocabulary_size for tokenizer in vocabulary.tokenizers.values()])
        drawn = (self.config.augmentation, self.config.training.seed, version) if part == "train" else ()
        key = (self.facts.name, self.dataset.content_key(part), vocabulary.digest(), drawn)
        corpus = cached_corpus(key, self.facts.sequences, encode, largest_id=max(largest, len(vocabulary.labels)))
        if corpus.examples == 0:
            raise UserError(self.dataset.nothing_left(part, corpus.notes))
        return corpus

    def batches(
        self, corpus: Corpus, *, training: bool, epoch: int = 0, first: int = 0, rows_multiple: int = 1
    ) -> Iterator[Batch]:
        """Batches of one epoch, in an order that depends on the seed and the epoch alone, from batch ``first`` on."""
        return bucketed_batches(
            corpus,
            batch_tokens=self.batch_tokens(corpus),
            seed=self.config.training.seed if training else None,
            epoch=epoch,
            first=first,
            rows_multiple=rows_multiple,
        )

    def batch_tokens(self, corpus: Corpus) -> int:
        """Padded tokens in a batch of a training corpus."""
        fitting = max(corpus.ids) // _STEPS_OF_AN_EPOCH
        return self.config.training.batch_tokens or min(max(fitting, _FEWEST_TOKENS), _MOST_TOKENS)

    def length_of_run(self, corpus: Corpus) -> dict[str, int]:
        """What ``training.epochs`` and ``training.patience`` come to for a training corpus.

        A small corpus has few batches, so it is read more often.
        """
        batches = max(1, max(corpus.ids) // self.batch_tokens(corpus))
        fitting = min(max(_STEPS_OF_A_RUN // batches, self.fewest_epochs), _MOST_EPOCHS)
        epochs, patience = self.config.training.epochs or fitting, self.config.training.patience
        return {
            "training.epochs": epochs,
            "training.patience": max(epochs // 4, _LEAST_PATIENCE) if patience < 0 else patience,
        }

    def epoch_size(self, corpus: Corpus) -> int:
        """What the ``examples`` of an epoch's batches add up to."""
        return corpus.examples

    def keras_dataset(self, corpus: Corpus) -> tf.data.Dataset:
        """One epoch's batches in the form that ``model.fit`` takes."""
        matrix = tf.TensorSpec([None, None], tf.int32)
        batches = tf.data.Dataset.from_generator(
            lambda: (batch.fields for batch in self.batches(corpus, training=True)),
            output_signature=tuple(matrix for _ in self.facts.sequences),
        )
        return batches.map(lambda *sequences: self.supervised(sequences)).prefetch(tf.data.AUTOTUNE)
