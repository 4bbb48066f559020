"""RNN, LSTM and GRU side by side: what they remember, what they learn from a text, how gradients reach back."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from nlpseq.data.memory_problems import PROBLEMS, MemoryProblem
from nlpseq.pipeline.cell_effects import EFFECTS, EffectPlan
from nlpseq.pipeline.cell_sizes import equal_units
from nlpseq.pipeline.memory_training import CellSetup, MemoryPlan, chosen_rate, train_memory
from nlpseq.pipeline.text_training import TextPlan, TextTraining
from nlpseq.pipeline.timed_work import TimedWork
from nlpseq.report.comparison_facts import CELLS, Comparison, Effect, MemoryFacts, MemoryRun, TextCell, TextRun, Variant
from nlpseq.training.display import Display
from nlpseq.training.strategy import make_strategy

_MEMORY = MemoryPlan((10, 50, 100, 200), steps=2400, probe_lag=100)

_NOMINAL_MINUTES = {"memory": 4.5, "text": 3.5, "effects": 1.0}  # of two cores
PARTS = tuple(_NOMINAL_MINUTES)
_SWEEP_HELD_OUT = 16  # sequences: a rate is chosen by its loss
_REPORT_SHARE = 0.1  # of the time, kept for what is not training
_COSTS = {"rnn": 6.0, "lstm": 9.0, "gru": 9.0}  # milliseconds of a memory problem's step
_TEXT_COST = 25.0  # milliseconds of a step on text


@dataclass(frozen=True)
class ComparisonPlan:
    """What is compared, and how long.

    Attributes:
        text: the text, and how long each cell trains on it.
        problems: that need memory.
        memory: lags and steps of the memory problems.
        sweep_steps: of a memory problem, with each learning rate that is tried.
        rates: the learning rates that are tried on memory problems.
        units: of the layer on memory problems.
        effects: the experiments that change one thing.
        seeds: of the runs.
        parts: some of `PARTS`.
        minutes: of the whole comparison, in processor time divided by the number of cores; training ends a little
            before, wherever it is.
    """

    text: TextPlan
    problems: tuple[MemoryProblem, ...] = PROBLEMS
    memory: MemoryPlan = _MEMORY
    sweep_steps: int = 250
    rates: tuple[float, ...] = (1e-3, 3e-3, 1e-2)
    units: int = 64
    effects: tuple[EffectPlan, ...] = EFFECTS
    seeds: tuple[int, ...] = (1, 2, 3)
    parts: tuple[str, ...] = PARTS
    minutes: float = 10.0


def planned(data: str, *, minutes: float, seeds: int, parts: Sequence[str]) -> ComparisonPlan:
    """Returns the plan that fits into the minutes on two cores.

    Args:
        data: a SPEC of text.
        minutes: of the whole comparison.
        seeds: how many runs of everything.
        parts: some of `PARTS`.
    """
    parts = tuple(part for part in PARTS if part in parts)
    whole = ComparisonPlan(TextPlan(data), seeds=tuple(range(1, seeds + 1)), parts=parts, minutes=minutes)
    # Fewer seeds leave each more time; the sweep has one seed anyway.
    nominal = sum(_NOMINAL_MINUTES[part] for part in parts) * (0.25 + 0.25 * seeds)
    factor = minutes * (1 - _REPORT_SHARE) / nominal

    def scaled(steps: int) -> int:
        return max(10, round(steps * factor))

    return dataclasses.replace(
        whole,
        text=dataclasses.replace(
            whole.text, steps=scaled(whole.text.steps), sweep_steps=scaled(whole.text.sweep_steps)
        ),
        memory=dataclasses.replace(whole.memory, steps=scaled(whole.memory.steps)),
        sweep_steps=scaled(whole.sweep_steps),
        effects=tuple(
            dataclasses.replace(effect, plan=dataclasses.replace(effect.plan, steps=scaled(effect.plan.steps)))
            for effect in whole.effects
        ),
    )


def compare_cells(plan: ComparisonPlan, display: Display) -> Comparison:
    """Trains RNN, LSTM and GRU on everything that the plan names, and measures them.

    Args:
        plan: what and how long.
        display: shows how far it is.

    Raises:
        UserError: the text cannot be read or is too short.
    """
    make_strategy(1)
    started, processor = time.perf_counter(), time.process_time()
    with TimedWork(plan.minutes * (1 - _REPORT_SHARE), display, "comparing") as work:
        text = _TextPart(plan, work) if "text" in plan.parts else None
        memory = _MemoryPart(plan, work) if "memory" in plan.parts else None
        effects = [(effect, _effect_runs(effect, plan, work)) for effect in plan.effects if "effects" in plan.parts]
        for part in (memory, text):
            if part is not None:
                part.train()
        return Comparison(
            data=plan.text.data,
            seeds=plan.seeds,
            minutes=plan.minutes,
            memory=[] if memory is None else memory.facts(),
            text=[] if text is None else text.facts(),
            effects=[_effect_facts(effect, runs) for effect, runs in effects],
            stopped=work.stopped,
            seconds=time.perf_counter() - started,
            processor_seconds=time.process_time() - processor,
        )


class _MemoryPart:
    """All problems, cells and seeds. Learning rates are tried at once; :meth:`train` goes on with the best."""

    def __init__(self, plan: ComparisonPlan, work: TimedWork) -> None:
        self._plan, self._work = plan, work
        self._setups, self._sweeps = {}, {}
        self._runs: dict[str, list[Future[MemoryRun]]] = {problem.name: [] for problem in plan.problems}
        sweep = dataclasses.replace(plan.memory, steps=plan.sweep_steps, held_out=_SWEEP_HELD_OUT, probe_lag=0)
        for problem in plan.problems:
            for cell, units in equal_units(plan.units, problem.features, problem.classes or 1).items():
                setup = self._setups[problem.name, cell] = CellSetup(cell, units)
                steps = plan.sweep_steps * len(plan.rates) + plan.memory.steps * len(plan.seeds)
                work.expect(steps * _COSTS[cell])
                self._sweeps[problem.name, cell] = work.do(
                    _COSTS[cell], chosen_rate, problem, setup, sweep, plan.rates, plan.seeds[0]
                )

    def train(self) -> None:
        for problem in self._plan.problems:
            for cell in CELLS:
                rate, _ = self._sweeps[problem.name, cell].result()
                setup = dataclasses.replace(self._setups[problem.name, cell], learning_rate=rate)
                self._runs[problem.name] += [
                    self._work.do(_COSTS[cell], train_memory, problem, setup, self._plan.memory, seed)
                    for seed in self._plan.seeds
                ]

    def facts(self) -> list[MemoryFacts]:
        return [
            MemoryFacts(
                problem=problem.name,
                summary=problem.summary,
                chance=problem.chance,
                lags=self._plan.memory.lags,
                probe_lag=self._plan.memory.probe_lag,
                runs=[run.result() for run in self._runs[problem.name]],
                rates={cell: self._sweeps[problem.name, cell].result()[1] for cell in CELLS},
            )
            for problem in self._plan.problems
        ]


class _TextPart:
    """All cells and seeds on a text, in the same way."""

    def __init__(self, plan: ComparisonPlan, work: TimedWork) -> None:
        self._plan, self._work, self._training = plan, work, TextTraining(plan.text)
        self._speeds = self._training.tokens_per_second()
        slowest = min(self._speeds.values())
        self._steps = {cell: round(plan.text.steps * speed / slowest) for cell, speed in self._speeds.items()}
        every = len(plan.text.rates) * len(CELLS) * plan.text.sweep_steps + len(plan.seeds) * sum(self._steps.values())
        work.expect(every * _TEXT_COST)
        self._sweeps = {
            cell: {
                rate: work.do(_TEXT_COST, self._training.sweep, cell, rate, plan.seeds[0]) for rate in plan.text.rates
            }
            for cell in CELLS
        }
        self._rates: dict[str, float] = {}
        self._runs: dict[str, list[Future[TextRun]]] = {}

    def train(self) -> None:
        for cell in CELLS:
            nats = {rate: tried.result() for rate, tried in self._sweeps[cell].items()}
            self._rates[cell] = min(nats, key=lambda rate: nats[rate])
            self._runs[cell] = [
                self._work.do(_TEXT_COST, self._training.train, cell, seed, self._rates[cell], self._steps[cell])
                for seed in self._plan.seeds
            ]

    def facts(self) -> list[TextCell]:
        facts = []
        for cell in CELLS:
            facts.append(
                TextCell(
                    cell=cell,
                    units=self._training.units[cell],
                    weights=self._training.weights(cell),
                    learning_rate=self._rates[cell],
                    rates={rate: nats.result() for rate, nats in self._sweeps[cell].items()},
                    tokens_per_second=self._speeds[cell],
                    runs=[run.result() for run in self._runs[cell]],
                )
            )
        return facts


def _effect_runs(effect: EffectPlan, plan: ComparisonPlan, work: TimedWork) -> dict[str, list[Future[MemoryRun]]]:
    work.expect(effect.plan.steps * len(plan.seeds) * sum(_COSTS[setup.cell] for setup in effect.setups.values()))
    return {
        label: [
            work.do(_COSTS[setup.cell], train_memory, effect.problem, setup, effect.plan, seed) for seed in plan.seeds
        ]
        for label, setup in effect.setups.items()
    }


def _effect_facts(effect: EffectPlan, runs: dict[str, list[Future[MemoryRun]]]) -> Effect:
    variants = [Variant(label, [run.result() for run in of_label]) for label, of_label in runs.items()]
    return Effect(effect.name, effect.title, effect.setting, effect.clip_norm, variants)
