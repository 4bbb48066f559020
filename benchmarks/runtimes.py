"""One exported file in the runtimes it may meet: the interpreter, CompiledModel, and LiteRT.js in a browser.

Numbers may differ in their last digits, since each multiplies matrices in its own order. Texts and ids differ only
where two choices are all but equal, which a trained model seldom finds; then a text goes another way from there on.
"""

from __future__ import annotations

import gzip
import itertools
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from ai_edge_litert.compiled_model import CompiledModel
from ai_edge_litert.interpreter import Interpreter

from benchmarks.report import markdown
from nlpseq.data.samples import phrasebook

Arrays = Mapping[str, np.ndarray]
Runtime = Callable[[Path, str, Sequence[Arrays]], tuple[list[dict[str, np.ndarray]], list[float]]]

NUMBERS = {"length": 64, "temperature": 0.8, "seed": 1, "top_k": 20, "top_p": 0.9, "context": 0}
"""Values of the inputs that are not the text."""


def in_interpreter(
    file: Path, signature: str, calls: Sequence[Arrays]
) -> tuple[list[dict[str, np.ndarray]], list[float]]:
    """Calls a signature in the classic interpreter, on one thread.

    Returns:
        The outputs of each call by name, and its milliseconds.
    """
    runner = Interpreter(str(file), num_threads=1).get_signature_runner(signature)
    outputs, milliseconds = [], []
    for call in calls:
        begin = time.perf_counter()
        outputs.append(runner(**call))
        milliseconds.append(1000 * (time.perf_counter() - begin))
    return outputs, milliseconds


def in_compiled_model(
    file: Path, signature: str, calls: Sequence[Arrays]
) -> tuple[list[dict[str, np.ndarray]], list[float]]:
    """Calls a signature in CompiledModel, on one thread; otherwise as ``in_interpreter``."""
    model = CompiledModel.from_file(str(file))
    details = model.get_output_tensor_details(signature)
    inputs = {name: model.create_input_buffer_by_name(signature, name) for name in calls[0]}
    results = {name: model.create_output_buffer_by_name(signature, name) for name in details}
    outputs, milliseconds = [], []
    for call in calls:
        begin = time.perf_counter()
        for name, array in call.items():
            inputs[name].write(array)
        model.run_by_name(signature, inputs, results)
        outputs.append({name: _read(buffer, details[name]) for name, buffer in results.items()})
        milliseconds.append(1000 * (time.perf_counter() - begin))
    return outputs, milliseconds


@dataclass(frozen=True)
class Result:
    """A runtime against the interpreter.

    Attributes:
        equal: calls whose texts and ids are the interpreter's.
        calls: how many there were.
        difference: the largest of all numbers'.
        milliseconds: of a call, the median.
    """

    signature: str
    runtime: str
    equal: int
    calls: int
    difference: float
    milliseconds: float


def compare(file: Path, signature: str, texts: Sequence[str | bytes], runtimes: Mapping[str, Runtime]) -> list[Result]:
    """Calls a signature for each text in each of the runtimes, twice: the second round, when all is warm, is timed.

    Args:
        runtimes: by name; the first is what the others are held against.
    """
    calls = calls_for(file, signature, texts)
    results: list[Result] = []
    reference: list[dict[str, np.ndarray]] = []
    for name, runtime in runtimes.items():
        outputs, milliseconds = runtime(file, signature, [*calls, *calls])
        reference = reference or outputs[: len(calls)]
        rounds = outputs[: len(calls)], outputs[len(calls) :]
        equal = sum(
            all(_same(expected, output) for output in both) for expected, *both in zip(reference, *rounds, strict=True)
        )
        difference = max(_difference(*pair) for own in rounds for pair in zip(reference, own, strict=True))
        results.append(Result(signature, name, equal, len(calls), difference, median(milliseconds[len(calls) :])))
    return results


def table(results: Sequence[Result]) -> str:
    """Results as a Markdown table."""
    head = ["signature", "runtime", "equal texts and ids", "largest difference of numbers", "ms a call"]
    lines = [
        [
            result.signature,
            result.runtime,
            f"{result.equal} of {result.calls}",
            f"{result.difference:.1e}",
            f"{result.milliseconds:.2f}",
        ]
        for result in results
    ]
    return markdown(head, lines)


def signatures(file: Path) -> list[str]:
    """Names of a file's signatures."""
    return list(Interpreter(str(file)).get_signature_list())


def calls_for(file: Path, signature: str, texts: Sequence[str | bytes]) -> list[Arrays]:
    """A signature's inputs (docs/exported-files.md) for each text; what is too long for the buffer is cut off."""
    details = Interpreter(str(file)).get_signature_runner(signature).get_input_details()
    size = int(details["text"]["shape"][0])
    numbers = {
        name: np.full(detail["shape"], NUMBERS[name], detail["dtype"])
        for name, detail in details.items()
        if name != "text"
    }
    contents = (text.encode() if isinstance(text, str) else text for text in texts)
    return [{"text": np.frombuffer(content[:size].ljust(size, b"\0"), np.uint8), **numbers} for content in contents]


def read_texts(file: Path, count: int) -> list[str]:
    """The first lines of a text file, or first columns of a table with tabs; blank ones are left out."""
    with (gzip.open if file.suffix == ".gz" else open)(file, "rt", encoding="utf-8") as stream:
        return list(itertools.islice(_filled(line.split("\t")[0] for line in stream), count))


def phrases() -> Iterator[str]:
    """The bundled phrases, in English, each once and in no order of its own."""
    found = sorted({source for source, _ in phrasebook.pairs()})
    return iter(random.Random(0).sample(found, len(found)))


def _filled(lines: Iterator[str]) -> Iterator[str]:
    return (line.strip() for line in lines if line.strip())


def _read(buffer: Any, detail: Mapping[str, Any]) -> np.ndarray:
    shape = tuple(detail["shape"])
    return buffer.read(int(np.prod(shape)), np.dtype(detail["dtype"]).type).reshape(shape)


def _same(expected: Arrays, output: Arrays) -> bool:
    """Whether all texts and ids are the same."""
    return expected.keys() == output.keys() and all(
        np.array_equal(array, output[name]) for name, array in expected.items() if array.dtype.kind != "f"
    )


def _difference(expected: Arrays, output: Arrays) -> float:
    """The largest of all numbers."""
    numbers = [name for name, array in expected.items() if array.dtype.kind == "f" and array.size]
    return max((float(np.abs(expected[name] - output[name]).max()) for name in numbers), default=0.0)
