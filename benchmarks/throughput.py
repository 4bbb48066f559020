"""Many lines through the command line as people run it: how many a second, in how much memory, and in which order."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from statistics import median
from typing import IO

from benchmarks import memory
from benchmarks.race import WorkerError, in_order
from benchmarks.report import markdown
from benchmarks.worker import processor_seconds
from nlpseq.errors import UserError

_COMMANDS = {"translation": "translate", "sentiment": "classify"}  # those that read lines
_MARKS = (0.25, 0.5, 1.0)  # parts of the lines after which memory is looked at


@dataclass(frozen=True)
class Run:
    """Of the command line over all lines.

    Attributes:
        seconds: from the start of the process to its end.
        cpu_seconds: that it computed, on all cores.
        resident: bytes held after each of the marks' part of the lines.
        peak: bytes.
        digest: of all that came out.
        others_share: part of the machine's processors that other processes took meanwhile.
    """

    seconds: float
    cpu_seconds: float
    resident: tuple[int, ...]
    peak: int
    digest: str
    others_share: float


def command(task: str, model: str, texts: Path, jobs: int) -> list[str]:
    """The command line that answers the lines of a file.

    Raises:
        UserError: of this task none does.
    """
    if task not in _COMMANDS:
        raise UserError(f"no command reads lines for a {task} model: give one of {', '.join(_COMMANDS)}")
    call = "import sys; from nlpseq.cli import main; main()"
    options = ["--model", model, "--input", str(texts), "--jobs", str(jobs)]
    return [sys.executable, "-c", call, _COMMANDS[task], *options]


def repeated(texts: Sequence[str], count: int) -> list[str]:
    """So many lines: the texts, again and again where they are fewer."""
    return list(itertools.islice(itertools.cycle(texts), count))


def run(arguments: Sequence[str], lines: int) -> Run:
    """Runs the command, which writes a line for each that it reads.

    Raises:
        WorkerError: it ended with an error, or wrote another number of lines.
    """
    begun, before = time.perf_counter(), processor_seconds()
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        count, digest, resident, peak = read(process.stdout, lines, lambda: _memory(process.pid))
        said = process.stderr.read().decode("utf-8", "replace")
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds, after = time.perf_counter() - begun, processor_seconds()
    if process.returncode or count != lines:
        raise WorkerError(f"{count} lines of {lines}, status {process.returncode}:\n{said[-4000:].strip()}")
    cpu_seconds = used.ru_utime + used.ru_stime
    own, everybody, whole = (late - early for late, early in zip(after, before, strict=True))
    others = max(0.0, everybody - own - cpu_seconds) / whole if whole else 0.0
    return Run(seconds, cpu_seconds, resident, peak, digest, others)


def read(stream: IO[bytes], lines: int, held: Callable[[], tuple[int, int]]) -> tuple[int, str, tuple[int, ...], int]:
    """Reads all that is written.

    Args:
        lines: that should come.
        held: asked after each part of them for the memory held now and at most.

    Returns:
        How many came, a digest of them, what was held after each part, and the most that was.
    """
    marks = {max(1, round(part * lines)) for part in _MARKS}
    digest, resident, peak, count = blake2b(digest_size=16), [], 0, 0
    for line in stream:
        digest.update(line)
        count += 1
        if count in marks:
            now, most = held()
            resident.append(now)
            peak = max(peak, most)
    return count, digest.hexdigest(), tuple(resident), peak


def _memory(process: int) -> tuple[int, int]:
    return memory.resident_bytes(process), memory.peak_bytes(process)


def measure(jobs: Sequence[int], rounds: int, once: Callable[[int], Run]) -> dict[int, list[Run]]:
    """Runs with so many jobs each, in an order that alternates from round to round."""
    found: dict[int, list[Run]] = {count: [] for count in jobs}
    for number in range(rounds):
        for name in in_order([str(count) for count in jobs], number):
            found[int(name)].append(once(int(name)))
    return found


def table(found: Mapping[int, Sequence[Run]], lines: int) -> str:
    """Medians over rounds as a Markdown table."""
    first = next(iter(found.values()))
    head = ["jobs", "lines/s", "to the first", "processor ms a line", "peak MB"]
    head += [f"MB at {100 * part:.0f} %" for part in _MARKS] + ["output"]
    cells = []
    for jobs, own in found.items():
        rate = median(lines / one.seconds for one in own)
        ratio = median(other.seconds / one.seconds for one, other in zip(own, first, strict=True))
        held = [f"{median(sizes) / 1e6:,.0f}" for sizes in zip(*(one.resident for one in own), strict=True)]
        same = {one.digest for one in own} == {first[0].digest}
        numbers = [f"{rate:,.0f}", f"{ratio:.2f}", f"{1e3 * median(one.cpu_seconds for one in own) / lines:.2f}"]
        peak = f"{max(one.peak for one in own) / 1e6:,.0f}"
        cells.append([str(jobs), *numbers, peak, *held, "the same" if same else "ANOTHER"])
    shares = [one.others_share for own in found.values() for one in own]
    return (
        f"{markdown(head, cells)}\nOther processes took {100 * median(shares):.0f} % of the processors meanwhile "
        f"(median; at most {100 * max(shares):.0f} %).\n"
    )
