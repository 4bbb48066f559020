"""What is minimized, on validation examples."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import keras
import tensorflow as tf

from nlpseq.tasks.base import Task
from nlpseq.text.vocabulary import Vocabulary


class ValidationLoss:
    """Measures a network's loss on about as many validation examples as its metric is measured on.

    Args:
        task: with its configuration.
        network: that is trained.
        vocabulary: of the task.
    """

    def __init__(self, task: Task[Any], network: keras.Model, vocabulary: Vocabulary) -> None:
        self._task, self._network, self._vocabulary = task, network, vocabulary

    def __call__(self) -> float | None:
        """The loss without dropout; None where the watched metric is a loss itself."""
        if not self._task.metrics[0].higher_is_better:
            return None
        corpus = self._task.corpus(self._vocabulary, "valid")
        every = -(-corpus.examples // self._task.config.training.valid_examples)
        totals: dict[str, list[float]] = {}
        for index, batch in enumerate(self._task.batches(corpus, training=False)):
            if index % every:
                continue
            for name, (total, count, weight) in self._measured(tuple(map(tf.constant, batch.fields))).items():
                sums = totals.setdefault(name, [0.0, 0.0, float(weight)])
                sums[0], sums[1] = sums[0] + float(total), sums[1] + float(count)
        return sum(weight * total / max(count, 1.0) for total, count, weight in totals.values())

    @cached_property
    def _measured(self) -> Any:
        """The losses of a batch: the sum, the count and the weight of each."""
        matrix = tf.TensorSpec([None, None], tf.int32)

        def measured(fields: tuple[tf.Tensor, ...]) -> dict[str, tuple[tf.Tensor, tf.Tensor, float]]:
            losses, _ = self._task.losses(self._network, fields, (), training=False)
            return {name: (loss.total, loss.count, loss.weight) for name, loss in losses.items()}

        signature = [tuple(matrix for _ in self._task.facts.sequences)]
        return tf.function(measured, input_signature=signature, autograph=False)
