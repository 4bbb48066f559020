"""The training loop: steps under a ``tf.distribute`` strategy, validation, checkpoints, and going on from them."""

from __future__ import annotations

import json
import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from nlpseq.atomic_files import write_text
from nlpseq.config import TrainingConfig
from nlpseq.data.cache import Corpus
from nlpseq.errors import UserError
from nlpseq.model_folder import BEST, CHECKPOINTS, HISTORY, LAST
from nlpseq.tasks.base import Task, Trained
from nlpseq.text.vocabulary import Vocabulary
from nlpseq.training import checkpoints
from nlpseq.training.checkpoints import Progress
from nlpseq.training.display import Display, Speed, duration
from nlpseq.training.optimizers import make_optimizer
from nlpseq.training.schedules import learning_rate
from nlpseq.training.strategy import make_strategy
from nlpseq.training.validation_loss import ValidationLoss

_PREFETCHED_BATCHES = 4
_AVERAGED_STEPS = 8  # between updates of the averaged weights, which go over all of them on one core
_FIRST_AVERAGED_STEPS = 64  # each of them updates: a run may be short


class Interrupted(Exception):  # noqa: N818 - it is no error
    """The user stopped the run; a checkpoint is written."""


class DivergedError(Exception):
    """The loss is no longer a number."""


class Trainer:
    """Trains a task's model in a model folder.

    Args:
        task: with its configuration.
        vocabulary: already learnt.
        folder: gets ``checkpoints/`` and ``history.jsonl``.
        display: where progress is shown.
        initialize: called with the new model before the first step, to transfer weights into it.
        spent_s: seconds that preparation has taken out of ``training.max_minutes``.
    """

    def __init__(
        self,
        task: Task[Any],
        vocabulary: Vocabulary,
        folder: Path,
        display: Display,
        *,
        initialize: Callable[[keras.Model], None] | None = None,
        spent_s: float = 0.0,
    ) -> None:
        self.task, self.vocabulary, self.folder, self.display = task, vocabulary, folder, display
        self.config: TrainingConfig = task.config.training
        self.spent_s = spent_s
        self.progress = Progress()
        self.history: list[dict[str, Any]] = []

        keras.utils.set_random_seed(self.config.seed)
        self.strategy = make_strategy(self.config.replicas)
        policy = "mixed_bfloat16" if self.config.precision == "bfloat16" else "float32"
        with self.strategy.scope(), _dtype_policy(policy):
            self.model = task.network(vocabulary)
            if initialize is not None:
                initialize(self.model)
            self.optimizer = make_optimizer(self.config, self.model.trainable_variables)
        self.trained = Trained(folder.name, task, self.model, vocabulary)
        # One copy, not one a replica: it is only read to evaluate and save.
        self.average = [tf.Variable(variable.numpy()) for variable in self.model.trainable_variables]
        self.state: Any = None
        self.validation_loss = ValidationLoss(task, self.model, vocabulary)

    # The run

    def run(self) -> keras.Model:
        """Trains from the last checkpoint (or from the start) to the end; returns the model with its best weights.

        Raises:
            Interrupted: SIGINT or SIGTERM came.
            DivergedError: the loss became infinite or not a number.
        """
        self._restore()
        for what, count in self.task.corpus(self.vocabulary, "train").notes.items():
            self.display.say(f"{count:,} {what}")
        validation = self.task.dataset.even_sample("valid", self.config.valid_examples)
        if not validation:
            raise UserError(self.task.dataset.nothing_left("valid", {}))
        with _stop_requests() as stopped:
            while not self.progress.finished:
                version = self.progress.epoch % self.task.versions
                watch = self.display.reading(f"encoding version {version + 1} of {self.task.versions}")
                self._epoch(self.task.corpus(self.vocabulary, "train", watch, version=version), stopped)
                self._validate(validation)
                self._save()
                if stopped():
                    raise Interrupted
        self._use(checkpoints.load(self.folder / CHECKPOINTS / BEST)[0]["model"])
        return self.model

    def _epoch(self, corpus: Corpus, stopped: Callable[[], bool]) -> None:
        progress, size = self.progress, self.task.epoch_size(corpus)
        self.display.begin(progress.epoch, self.config.epochs, size, progress.examples)
        started, before_s, trained_s = time.monotonic(), progress.seconds, progress.training_seconds
        saved = started
        speed = Speed()
        for *fields, index, examples in self._dataset(corpus):
            if self.state is None:
                self.state = self.task.initial_state(self.model, fields[0].shape[0])
            rate = learning_rate(self.config, progress.step, self._done(size))
            losses, self.state = self.step(tuple(fields), self.state, tf.constant(rate, tf.float32))
            for name, value in losses.items():
                totals = progress.losses.setdefault(name, [0.0, 0.0, 0.0])
                for index_of, part in enumerate(value):
                    totals[index_of] += float(part)
                if not math.isfinite(totals[0]):
                    raise DivergedError(
                        f"the loss '{name}' is no longer a number at step {progress.step}: "
                        f"lower training.learning_rate (now {self.config.learning_rate})"
                    )
            batch_tokens = self.task.tokens([field.numpy() for field in fields])
            progress.tokens += batch_tokens
            progress.batch, progress.step = int(index) + 1, progress.step + 1
            progress.examples += int(examples)
            now = time.monotonic()
            progress.seconds, progress.training_seconds = before_s + now - started, trained_s + now - started
            done = self._done(size)
            speed.advance(now, batch_tokens, done)
            self.display.advance(int(examples), self._mean_losses()["loss"], speed.tokens_per_second, speed.eta_s)
            if stopped():
                self._save()
                raise Interrupted
            if done >= 1:
                break
            if now - saved >= 60 * self.config.checkpoint_minutes:
                self._save()
                saved = time.monotonic()

    def _validate(self, validation: list[Any]) -> None:
        progress, started = self.progress, time.monotonic()
        with self._averaged():
            metrics = self.task.evaluate(self.trained, validation, quick=True)
            loss = self.validation_loss()
            watched = self.task.metrics[0]
            value = float(metrics[watched.key])
            progress.first = value if progress.first is None else progress.first
            progress.moved = progress.moved or value != progress.first
            is_lower = loss is not None and (progress.best_loss is None or loss < progress.best_loss)
            if watched.better(value, progress.best) or (value == progress.best and is_lower):
                progress.best, progress.best_loss = value, loss
                progress.best_epoch, progress.unimproved = progress.epoch, 0
                best = {"model": [variable.numpy() for variable in self.model.variables]}
                checkpoints.save(self.folder / CHECKPOINTS / BEST, best, progress)
            else:
                progress.unimproved += 1
        progress.seconds += time.monotonic() - started
        line: dict[str, Any] = {
            "epoch": progress.epoch + 1,
            "step": progress.step,
            "seconds": round(progress.seconds, 1),
            **{name: round(value, 4) for name, value in self._mean_losses().items()},
            **({} if loss is None else {"valid_loss": round(loss, 4)}),
            **{f"valid_{name}": value for name, value in metrics.items() if isinstance(value, (int, float))},
        }
        self.history.append(line)
        write_text(self.folder / HISTORY, "".join(json.dumps(entry) + "\n" for entry in self.history))
        counted = ("epoch", "step", "seconds")
        shown = ", ".join(f"{name} {_short(value)}" for name, value in line.items() if name not in counted)
        mark = " (best)" if progress.unimproved == 0 else ""
        self.display.end(f"epoch {line['epoch']}/{self.config.epochs} {duration(progress.seconds)} {shown}{mark}")
        out_of_time = self._time_done() >= 1
        progress.epoch, progress.batch, progress.examples, progress.losses = progress.epoch + 1, 0, 0, {}
        self.state = None
        out_of_patience = progress.moved and 0 < self.config.patience <= progress.unimproved
        if out_of_patience:
            self.display.say(f"no better {watched.words} in {progress.unimproved} epochs: training ends here")
        progress.finished = progress.epoch >= self.config.epochs or out_of_time or out_of_patience
        if progress.finished and not progress.moved and progress.epoch > 1:
            always = f"{watched.words} was {watched.shown(value)} in every epoch, which says nothing"
            self.display.say(f"{always}: the best epoch is that of the lowest validation loss")

    # One step

    @cached_property
    def step(self) -> Any:
        """One training step as a graph.

        It takes the sequences, the state and the learning rate; it returns the sum, the count and the weighted sum of
        each loss, and the next state.
        """
        matrix, scalar = tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([], tf.float32)
        # One graph for all shapes of independent batches: graphs differ in the last bit, and a run that goes on after a
        # stop begins with a batch of another shape. Streams have one shape.
        independent = not tf.nest.flatten(self.task.initial_state(self.model, 1))
        signature = [tuple(matrix for _ in self.task.facts.sequences), (), scalar] if independent else None
        # Autograph would read the source anew, which may have changed since it was imported.
        return tf.function(self._train_step, input_signature=signature, reduce_retracing=True, autograph=False)

    def _train_step(self, fields: tuple[tf.Tensor, ...], state: Any, rate: tf.Tensor) -> tuple[dict[str, Any], Any]:
        replicas = self.strategy.num_replicas_in_sync
        variables = self.model.trainable_variables

        def shard(tensor: tf.Tensor) -> tf.Tensor:
            rows = tf.shape(tensor)[0] // replicas
            index = tf.cast(tf.distribute.get_replica_context().replica_id_in_sync_group, tf.int32)
            return tensor[index * rows : (index + 1) * rows]

        def replica_step(fields: tuple[tf.Tensor, ...], state: Any) -> tuple[dict[str, Any], list[tf.Tensor], Any]:
            context = tf.distribute.get_replica_context()
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch([variable.value for variable in variables])
                losses, state = self.task.losses(
                    self.model, tuple(map(shard, fields)), tf.nest.map_structure(shard, state)
                )
                objective = tf.constant(0.0)
                counted = {}
                for name, loss in losses.items():
                    # The mean over the whole batch, so each replica divides by what all of them count.
                    count = context.all_reduce(tf.distribute.ReduceOp.SUM, loss.count)
                    objective += loss.weight * loss.total / tf.maximum(count, 1.0)
                    counted[name] = (loss.total, loss.count, loss.weight * loss.total)
            gradients = tape.gradient(
                objective,
                [variable.value for variable in variables],
                unconnected_gradients=tf.UnconnectedGradients.ZERO,
            )
            return counted, [tf.convert_to_tensor(gradient) for gradient in gradients], state

        losses, gradients, state = self.strategy.run(replica_step, args=(fields, state))
        losses = tf.nest.map_structure(lambda loss: self.strategy.reduce("SUM", loss, axis=None), losses)
        gradients = [self.strategy.reduce("SUM", gradient, axis=None) for gradient in gradients]
        if self.config.clip_norm:
            gradients, _ = tf.clip_by_global_norm(gradients, self.config.clip_norm)
        self.optimizer.learning_rate.assign(rate)
        self.optimizer.apply(gradients, variables)
        if self.config.ema:
            self._follow_weights()
        state = tf.nest.map_structure(
            lambda tensor: tf.concat(self.strategy.experimental_local_results(tensor), axis=0), state
        )
        return losses, state

    def _follow_weights(self) -> None:
        """Brings the averaged weights up to date: at each of the first steps, later at every few."""
        step = tf.cast(self.optimizer.iterations, tf.int32)
        spacing = tf.where(step <= _FIRST_AVERAGED_STEPS, 1, _AVERAGED_STEPS)

        def update() -> None:
            # A short memory at first, so that the average does not remember the random start.
            steps = tf.cast(step, tf.float32)
            keep = tf.minimum(self.config.ema, (1.0 + steps) / (10.0 + steps)) ** tf.cast(spacing, tf.float32)
            for average, variable in zip(self.average, self.model.trainable_variables, strict=True):
                average.assign_add((1.0 - keep) * (tf.cast(variable.value, tf.float32) - average))

        tf.cond(step % spacing == 0, update, lambda: None)

    def _dataset(self, corpus: Corpus) -> Iterator[Any]:
        def generate() -> Iterator[Any]:
            for batch in self.task.batches(
                corpus,
                training=True,
                epoch=self.progress.epoch,
                first=self.progress.batch,
                rows_multiple=self.strategy.num_replicas_in_sync,
            ):
                yield (*batch.fields, batch.index, batch.examples)

        matrix, scalar = tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([], tf.int64)
        signature = (*(matrix for _ in self.task.facts.sequences), scalar, scalar)
        return iter(tf.data.Dataset.from_generator(generate, output_signature=signature).prefetch(_PREFETCHED_BATCHES))

    # How far it is

    def _done(self, epoch_size: int) -> float:
        epochs = (self.progress.epoch + min(1.0, self.progress.examples / epoch_size)) / self.config.epochs
        return min(1.0, max(epochs, self._time_done()))

    def _time_done(self) -> float:
        if not self.config.max_minutes:
            return 0.0
        return (self.progress.seconds + self.spent_s) / (60 * self.config.max_minutes)

    def _mean_losses(self) -> dict[str, float]:
        """What is minimized, and its parts where there are several."""
        losses = self.progress.losses.items()
        means = {name: total / max(count, 1.0) for name, (total, count, _) in losses}
        weighted = [total / max(count, 1.0) for _, (_, count, total) in losses]
        return {"loss": sum(weighted), **(means if len(means) > 1 else {})}

    # Weights

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """The averaged weights stand in the model inside of the block."""
        if not self.config.ema:
            yield
            return
        variables = self.model.trainable_variables
        own = [variable.numpy() for variable in variables]
        try:
            for variable, average in zip(variables, self.average, strict=True):
                variable.assign(average.numpy())
            yield
        finally:
            for variable, value in zip(variables, own, strict=True):
                variable.assign(value)

    def _use(self, arrays: list[np.ndarray]) -> None:
        for variable, array in zip(self.model.variables, arrays, strict=True):
            variable.assign(array)

    def _save(self) -> None:
        groups = {
            "model": [variable.numpy() for variable in self.model.variables],
            "optimizer": [variable.numpy() for variable in self.optimizer.variables],
            "average": [variable.numpy() for variable in self.average],
            "state": [tensor.numpy() for tensor in tf.nest.flatten(self.state or ())],
        }
        checkpoints.save(self.folder / CHECKPOINTS / LAST, groups, self.progress)

    def _restore(self) -> None:
        path = self.folder / CHECKPOINTS / LAST
        if not path.exists():
            return
        groups, self.progress = checkpoints.load(path)
        try:
            self._use(groups["model"])
            for variable, array in zip(self.optimizer.variables, groups["optimizer"], strict=True):
                variable.assign(array)
            for variable, array in zip(self.average, groups["average"], strict=True):
                variable.assign(array)
            if arrays := groups.get("state"):
                state = self.task.initial_state(self.model, arrays[0].shape[0])
                self.state = tf.nest.pack_sequence_as(state, [tf.constant(array) for array in arrays])
            if (history := self.folder / HISTORY).exists():
                lines = [json.loads(line) for line in history.read_text(encoding="utf-8").splitlines()]
                self.history = [line for line in lines if line["epoch"] <= self.progress.epoch]
        except (LookupError, TypeError, ValueError) as error:  # another count, other shapes, a line that is cut
            reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
            raise UserError(
                f"{path}: this checkpoint is of another model or another configuration: remove the file to start this "
                f"run anew with --resume ({reason})"
            ) from None


@contextmanager
def _dtype_policy(name: str) -> Iterator[None]:
    """What Keras' layers compute in that are made inside of the block."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


@contextmanager
def _stop_requests() -> Iterator[Callable[[], bool]]:
    """SIGINT and SIGTERM are noted and answered after the step; a second one acts at once."""
    requested = False

    def note(number: int, frame: Any) -> None:
        nonlocal requested
        if requested:
            raise KeyboardInterrupt
        requested = True

    try:
        previous = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not in the main thread: signals are somebody else's
        previous = {}
    try:
        yield lambda: requested
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _short(value: float) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
