"""Random calls to an exported file, in a process of its own, so that a crash names the input that made it.

``python -m benchmarks.fuzz FILE NOTE ORDER`` makes the calls; ORDER is a JSON object (:class:`Order`). Before each call
the input's number is written to NOTE, memory that outlives the process; a number and the seed give the input again.
"""

from __future__ import annotations

import json
import mmap
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import fuzz_checks, memory
from benchmarks.fuzz_checks import Sizes
from benchmarks.fuzz_inputs import Input, Inputs
from benchmarks.report import markdown
from nlpseq.errors import UserError
from nlpseq.runtime.litert import ExportedFile
from nlpseq.runtime.predictor import predictor_for

_ROOT = Path(__file__).parent.parent
_REPEATED = 0.02  # part of the calls that are made again later
_SAY_SECONDS = 5.0
_HANG_SECONDS = 120.0
_SHOWN = 20  # problems
_MOST_CRASHES = 10
_GROWTH, _GROWN_BYTES = 1.1, 10e6  # of memory, that a run may show


@dataclass(frozen=True)
class Order:
    """Which calls to make.

    Attributes:
        first, stop: numbers of the inputs, the last one left out.
        seconds: after which to end early.
    """

    seed: int
    first: int
    stop: int
    seconds: float


@dataclass
class Count:
    """Calls of a target.

    Attributes:
        slowest_ms: of the processor's time, with the input's number.
    """

    calls: int = 0
    total_ms: float = 0.0
    slowest_ms: float = 0.0
    slowest: int = -1

    def add(self, other: Count) -> None:
        self.calls += other.calls
        self.total_ms += other.total_ms
        if other.slowest_ms > self.slowest_ms:
            self.slowest_ms, self.slowest = other.slowest_ms, other.slowest


@dataclass
class Found:
    """What came of a run.

    Attributes:
        counts: by target.
        problems: an input's number and what was wrong, the first of them.
        wrong: how many inputs had a problem.
        memory: after so many calls, so many bytes.
        crashes: an input's number, and how the process ended.
    """

    counts: dict[str, Count] = field(default_factory=dict)
    problems: list[tuple[int, str]] = field(default_factory=list)
    wrong: int = 0
    memory: list[tuple[int, int]] = field(default_factory=list)
    crashes: list[tuple[int, str]] = field(default_factory=list)

    @property
    def calls(self) -> int:
        return sum(count.calls for count in self.counts.values())


class Caller:
    """Makes calls and checks what comes out."""

    def __init__(self, file: Path) -> None:
        self.model = ExportedFile(file)
        self._predictor = predictor_for(self.model)
        metadata = self.model.metadata
        pieces = len(metadata.pieces), len(metadata.target_pieces or metadata.pieces)
        self._sizes = {name: Sizes(sizes, *pieces) for name, sizes in metadata.signatures.items()}

    def call(self, given: Input) -> tuple[Any, list[str]]:
        """The answer, and what is wrong with it."""
        try:
            if isinstance(given.text, bytes):
                outputs = self.model.call(given.target, given.text, **given.numbers)
                return outputs, fuzz_checks.problems(given, outputs, self._sizes[given.target])
            answer = getattr(self._predictor, given.target.partition(".")[2])(given.text, **given.numbers)
            return answer, fuzz_checks.said_problems(given, answer)
        except UserError as error:
            nothing = given.target == "Generator.score" and not str(given.text).strip("\0")
            return None, [] if nothing else [f"refused: {error}"]
        except Exception as error:
            return None, [f"{type(error).__name__}: {error}"]


def run(
    inputs: Inputs,
    call: Callable[[Input], tuple[Any, list[str]]],
    order: Order,
    note: Callable[[int], None],
    say: Callable[[dict[str, Any]], None],
) -> None:
    """Makes the calls.

    Args:
        call: an input to its answer and what is wrong with it.
        note: gets the number of each input before it is used.
        say: gets what came since the last time it was called.
    """
    begun = said = time.monotonic()
    found, earlier = Found(), Earlier()
    for number in range(order.first, order.stop):
        note(number)
        given = inputs[number]
        computed = time.process_time()
        answer, wrong = call(given)
        milliseconds = 1000 * (time.process_time() - computed)
        found.counts.setdefault(given.target, Count()).add(Count(1, milliseconds, milliseconds, number))
        wrong += earlier.compare(number, given, answer, call)
        if wrong:
            found.wrong += 1
            found.problems += [(number, problem) for problem in wrong][: _SHOWN - len(found.problems)]
        now = time.monotonic()
        over = order.seconds and now - begun > order.seconds
        if now - said > _SAY_SECONDS or over or number + 1 == order.stop:
            say({**asdict(found), "done": number + 1, "resident": memory.resident_bytes()})
            found, said = Found(), now
        if over:
            return


class Earlier:
    """Keeps some calls, and makes them again after others: the answer must be the same."""

    def __init__(self) -> None:
        self._kept: tuple[int, Input, Any] | None = None

    def compare(
        self, number: int, given: Input, answer: Any, call: Callable[[Input], tuple[Any, list[str]]]
    ) -> list[str]:
        """Keeps this call or makes the kept one again; what is not the same."""
        if number % round(0.5 / _REPEATED) or answer is None:
            return []
        if self._kept is None:
            self._kept = number, given, answer
            return []
        before, first, expected = self._kept
        self._kept = None
        again, _ = call(first)
        return [] if _same(again, expected) else [f"input {before} gives another answer when it is called again"]


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(np.array_equal(value, other[name]) for name, value in one.items())
    return type(one) is type(other) and getattr(one, "text", "") == getattr(other, "text", "")


class Note:
    """A number in a file that two processes see; it is there also when one of them has crashed."""

    def __init__(self, file: Path) -> None:
        if not file.exists():
            file.write_bytes(bytes(8))
        with open(file, "r+b") as stream:
            self._memory = mmap.mmap(stream.fileno(), 8)

    def write(self, number: int) -> None:
        self._memory[:] = struct.pack("<q", number)

    def read(self) -> int:
        return struct.unpack("<q", self._memory[:])[0]


def fuzz(file: Path, order: Order, folder: Path, say: Callable[[str], None]) -> Found:
    """Makes the calls in a process of their own, and in another one where that has crashed; an interrupt ends it.

    Args:
        folder: for what is known when it crashes.
        say: gets a line of progress now and then, and each problem.
    """
    note, found, first = Note(folder / "note"), Found(), order.first
    inputs = Inputs(ExportedFile(file), order.seed)
    begun = time.monotonic()
    while first < order.stop and len(found.crashes) < _MOST_CRASHES:
        left = order.seconds and max(0.1, order.seconds - (time.monotonic() - begun))
        note.write(first)
        process = _start(file, folder, Order(order.seed, first, order.stop, left))
        try:
            for report in _reports(process, note):
                _take(found, report)
                for number, problem in report["problems"]:
                    say(f"input {number}: {problem}\n  {inputs[number]}")
                done, resident = report["done"] - order.first, report["resident"] / 1e6
                rate = done / (time.monotonic() - begun)
                say(f"{done:,} of {order.stop - order.first:,}, {rate:,.0f} a second, {resident:,.0f} MB")
            status = process.wait()
        except KeyboardInterrupt:
            process.kill()
            process.wait()
            break
        if status == 0:
            break
        number = note.read()
        found.crashes.append((number, _ending(status, (folder / "stderr").read_bytes())))
        say(f"input {number}: {found.crashes[-1][1]}\n  {inputs[number]}")
        first = number + 1
    return found


def _start(file: Path, folder: Path, order: Order) -> subprocess.Popen[str]:
    arguments = str(file.resolve()), str(folder / "note"), json.dumps(asdict(order))
    with open(folder / "stderr", "wb") as said:
        return subprocess.Popen(
            [sys.executable, "-X", "faulthandler", "-m", "benchmarks.fuzz", *arguments],
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
            cwd=_ROOT,
        )


def _reports(process: subprocess.Popen[str], note: Note) -> Iterator[dict[str, Any]]:
    """What the process says; it is ended where it stays at one input for too long."""

    def watch() -> None:
        patience = Patience(_HANG_SECONDS)
        while process.poll() is None:
            if patience.over(note.read(), running=memory.is_running(process.pid)):
                process.kill()
            time.sleep(1)

    threading.Thread(target=watch, daemon=True).start()
    assert process.stdout is not None
    yield from map(json.loads, process.stdout)


class Patience:
    """Counts how often a process is seen at the same input, once a second; not while it, or who counts, is stopped."""

    def __init__(self, looks: float) -> None:
        self._looks, self._last, self._seen = looks, -1, 0

    def over(self, number: int, *, running: bool) -> bool:
        """Whether it has been seen there too often."""
        if number != self._last:
            self._last, self._seen = number, 0
        self._seen += running
        return self._seen > self._looks


def _take(found: Found, report: dict[str, Any]) -> None:
    for target, count in report["counts"].items():
        found.counts.setdefault(target, Count()).add(Count(**count))
    found.problems += [(number, problem) for number, problem in report["problems"]][: _SHOWN - len(found.problems)]
    found.wrong += report["wrong"]
    found.memory.append((found.calls, report["resident"]))


def _ending(status: int, said: bytes) -> str:
    if status == -signal.SIGKILL:
        return f"hung for {_HANG_SECONDS:.0f} s, or was killed"
    name = signal.Signals(-status).name if status < 0 else f"status {status}"
    return f"ended with {name}: {said.decode('utf-8', 'replace')[-1500:].strip()}"


def summary(file: Path, order: Order, found: Found) -> str:
    """The run as Markdown: what was called, how long it took, what was wrong."""
    inputs = Inputs(ExportedFile(file), order.seed)
    head = ["called", "calls", "mean ms", "slowest ms", "slowest input"]
    lines = [
        [
            target,
            f"{count.calls:,}",
            f"{count.total_ms / count.calls:.2f}",
            f"{count.slowest_ms:.1f}",
            str(count.slowest),
        ]
        for target, count in sorted(found.counts.items())
    ]
    text = f"## {file.name}, seed {order.seed}\n\n{markdown(head, lines)}\nTimes are of the processor.\n"
    if found.calls + len(found.crashes) < order.stop - order.first:
        text += f"The run ended early, after {found.calls:,} of {order.stop - order.first:,} calls.\n"
    if found.memory:
        text += f"Memory: {flatness(found.memory)}.\n"
    text += f"\n{len(found.crashes)} crashes or hangs, {found.wrong} inputs with wrong answers.\n"
    problems = Counter(problem.split(":")[0] for _, problem in found.problems)
    text += "".join(f"- {problem} ({count} of those shown)\n" for problem, count in problems.items())
    for number, what in (*found.crashes, *found.problems):
        text += f"\ninput {number}: {what}\n  {inputs[number]}\n"
    return text


def flatness(sizes: Sequence[tuple[int, int]]) -> str:
    """How much memory there was after a tenth of the calls, after half and at the end, and whether it grew."""
    text = ", ".join(f"{held_after(sizes, part) / 1e6:,.0f} MB after {100 * part:.0f} %" for part in (0.1, 0.5, 1.0))
    return f"{text}: it grows" if grows(sizes) else text


def grows(sizes: Sequence[tuple[int, int]]) -> bool:
    """Whether the last nine tenths of the calls took more memory than some full buffers explain."""
    return held_after(sizes, 1.0) > _GROWTH * held_after(sizes, 0.1) + _GROWN_BYTES if sizes else False


def held_after(sizes: Sequence[tuple[int, int]], part: float) -> int:
    """Bytes, after this part of the calls; sizes are given after so many calls each."""
    return next(held for calls, held in sizes if calls >= part * sizes[-1][0])


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def say(report: dict[str, Any]) -> None:
        print(json.dumps(report), file=answers, flush=True)

    file, note, order = Path(sys.argv[1]), Note(Path(sys.argv[2])), Order(**json.loads(sys.argv[3]))
    caller = Caller(file)
    run(Inputs(caller.model, order.seed), caller.call, order, note.write, say)


if __name__ == "__main__":
    main()
