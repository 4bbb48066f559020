"""Training RNN, LSTM and GRU on the same text, with as many weights and for as long."""

from __future__ import annotations

import itertools
import math
import statistics
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from nlpseq.data.sources import Record
from nlpseq.errors import UserError
from nlpseq.networks.language_model import LanguageModel
from nlpseq.pipeline.cell_sizes import equal_units
from nlpseq.pipeline.gradient_flow import gradient_norms, largest_singular_values
from nlpseq.pipeline.timed_work import Advance
from nlpseq.report.comparison_facts import CELLS, TextRun
from nlpseq.tasks.base import Task, Trained
from nlpseq.tasks.char_lm import CharacterLanguageModelling
from nlpseq.text.vocabulary import Vocabulary

CLIP_NORM = 1.0
_EMBEDDING = 32
_VALIDATION_CHARACTERS = 32_000
_PROBE_ROWS = 16
_TIMED_STEPS = 20
_WARMUP_STEPS = 3  # not timed: tracing and first allocations

_building = threading.Lock()  # Keras' seed and names are global


@dataclass(frozen=True)
class TextPlan:
    """What the cells train on, and how long.

    Attributes:
        data: a SPEC of text.
        lstm_units: the others get as many units as make the same number of weights.
        rows: streams of text in a batch.
        length: steps that gradients go back.
        steps: that every cell trains.
        sweep_steps: with each learning rate that is tried.
        rates: those that are tried.
        probe: lags at which gradients are measured.
    """

    data: str
    lstm_units: int = 128
    rows: int = 16
    length: int = 64
    steps: int = 600
    sweep_steps: int = 150
    rates: tuple[float, ...] = (1e-3, 3e-3, 1e-2)
    probe: int = 128


class TextTraining:
    """The text, ready to train on.

    Args:
        plan: what and how long.

    Raises:
        UserError: the text cannot be read or is too short.
    """

    def __init__(self, plan: TextPlan) -> None:
        self.plan = plan
        settings = {
            "data.train": plan.data,
            "model.layers": 1,
            "model.dropout": 0.0,
            "model.embedding": _EMBEDDING,
            "training.length": plan.length,
            "training.batch_tokens": plan.rows * plan.length,
        }
        self._task = CharacterLanguageModelling(CharacterLanguageModelling.facts.config_type()).with_settings(settings)
        self._vocabulary = self._task.prepare(self._task.dataset.examples("train"), None).vocabulary
        self._valid = _beginning(self._task.dataset.examples("valid"), _VALIDATION_CHARACTERS)
        self._corpus = self._task.corpus(self._vocabulary, "train")
        self.units = equal_units(plan.lstm_units, _EMBEDDING, self._vocabulary.tokenizers["text"].vocabulary_size)

    def probe_ids(self) -> tf.Tensor:
        """Ids of the validation part on which gradients are measured: int32 [rows, time + 1]."""
        ids = np.concatenate([self._encoded(record) for record in self._valid])
        length = min(self.plan.probe, len(ids) - 1)
        starts = np.linspace(0, len(ids) - length - 1, _PROBE_ROWS).astype(int)
        return tf.constant(np.stack([ids[start : start + length + 1] for start in starts]))

    def _encoded(self, record: Record) -> np.ndarray:
        return np.array(self._vocabulary.tokenizers["text"].encode(record.fields[0]), np.int32)

    def new_run(self, cell: str, seed: int, learning_rate: float) -> _Run:
        """Makes a model with new weights."""
        task = self._task.with_settings({"model.cell": cell, "model.units": self.units[cell], "training.seed": seed})
        with _building:
            keras.utils.set_random_seed(seed)
            model = task.network(self._vocabulary)
            return _Run(task, model, self._vocabulary, self._batches(task), learning_rate)

    def weights(self, cell: str) -> int:
        """Returns the number of weights of a cell's model."""
        return int(self.new_run(cell, 0, self.plan.rates[0]).model.count_params())

    def _batches(self, task: Task[Any]) -> Iterator[tuple[int, np.ndarray]]:
        for epoch in itertools.count():
            for batch in task.batches(self._corpus, training=True, epoch=epoch):
                yield epoch, batch.fields[0]

    def tokens_per_second(self, learning_rate: float = 1e-3) -> dict[str, float]:
        """Times a step of each cell, one after the other and again, so that a busy machine slows all of them alike."""
        runs = {cell: self.new_run(cell, 0, learning_rate) for cell in CELLS}
        for run in runs.values():
            run.train(_WARMUP_STEPS)
        seconds: dict[str, list[float]] = {cell: [] for cell in CELLS}
        for _ in range(_TIMED_STEPS):
            for cell, run in runs.items():
                started = time.perf_counter()
                run.train(1)
                seconds[cell].append(time.perf_counter() - started)
        tokens = self.plan.rows * self.plan.length
        return {cell: tokens / statistics.median(times) for cell, times in seconds.items()}

    def sweep(self, cell: str, rate: float, seed: int, advance: Advance) -> float:
        """Trains for a while with a learning rate; returns nats per character of the validation part."""
        run = self.new_run(cell, seed, rate)
        run.train(self.plan.sweep_steps, advance)
        return run.nats(self._valid)

    def train(self, cell: str, seed: int, learning_rate: float, timed_steps: int, advance: Advance) -> TextRun:
        """Trains a cell for the steps of the plan, and on for ``timed_steps`` in all, and measures it on the way."""
        run, ids, steps = self.new_run(cell, seed, learning_rate), self.probe_ids(), self.plan.steps
        gradients = {"start": gradient_norms(run.model, ids)}
        jacobians = {"start": largest_singular_values(run.model, ids)}
        run.train(steps // 2, advance)
        gradients["middle"] = gradient_norms(run.model, ids)
        run.train(steps - steps // 2, advance)
        gradients["end"] = gradient_norms(run.model, ids)
        jacobians["end"] = largest_singular_values(run.model, ids)
        nats = run.nats(self._valid)
        run.train(timed_steps - steps, advance)
        return TextRun(
            cell=cell,
            seed=seed,
            losses=run.losses,
            equal_steps=steps,
            nats=nats,
            timed_steps=timed_steps,
            timed_nats=run.nats(self._valid) if timed_steps > steps else nats,
            gradients=gradients,
            jacobians=jacobians,
            clipped=statistics.fmean(norm > CLIP_NORM for norm in run.norms),
        )


class _Run:
    """A model in training."""

    def __init__(
        self,
        task: Task[Any],
        model: LanguageModel,
        vocabulary: Vocabulary,
        batches: Iterator[tuple[int, np.ndarray]],
        learning_rate: float,
    ) -> None:
        self.model = model
        self.losses: list[float] = []
        self.norms: list[float] = []
        self._trained = Trained("", task, model, vocabulary)
        self._batches, self._epoch, self._state = batches, -1, None
        variables = model.trainable_variables
        optimizer = keras.optimizers.Adam(learning_rate)
        optimizer.build(variables)

        @tf.function(reduce_retracing=True, autograph=False)
        def step(ids: tf.Tensor, state: list[tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor, list[tf.Tensor]]:
            with tf.GradientTape() as tape:
                losses, state = task.losses(model, (ids,), state)
                loss = losses["cross_entropy"].total / losses["cross_entropy"].count
            gradients = tape.gradient(loss, [variable.value for variable in variables])
            gradients, norm = tf.clip_by_global_norm(gradients, CLIP_NORM)
            optimizer.apply(gradients, variables)
            return loss, norm, state

        self._step = step

    def train(self, steps: int, advance: Advance = lambda steps: True) -> None:
        """Trains on; ``advance`` is told of steps that are done, and answers whether there is time for more."""
        for number in range(1, steps + 1):
            epoch, ids = next(self._batches)
            if epoch != self._epoch:
                self._epoch, self._state = epoch, self._trained.task.initial_state(self.model, ids.shape[0])
            loss, norm, self._state = self._step(tf.constant(ids), self._state)
            self.losses.append(float(loss))
            self.norms.append(float(norm))
            if not advance(1):
                advance(steps - number)
                return

    def nats(self, valid: list[Record]) -> float:
        """Returns nats per character of the validation part; infinite if the weights are no numbers."""
        nats = self._trained.task.evaluate(self._trained, valid)["nats_per_character"]
        return nats if math.isfinite(nats) else math.inf


def _beginning(examples: Iterator[Record], characters: int) -> list[Record]:
    records, left = [], characters
    for record in examples:
        if left <= 0:
            break
        records.append(Record((record.fields[0][:left],), record.file, record.line))
        left -= len(record.fields[0])
    if sum(len(record.fields[0]) for record in records) < 2:
        raise UserError("the text is too short to compare cells on: give a longer one with --data")
    return records
