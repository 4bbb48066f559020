"""What a call of exported models costs, side by side with twins in PyTorch, warm, each on one thread.

Every contender has a process of its own (:mod:`benchmarks.latency_worker`), and is asked what all others are asked: a
text goes in, and text or a label comes out, so that reading and writing pieces counts. In each round everybody answers
every call once, in an order that is reversed from round to round.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Any

from benchmarks.latency_cases import Call, Case, cases
from benchmarks.race import WorkerError, in_order
from benchmarks.report import markdown
from nlpseq.errors import UserError
from nlpseq.model_folder import FoundModel
from nlpseq.quiet import import_tensorflow

EXPORTED = "exported"
MOST_TEXTS = 2000  # of a file

_ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Contender:
    """Who answers.

    Attributes:
        name: in the tables.
        kind: ``exported``, or a twin's: see :mod:`benchmarks.latency_worker`.
        path: of the exported file, or of the twin's parts.
    """

    name: str
    kind: str
    path: str


@dataclass(frozen=True)
class Answer:
    """To a call.

    Attributes:
        seconds: by the clock.
        cpu_seconds: that the process computed; the same, where nobody else wants the processor.
        others_share: part of the machine's processors that other processes took meanwhile, 0 where it was too short.
        said: what can be compared; "" for what is drawn at random.
        taken_off: of ``seconds``, the time of the shorter call.
    """

    seconds: float
    cpu_seconds: float
    others_share: float
    said: str
    taken_off: float = 0.0


@dataclass(frozen=True)
class Row:
    """A contender's results in a case, in its unit.

    Attributes:
        median: over calls and rounds.
        best: the median over calls of each one's best round.
        cpu: as ``median``, in time that the process computed.
        equal: calls answered like the first contender's; None where answers are drawn.
    """

    contender: str
    median: float
    best: float
    cpu: float
    equal: int | None
    calls: int


class Worker:
    """A contender's process."""

    def __init__(self, contender: Contender) -> None:
        self.contender = contender
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.latency_worker", contender.kind, contender.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
            cwd=_ROOT,
        )

    def ready(self) -> dict[str, Any]:
        """What it says of itself when it stands: ``file_bytes``, and maybe a ``note``."""
        return self._line()

    def ask(self, call: Call) -> Answer:
        return Answer(**self._request(asdict(call)))

    def peak_bytes(self) -> int:
        """The most memory that it has held."""
        return self._request({"do": "peak_bytes"})["peak_bytes"]

    def _request(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # then there is no answer either
            print(json.dumps(request), file=self._process.stdin, flush=True)
        return self._line()

    def _line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            self._said.seek(0)
            said = self._said.read().decode("utf-8", "replace")[-4000:].strip()
            raise WorkerError(f"{self.contender.name} ended with status {self._process.returncode}:\n{said}")
        return json.loads(line)

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()
        self._said.close()


class Workers:
    """A process for each contender, for the length of a ``with`` block."""

    def __init__(self, contenders: Sequence[Contender]) -> None:
        self.workers = {contender.name: Worker(contender) for contender in contenders}

    def __enter__(self) -> dict[str, Worker]:
        return self.workers

    def __exit__(self, kind: type | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        for worker in self.workers.values():
            worker.close()


def compare(model: FoundModel, contenders: Sequence[Contender], texts: Sequence[str], pieces: int, rounds: int) -> str:
    """Tables of all contenders of a task.

    Args:
        model: one of them, which says what can be asked.
        texts, pieces: as for :func:`cases`.
    """
    results: dict[str, tuple[Case, list[Row]]] = {}
    shares: list[float] = []
    with Workers(contenders) as workers:
        facts = {name: worker.ready() for name, worker in workers.items()}

        def ask(name: str, call: Call) -> Answer:
            answer = workers[name].ask(call)
            shares.append(answer.others_share)
            return answer

        for case in cases(model, texts, pieces):
            results[case.name] = case, rows(case, measure(case, list(workers), rounds, ask))
        peaks = {name: worker.peak_bytes() for name, worker in workers.items()}
    notes = [fact["note"] for fact in facts.values() if "note" in fact]
    files = {name: fact["file_bytes"] for name, fact in facts.items()}
    return "\n".join([table(results), sizes(files, peaks), *notes, disturbance(shares), ""])


Asked = Callable[[str, Call], Answer]


def measure(case: Case, names: Sequence[str], rounds: int, ask: Asked) -> dict[str, list[list[Answer]]]:
    """Asks everybody in turns, one round more than are counted.

    Args:
        names: of the contenders.
        ask: a contender's name and a call in, its answer out.

    Returns:
        For each contender and round the answers to the calls; where the case has shorter calls, their times are off.
    """
    found: dict[str, list[list[Answer]]] = {name: [] for name in names}
    for number in range(1 + rounds):
        for name in in_order(names, number):
            answers = []
            for call, shorter in itertools.zip_longest(case.calls, case.shorter):
                answer = ask(name, call)
                answers.append(_without(answer, ask(name, shorter)) if shorter is not None else answer)
            if number:
                found[name].append(answers)
    return found


def _without(answer: Answer, shorter: Answer) -> Answer:
    return Answer(
        seconds=answer.seconds - shorter.seconds,
        cpu_seconds=answer.cpu_seconds - shorter.cpu_seconds,
        others_share=max(answer.others_share, shorter.others_share),
        said=answer.said,
        taken_off=shorter.seconds,
    )


def rows(case: Case, found: Mapping[str, Sequence[Sequence[Answer]]]) -> list[Row]:
    """A row for each contender."""
    result = []
    expected = [answer.said for answer in next(iter(found.values()))[0]]
    for name, rounds in found.items():
        every = [answer for answers in rounds for answer in answers]
        best = [_best(answers) for answers in zip(*rounds, strict=True)]
        said = [answer.said for answer in rounds[0]]
        result.append(
            Row(
                contender=name,
                median=case.shown(median(answer.seconds for answer in every)),
                best=case.shown(median(best)),
                cpu=case.shown(median(answer.cpu_seconds for answer in every)),
                equal=sum(map(str.__eq__, said, expected)) if any(expected) else None,
                calls=len(case.calls),
            )
        )
    return result


def _best(answers: Sequence[Answer]) -> float:
    """Seconds of a call's best round; the shorter one's best may be of another."""
    whole = min(answer.seconds + answer.taken_off for answer in answers)
    return whole - min(answer.taken_off for answer in answers)


def table(results: Mapping[str, tuple[Case, Sequence[Row]]]) -> str:
    """Rows of cases as a Markdown table."""
    head = ["case", "contender", "median", "best", "processor time", "unit", "to the first", "equal answers"]
    lines = []
    for name, (case, own) in results.items():
        for index, row in enumerate(own):
            equal = "" if row.equal is None else f"{row.equal} of {row.calls}"
            numbers = [_digits(value) for value in (row.median, row.best, row.cpu)]
            ratio = f"{row.cpu / own[0].cpu:.2f}" if index else "1"
            lines.append([name if not index else "", row.contender, *numbers, case.unit, ratio, equal])
    return markdown(head, lines)


def sizes(files: Mapping[str, int], peaks: Mapping[str, int]) -> str:
    """File and memory of each contender, in bytes, as a Markdown table."""
    lines = [
        [name, f"{size / 1e6:.2f}", f"{peaks[name] / 1e6:,.0f}" if peaks[name] else ""] for name, size in files.items()
    ]
    return markdown(["contender", "file MB", "peak MB"], lines)


def _digits(value: float) -> str:
    return f"{value:.2f}" if value < 20 else f"{value:.1f}"


def exported_contenders(found: Mapping[str, FoundModel]) -> list[Contender]:
    """The exported files of models of a task, each by its name, or as it was asked for where two have the same name.

    Raises:
        UserError: a model has none.
    """
    names = [model.name for model in found.values()]
    result = []
    for asked, model in found.items():
        file = model.exported_file
        if file is None:
            raise UserError(f"'{model.name}' has no exported file: nlpseq export {model.path} makes it")
        name = model.name if names.count(model.name) == 1 else asked
        result.append(Contender(name, EXPORTED, str(file.resolve())))
    return result


def twin_contenders(
    found: Mapping[str, FoundModel], trained: FoundModel | None, kinds: Sequence[str], folder: Path
) -> tuple[list[Contender], list[str]]:
    """Twins in PyTorch of the first of the models whose training's model is there.

    Args:
        trained: that model, where none of the others is to be asked.
        kinds: of float32, int8.
        folder: for their parts, as long as they run.

    Returns:
        The twins, and why there are none.
    """
    model = trained or next((model for model in found.values() if model.keras_file), None)
    if model is None:
        return [], ["no folder has model.keras, whose weights they take: give one with --trained"]
    import_tensorflow()
    from benchmarks import twins

    file = folder / f"{model.task}.npz"
    try:
        twins.write(model, file)
    except ValueError as error:
        return [], [str(error)]
    return [Contender(f"PyTorch {kind}", f"pytorch-{kind}", str(file)) for kind in kinds], []


def disturbance(shares: Sequence[float]) -> str:
    """How far to trust the figures."""
    known = [share for share in shares if share]
    if not known:
        return ""
    return (
        f"Other processes took {100 * median(known):.0f} % of the processors meanwhile (median; at most "
        f"{100 * max(known):.0f} %)."
    )
