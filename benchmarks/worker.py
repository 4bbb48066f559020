"""A contender in a process of its own, so that no thread pool meets another's; it trains when it is told to.

``python -m benchmarks.worker CONTENDER WORKLOAD`` reads a number of steps a line, and answers each with a line of JSON:
the seconds that they took, their tokens, operations and last loss, the process's memory, and how busy others were. The
first line, before anything is asked, says that the contender stands.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import workload as workloads
from benchmarks.workload import Workload


def contender_step(name: str, workload: Any) -> Callable[[int], float]:
    """The contender's training step: its number in, the mean loss out."""
    if name == "pytorch":
        from benchmarks import pytorch_contenders

        return pytorch_contenders.pytorch(workload)
    from benchmarks import tensorflow_contenders

    functions: dict[str, Callable[[Any], Callable[[int], float]]] = {
        "nlpseq": tensorflow_contenders.nlpseq,
        "keras": tensorflow_contenders.keras_threads,
        "keras-jit": tensorflow_contenders.keras_jit,
        "keras-replicas": tensorflow_contenders.keras_replicas,
        "gemm": tensorflow_contenders.gemm,
    }
    return functions[name](workload)


def turn(step: Callable[[int], float], workload: Workload, first: int, count: int) -> dict[str, float]:
    """Trains ``count`` steps and says what was done in which time."""
    numbers = range(first, first + count)
    loss = float("nan")
    begin, before = time.perf_counter(), processor_seconds()
    for number in numbers:
        loss = step(number)
    seconds, after = time.perf_counter() - begin, processor_seconds()
    own, everybody, whole = (late - early for late, early in zip(after, before, strict=True))
    return {
        "seconds": seconds,
        "tokens": sum(map(workload.tokens, numbers)),
        "operations": sum(map(workload.operations, numbers)),
        "loss": loss,
        "peak_bytes": peak_bytes(),
        "others_share": max(0.0, everybody - own) / whole if whole else 0.0,
    }


def peak_bytes() -> int:
    """The most memory that this process has held."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def processor_seconds() -> tuple[float, float, float]:
    """What this process took, what all took, and what there was on all cores; the latter two 0 except on Linux."""
    own = sum(os.times()[:2])
    try:
        line = Path("/proc/stat").read_text().partition("\n")[0]
    except OSError:
        return own, 0.0, 0.0
    ticks = [int(text) for text in line.split()[1:9]]
    idle = ticks[3] + ticks[4]
    per_second = os.sysconf("SC_CLK_TCK")
    return own, (sum(ticks) - idle) / per_second, sum(ticks) / per_second


def main() -> None:
    # The libraries may print what they like; answers go where only the parent reads.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(value: dict[str, float]) -> None:
        print(json.dumps(value), file=answers, flush=True)

    name, workload = sys.argv[1], workloads.from_json(json.loads(sys.argv[2]))
    step = contender_step(name, workload)
    answer({"peak_bytes": peak_bytes()})
    done = 0
    for line in sys.stdin:
        answer(turn(step, workload, done, int(line)))
        done += int(line)


if __name__ == "__main__":
    main()
