"""A comparison with figures that are easy to read."""

from __future__ import annotations

import math
from typing import Any

from nlpseq.report.comparison_facts import (
    CELLS,
    Comparison,
    Effect,
    MemoryFacts,
    MemoryRun,
    TextCell,
    TextRun,
    Variant,
)


def memory_run(cell: str = "lstm", seed: int = 1, share: float = 1.0, **more: Any) -> MemoryRun:
    facts: dict[str, Any] = {
        "problem": "copying",
        "cell": cell,
        "seed": seed,
        "learning_rate": 0.003,
        "weights": 5000,
        "losses": [2.0, 1.0, 0.5, 0.25],
        "norms": [0.5, 1.5, 3.0, 0.5],
        "checks": [0, 2, 4],
        "shares": {10: [0.0, 1.0, 1.0], 100: [0.0, share / 2, share]},
        "gradients": {when: [0.5 ** (lag / 20) for lag in range(103)] for when in ("start", "middle", "end")},
    }
    return MemoryRun(**{**facts, **more})


def memory_facts(**shares: float) -> MemoryFacts:
    """With the share that each cell solves at a lag of 100."""
    shares = {"rnn": 0.01, "lstm": 1.0, "gru": 0.99, **shares}
    runs = [memory_run(cell, seed, share) for cell, share in shares.items() for seed in (1, 2)]
    rates = {cell: {0.001: 0.1, 0.003: 0.6} for cell in CELLS}
    return MemoryFacts("copying", "Say it again.", 0.002, (10, 100), 100, runs, rates)


def text_cell(cell: str, nats: tuple[float, ...] = (1.7, 1.72), decay: float = 0.1, grows: float = 0.9) -> TextCell:
    runs = [
        TextRun(
            cell=cell,
            seed=seed,
            losses=[4.0 - step / 100 for step in range(200)],
            equal_steps=100,
            nats=value,
            timed_steps=200,
            timed_nats=value - 0.1,
            gradients={when: [math.exp(-decay * lag) for lag in range(65)] for when in ("start", "middle", "end")},
            jacobians={when: {lag: grows**lag for lag in (1, 2, 4, 8, 16, 32, 64)} for when in ("start", "end")},
            clipped=0.25,
        )
        for seed, value in enumerate(nats, start=1)
    ]
    return TextCell(cell, 128, 90_000, 0.003, {0.001: 2.0, 0.003: 1.9}, 12_345.6, runs)


def effect(name: str = "forget_bias", first: tuple[float, ...] = (0.1, 0.2), **more: Any) -> Effect:
    variants = [
        Variant("bias 0", [memory_run(seed=seed, share=share) for seed, share in enumerate(first)]),
        Variant("bias 1", [memory_run(seed=seed, share=0.9, **more) for seed in range(2)]),
    ]
    return Effect(name, "Bias of the forget gate", "An LSTM on copying", 1.0, variants)


def comparison(**more: Any) -> Comparison:
    facts: dict[str, Any] = {
        "data": "sample",
        "seeds": (1, 2),
        "minutes": 10.0,
        "seconds": 300.0,
        "processor_seconds": 550.0,
        "stopped": 0,
        "memory": [memory_facts()],
        "text": [text_cell("rnn", (1.9, 1.91)), text_cell("lstm"), text_cell("gru", (1.75, 1.77))],
        "effects": [effect("clipping"), effect()],
    }
    return Comparison(**{**facts, **more})
