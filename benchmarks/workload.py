"""What all contenders train on: sizes, ids, weights to start from, and how much arithmetic there is.

NumPy alone, so that every contender's process can import it.
"""

from __future__ import annotations

import dataclasses
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

GATES = {"lstm": 4, "gru": 3}
LEARNING_RATE = 1e-3
CLIP_NORM = 1.0
ADAM_EPSILON = 1e-7  # Keras' default

# A product's forward pass and the gradients of both its factors; a multiply-add is two operations.
_PASSES, _OPERATIONS = 3, 2

_STEPS_OF_A_STREAM = 64  # then it begins anew
_BATCHES_OF_PAIRS = 48


@dataclass(frozen=True)
class NoTokenizer:
    """What a model asks of a tokenizer, where ids are at hand and nothing is tokenized."""

    vocabulary_size: int

    def digest(self) -> str:
        return str(self.vocabulary_size)


@dataclass(frozen=True)
class CharLM:
    """A character language model: embedding, recurrent layers, softmax. No dropout; the state is carried on.

    Attributes:
        cell: "lstm" or "gru" (reset after the product, as cuDNN has it).
        batch: streams.
        length: steps that gradients go back.
        precision: "float32", or "bfloat16" for computing in 16 bits with weights in 32.
    """

    cell: str = "lstm"
    units: int = 256
    batch: int = 64
    length: int = 64
    layers: int = 2
    embedding: int = 128
    vocabulary: int = 96
    precision: str = "float32"
    seed: int = 1

    task: ClassVar[str] = "char-lm"

    @property
    def title(self) -> str:
        return (
            f"char-lm: {self.layers} x {self.cell.upper()}-{self.units}, batch {self.batch}, length {self.length}, "
            f"{self.precision}"
        )

    @cached_property
    def _streams(self) -> np.ndarray:
        """Half of the ids follow from the one before, so that there is something to learn. int32 [batch, time]."""
        random = np.random.default_rng(self.seed)
        follows = random.permutation(self.vocabulary)
        shape = (self.batch, _STEPS_OF_A_STREAM * self.length + 1)
        drawn, free = random.integers(self.vocabulary, size=shape), random.random(shape) < 0.5
        ids = drawn.astype(np.int32)
        for t in range(1, shape[1]):
            ids[:, t] = np.where(free[:, t], drawn[:, t], follows[ids[:, t - 1]])
        return ids

    def fields(self, step: int) -> tuple[np.ndarray]:
        """The step's batch: int32 [batch, length + 1], inputs and, one further, targets."""
        begin = step % _STEPS_OF_A_STREAM * self.length
        return (self._streams[:, begin : begin + self.length + 1],)

    def tokens(self, step: int) -> int:
        """Ids that the step predicts."""
        return self.batch * self.length

    def operations(self, step: int) -> float:
        """Of all matrix products of a step, forward and backward."""
        inputs = [self.embedding, *[self.units] * (self.layers - 1)]
        recurrent = sum(GATES[self.cell] * self.units * (width + self.units) for width in inputs)
        return _PASSES * _OPERATIONS * self.tokens(step) * (recurrent + self.units * self.vocabulary)


@dataclass(frozen=True)
class Translation:
    """Translation at Multi30k's shapes; the settings are those of recipes/multi30k-en-de.toml.

    Attributes:
        sentences: pairs in a batch.
    """

    units: int = 256
    sentences: int = 64
    embedding: int = 256
    vocabulary: int = 6000
    dropout: float = 0.4
    label_smoothing: float = 0.1
    precision: str = "float32"
    seed: int = 1

    task: ClassVar[str] = "translation"

    @property
    def title(self) -> str:
        return (
            f"translation: {self.units} units, {self.vocabulary:,} pieces, batches of {self.sentences} pairs, "
            f"{self.precision}"
        )

    @cached_property
    def _batches(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Pairs of like lengths together, as the trainer has them."""
        random = np.random.default_rng(self.seed)
        lengths = pair_lengths(random, _BATCHES_OF_PAIRS * self.sentences)
        rows = np.argsort(lengths.max(axis=1), kind="stable").reshape(_BATCHES_OF_PAIRS, self.sentences)
        random.shuffle(rows)
        source, target = (
            [self._padded(random, lengths[batch, side]) for batch in rows] for side in range(lengths.shape[1])
        )
        return list(zip(source, target, strict=True))

    def _padded(self, random: np.random.Generator, lengths: np.ndarray) -> np.ndarray:
        from nlpseq.data.batches import padded_length

        first = min(260, self.vocabulary // 2)  # after the reserved ids and the bytes
        ids = np.zeros((len(lengths), padded_length(int(lengths.max()))), np.int32)
        for row, length in enumerate(lengths):
            # Frequent pieces are much more frequent than rare ones, as in text (Zipf).
            pieces = first * (self.vocabulary / first) ** random.random(length)
            ids[row, :length] = np.minimum(pieces.astype(np.int32), self.vocabulary - 1)
        return ids

    def fields(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """The step's batch: source int32 [sentences, source], target int32 [sentences, target], padded with 0."""
        return self._batches[step % _BATCHES_OF_PAIRS]

    def tokens(self, step: int) -> int:
        """Target ids that the step predicts, padding not counted."""
        return int(np.count_nonzero(self.fields(step)[1]))

    def operations(self, step: int) -> float:
        """Of all matrix products of a step, forward and backward, for real tokens only."""
        source, target = self.fields(step)
        lengths = np.count_nonzero(source, axis=1), np.count_nonzero(target, axis=1)
        units, embedding = self.units, self.embedding
        per_source = 2 * 4 * units * (embedding + units) + 2 * units * units  # both directions; keys
        per_target = 4 * units * (embedding + units) + 4 * units * (3 * units + units)  # both decoder layers
        per_target += 4 * units * embedding + embedding * self.vocabulary  # read-out of 4 parts; logits
        per_pair_of_positions = units + 2 * units  # scores; contexts
        products = (
            per_source * lengths[0].sum()
            + per_target * lengths[1].sum()
            + per_pair_of_positions * (lengths[0] * lengths[1]).sum()
            + 2 * units * 4 * units * len(source)  # the decoder's first states
        )
        return float(_PASSES * _OPERATIONS * products)


@dataclass(frozen=True)
class Gemm:
    """What the machine can do: a matrix product on each core, large enough for the full rate."""

    precision: str = "float32"
    shape: tuple[int, int, int] = (2048, 1024, 1024)  # rows, inner, columns
    seed: int = 1

    task: ClassVar[str] = "gemm"

    @property
    def cores(self) -> int:
        return available_cores()

    def tokens(self, step: int) -> int:
        return 0

    def operations(self, step: int) -> float:
        rows, inner, columns = self.shape
        return float(_OPERATIONS * rows * inner * columns * self.cores)


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


# From a variable's path in our model, such as ``encoder/layer_0/kernel``, and its shape there: float32 of that shape.
Weights = Callable[[str, tuple[int, ...]], np.ndarray]

Workload = CharLM | Translation | Gemm
_WORKLOADS: dict[str, type[Workload]] = {workload.task: workload for workload in (CharLM, Translation, Gemm)}


def to_json(workload: Workload) -> dict[str, Any]:
    return {"task": workload.task, **dataclasses.asdict(workload)}


def from_json(values: dict[str, Any]) -> Workload:
    """What :func:`to_json` made."""
    return _WORKLOADS[values["task"]](**{name: value for name, value in values.items() if name != "task"})


def pair_lengths(random: np.random.Generator, count: int) -> np.ndarray:
    """Pieces of a source and of its target, int [count, 2], end marks counted: two correlated log-normals.

    Multi30k's English-German training part, cut into 6,000 shared pieces: 16.0 and 16.9 on average, at most 59.
    """
    mean, deviation, correlation = np.array([2.727, 2.767]), np.array([0.306, 0.345]), 0.834
    covariance = np.outer(deviation, deviation) * np.array([[1, correlation], [correlation, 1]])
    return np.clip(np.exp(random.multivariate_normal(mean, covariance, count)).round().astype(int), 4, 59)


def initial_weights(seed: int) -> Weights:
    """The weights that every contender starts from: Glorot-uniform, and zeros for biases."""

    def weight(path: str, shape: tuple[int, ...]) -> np.ndarray:
        if path.endswith("bias"):
            return np.zeros(shape, np.float32)
        limit = (6 / sum(shape)) ** 0.5
        random = np.random.default_rng((seed, zlib.crc32(path.encode())))
        return random.uniform(-limit, limit, shape).astype(np.float32)

    return weight
