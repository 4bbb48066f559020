"""What the fuzzer tries and notices, and what it says of a process that crashes; models are toys or given answers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks import __main__ as command_line
from benchmarks import fuzz, fuzz_checks
from benchmarks.fuzz import Inputs, Order
from benchmarks.fuzz_checks import Sizes
from benchmarks.fuzz_inputs import Input
from nlpseq.runtime.litert import ExportedFile
from tests.runtime import toys

ORDER = Order(seed=1, first=0, stop=300, seconds=0)
SIZES = {
    "translate": Sizes({"N": 8, "M": 8, "S": 3, "T": 4, "B": 2}, 10, 10),
    "classify": Sizes({"N": 8, "S": 4, "C": 2}, 10, 10),
    "generate": Sizes({"N": 8, "M": 16}),
    "score": Sizes({"N": 8}),
}
GOOD: dict[str, dict[str, Any]] = {
    "translate": {
        "text": b"ab",
        "score": [-0.5],
        "alignment": [[0.5, 0.5, 0], [1, 0, 0], [0, 0, 0], [0, 0, 0]],
        "ids": [5, 3, 0, 0],
        "source_ids": [6, 3, 0],
        "left_out": [0],
        "n_best_text": [b"ab", b"c"],
        "n_best_score": [-0.5, -0.75],
    },
    "classify": {"probabilities": [0.25, 0.75], "relevance": [1, -1, 0, 0], "ids": [4, 5, 0, 0], "left_out": [0]},
    "generate": {"text": b"abcde", "left_out": [0]},
    "score": {"nats": [2.5], "characters": [3], "left_out": [0]},
}
REPORT = {
    "done": 13,
    "counts": {"classify": {"calls": 13, "total_ms": 26.0, "slowest_ms": 5.0, "slowest": 7}},
    "problems": [],
    "wrong": 0,
    "resident": 5,
}
GIVEN = {
    "translate": Input("translate", b"x", {}),
    "classify": Input("classify", b"x", {}),
    "generate": Input("generate", b"abc", {"length": 2}),
    "score": Input("score", b"abcd", {"context": 1}),
}


def outputs(signature: str, **changes: Any) -> dict[str, np.ndarray]:
    """The good answer with changes, as a file gives it."""
    found = {}
    for name, value in {**GOOD[signature], **changes}.items():
        if isinstance(value, bytes) or isinstance(value[0], bytes):
            rows = [value] if isinstance(value, bytes) else value
            array = np.stack([np.frombuffer(row.ljust(16, b"\0"), np.uint8) for row in rows])
            found[name] = array[0] if isinstance(value, bytes) else array
        else:
            found[name] = np.array(
                value, np.int32 if name in ("ids", "source_ids", "left_out", "characters") else float
            )
    return found


@pytest.mark.parametrize("signature", GOOD)
def test_a_good_answer_has_no_problem(signature: str) -> None:
    assert fuzz_checks.problems(GIVEN[signature], outputs(signature), SIZES[signature]) == []


@pytest.mark.parametrize(
    ("signature", "changes", "problem"),
    [
        ("translate", {"text": b"\xff", "n_best_text": [b"\xff", b""]}, "text is no UTF-8: ff"),
        ("translate", {"score": [float("nan")]}, "score holds NaN"),
        ("translate", {"n_best_score": [-0.5, -np.inf]}, "n_best_score holds infinity"),
        ("translate", {"left_out": [-1]}, "left_out is -1"),
        ("translate", {"ids": [10, 3, 0, 0]}, "ids are from 0 to 10: there are 10"),
        ("translate", {"ids": [5, 0, 3, 0]}, "ids have zeros before their end"),
        ("translate", {"ids": [3, 3, 0, 0]}, "ids have an end mark before their end"),
        ("translate", {"ids": [5, 5, 0, 0]}, "ids neither end with the end mark nor reach their limit"),
        ("translate", {"source_ids": [6, 6, 0]}, "source_ids do not end with the end mark"),
        ("translate", {"source_ids": [0, 0, 0]}, "0 source ids give 2 ids"),
        ("translate", {"score": [0.5]}, "score is 0.5"),
        ("translate", {"alignment": [[1, 1, 0], [1, 0, 0], [0, 0, 0], [0, 0, 0]]}, "the rows of alignment do not sum"),
        ("translate", {"alignment": [[1, 0, 0], [1, 0, 0], [1, 0, 0], [0, 0, 0]]}, "alignment has weights where there"),
        ("translate", {"n_best_text": [b"x", b"c"]}, "n_best_text[0] is not text"),
        ("translate", {"n_best_score": [-0.5, -1e9]}, "an unused place of the n best has a text"),
        ("classify", {"probabilities": [0.25, 0.25]}, "probabilities are [0.25, 0.25]"),
        ("classify", {"relevance": [1, 1, 1, 0]}, "relevance where there is no piece"),
        ("classify", {"ids": [0, 0, 0, 0], "relevance": [0, 0, 0, 0]}, "no piece was read"),
        ("generate", {"text": b"axcde"}, "the prompt 'abc' is not what the text begins with: 'axc'"),
        ("generate", {"text": b"abcdef"}, "3 characters and 2 more give 6"),
        ("score", {"characters": [4]}, "4 characters were scored, not 3"),
        ("score", {"nats": [-1.0]}, "3 characters cost -1.0 nats"),
    ],
)
def test_a_bad_answer_is_noticed(signature: str, changes: dict[str, Any], problem: str) -> None:
    found = fuzz_checks.problems(GIVEN[signature], outputs(signature, **changes), SIZES[signature])
    assert any(one.startswith(problem) for one in found), found


def test_three_runs_of_scores_are_not_in_order() -> None:
    three = {"n_best_text": [b"ab", b"", b"", b""], "n_best_score": [-2.0, -1.0, -3.0, -2.5]}
    assert any(
        "not in order" in problem
        for problem in fuzz_checks.problems(GIVEN["translate"], outputs("translate", **three), SIZES["translate"])
    )


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"abc\0\0", "abc"),
        (b"a\0b", "a\0b"),
        (b"a\xffb", "a�b"),
        (b"abcdefg\xc3", "abcdefg"),  # cut by the buffer's end
        (b"abcde\xf0\x9f\x98", "abcde"),
        (b"abcdef\xc3", "abcdef�"),  # one byte is free: not cut, but broken
        (b"abcdef\xc3\xa9", "abcdefé"),
        (b"abcdef\xff\xfe", "abcdef��"),
    ],
)
def test_the_text_in_a_buffer(content: bytes, text: str) -> None:
    assert fuzz_checks.characters(content, 8) == text


@pytest.mark.parametrize("task", toys.SIZES)
def test_inputs_are_the_same_for_the_same_seed_and_fit(task: str, toy_files: dict[str, Path]) -> None:
    model = ExportedFile(toy_files[task])
    inputs, again, others = Inputs(model, 1), Inputs(model, 1), Inputs(model, 2)
    found = [inputs[number] for number in range(300)]
    assert list(map(str, found)) == [str(again[number]) for number in range(300)]
    assert list(map(str, found)) != [str(others[number]) for number in range(300)]
    assert {one.target for one in found} >= set(toys.SIZES[task])
    raw = [one.text for one in found if isinstance(one.text, bytes)]
    assert b"" in raw
    assert max(map(len, raw)) == toys.N
    assert any("." in one.target for one in found)


def test_a_run_reports_what_it_found(toy_files: dict[str, Path]) -> None:
    noted: list[int] = []
    said: list[dict[str, Any]] = []
    inputs = Inputs(ExportedFile(toy_files["sentiment"]), 1)

    def call(given: Input) -> tuple[Any, list[str]]:
        return None, ["bad"] if len(noted) == 5 else []

    fuzz.run(inputs, call, Order(1, 10, 30, 0), noted.append, said.append)
    assert noted == list(range(10, 30))
    (report,) = said
    assert (report["done"], report["wrong"], report["problems"]) == (30, 1, [(14, "bad")])
    assert sum(count["calls"] for count in report["counts"].values()) == 20
    json.dumps(report)


def test_an_answer_that_changes_is_noticed(toy_files: dict[str, Path]) -> None:
    answers = iter(range(10**6))
    said: list[dict[str, Any]] = []
    inputs = Inputs(ExportedFile(toy_files["sentiment"]), 1)
    fuzz.run(inputs, lambda given: ({"text": np.array([next(answers)])}, []), ORDER, lambda number: None, said.append)
    assert next(what for _, what in said[0]["problems"]) == "input 0 gives another answer when it is called again"


@pytest.mark.skipif(os.name != "posix", reason="a signal ends a process")
def test_a_note_outlives_a_crash(tmp_path: Path) -> None:
    note = fuzz.Note(tmp_path / "note")
    crash = "import os, sys; from pathlib import Path; from benchmarks.fuzz import Note; "
    crash += "Note(Path(sys.argv[1])).write(107); os.kill(os.getpid(), 9)"
    done = subprocess.run([sys.executable, "-c", crash, str(tmp_path / "note")], cwd=Path(__file__).parents[2])
    assert done.returncode == -signal.SIGKILL
    assert note.read() == 107


def test_after_a_crash_it_goes_on_behind_it(
    tmp_path: Path, toy_files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    starts: list[int] = []

    class Process:
        def __init__(self, order: Order) -> None:
            starts.append(order.first)
            fuzz.Note(tmp_path / "note").write(13)
            (tmp_path / "stderr").write_bytes(b"Fatal")
            self.stdout = [json.dumps(REPORT)]
            self.status = -signal.SIGSEGV if order.first == 10 else 0

        def poll(self) -> int:
            return self.status

        wait = poll

    monkeypatch.setattr(fuzz, "_start", lambda file, folder, order: Process(order))
    said: list[str] = []
    found = fuzz.fuzz(toy_files["sentiment"], Order(1, 10, 20, 0), tmp_path, said.append)
    assert starts == [10, 14]
    given = Inputs(ExportedFile(toy_files["sentiment"]), 1)[13]
    assert f"input 13: ended with SIGSEGV: Fatal\n  {given}" in said
    assert found.crashes == [(13, "ended with SIGSEGV: Fatal")]
    assert "input 13: ended with SIGSEGV" in fuzz.summary(toy_files["sentiment"], Order(1, 10, 20, 0), found)


def test_a_process_that_stays_at_an_input_is_given_up() -> None:
    patience = fuzz.Patience(2)
    assert [patience.over(7, running=True) for _ in range(3)] == [False, False, True]
    patience = fuzz.Patience(2)
    assert not any(patience.over(number // 2, running=True) for number in range(9))  # it goes on
    assert not any(patience.over(9, running=False) for _ in range(9))  # it is stopped


def test_a_run_that_is_interrupted_says_what_it_found(
    tmp_path: Path, toy_files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    process = fuzz._start(toy_files["sentiment"], tmp_path, Order(1, 0, 10**6, 0))
    monkeypatch.setattr(fuzz, "_start", lambda file, folder, order: process)

    def interrupt(line: str) -> None:
        raise KeyboardInterrupt

    order = Order(1, 0, 10**6, 0)
    monkeypatch.setattr(fuzz, "_reports", lambda process, note: iter([REPORT]))
    found = fuzz.fuzz(toy_files["sentiment"], order, tmp_path, interrupt)
    assert process.poll() is not None
    assert found.calls == 13
    assert "ended early, after 13 of 1,000,000 calls" in fuzz.summary(toy_files["sentiment"], order, found)


def test_memory_after_parts_of_the_calls() -> None:
    sizes = [(10, 5_000_000), (20, 6_000_000), (60, 7_000_000), (100, 8_000_000)]
    assert fuzz.flatness(sizes) == "5 MB after 10 %, 7 MB after 50 %, 8 MB after 100 %"
    assert not fuzz.grows(sizes)
    assert fuzz.grows([*sizes, (110, 18_000_000)])
    assert fuzz.flatness([*sizes, (110, 18_000_000)]).endswith("18 MB after 100 %: it grows")


def test_the_command_runs_a_file_in_a_process_of_its_own(toy_files: dict[str, Path]) -> None:
    arguments = ["fuzz", str(toy_files["sentiment"]), "--count", "60"]
    done = CliRunner().invoke(command_line.main, arguments, catch_exceptions=False)
    assert "## sentiment.tflite, seed 1" in done.stdout
    assert "0 crashes or hangs" in done.stdout
    assert "60 of 60" in done.stderr
