"""The learning rate: warm-up by steps, decay by progress, ending at the floor."""

import dataclasses
import itertools
import math

import pytest

from nlpseq.config import TrainingConfig
from nlpseq.training.schedules import learning_rate

CONFIG = TrainingConfig(learning_rate=2e-3, warmup_steps=100, decay="linear", decay_start=0.4, decay_floor=0.05)
DECAYS = ("linear", "cosine", "none")


def rates(config: TrainingConfig, steps: int) -> list[float]:
    """Of a run of that many steps."""
    return [learning_rate(config, step, step / steps) for step in range(steps + 1)]


def test_warmup_rises_evenly_from_the_first_step() -> None:
    assert learning_rate(CONFIG, 0, 0.0) == pytest.approx(2e-5)
    assert learning_rate(CONFIG, 49, 0.0) == pytest.approx(1e-3)
    assert learning_rate(CONFIG, 99, 0.0) == pytest.approx(2e-3)
    assert learning_rate(CONFIG, 100, 0.0) == pytest.approx(2e-3)


@pytest.mark.parametrize("decay", DECAYS)
def test_without_warmup_the_first_step_has_the_full_rate(decay: str) -> None:
    config = TrainingConfig(learning_rate=0.5, warmup_steps=0, decay=decay, decay_start=0.4)
    assert learning_rate(config, 0, 0.0) == 0.5


@pytest.mark.parametrize("decay", DECAYS)
def test_full_rate_until_the_decay_starts(decay: str) -> None:
    config = TrainingConfig(learning_rate=2e-3, warmup_steps=100, decay=decay, decay_start=0.4, decay_floor=0.05)
    for progress in (0.1, 0.25, 0.4):
        assert learning_rate(config, 1000, progress) == pytest.approx(2e-3)


def test_linear_decay_by_hand() -> None:
    assert learning_rate(CONFIG, 1000, 0.7) == pytest.approx(2e-3 * (0.05 + 0.95 * 0.5))
    assert learning_rate(CONFIG, 1000, 0.85) == pytest.approx(2e-3 * (0.05 + 0.95 * 0.25))


def test_cosine_decay_by_hand() -> None:
    config = TrainingConfig(learning_rate=1.0, warmup_steps=0, decay="cosine", decay_start=0.0, decay_floor=0.0)
    assert learning_rate(config, 0, 0.5) == pytest.approx(0.5)
    assert learning_rate(config, 0, 1 / 3) == pytest.approx(0.75)
    assert learning_rate(config, 0, 0.25) == pytest.approx((1 + math.sqrt(0.5)) / 2)


@pytest.mark.parametrize(("decay", "end"), [("linear", 1e-4), ("cosine", 1e-4), ("none", 2e-3)])
def test_ends_at_the_floor(decay: str, end: float) -> None:
    config = TrainingConfig(learning_rate=2e-3, warmup_steps=100, decay=decay, decay_start=0.4, decay_floor=0.05)
    assert learning_rate(config, 5000, 1.0) == pytest.approx(end)
    # The last step of a timed run may be a little late.
    assert learning_rate(config, 5000, 1.3) == pytest.approx(end)


@pytest.mark.parametrize("decay", DECAYS)
@pytest.mark.parametrize("decay_start", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("decay_floor", [0.0, 0.1, 1.0])
def test_rises_and_falls_once_within_its_bounds(decay: str, decay_start: float, decay_floor: float) -> None:
    config = TrainingConfig(
        learning_rate=1e-3, warmup_steps=0, decay=decay, decay_start=decay_start, decay_floor=decay_floor
    )
    falling = rates(config, 500)
    assert all(later <= earlier for earlier, later in itertools.pairwise(falling))
    assert falling[0] == pytest.approx(1e-3)
    assert falling[-1] == pytest.approx(1e-3 if decay == "none" or decay_start == 1 else 1e-3 * decay_floor)
    assert min(falling) >= 0

    warmed = rates(dataclasses.replace(config, warmup_steps=50), 500)
    peak = warmed.index(max(warmed))
    assert all(later >= earlier for earlier, later in itertools.pairwise(warmed[: peak + 1]))
    assert all(later <= earlier for earlier, later in itertools.pairwise(warmed[peak:]))
    assert warmed[49:] == falling[49:]


@pytest.mark.parametrize("decay", ["linear", "cosine"])
def test_decay_is_continuous(decay: str) -> None:
    config = TrainingConfig(learning_rate=1.0, warmup_steps=0, decay=decay, decay_start=0.2, decay_floor=0.02)
    assert max(earlier - later for earlier, later in itertools.pairwise(rates(config, 1000))) < 0.002
