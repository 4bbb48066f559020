"""The proof that goes with an exported file: the same questions to it and to the model, examples to replay, costs."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nlpseq.export.inspection import ExportError
from nlpseq.programs.program import Program, Signature
from nlpseq.runtime.backend import Backend, decoded, encoded
from nlpseq.runtime.predictor import Predictor
from nlpseq.runtime.questions import Answer, Question
from nlpseq.runtime.streaming import ordered_map

_EDGE_TEXTS = ("", "a", "Ça va, naïve Zoë? 東京 🙂", "one\ttwo\nthree", "x" * 40)
_GOLDEN_TEXTS = 6  # of the validation part
_LONGEST_GOLDEN = 200  # characters
_ENOUGH = 1000  # examples of which a tolerance is meant

# In a process of its own: how much memory a program takes that only uses the file, and how long a call takes there.
_COST = """
import json, resource, statistics, sys, time
from pathlib import Path
from nlpseq.runtime.litert import ExportedFile
model = ExportedFile(Path(sys.argv[1]))
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


def allowed_loss(tolerance: float, questions: int) -> float:
    """How much of its metric a file may lose, on so many questions.

    It is wider in proportion for few: three other labels are 0.3 points of 1,000 and 3 points of 100.
    """
    return tolerance * max(1.0, _ENOUGH / max(questions, 1))


def answers(predictor: Predictor, questions: Sequence[Question], jobs: int, track: Any) -> list[Answer]:
    """What an exported file says, asked by so many threads, with a bar."""
    in_order = ordered_map(predictor.answer, questions, jobs)
    return [next(in_order) for _ in track(questions, "asking the file")]


def fair_sample(questions: Sequence[Question], count: int | None) -> list[Question]:
    """So many of the questions, in their order: those whose hashes are smallest, whatever the order says."""
    if count is None or len(questions) <= count:
        return list(questions)

    def hashed(index: int) -> bytes:
        question = questions[index]
        content = f"{question.context}\0{question.text}".encode("utf-8", "replace")
        return hashlib.blake2b(content, digest_size=8, person=b"proof").digest()

    chosen = sorted(range(len(questions)), key=lambda index: (hashed(index), index))[:count]
    return [questions[index] for index in sorted(chosen)]


def differences(expected: Sequence[Answer], found: Sequence[Answer]) -> dict[str, float]:
    """How far two lists of answers to the same questions are apart.

    Returns:
        equal_texts: the part of the answers that say the same.
        max_difference, mean_difference: between their numbers, of each answer the largest, where they say the same.
    """
    pairs = list(zip(expected, found, strict=True))
    apart = [
        max((abs(value - other.numbers[name]) for name, value in one.numbers.items()), default=0.0)
        for one, other in pairs
        if one.text == other.text
    ]
    return {
        "equal_texts": len(apart) / max(len(pairs), 1),
        "max_difference": max(apart, default=0.0),
        "mean_difference": float(np.mean(apart)) if apart else 0.0,
    }


def golden_examples(model: Backend, program: Program, texts: Sequence[str]) -> list[dict[str, Any]]:
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
