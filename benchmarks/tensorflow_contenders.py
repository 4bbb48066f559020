"""Contenders that run in TensorFlow: nlpseq itself, Keras' own layers in three ways, and the machine's matrix product.

A contender is a function from a workload to its training step: the step's number in, the mean loss out, in nats.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from benchmarks.workload import (
    ADAM_EPSILON,
    CLIP_NORM,
    LEARNING_RATE,
    CharLM,
    Gemm,
    NoTokenizer,
    Translation,
    Weights,
    initial_weights,
)
from nlpseq import config
from nlpseq.tasks import char_lm, translation
from nlpseq.tasks.base import Task
from nlpseq.text.vocabulary import Vocabulary
from nlpseq.training.display import LineDisplay
from nlpseq.training.trainer import Trainer

Step = Callable[[int], float]

RECIPES = Path(__file__).parent.parent / "recipes"


class KerasStack(keras.layers.Layer):
    """``keras.layers.LSTM`` or ``GRU`` on top of each other, called as :class:`nlpseq.layers.stack.RecurrentStack`."""

    def __init__(self, cell: str, units: int, depth: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        kind = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU}[cell]
        self.units, self.states_per_layer = units, 2 if cell == "lstm" else 1
        self.layers = [
            kind(units, return_sequences=True, return_state=True, name=f"layer_{index}") for index in range(depth)
        ]

    def zero_states(self, batch: int) -> list[tf.Tensor]:
        return [tf.zeros([batch, self.units]) for _ in range(len(self.layers) * self.states_per_layer)]

    def call(
        self,
        sequence: tf.Tensor,
        states: list[tf.Tensor] | None = None,
        ids: tf.Tensor | None = None,
        training: bool | None = None,
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        if ids is not None:
            sequence = tf.gather(sequence, ids)
        last_states: list[tf.Tensor] = []
        size = self.states_per_layer
        for index, layer in enumerate(self.layers):
            initial = states[index * size : (index + 1) * size] if states is not None else None
            sequence, *state = layer(sequence, initial_state=initial, training=training)
            last_states.extend(tf.cast(tensor, tf.float32) for tensor in state)
        return sequence, last_states


class KerasLanguageModelling(char_lm.CharacterLanguageModelling):
    """Our task with Keras' recurrent layers in our model's place."""

    def network(self, vocabulary: Vocabulary) -> char_lm.LanguageModel:
        settings = self.config.model
        size = vocabulary.tokenizers["text"].vocabulary_size
        model = char_lm.LanguageModel(settings, vocabulary=size)
        model.encoder = KerasStack(settings.cell, settings.units, settings.layers, name="encoder")
        model.build()
        return model


def task_of(workload: CharLM | Translation, char_lm_task: type = char_lm.CharacterLanguageModelling) -> Task[Any]:
    """The real task, set to the workload; without the average of the weights, which the others do not keep."""
    if isinstance(workload, CharLM):
        task: Task[Any] = char_lm_task(char_lm.Config())
        settings = {"model.cell": workload.cell, "model.layers": workload.layers, "model.dropout": 0.0}
    else:
        task = translation.TranslationTask(config.from_toml(translation.Config, RECIPES / "multi30k-en-de.toml"))
        settings = {"model.dropout": workload.dropout, "training.label_smoothing": workload.label_smoothing}
    settings |= {"model.units": workload.units, "model.embedding": workload.embedding}
    settings |= {"training.precision": workload.precision, "training.seed": workload.seed}
    return task.with_settings({**settings, "training.clip_norm": CLIP_NORM, "training.ema": 0.0})


def vocabulary_of(workload: CharLM | Translation) -> Vocabulary:
    """As large as the workload's; only its size matters, since the ids are at hand."""
    tokenizer: Any = NoTokenizer(workload.vocabulary)
    names = ("text",) if isinstance(workload, CharLM) else ("source", "target")
    return Vocabulary(dict.fromkeys(names, tokenizer))


def load(model: keras.Model, weights: Weights) -> None:
    """Gives the model its weights, each by its path."""
    for variable in model.trainable_variables:
        variable.assign(weights(weight_name(variable), tuple(variable.shape)))


def weight_name(variable: keras.Variable) -> str:
    """The variable's path in our model, also of a variable of Keras' layers."""
    _, *path = variable.path.split("/")
    return "/".join(part for part in path if not part.endswith("_cell"))


def nlpseq(workload: CharLM | Translation) -> Step:
    """Our layers in our trainer: one replica a core."""
    return _trainer_step(workload, task_of(workload))


def keras_replicas(workload: CharLM) -> Step:
    """Keras' layers in our trainer: one replica a core."""
    return _trainer_step(workload, task_of(workload, KerasLanguageModelling))


def _trainer_step(workload: CharLM | Translation, task: Task[Any]) -> Step:
    with tempfile.TemporaryDirectory() as folder:  # nothing is saved
        trainer = Trainer(task, vocabulary_of(workload), Path(folder), LineDisplay())
    load(trainer.model, initial_weights(workload.seed))
    rate = tf.constant(LEARNING_RATE)
    state: Any = None

    def step(index: int) -> float:
        nonlocal state
        fields = tuple(map(tf.constant, workload.fields(index)))
        if state is None:
            state = task.initial_state(trainer.model, fields[0].shape[0])
        losses, state = trainer.step(fields, state, rate)
        total, count, _ = losses["cross_entropy"]
        return float(total) / float(count)

    return step


def keras_threads(workload: CharLM) -> Step:
    """Keras' layers in a plain graph, each operation on all cores."""
    return _keras_step(workload, jit=False)


def keras_jit(workload: CharLM) -> Step:
    """Keras' layers, the whole step compiled by XLA."""
    return _keras_step(workload, jit=True)


def _keras_step(workload: CharLM, *, jit: bool) -> Step:
    task = task_of(workload, KerasLanguageModelling)
    keras.config.set_dtype_policy("mixed_bfloat16" if workload.precision == "bfloat16" else "float32")
    model = task.network(vocabulary_of(workload))
    load(model, initial_weights(workload.seed))
    optimizer = keras.optimizers.Adam(LEARNING_RATE, epsilon=ADAM_EPSILON)
    optimizer.build(model.trainable_variables)

    @tf.function(jit_compile=jit, autograph=False)
    def train(ids: tf.Tensor, state: Any) -> tuple[tf.Tensor, Any]:
        with tf.GradientTape() as tape:
            losses, state = task.losses(model, (ids,), state)
            loss = losses["cross_entropy"].total / losses["cross_entropy"].count
        weights = [variable.value for variable in model.trainable_variables]
        gradients = [tf.convert_to_tensor(gradient) for gradient in tape.gradient(loss, weights)]
        gradients, _ = tf.clip_by_global_norm(gradients, CLIP_NORM)
        optimizer.apply(gradients, model.trainable_variables)
        return loss, state

    state = task.initial_state(model, workload.batch)

    def step(index: int) -> float:
        nonlocal state
        loss, state = train(tf.constant(workload.fields(index)[0]), state)
        return float(loss)

    return step


def gemm(workload: Gemm) -> Step:
    """No contender but the limit: one large product a core, side by side."""
    tf.config.threading.set_intra_op_parallelism_threads(1)
    rows, inner, columns = workload.shape
    dtype = tf.as_dtype(workload.precision)
    factors = [
        (tf.cast(tf.random.normal([rows, inner]), dtype), tf.cast(tf.random.normal([inner, columns]), dtype))
        for _ in range(workload.cores)
    ]
    pool = ThreadPoolExecutor(workload.cores)

    def step(index: int) -> float:
        list(pool.map(lambda pair: tf.matmul(*pair), factors))
        return 0.0

    return step
