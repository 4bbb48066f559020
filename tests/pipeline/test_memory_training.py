"""Networks on memory problems: how they start, how far gradients go back, and that they learn."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from nlpseq.data.memory_problems import PROBLEMS
from nlpseq.pipeline.memory_training import CellSetup, MemoryNetwork, MemoryPlan, probe_gradients, train_memory

COPYING, _, BRACKETS = PROBLEMS


def test_gradients_do_not_cross_a_truncation() -> None:
    network = MemoryNetwork(COPYING, CellSetup("gru", 4, truncation=5), 9, seed=1)
    inputs = tf.constant(COPYING.make(9, 2, np.random.default_rng(1)).inputs)  # 12 steps: 2, 5 and 5
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        hidden = network.hidden(inputs, training=True)
        loss = tf.reduce_sum(hidden[:, -1])
    sizes = tf.norm(tape.gradient(loss, inputs), axis=-1).numpy()
    assert (sizes[:, :7] == 0).all()
    assert (sizes[:, 7:] > 0).all()
    assert hidden.numpy() == pytest.approx(network.hidden(inputs, training=False).numpy(), abs=1e-6)


def test_gates_start_as_they_are_told() -> None:
    def bias(setup: CellSetup) -> np.ndarray:
        return MemoryNetwork(COPYING, setup, 100, seed=1).layer.bias.numpy()

    lstm = bias(CellSetup("lstm", 50)).reshape(4, 50)
    # Units remember for 1 to 99 steps: sigmoid(log(t)) = t / (t + 1).
    assert np.exp(lstm[1]).min() >= 1
    assert 50 < np.exp(lstm[1]).max() <= 99.01
    assert lstm[0] == pytest.approx(-lstm[1])
    assert (lstm[2:] == 0).all()
    assert bias(CellSetup("lstm", 3, forget_bias=1.0)).tolist() == [0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0]
    assert bias(CellSetup("gru", 2, forget_bias=0.5)).tolist() == [[0.5, 0.5, 0, 0, 0, 0], [0] * 6]


def test_recurrent_weights_start_as_they_are_told() -> None:
    def kernel(**options: object) -> np.ndarray:
        setup = CellSetup("rnn", 64, **options)  # type: ignore[arg-type]
        return MemoryNetwork(COPYING, setup, 9, seed=1).layer.recurrent_kernel.numpy()

    orthogonal = kernel()
    assert orthogonal @ orthogonal.T == pytest.approx(np.eye(64), abs=1e-5)
    assert kernel(gain=2.0) == pytest.approx(2 * orthogonal)
    assert (kernel(recurrent="identity") == np.eye(64)).all()
    assert kernel(recurrent="gaussian").std() == pytest.approx(1 / 8, rel=0.1)


def test_a_run_learns() -> None:
    plan = MemoryPlan((3,), steps=300, rows=16, held_out=50, probe_lag=3)
    run = train_memory(COPYING, CellSetup("gru", 24, 1e-2), plan, seed=1)
    assert run.share(3) > 0.5 > 100 * COPYING.chance
    assert run.checks[-1] == len(run.losses) == len(run.norms)
    assert set(run.gradients) == {"start", "middle", "end"}


def test_a_run_stops_when_all_is_solved_and_is_the_same_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nlpseq.pipeline.memory_training._PERFECT", 0.0)
    plan, told = MemoryPlan((3,), steps=60, rows=4, held_out=8), []

    def advance(steps: int) -> bool:
        told.append(steps)
        return True

    first, again = (train_memory(COPYING, CellSetup("rnn", 4), plan, 1, advance) for _ in range(2))
    assert len(first.losses) == 3  # at the first of twenty checks
    assert sum(told) == 2 * 60  # for the bar
    assert first == again


def test_a_run_ends_when_there_is_no_time() -> None:
    told: list[int] = []

    def advance(steps: int) -> bool:
        told.append(steps)
        return len(told) < 4

    run = train_memory(COPYING, CellSetup("rnn", 4), MemoryPlan((3,), steps=50, rows=4, held_out=8), 1, advance)
    assert len(run.losses) == 4
    assert sum(told) == 50  # for the bar


def test_the_gradient_at_an_input_is_that_of_finite_differences() -> None:
    network = MemoryNetwork(BRACKETS, CellSetup("lstm", 3, forget_bias=1.0), 5, seed=2)
    examples = BRACKETS.make(5, 1, np.random.default_rng(20_001 + 5))

    def loss(inputs: np.ndarray) -> float:
        logits = network.outputs(network.hidden(tf.constant(inputs, tf.float32), training=False)).numpy()[0]
        logits = logits.astype(np.float64)
        chosen = logits[np.arange(2), examples.answers[0]]
        return float(np.mean(np.log(np.exp(logits).sum(axis=-1)) - chosen))

    first = np.zeros_like(examples.inputs)
    expected = []
    for place in range(examples.inputs.shape[-1]):
        nudge = first.copy()
        nudge[0, 0, place] = 1e-2
        expected.append((loss(examples.inputs + nudge) - loss(examples.inputs - nudge)) / 2e-2)
    norms = probe_gradients(network, 5, rows=1)
    assert norms[-1] == pytest.approx(np.linalg.norm(expected), rel=0.02, abs=1e-5)
