"""Training one recurrent layer on a problem that needs memory, and asking what it remembers."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from nlpseq.data.memory_problems import Examples, MemoryProblem
from nlpseq.layers.recurrent import LAYERS
from nlpseq.layers.recurrent_base import Recurrent
from nlpseq.pipeline.timed_work import Advance
from nlpseq.report.comparison_facts import SOLVED, MemoryRun, last_loss

_HELD_OUT_SEED = 20_001  # no training run draws from it
_CHECKS = 20  # of the held-out sets in a run

_PERFECT = 0.995
_LEAST_RATE = 0.05  # of the learning rate, to which it falls in the second half of the steps


@dataclass(frozen=True)
class CellSetup:
    """How a cell starts and how it is trained.

    Attributes:
        cell: "rnn", "lstm" or "gru".
        units: of the layer.
        learning_rate: of Adam, in the first half of the steps.
        activation: of an "rnn": "tanh" or "relu".
        recurrent: what R starts from: "orthogonal", "gaussian" (variance 1 / units) or "identity".
        gain: R is multiplied by it at the start.
        forget_bias: what the LSTM's forget gate, or the GRU's update gate, starts from. None draws for how many steps
            a gate remembers, between 1 and the longest lag ("chrono": Tallec & Ollivier 2018, arXiv:1804.11188).
        clip_norm: largest global norm of a gradient; 0 never clips.
        truncation: gradients go back so many steps at most; 0 is all of them.
    """

    cell: str
    units: int = 64
    learning_rate: float = 3e-3
    activation: str = "tanh"
    recurrent: str = "orthogonal"
    gain: float = 1.0
    forget_bias: float | None = None
    clip_norm: float = 1.0
    truncation: int = 0


@dataclass(frozen=True)
class MemoryPlan:
    """How long and on what a run trains.

    Attributes:
        lags: those that are trained on and measured, ascending.
        steps: of training at most; a run ends earlier when all lags are solved.
        rows: sequences in a batch.
        held_out: sequences in the held-out set of each lag.
        probe_lag: the lag at which gradients are measured; 0 measures none.
    """

    lags: tuple[int, ...]
    steps: int
    rows: int = 32
    held_out: int = 128
    probe_lag: int = 0

    @property
    def probabilities(self) -> np.ndarray:
        """How often each lag is drawn: short ones more often, so that each lag gets a like part of the time."""
        weights = 1 / np.sqrt(np.array(self.lags, float))
        return weights / weights.sum()


class MemoryNetwork:
    """A recurrent layer and a linear output, without any help of attention or of a stack.

    Args:
        problem: decides the width of input and output.
        setup: the layer.
        longest: lag that "chrono" gates start from.
        seed: of the weights.
    """

    def __init__(self, problem: MemoryProblem, setup: CellSetup, longest: int, seed: int) -> None:
        self.problem, self.setup = problem, setup
        self.layer = _layer(setup, seed)
        self.layer.build((None, None, problem.features))
        if setup.cell != "rnn" and self.layer.bias is not None:
            self.layer.bias.assign(_gate_bias(setup, longest, np.random.default_rng(seed + 3)))
        if setup.gain != 1:
            self.layer.recurrent_kernel.assign(setup.gain * self.layer.recurrent_kernel)
        glorot = keras.initializers.GlorotUniform(seed=seed + 2)
        self.output = keras.layers.Dense(problem.classes or 1, kernel_initializer=glorot)
        self.output.build((None, setup.units))
        self.variables = [*self.layer.trainable_variables, *self.output.trainable_variables]

    def outputs(self, hidden: tf.Tensor) -> tf.Tensor:
        """Returns the outputs [rows, count, classes] of hidden [rows, time, units]."""
        return self.output(hidden[:, -self.problem.count :])

    def hidden(self, inputs: tf.Tensor, *, training: bool) -> tf.Tensor:
        """Runs the layer: [rows, time, features] to [rows, time, units], with no gradient across truncations."""
        part = self.setup.truncation
        if not (training and part):
            return self.layer(inputs, training=training)[0]
        # From the end, so that the last part, which has the answers, is whole.
        time = inputs.shape[1]
        cuts = [0, *range(time % part or part, time, part), time]
        states, parts = None, []
        for start, stop in itertools.pairwise(cuts):
            hidden, *states = self.layer(inputs[:, start:stop], initial_state=states, training=True)
            states = [tf.stop_gradient(state) for state in states]
            parts.append(hidden)
        return tf.concat(parts, axis=1)

    def loss(self, outputs: tf.Tensor, answers: tf.Tensor) -> tf.Tensor:
        """Returns the mean cross-entropy in nats, or the mean squared error where the answer is a number."""
        if self.problem.classes:
            return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(answers, outputs))
        return tf.reduce_mean(tf.square(outputs[:, :, 0] - answers))


def train_memory(
    problem: MemoryProblem,
    setup: CellSetup,
    plan: MemoryPlan,
    seed: int,
    advance: Advance = lambda steps: True,
) -> MemoryRun:
    """Trains a network from new weights, and measures it on held-out sets while it learns.

    Args:
        problem: what is learnt.
        setup: how.
        plan: how long.
        seed: of the weights and of the sequences.
        advance: is told of steps that are done, and answers whether there is time for more.
    """
    network = MemoryNetwork(problem, setup, plan.lags[-1], seed)
    optimizer = keras.optimizers.Adam(setup.learning_rate)
    step, predict = _step(network, optimizer), _prediction(network)
    generator = np.random.default_rng(seed)
    held_out = {lag: held_out_set(problem, lag, plan.held_out) for lag in plan.lags}
    every = max(1, plan.steps // _CHECKS)
    losses, norms, shares = [], [], {lag: [0.0] for lag in plan.lags}
    checks, gradients = [0], {}
    if plan.probe_lag:
        gradients["start"] = probe_gradients(network, plan.probe_lag)
    for number in range(1, plan.steps + 1):
        optimizer.learning_rate.assign(setup.learning_rate * min(1, max(_LEAST_RATE, 2 - 2 * number / plan.steps)))
        lag = int(generator.choice(plan.lags, p=plan.probabilities))
        examples = problem.make(lag, plan.rows, generator)
        loss, norm = step(tf.constant(examples.inputs), tf.constant(examples.answers))
        losses.append(float(loss))
        norms.append(float(norm))
        goes_on = advance(1) and math.isfinite(losses[-1])
        if number % every and number < plan.steps and goes_on:
            continue
        checks.append(number)
        for lag, examples in held_out.items():
            solved = problem.solved(predict(tf.constant(examples.inputs)).numpy(), examples.answers)
            shares[lag].append(float(np.mean(solved)))
        if plan.probe_lag and "middle" not in gradients and (number >= plan.steps / 2 or _all_solved(shares, SOLVED)):
            gradients["middle"] = probe_gradients(network, plan.probe_lag)
        if not goes_on or _all_solved(shares, _PERFECT):
            break
    advance(plan.steps - number)
    if plan.probe_lag:
        gradients["end"] = probe_gradients(network, plan.probe_lag)
    return MemoryRun(
        problem=problem.name,
        cell=setup.cell,
        seed=seed,
        learning_rate=setup.learning_rate,
        weights=sum(int(np.prod(variable.shape)) for variable in network.variables),
        losses=losses,
        norms=norms,
        checks=checks,
        shares=shares,
        gradients=gradients,
    )


def held_out_set(problem: MemoryProblem, lag: int, rows: int) -> Examples:
    """The same sequences for every cell and seed."""
    return problem.make(lag, rows, np.random.default_rng(_HELD_OUT_SEED + lag))


def probe_gradients(network: MemoryNetwork, lag: int, rows: int = 32) -> list[float]:
    """How much the loss of the answers changes with the input of each earlier step.

    Returns:
        norms: of the gradient with respect to the input k steps before the last, for k = 0, 1, …; mean over rows.
    """
    examples = held_out_set(network.problem, lag, rows)
    inputs = tf.constant(examples.inputs)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = network.outputs(network.layer(inputs)[0])
        loss = rows * network.loss(outputs, tf.constant(examples.answers))
    norms = tf.reduce_mean(tf.norm(tape.gradient(loss, inputs), axis=-1), axis=0)
    return norms.numpy()[::-1].tolist()


def _all_solved(shares: dict[int, list[float]], share: float) -> bool:
    return all(values[-1] >= share for values in shares.values())


def _step(
    network: MemoryNetwork, optimizer: keras.Optimizer
) -> Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
    """Returns a training step; it returns the loss, and the gradient's norm before it is clipped."""
    optimizer.build(network.variables)
    # Truncation cuts the sequence in parts of a known length.
    signature = None if network.setup.truncation else [*_signature(network.problem)]

    @tf.function(autograph=False, input_signature=signature)
    def step(inputs: tf.Tensor, answers: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            loss = network.loss(network.outputs(network.hidden(inputs, training=True)), answers)
        gradients = tape.gradient(loss, [variable.value for variable in network.variables])
        norm = tf.linalg.global_norm(gradients)
        if network.setup.clip_norm:
            gradients, _ = tf.clip_by_global_norm(gradients, network.setup.clip_norm, use_norm=norm)
        optimizer.apply(gradients, network.variables)
        return loss, norm

    return step


def _prediction(network: MemoryNetwork) -> Callable[[tf.Tensor], tf.Tensor]:
    @tf.function(autograph=False, input_signature=[_signature(network.problem)[0]])
    def predict(inputs: tf.Tensor) -> tf.Tensor:
        return network.outputs(network.hidden(inputs, training=False))

    return predict


def _signature(problem: MemoryProblem) -> tuple[tf.TensorSpec, tf.TensorSpec]:
    """Sequences and answers of any lag: a graph for each would take longer to make than to use."""
    answers = tf.TensorSpec([None, problem.count], tf.int32 if problem.classes else tf.float32)
    return tf.TensorSpec([None, None, problem.features], tf.float32), answers


def _layer(setup: CellSetup, seed: int) -> Recurrent:
    recurrent = {
        "orthogonal": keras.initializers.Orthogonal(seed=seed + 1),
        "gaussian": keras.initializers.RandomNormal(stddev=setup.units**-0.5, seed=seed + 1),
        "identity": keras.initializers.Identity(),
    }[setup.recurrent]
    options: dict[str, Any] = {"activation": setup.activation} if setup.cell == "rnn" else {}
    return LAYERS[setup.cell](
        setup.units,
        return_sequences=True,
        return_state=True,
        kernel_initializer=keras.initializers.GlorotUniform(seed=seed),
        recurrent_initializer=recurrent,
        **options,
    )


def _gate_bias(setup: CellSetup, longest: int, generator: np.random.Generator) -> np.ndarray:
    """The bias that the gates of an LSTM [4 * units] or a GRU [2, 3 * units] start from."""
    units = setup.units
    if setup.forget_bias is None:
        remember = np.log(generator.uniform(1, max(longest - 1, 2), units))
    else:
        remember = np.full(units, setup.forget_bias)
    nothing = np.zeros(units)
    if setup.cell == "gru":
        return np.stack([np.concatenate([remember, nothing, nothing]), np.zeros(3 * units)])
    # What is kept for long is written rarely.
    return np.concatenate([-remember if setup.forget_bias is None else nothing, remember, nothing, nothing])


def chosen_rate(
    problem: MemoryProblem,
    setup: CellSetup,
    plan: MemoryPlan,
    rates: Sequence[float],
    seed: int,
    advance: Advance = lambda steps: True,
) -> tuple[float, dict[float, float]]:
    """Trains for a while with each learning rate.

    Returns:
        The one with the smallest loss at the end, and the loss of each. Shares say less so early: few are solved.
    """
    losses = {}
    for rate in rates:
        run = train_memory(problem, dataclasses.replace(setup, learning_rate=rate), plan, seed, advance)
        losses[rate] = last_loss(run)
    return min(losses, key=lambda rate: losses[rate]), losses
