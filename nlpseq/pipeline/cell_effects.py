"""Experiments that change one thing about how a cell starts or is trained."""

from __future__ import annotations

from dataclasses import dataclass

from nlpseq.data.memory_problems import PROBLEMS, MemoryProblem
from nlpseq.pipeline.memory_training import CellSetup, MemoryPlan

_COPYING, _ADDING, _BRACKETS = PROBLEMS


@dataclass(frozen=True)
class EffectPlan:
    """One experiment.

    Attributes:
        name: such as "clipping".
        title: of its picture.
        setting: what is trained on what, in a sentence.
        problem: that is learnt.
        plan: how long, and at which lags.
        setups: what is compared, by label.
        clip_norm: norms above it count as large.
    """

    name: str
    title: str
    setting: str
    problem: MemoryProblem
    plan: MemoryPlan
    setups: dict[str, CellSetup]
    clip_norm: float = 1.0


EFFECTS = (
    EffectPlan(
        "clipping",
        "Clipping",
        "An RNN whose recurrent weights start twice as large as orthogonal ones, on brackets at a lag of 50",
        _BRACKETS,
        MemoryPlan((50,), steps=300),
        {
            "clipped at 1": CellSetup("rnn", gain=2.0),
            "never clipped": CellSetup("rnn", gain=2.0, clip_norm=0.0),
        },
    ),
    EffectPlan(
        "forget_bias",
        "Bias of the forget gate",
        "An LSTM on copying at a lag of 50",
        _COPYING,
        MemoryPlan((50,), steps=600),
        {
            "bias 0": CellSetup("lstm", forget_bias=0.0),
            "bias 1": CellSetup("lstm", forget_bias=1.0),
            "spread over times up to the lag": CellSetup("lstm"),
        },
    ),
    EffectPlan(
        "initialization",
        "What the recurrent weights start from",
        "An RNN, with tanh and with ReLU, on adding at a lag of 50",
        _ADDING,
        MemoryPlan((50,), steps=1000),
        {
            "tanh, orthogonal": CellSetup("rnn"),
            "tanh, Gaussian": CellSetup("rnn", recurrent="gaussian"),
            "ReLU, identity": CellSetup("rnn", activation="relu", recurrent="identity"),
            "ReLU, Gaussian": CellSetup("rnn", activation="relu", recurrent="gaussian"),
        },
    ),
    EffectPlan(
        "truncation",
        "How far gradients go back",
        "An LSTM on brackets at a lag of 30; the state is carried on everywhere, the gradient is not",
        _BRACKETS,
        MemoryPlan((30,), steps=600),
        {
            "all steps": CellSetup("lstm"),
            "16 steps": CellSetup("lstm", truncation=16),
            "8 steps": CellSetup("lstm", truncation=8),
        },
    ),
)
