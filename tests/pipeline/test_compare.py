"""Cells side by side: the plan, and a comparison that is as small as can be."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from nlpseq.data.memory_problems import PROBLEMS
from nlpseq.pipeline.cell_sizes import equal_units
from nlpseq.pipeline.compare import ComparisonPlan, compare_cells, planned
from nlpseq.pipeline.memory_training import MemoryPlan
from nlpseq.pipeline.text_training import TextPlan
from nlpseq.pipeline.timed_work import TimedWork
from nlpseq.report.comparison_facts import CELLS, Comparison
from tests.pipeline.runs import Silent

TINY = MemoryPlan((4, 6), steps=6, rows=4, held_out=8, probe_lag=6)


@pytest.fixture(scope="module")
def comparison(corpus_file: Callable[[str], Path]) -> Comparison:
    whole = planned(str(corpus_file("char-lm")), minutes=1, seeds=1, parts=("memory", "text", "effects"))
    forget_bias = next(effect for effect in whole.effects if effect.name == "forget_bias")
    plan = dataclasses.replace(
        whole,
        text=TextPlan(whole.text.data, lstm_units=4, rows=2, length=8, steps=6, sweep_steps=2, rates=(1e-2,), probe=16),
        problems=PROBLEMS[:1],
        memory=TINY,
        sweep_steps=2,
        rates=(1e-2,),
        units=4,
        effects=(dataclasses.replace(forget_bias, plan=dataclasses.replace(TINY, probe_lag=0)),),
    )
    return compare_cells(plan, Silent())


def test_every_cell_is_measured_on_everything(comparison: Comparison) -> None:
    found = json.loads(json.dumps(comparison.as_json()))
    assert list(found["memory"]["copying"]) == list(CELLS)
    for cell in CELLS:
        assert list(found["memory"]["copying"][cell]) == ["4", "6"]
        assert all(0 <= share <= 1 for share in found["memory"]["copying"][cell].values())
        text = found["text"][cell]
        assert 0 < text["nats"] < 6
        assert text["tokens_per_second"] > 0
        assert len(text["gradient_norms"]) == 16
        assert text["gradient_norms"]["0"] > text["gradient_norms"]["15"]  # a cell that is hardly trained forgets
        assert list(text["singular_values"]["end"]) == ["1", "2", "4", "8"]
    assert len(found["effects"]["forget_bias"]) == 3
    assert comparison.stopped == 0


def test_all_cells_have_as_many_weights(comparison: Comparison) -> None:
    weights = [cell.weights for cell in comparison.text]
    assert max(weights) < 1.1 * min(weights)


def test_in_equal_time_the_quicker_cell_trains_longer(comparison: Comparison) -> None:
    by_speed = sorted(comparison.text, key=lambda cell: cell.tokens_per_second)
    steps = [cell.runs[0].timed_steps for cell in by_speed]
    assert steps == sorted(steps)
    assert steps[0] == 6
    for cell in by_speed:
        assert len(cell.runs[0].losses) == cell.runs[0].timed_steps


def test_units_for_equal_weights() -> None:
    # One layer of 64 units: 4 * 64 * (8 + 64 + 1) + 65 * 5 weights; an RNN has U * (8 + U + 1) + (U + 1) * 5.
    units = equal_units(64, 8, 5)
    wanted = 4 * 64 * 73 + 65 * 5
    assert units["lstm"] == 64
    assert abs(units["rnn"] * (units["rnn"] + 9) + 5 * (units["rnn"] + 1) - wanted) <= units["rnn"] + 7
    assert 64 < units["gru"] < units["rnn"]


def test_a_plan_grows_with_its_minutes_and_shrinks_with_its_seeds() -> None:
    def steps(**options: object) -> int:
        return planned("sample", **{"minutes": 10.0, "seeds": 3, "parts": ("memory",), **options}).memory.steps

    assert steps(minutes=5.0) == pytest.approx(steps() / 2, abs=1)
    assert steps(seeds=1) > steps() > steps(seeds=9)
    assert steps(parts=("memory", "text")) < steps()
    assert steps(minutes=1e-6) == 10
    assert planned("sample", minutes=10, seeds=2, parts=("text", "memory")).parts == ("memory", "text")
    assert ComparisonPlan(TextPlan("sample")).seeds == (1, 2, 3)


def test_work_ends_with_the_time() -> None:
    def endless(advance: Callable[[int], bool]) -> int:
        count = 0
        while advance(1):
            count += 1
        return count

    with TimedWork(0.0005, Silent(), "working") as work:
        work.expect(10)
        before = time.process_time()
        assert work.do(1.0, endless).result() > 0
        assert time.process_time() - before < 60
        assert work.stopped == 1


def test_work_that_fails_says_so() -> None:
    def fails(advance: Callable[[int], bool]) -> None:
        raise ZeroDivisionError

    with TimedWork(1, Silent(), "working") as work, pytest.raises(ZeroDivisionError):
        work.do(1.0, fails).result()
