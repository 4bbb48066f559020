"""RNN, LSTM and GRU on the same text: what gates change."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from nlpseq.networks.language_model import LanguageModel
from nlpseq.report.cell_comparison import CellResult
from nlpseq.tasks.base import Task, Trained
from nlpseq.tasks.char_lm import CharacterLanguageModelling
from nlpseq.text.vocabulary import Vocabulary
from nlpseq.training.strategy import make_strategy

_LEARNING_RATE = 3e-3
_CLIP_NORM = 1.0
_LOSSES = 40  # points on the curve of a cell
_WARMUP_STEPS = 3  # not timed: tracing and first allocations


def compare_cells(data: str, *, steps: int, units: int, seed: int) -> Iterator[CellResult]:
    """Trains one recurrent layer of each kind, alike in everything else, and measures it.

    Args:
        data: a SPEC of text.
        steps: training steps of each.
        units: of the layer.
        seed: of the weights and of the order of the text.
    """
    settings = {
        "data.train": data,
        "model.units": units,
        "model.layers": 1,
        "model.dropout": 0.0,
        "training.seed": seed,
    }
    task = CharacterLanguageModelling(CharacterLanguageModelling.facts.config_type()).with_settings(settings)
    vocabulary = task.prepare(task.dataset.examples("train"), None).vocabulary
    make_strategy(1)
    for cell in ("rnn", "lstm", "gru"):
        yield _trained(task.with_settings({"model.cell": cell}), vocabulary, cell, steps)


def _trained(task: Task[Any], vocabulary: Vocabulary, cell: str, steps: int) -> CellResult:
    keras.utils.set_random_seed(task.config.training.seed)
    model = task.network(vocabulary)
    optimizer = keras.optimizers.Adam(_LEARNING_RATE)
    variables = model.trainable_variables
    optimizer.build(variables)

    @tf.function(reduce_retracing=True, autograph=False)
    def step(ids: tf.Tensor, state: list[tf.Tensor]) -> tuple[tf.Tensor, list[tf.Tensor]]:
        with tf.GradientTape() as tape:
            losses, state = task.losses(model, (ids,), state)
            loss = losses["cross_entropy"].total / losses["cross_entropy"].count
        gradients = tape.gradient(loss, [variable.value for variable in variables])
        gradients, _ = tf.clip_by_global_norm(gradients, _CLIP_NORM)
        optimizer.apply(gradients, variables)
        return loss, state

    corpus = task.corpus(vocabulary, "train")
    batches = itertools.chain.from_iterable(
        ((epoch, batch) for batch in task.batches(corpus, training=True, epoch=epoch)) for epoch in itertools.count()
    )
    losses: list[tuple[int, float]] = []
    state, last_epoch, started, tokens = None, -1, 0.0, 0
    for index, (epoch, batch) in enumerate(itertools.islice(batches, steps)):
        ids = tf.constant(batch.fields[0])
        if epoch != last_epoch:
            state, last_epoch = task.initial_state(model, ids.shape[0]), epoch
        if index == _WARMUP_STEPS:
            started, tokens = time.perf_counter(), 0
        loss, state = step(ids, state)
        tokens += ids.shape[0] * (ids.shape[1] - 1)
        if index % max(1, steps // _LOSSES) == 0 or index == steps - 1:
            losses.append((index + 1, float(loss)))
    seconds = time.perf_counter() - started
    valid = task.evaluate(Trained(cell, task, model, vocabulary), task.dataset.examples("valid"))
    return CellResult(
        cell=cell,
        parameters=int(model.count_params()),
        losses=losses,
        valid_nats=valid["nats_per_character"],
        tokens_per_second=tokens / seconds,
        gradient_norms=gradient_norms(model, tf.constant(batch.fields[0])),
    )


def gradient_norms(model: LanguageModel, ids: tf.Tensor) -> list[float]:
    """How much of the last step's loss each earlier input hears of (Bengio et al. 1994; Pascanu et al. 2013).

    Args:
        model: trained or not.
        ids: int32 [batch, time + 1].

    Returns:
        norms: of the gradient of the loss at the last step with respect to the layer's input k steps before, k = 0 …
            time - 1; the mean over the batch.
    """
    embedded = model.embedding(ids[:, :-1])
    with tf.GradientTape() as tape:
        tape.watch(embedded)
        outputs, _ = model.encoder(embedded)
        logits = model.output_layer(outputs[:, -1])
        loss = tf.reduce_sum(tf.nn.sparse_softmax_cross_entropy_with_logits(ids[:, -1], logits))
    norms = tf.reduce_mean(tf.norm(tape.gradient(loss, embedded), axis=-1), axis=0)
    return norms.numpy()[::-1].tolist()
