"""What ``nlpseq compare`` has measured, as plain numbers."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

CELLS = ("rnn", "lstm", "gru")
_ALMOST_NOTHING = 1e-300
SOLVED = 0.95  # share of a held-out set from which a problem counts as solved


@dataclass(frozen=True)
class MemoryRun:
    """One training run on a problem that needs memory.

    Attributes:
        problem: such as "copying".
        cell: "rnn", "lstm" or "gru".
        seed: of the weights and the sequences.
        learning_rate: of Adam.
        weights: number of them.
        losses: after each step, in nats, or a squared error where the answer is a number.
        norms: of the gradient at each step, before it was clipped.
        checks: steps after which the held-out sets were asked, from 0 on.
        shares: by lag, the part of its held-out set that was solved at each check.
        gradients: "start", "middle" and "end" of the training: norm of the gradient of the loss with respect to the
            input k steps before the last.
    """

    problem: str
    cell: str
    seed: int
    learning_rate: float
    weights: int
    losses: list[float]
    norms: list[float]
    checks: list[int]
    shares: dict[int, list[float]]
    gradients: dict[str, list[float]] = field(default_factory=dict)

    def steps_until_solved(self, lag: int) -> int | None:
        """Returns the first check from which on the lag counts as solved; None if it never does."""
        return next((at for at, share in zip(self.checks, self.shares[lag], strict=True) if share >= SOLVED), None)

    def share(self, lag: int) -> float:
        """Returns the part of the lag's held-out set that was solved in the end."""
        return self.shares[lag][-1]


@dataclass(frozen=True)
class MemoryFacts:
    """Runs on a problem, all cells and seeds.

    Attributes:
        problem: such as "copying".
        summary: what must be done, in a sentence.
        chance: share that is solved without any memory.
        lags: ascending.
        probe_lag: at which gradients were measured.
        runs: all of them.
        rates: by cell, the learning rates that were tried for a while, and the loss that each reached.
    """

    problem: str
    summary: str
    chance: float
    lags: tuple[int, ...]
    probe_lag: int
    runs: list[MemoryRun]
    rates: dict[str, dict[float, float]]

    def of(self, cell: str) -> list[MemoryRun]:
        return [run for run in self.runs if run.cell == cell]


@dataclass(frozen=True)
class TextRun:
    """One training run on a text.

    Attributes:
        cell: "rnn", "lstm" or "gru".
        seed: of the weights.
        losses: after each step, in nats per character.
        equal_steps: steps that every cell trained.
        nats: per character of the validation part after those steps.
        timed_steps: steps in the time that the slowest cell took for its steps.
        timed_nats: per character of the validation part after those.
        gradients: "start", "middle" and "end" of the training: norm of the gradient of the last step's loss with
            respect to the input k steps before.
        jacobians: "start" and "end" of the training: the largest singular value of the derivative of the state by the
            state k steps before, by k.
        clipped: share of the steps whose gradient was clipped.
    """

    cell: str
    seed: int
    losses: list[float]
    equal_steps: int
    nats: float
    timed_steps: int
    timed_nats: float
    gradients: dict[str, list[float]]
    jacobians: dict[str, dict[int, float]]
    clipped: float


@dataclass(frozen=True)
class TextCell:
    """What holds for all runs of a cell on a text.

    Attributes:
        cell: "rnn", "lstm" or "gru".
        units: of its layer, so that all cells have as many weights.
        weights: of the whole model.
        learning_rate: chosen by the sweep.
        rates: of the sweep, with the validation loss that each reached.
        tokens_per_second: on one core, in training.
        runs: one for each seed.
    """

    cell: str
    units: int
    weights: int
    learning_rate: float
    rates: dict[float, float]
    tokens_per_second: float
    runs: list[TextRun]

    @property
    def nats(self) -> Spread:
        return Spread.of(run.nats for run in self.runs)

    @property
    def timed_nats(self) -> Spread:
        return Spread.of(run.timed_nats for run in self.runs)

    def gradient(self, when: str) -> list[float]:
        """Returns the mean over seeds of the gradient norms by lag."""
        return mean_by_place([run.gradients[when] for run in self.runs if when in run.gradients])

    def singular_values(self, when: str) -> dict[int, float]:
        """Returns the geometric mean over seeds of the largest singular values by lag."""
        measured = [run.jacobians[when] for run in self.runs]
        return {
            lag: math.exp(statistics.fmean(math.log(max(values[lag], _ALMOST_NOTHING)) for values in measured))
            for lag in measured[0]
        }


@dataclass(frozen=True)
class Variant:
    """One way to train in an experiment, with its runs.

    Attributes:
        label: such as "clipped at 1".
        runs: one for each seed.
    """

    label: str
    runs: list[MemoryRun]

    @property
    def share(self) -> Spread:
        """Mean over lags of the share that was solved in the end."""
        return Spread.of(statistics.fmean(run.share(lag) for lag in run.shares) for run in self.runs)


@dataclass(frozen=True)
class Effect:
    """An experiment that changes one thing.

    Attributes:
        name: such as "clipping".
        title: of its picture.
        setting: what was trained on what, in a sentence.
        clip_norm: the norm at which gradients were clipped.
        variants: what was compared.
    """

    name: str
    title: str
    setting: str
    clip_norm: float
    variants: list[Variant]


@dataclass(frozen=True)
class Comparison:
    """Everything that a comparison has measured.

    Attributes:
        data: the SPEC of the text.
        seeds: of all runs.
        minutes: that were planned.
        seconds: that it took.
        processor_seconds: of all cores together.
        stopped: how many runs the time ended early.
        memory: one entry for each problem.
        text: one entry for each cell.
        effects: experiments that change one thing.
    """

    data: str
    seeds: tuple[int, ...]
    minutes: float
    seconds: float
    processor_seconds: float
    stopped: int
    memory: list[MemoryFacts]
    text: list[TextCell]
    effects: list[Effect]

    def as_json(self) -> dict[str, Any]:
        """Returns what ``--json`` prints: ``memory`` and ``text`` by cell, and all that the report draws."""
        return _finite(
            {
                "memory": {
                    facts.problem: {
                        cell: {
                            str(lag): statistics.fmean(run.share(lag) for run in facts.of(cell))
                            for lag in facts.lags
                            if facts.of(cell)
                        }
                        for cell in CELLS
                    }
                    for facts in self.memory
                },
                "text": {
                    cell.cell: {
                        "nats": cell.nats.mean,
                        "weights": cell.weights,
                        "tokens_per_second": cell.tokens_per_second,
                        "gradient_norms": {str(lag): norm for lag, norm in enumerate(cell.gradient("end"))},
                        "nats_of_seeds": [run.nats for run in cell.runs],
                        "nats_in_equal_time": cell.timed_nats.mean,
                        "nats_in_equal_time_of_seeds": [run.timed_nats for run in cell.runs],
                        "units": cell.units,
                        "learning_rate": cell.learning_rate,
                        "learning_rates_tried": {str(rate): nats for rate, nats in cell.rates.items()},
                        "gradient_norms_in_training": {
                            when: {str(lag): norm for lag, norm in enumerate(cell.gradient(when))}
                            for when in ("start", "middle", "end")
                        },
                        "singular_values": {
                            when: {str(lag): value for lag, value in cell.singular_values(when).items()}
                            for when in ("start", "end")
                        },
                    }
                    for cell in self.text
                },
                "steps_until_solved": {
                    facts.problem: {
                        cell: {str(lag): [run.steps_until_solved(lag) for run in facts.of(cell)] for lag in facts.lags}
                        for cell in CELLS
                    }
                    for facts in self.memory
                },
                "effects": {
                    effect.name: {
                        variant.label: {
                            "share_solved": variant.share.mean,
                            "share_solved_of_seeds": list(variant.share.values),
                            "last_loss": statistics.fmean(last_loss(run) for run in variant.runs),
                            "largest_gradient_norm": max(max(run.norms) for run in variant.runs),
                            "share_above_clip_norm": statistics.fmean(
                                share_above(run.norms, effect.clip_norm) for run in variant.runs
                            ),
                        }
                        for variant in effect.variants
                    }
                    for effect in self.effects
                },
                "data": self.data,
                "seeds": list(self.seeds),
                "seconds": self.seconds,
                "processor_seconds": self.processor_seconds,
                "runs_stopped_by_the_time": self.stopped,
            }
        )


@dataclass(frozen=True)
class Spread:
    """Values of several seeds."""

    values: tuple[float, ...]

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        return cls(tuple(values))

    @property
    def mean(self) -> float:
        return statistics.fmean(self.values) if self.values else math.nan

    @property
    def smallest(self) -> float:
        return min(self.values, default=math.nan)

    @property
    def largest(self) -> float:
        return max(self.values, default=math.nan)

    @property
    def deviation(self) -> float:
        """The standard deviation; 0 of one value."""
        return statistics.stdev(self.values) if len(self.values) > 1 else 0.0


def mean_by_place(rows: Sequence[Sequence[float]]) -> list[float]:
    """Returns the mean of the first values, of the second ones and so on."""
    return [statistics.fmean(values) for values in zip(*rows, strict=False)]


def last_loss(run: MemoryRun) -> float:
    """Returns the mean loss of the last tenth of the steps; infinite once it is no number."""
    last = run.losses[-max(1, len(run.losses) // 10) :]
    return statistics.fmean(last) if all(map(math.isfinite, last)) else math.inf


def share_above(norms: Sequence[float], limit: float) -> float:
    """Returns the part of the norms that is larger than the limit, or no number."""
    return sum(not norm <= limit for norm in norms) / max(len(norms), 1)


def _finite(value: Any) -> Any:
    """JSON has no word for what is no number or infinite: it becomes null."""
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
