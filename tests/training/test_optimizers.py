"""The fused Adam against Keras' own."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from nlpseq.config import TrainingConfig
from nlpseq.training.optimizers import FusedAdam, make_optimizer


def stepper(optimizer: keras.optimizers.Optimizer, variable: keras.Variable) -> Any:
    """A graph that takes a gradient and updates the variable."""

    @tf.function(autograph=False)
    def step(gradient: tf.Tensor) -> None:
        optimizer.apply([gradient], [variable])

    return step


@pytest.mark.parametrize("weight_decay", [None, 0.1])
def test_steps_equal_keras(weight_decay: float | None) -> None:
    generator = np.random.default_rng(1)
    start, gradients = generator.normal(size=(4, 3)), generator.normal(size=(5, 4, 3))
    results = []
    for kind in (keras.optimizers.Adam, FusedAdam):
        variable = keras.Variable(start, dtype="float32")
        optimizer = kind(0.01, weight_decay=weight_decay)
        optimizer.build([variable])
        step = stepper(optimizer, variable)
        for gradient in gradients:
            step(tf.constant(gradient, tf.float32))
        results.append([variable.numpy(), *(own.numpy() for own in optimizer.variables)])
    assert np.abs(results[0][0] - start).max() > 0.02
    for theirs, ours in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_optimizers_by_name() -> None:
    variables = [keras.Variable(np.ones((2, 2)))]
    adamw = make_optimizer(TrainingConfig(optimizer="adamw", weight_decay=0.2), variables)
    assert isinstance(adamw, FusedAdam)
    assert adamw.weight_decay == 0.2
    assert make_optimizer(TrainingConfig(optimizer="adam", weight_decay=0.2), variables).weight_decay is None
    assert isinstance(make_optimizer(TrainingConfig(optimizer="sgd"), variables), keras.optimizers.SGD)


def test_only_matrices_that_multiply_decay() -> None:
    """Once biases and embeddings decayed as well (fault 13)."""
    model = keras.Sequential([keras.layers.Embedding(5, 4, name="embedding"), keras.layers.Dense(3, name="classes")])
    model.build((None, 2))
    variables = model.trainable_variables
    for variable in variables:
        variable.assign(np.ones(variable.shape))
    optimizer = make_optimizer(TrainingConfig(optimizer="adamw", weight_decay=0.5, learning_rate=0.1), variables)
    optimizer.apply([tf.zeros(variable.shape) for variable in variables], variables)
    after = {variable.path: float(variable.numpy().ravel()[0]) for variable in variables}
    assert {path.partition("/")[2] for path, value in after.items() if value < 1} == {"classes/kernel"}
