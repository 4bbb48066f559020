"""A contender of ``latency`` in a process of its own.

``python -m benchmarks.latency_worker KIND PATH`` reads a call a line as JSON, and answers each with a line of JSON: the
seconds that it took, by the clock and of the processor, and what came out. The first line says that it stands.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any, Protocol

from benchmarks import memory
from benchmarks.worker import processor_seconds

_MEASURABLE = 0.2  # seconds between two looks at how busy others are: the clock of /proc/stat ticks 100 times a second


class Answerer(Protocol):
    """What every contender can be asked; the answer is what can be compared, "" where it is drawn at random.

    Attributes:
        facts: ``file_bytes``, what would be shipped, and maybe a ``note`` to print.
    """

    facts: dict[str, Any]

    def answer(self, do: str, text: str, **options: Any) -> str: ...


class Exported:
    """An exported file, by the calls that programs make."""

    def __init__(self, file: str) -> None:
        import nlpseq

        self._predictor = nlpseq.load(file)
        self.facts = {"file_bytes": Path(file).stat().st_size}

    def answer(self, do: str, text: str, **options: Any) -> str:
        if do == "translate":
            return self._predictor.translate(text, **options).text
        if do == "classify":
            return self._predictor.classify(text).label
        if do == "generate":
            self._predictor.generate(text, **options)
            return ""
        return f"{self._predictor.score(text)['nats_per_character']:.2f}"


def contender(kind: str, path: str) -> Answerer:
    """By the name of its kind: an exported file, or a twin's parts."""
    if kind == "exported":
        return Exported(path)
    from benchmarks import pytorch_inference

    return pytorch_inference.load(path, kind)


class Load:
    """How busy other processes are, over spans that are long enough to be told."""

    def __init__(self) -> None:
        self._before = processor_seconds()
        self._share = 0.0

    def share(self) -> float:
        """Part of all processors, over the last span."""
        after = processor_seconds()
        own, everybody, whole = (late - early for late, early in zip(after, self._before, strict=True))
        if whole > _MEASURABLE * (os.cpu_count() or 1):
            self._share = max(0.0, everybody - own) / whole
            self._before = after
        return self._share


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def say(value: dict[str, Any]) -> None:
        print(json.dumps(value), file=answers, flush=True)

    one = contender(sys.argv[1], sys.argv[2])
    say(one.facts)
    load = Load()
    for line in sys.stdin:
        call = json.loads(line)
        if call["do"] == "peak_bytes":
            say({"peak_bytes": memory.peak_bytes()})
            continue
        begin, computed = time.perf_counter(), time.process_time()
        said = one.answer(call["do"], call["text"], **call["options"])
        seconds, cpu_seconds = time.perf_counter() - begin, time.process_time() - computed
        say({"seconds": seconds, "cpu_seconds": cpu_seconds, "others_share": load.share(), "said": said})


if __name__ == "__main__":
    main()
