"""The Task contract: what the trainer, the evaluator and the command line need to know of a task, and nothing more."""

from __future__ import annotations

import abc
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from nlpseq.data import sources
from nlpseq.data.batches import Batch, bucketed_batches
from nlpseq.data.cache import Corpus, cached_corpus
from nlpseq.data.sources import Part, Record
from nlpseq.errors import UserError
from nlpseq.atomic_files import write_text
from nlpseq.text import tokenizers
from nlpseq.text.tokenizers import Tokenizer

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

Config = TypeVar("Config", bound=Any)

_SPLIT_STEPS = 1 << 32

# A small corpus wants small batches: what counts is the number of steps. Beyond 2,048 tokens a core gains no speed.
_STEPS_OF_AN_EPOCH = 200
_FEWEST_TOKENS, _MOST_TOKENS = 256, 2048


@dataclass(frozen=True)
class Metric:
    """What early stopping and the best checkpoint watch, by its name in what ``evaluate`` returns.

    Attributes:
        name: of the metric.
        higher_is_better: or lower.
        tolerance: how much of it an exported file of small weights may lose.
    """

    name: str
    higher_is_better: bool
    tolerance: float

    def better(self, new: float, old: float | None) -> bool:
        return old is None or (new > old if self.higher_is_better else new < old)


@dataclass(frozen=True)
class Vocabulary:
    """All that turns a task's text into ids and back: named tokenisers, and the labels of a classifier."""

    tokenizers: dict[str, Tokenizer]
    labels: tuple[str, ...] = ()

    def digest(self) -> str:
        """A name for this content."""
        parts = [f"{name}={tokenizer.digest()}" for name, tokenizer in sorted(self.tokenizers.items())]
        return hashlib.blake2b(repr((parts, self.labels)).encode(), digest_size=16).hexdigest()

    def save(self, folder: Path) -> None:
        """Writes each tokeniser once, under the first name that it goes by, and ``vocabulary.json``."""
        files: dict[str, str] = {}
        first: dict[str, str] = {}
        for name, tokenizer in sorted(self.tokenizers.items()):
            files[name] = first.setdefault(tokenizer.digest(), name)
            if files[name] == name:
                tokenizers.save(tokenizer, folder, name)
        facts = {"tokenizers": files, "labels": self.labels}
        write_text(folder / "vocabulary.json", json.dumps(facts, ensure_ascii=False, indent=1))  # last: all is there

    @classmethod
    def load(cls, folder: Path) -> Vocabulary:
        """Reads what :meth:`save` wrote.

        Raises:
            UserError: a file is missing or damaged.
        """
        file = folder / "vocabulary.json"
        try:
            facts = json.loads(file.read_text(encoding="utf-8"))
            names, labels = facts["tokenizers"], tuple(facts["labels"])
            files = names if isinstance(names, dict) else {name: name for name in names}  # once a list of names
        except FileNotFoundError:
            raise UserError(f"{folder}: vocabulary.json is missing: this is not a complete model folder") from None
        except (ValueError, KeyError, TypeError):
            raise UserError(f"{file}: damaged: copy the model folder again, or train it again") from None
        loaded = {file: tokenizers.load(folder, file) for file in set(files.values())}
        return cls({name: loaded[file] for name, file in files.items()}, labels)


@dataclass(frozen=True)
class Loss:
    """One named loss of a batch: its sum over what it counts, and the count; the trainer takes weight x sum / count."""

    total: tf.Tensor
    count: tf.Tensor
    weight: float = 1.0


@dataclass(frozen=True)
class Signature:
    """One function of an exported program.

    Attributes:
        name: what it does: translate, classify, generate, ...
        function: takes ``text``, uint8 [batch, N] padded with zeros, and ``numbers`` by name, each [batch]; returns
            tensors by name, each [batch, ...], texts as uint8. The batch's size is static where it is 1.
        sizes: of the buffers, by the letters of ``docs/exported-files.md``.
        numbers: further inputs, with a value to try them with; an int stands for int32, a float for float32.
    """

    name: str
    function: Callable[..., dict[str, tf.Tensor]]
    sizes: dict[str, int]
    numbers: dict[str, int | float] = field(default_factory=dict)


@dataclass(frozen=True)
class Program:
    """What a task exports.

    Attributes:
        signatures: the main one first.
        pieces: for each id, the piece as people read it; of the source, where there are two vocabularies. Empty where
            no signature returns ids.
        target_pieces: of the target, where it has a vocabulary of its own.
    """

    signatures: tuple[Signature, ...]
    pieces: tuple[str, ...] = ()
    target_pieces: tuple[str, ...] = ()


class Task(abc.ABC, Generic[Config]):
    """One kind of model: how its data is read, what is built, what is minimised, measured and shown.

    Args:
        config: an instance of ``config_type`` with the sections data, tokenizer, model and training.
    """

    name: ClassVar[str]
    config_type: ClassVar[type]
    metric: ClassVar[Metric]
    roles: ClassVar[tuple[str, ...]]  # the columns that an example is made of
    fields: ClassVar[tuple[str, ...]]  # the sequences of ids that an example becomes
    own_data: ClassVar[str]  # how a SPEC of one's own looks, for messages
    token_field: ClassVar[int] = -1  # the field whose ids are counted as tokens of training

    def __init__(self, config: Config) -> None:
        self.config = config
        self._fingerprints: dict[tuple[str, Part], str] = {}
        self._predictor: tuple[keras.Model, Any] | None = None

    # Data

    def read(self, spec: str, part: Part = "train") -> Iterator[Record]:
        """Examples of a SPEC, lazily; errors carry file and line."""
        return sources.read_records(
            spec, self.roles, part=part, columns=self.config.data.columns or None, sample=self.sample
        )

    @abc.abstractmethod
    def sample(self) -> Iterable[tuple[str, ...]]:
        """The bundled sample's rows."""

    def examples(self, part: Part) -> Iterator[Record]:
        """Examples of a part: of its own SPEC, of the corpus' own split, or split off from the training data.

        The split goes by a hash of the first column, so that a duplicate never stands on both sides.
        """
        data = self.config.data
        own = {"train": "", "valid": data.valid, "test": data.test}[part]
        if own:
            return self.read(own, part if sources.has_part(own, part) else "train")
        if part == "train":
            if data.valid or sources.has_part(data.train, "valid"):
                return self.read(data.train)
            return (record for record in self.read(data.train) if not self._held_out(record))
        if sources.has_part(data.train, part):
            return self.read(data.train, part)
        if part == "valid":
            return (record for record in self.read(data.train) if self._held_out(record))
        return iter(())

    def has_test_part(self) -> bool:
        """Whether there is a test part: a SPEC of its own, or the corpus' own split."""
        return bool(self.config.data.test) or sources.has_part(self.config.data.train, "test")

    def _held_out(self, record: Record) -> bool:
        digest = hashlib.blake2b(record.fields[0].strip().encode("utf-8", "replace"), digest_size=4).digest()
        return int.from_bytes(digest, "big") < self.config.data.valid_fraction * _SPLIT_STEPS

    @abc.abstractmethod
    def fit_vocabulary(self, examples: Iterable[Record]) -> Vocabulary:
        """Learns tokenisers (and labels) from the training part."""

    @abc.abstractmethod
    def adopt_vocabulary(self, other: Vocabulary, examples: Iterable[Record]) -> Vocabulary:
        """The vocabulary for a model that takes over another's weights: its tokenisers, this corpus' labels.

        Raises:
            UserError: the other model's vocabulary is of another kind.
        """

    @abc.abstractmethod
    def encode(self, example: Record, vocabulary: Vocabulary, notes: dict[str, int]) -> Sequence[Sequence[int]] | None:
        """Ids of each field, or None for an example that is left out; what is cut or left out is counted in notes."""

    def corpus(self, vocabulary: Vocabulary, part: Part) -> Corpus:
        """The part's ids, from the cache on disk or encoded into it.

        Raises:
            UserError: the part has no example.
        """

        def encode(notes: dict[str, int]) -> Iterator[Sequence[Sequence[int]]]:
            for example in self.examples(part):
                if (ids := self.encode(example, vocabulary, notes)) is not None:
                    yield ids

        largest = max([tokenizer.vocabulary_size for tokenizer in vocabulary.tokenizers.values()])
        key = (self.name, self.content_key(part), vocabulary.digest())
        corpus = cached_corpus(key, self.fields, encode, largest_id=max(largest, len(vocabulary.labels)))
        if corpus.examples == 0:
            raise UserError(self._nothing_left(part, corpus))
        return corpus

    def content_key(self, part: Part) -> tuple[object, ...]:
        """Everything besides the vocabulary that a part's ids depend on: the content, and all settings of ``data``."""
        data, spec = self.config.data, self._spec(part)
        content = self._fingerprint(spec, part if sources.has_part(spec, part) else "train")
        settings = [item for item in vars(data).items() if item[0] not in ("train", "valid", "test")]
        return (content, part, bool(data.valid), settings)

    def _spec(self, part: Part) -> str:
        """What the part is read from."""
        data = self.config.data
        return {"train": data.train, "valid": data.valid or data.train, "test": data.test or data.train}[part]

    def _fingerprint(self, spec: str, part: Part) -> str:
        """Names the content; computed once, since all of it must be read."""
        if (spec, part) not in self._fingerprints:
            self._fingerprints[spec, part] = (
                hashlib.blake2b(repr(list(self.sample())).encode()).hexdigest()
                if spec == "sample"
                else sources.fingerprint(spec, part)
            )
        return self._fingerprints[spec, part]

    def _nothing_left(self, part: Part, corpus: Corpus) -> str:
        left_out = "".join(f"; {count} {what}" for what, count in corpus.notes.items())
        if part == "valid" and not self.config.data.valid:
            return (
                f"{self.config.data.train}: too few examples to split off a validation part{left_out}: give more, "
                "or a validation file with --valid"
            )
        return f"{self._spec(part)}: no example is left for the {part} part{left_out}"

    def batches(
        self, corpus: Corpus, *, training: bool, epoch: int = 0, first: int = 0, rows_multiple: int = 1
    ) -> Iterator[Batch]:
        """Batches of one epoch, in an order that depends on the seed and the epoch alone, from batch ``first`` on."""
        fitting = max(corpus.ids) // _STEPS_OF_AN_EPOCH
        return bucketed_batches(
            corpus,
            batch_tokens=self.config.training.batch_tokens or min(max(fitting, _FEWEST_TOKENS), _MOST_TOKENS),
            seed=self.config.training.seed if training else None,
            epoch=epoch,
            first=first,
            rows_multiple=rows_multiple,
        )

    def epoch_size(self, corpus: Corpus) -> int:
        """What the ``examples`` of an epoch's batches add up to."""
        return corpus.examples

    # Model

    @abc.abstractmethod
    def build_model(self, vocabulary: Vocabulary) -> keras.Model:
        """An ordinary, built Keras model; ``compile`` and ``fit`` work on it with :meth:`keras_batch`."""

    @abc.abstractmethod
    def keras_batch(self, fields: tuple[tf.Tensor, ...]) -> tuple[Any, tf.Tensor, tf.Tensor]:
        """(inputs, targets, sample weights) of a batch, for ``model.fit``."""

    def dataset(self, corpus: Corpus) -> tf.data.Dataset:
        """One epoch's batches in the form that ``model.fit`` takes."""
        import tensorflow as tf

        matrix = tf.TensorSpec([None, None], tf.int32)
        batches = tf.data.Dataset.from_generator(
            lambda: (batch.fields for batch in self.batches(corpus, training=True)),
            output_signature=tuple(matrix for _ in self.fields),
        )
        return batches.map(lambda *fields: self.keras_batch(fields)).prefetch(tf.data.AUTOTUNE)

    @abc.abstractmethod
    def losses(self, model: keras.Model, fields: tuple[tf.Tensor, ...], state: Any) -> tuple[dict[str, Loss], Any]:
        """The named losses of a training batch, and the state that the next batch starts from."""

    def initial_state(self, model: keras.Model, rows: int) -> Any:
        """The state carried into an epoch's first batch; () where batches are independent."""
        return ()

    # Results

    @abc.abstractmethod
    def evaluate(
        self, model: keras.Model, vocabulary: Vocabulary, examples: Iterable[Record], *, final: bool = False
    ) -> dict[str, Any]:
        """Metrics by name, ``metric.name`` among them; ``final`` spends more time (beam search, significance)."""

    def predictor(self, model: keras.Model, vocabulary: Vocabulary) -> Any:
        """What :func:`nlpseq.load` returns; the same object for the same model, since its graphs cost seconds."""
        if self._predictor is None or self._predictor[0] is not model:
            self._predictor = (model, self.make_predictor(model, vocabulary))
        return self._predictor[1]

    @abc.abstractmethod
    def make_predictor(self, model: keras.Model, vocabulary: Vocabulary) -> Any:
        """An object that uses the model: ``translate``, ``classify`` or ``generate``."""

    @abc.abstractmethod
    def program(self, model: keras.Model, vocabulary: Vocabulary) -> Program:
        """The whole program as graph functions: bytes of text in, bytes of text or numbers out.

        Raises:
            UserError: this model cannot be exported.
        """

    # Proof that an exported file does what the model does: the same questions to both

    @abc.abstractmethod
    def questions(self, examples: Iterable[Record]) -> list[Any]:
        """What to ask the model and the file about validation examples."""

    @abc.abstractmethod
    def answers(self, model: keras.Model, vocabulary: Vocabulary, questions: Sequence[Any]) -> list[Any]:
        """What the Keras model says, tokenised by the libraries."""

    @abc.abstractmethod
    def file_answer(self, exported: Any, question: Any) -> Any:
        """What an exported file says; ``exported`` is of :mod:`nlpseq.runtime`."""

    @abc.abstractmethod
    def differences(self, answers: Sequence[Any], others: Sequence[Any]) -> dict[str, float]:
        """How far two lists of answers to the same questions are apart, by name."""

    @abc.abstractmethod
    def measure(
        self, answers: Sequence[Any], labels: tuple[str, ...], examples: Iterable[Record], *, complete: bool = False
    ) -> dict[str, Any]:
        """Metrics of answers to :meth:`questions` of the examples; all that there are, where ``complete``."""

    @staticmethod
    @abc.abstractmethod
    def usage(model: str) -> str:
        """A command that uses a model of this task."""

    @abc.abstractmethod
    def demonstration(
        self, model: keras.Model, vocabulary: Vocabulary, examples: Sequence[Record]
    ) -> list[tuple[str, str]]:
        """Some inputs with what the model makes of them, for the model card."""

    def pictures(self, model: keras.Model, vocabulary: Vocabulary, examples: Sequence[Record]) -> dict[str, bytes]:
        """PNG files of what the model looked at, by file name."""
        return {}
