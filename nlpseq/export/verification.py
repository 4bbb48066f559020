"""The proof that goes with an exported file: examples to replay, milliseconds, memory."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nlpseq.export.inspection import ExportError
from nlpseq.runtime.exported import ExportedModel, decoded, encoded
from nlpseq.tasks.base import Program, Signature

_EDGE_TEXTS = ("", "a", "Ça va, naïve Zoë? 東京 🙂", "one\ttwo\nthree", "x" * 40)
_GOLDEN_TEXTS = 6  # of the validation part
_LONGEST_GOLDEN = 200  # characters
_ENOUGH = 1000  # examples of which a tolerance is meant

# In a process of its own: how much memory a program takes that only uses the file, and how long a call takes there.
_COST = """
import json, resource, statistics, sys, time
from pathlib import Path
from nlpseq.runtime.exported import ExportedModel
model = ExportedModel(Path(sys.argv[1]))
request = json.load(sys.stdin)
answers = {}
for signature, (texts, numbers) in request.items():
    seconds = []
    for text in texts * (1 + 20 // len(texts)):
        begun = time.perf_counter()
        model.call(signature, text.encode(), **numbers)
        seconds.append(time.perf_counter() - begun)
    answers[signature] = round(1000 * statistics.median(seconds[1:]), 3)
status = Path("/proc/self/status")
if status.exists():  # of this program alone: getrusage also counts what the process was before
    peak = 1024 * next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
else:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"milliseconds": answers, "peak_memory_bytes": peak}))
"""


@dataclass(frozen=True)
class Tolerance:
    """How much of a metric a file may lose against the Keras model.

    Attributes:
        allowed: of the metric.
        examples: that it was measured on.
    """

    allowed: float
    examples: int

    @classmethod
    def for_examples(cls, tolerance: float, examples: int) -> Tolerance:
        """Wider in proportion for few examples: three other labels are 0.3 points of 1,000 and 3 points of 100."""
        return cls(tolerance * max(1.0, _ENOUGH / max(examples, 1)), examples)


def golden_examples(model: ExportedModel, program: Program, texts: Sequence[str]) -> list[dict[str, Any]]:
    """Inputs with what the file makes of them, texts as strings, for ``nlpseq verify``.

    Args:
        model: the file.
        program: what it was made of.
        texts: of the validation part.
    """
    chosen = [text[:_LONGEST_GOLDEN] for text in texts[:_GOLDEN_TEXTS]]
    examples = []
    for signature in program.signatures:
        for text in (*chosen, *_EDGE_TEXTS):
            if len(encoded(text)) > signature.sizes["N"]:
                continue
            outputs = model.call(signature.name, encoded(text), **signature.numbers)
            examples.append(
                {
                    "signature": signature.name,
                    "inputs": {"text": text, **signature.numbers},
                    "outputs": {name: _readable(name, value) for name, value in outputs.items() if value.ndim == 1},
                }
            )
    return examples


def cost(file: Path, program: Program, texts: Sequence[str]) -> dict[str, Any]:
    """Milliseconds of a call, the median over validation texts, and the peak memory of a process that only uses it.

    Raises:
        ExportError: the process did not come to its end.
    """
    request = {signature.name: (_fitting(signature, texts), signature.numbers) for signature in program.signatures}
    done = subprocess.run(
        [sys.executable, "-c", _COST, str(file)], input=json.dumps(request), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise ExportError(f"the file does not run in a process of its own: {last}")
    return json.loads(done.stdout)


def _fitting(signature: Signature, texts: Sequence[str]) -> list[str]:
    fitting = [text for text in texts if 0 < len(encoded(text)) <= signature.sizes["N"]][:20]
    return fitting or ["a"]


def _readable(name: str, value: np.ndarray) -> Any:
    """A one-dimensional output as JSON has it: a text as a string, ids and numbers without their padding."""
    if value.dtype == np.uint8:
        return decoded(value)
    values = [round(number, 6) for number in value.tolist()] if value.dtype == np.float32 else value.tolist()
    if len(values) == 1:
        return values[0]
    while values and not values[-1]:
        values.pop()
    return values
