"""The learning rate over a run."""

from __future__ import annotations

import math

from nlpseq.config import TrainingConfig

_LONGEST_WARMUP = 0.05  # of the run


def learning_rate(config: TrainingConfig, step: int, progress: float) -> float:
    """The rate for a step.

    The decay follows the progress of the run, so that it ends with the run, whether epochs or minutes end it. The
    warm-up counts steps, but a short run does not spend more than a twentieth on it.

    Args:
        step: 0-based.
        progress: part of the run that is done, from 0 to 1.
    """
    warmup = min(1.0, max((step + 1) / config.warmup_steps, progress / _LONGEST_WARMUP)) if config.warmup_steps else 1.0
    done = 0.0 if config.decay_start >= 1 else (progress - config.decay_start) / (1 - config.decay_start)
    done = min(1.0, max(0.0, done))
    left = {"linear": 1 - done, "cosine": (1 + math.cos(math.pi * done)) / 2, "none": 1.0}[config.decay]
    return config.learning_rate * warmup * (config.decay_floor + (1 - config.decay_floor) * left)
