"""Contenders take turns, one at a time, in alternating order, so that what else the machine does hits all of them."""

from __future__ import annotations

import contextlib
import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks import workload as workloads
from benchmarks.workload import Workload

_ROOT = Path(__file__).parent.parent
_STEADY = 1.05  # a warm-up goes on while a turn is faster than all before by more than this
_WARM_UP_TURNS = 6
_PROBE_STEPS = 3


class WorkerError(Exception):
    """A contender's process ended; the message holds the end of what it said."""


@dataclass(frozen=True)
class Turn:
    """What a worker answers.

    Attributes:
        operations: of the matrix products that these steps hold.
        loss: the last step's, in nats.
        peak_bytes: the most memory that the process has held so far.
        others_share: part of the machine's processors that other processes took meanwhile.
    """

    seconds: float
    tokens: float
    operations: float
    loss: float
    peak_bytes: int
    others_share: float = 0.0

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / self.seconds

    @property
    def operations_per_second(self) -> float:
        return self.operations / self.seconds


class Worker:
    """A contender's process.

    Args:
        contender: its name, see :mod:`benchmarks.worker`.
        workload: what it trains on.
    """

    def __init__(self, contender: str, workload: Workload) -> None:
        self.contender = contender
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", contender, json.dumps(workloads.to_json(workload))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
            cwd=_ROOT,
        )

    def wait_until_ready(self) -> None:
        self._answer()

    def train(self, steps: int) -> Turn:
        """Trains on from where the last turn ended."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # then there is no answer either
            print(steps, file=self._process.stdin, flush=True)
        return Turn(**self._answer())

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            self._said.seek(0)
            said = self._said.read().decode("utf-8", "replace")[-4000:].strip()
            raise WorkerError(f"{self.contender} ended with status {self._process.returncode}:\n{said}")
        return json.loads(line)

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()
        self._said.close()


class Race:
    """Workers that stand side by side for the length of a ``with`` block.

    Args:
        entries: a workload for each name that results will have; the name is the contender's up to an "@".
    """

    def __init__(self, entries: Mapping[str, Workload]) -> None:
        self.workers = {name: Worker(name.partition("@")[0], workload) for name, workload in entries.items()}

    def __enter__(self) -> Race:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        for worker in self.workers.values():
            worker.close()

    def run(self, rounds: int, turn_seconds: float, *, same_steps: bool) -> dict[str, list[Turn]]:
        """Warms all up until they are steady, then lets them take turns.

        Args:
            rounds: turns of each.
            turn_seconds: how long a turn should take about.
            same_steps: everybody but "gemm" trains equally many steps, so that losses may be compared; a turn of the
                slowest then takes at most twice ``turn_seconds``, and of the fastest at least half, if these agree.

        Returns:
            For each worker its turns, in the order of rounds.
        """
        for worker in self.workers.values():
            worker.wait_until_ready()
        steps = self._turn_steps(turn_seconds, same_steps=same_steps)
        self._warm_up(steps)
        turns: dict[str, list[Turn]] = {name: [] for name in self.workers}
        for number in range(rounds):
            for name in in_order(list(self.workers), number):
                turns[name].append(self.workers[name].train(steps[name]))
        return turns

    def _turn_steps(self, turn_seconds: float, *, same_steps: bool) -> dict[str, int]:
        seconds = {}
        for name, worker in self.workers.items():
            worker.train(_PROBE_STEPS)  # traces and compiles
            seconds[name] = worker.train(_PROBE_STEPS).seconds / _PROBE_STEPS
        if same_steps:
            others = [value for name, value in seconds.items() if name != "gemm"]
            typical = math.exp(sum(map(math.log, others)) / len(others))
            seconds = {name: value if name == "gemm" else typical for name, value in seconds.items()}
        return {name: max(1, round(turn_seconds / value)) for name, value in seconds.items()}

    def _warm_up(self, steps: Mapping[str, int]) -> None:
        """Everybody goes on until everybody is steady, so that all have trained equally long."""
        best = dict.fromkeys(self.workers, math.inf)
        for _ in range(_WARM_UP_TURNS):
            steady = True
            for name, worker in self.workers.items():
                turn = worker.train(max(1, steps[name] // 2))
                seconds = turn.seconds / max(1, steps[name] // 2)
                steady &= seconds * _STEADY > best[name]
                best[name] = min(best[name], seconds)
            if steady:
                return


def in_order(names: Sequence[str], number: int) -> list[str]:
    """Who trains when in this round: the order of rounds alternates, and so nobody always follows the same one."""
    return list(names) if number % 2 == 0 else list(reversed(names))
