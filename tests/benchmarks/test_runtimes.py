"""The comparison of runtimes, with runtimes whose answers are known; the real ones: tests/runtime."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks import __main__ as command_line
from benchmarks import runtimes
from tests.runtime import toys


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toys.write_toy(tmp_path_factory.mktemp("toy") / "toy.tflite", "translation")


def made_of(changes: dict[int, dict[str, np.ndarray]]) -> runtimes.Runtime:
    """A runtime that changes outputs of some of the calls."""

    def run(
        file: Path, signature: str, calls: Sequence[runtimes.Arrays]
    ) -> tuple[list[dict[str, np.ndarray]], list[float]]:
        outputs: list[dict[str, np.ndarray]] = [
            {"text": np.array([number % 4], np.uint8), "score": np.array([1.5], np.float32)}
            for number in range(len(calls))
        ]
        for number, change in changes.items():
            outputs[number] |= change
        return outputs, [float(number) for number in range(len(calls))]

    return run


def compared(changes: dict[int, dict[str, np.ndarray]], file: Path) -> runtimes.Result:
    """Four calls, made twice, in a runtime with changes and in one without."""
    results = runtimes.compare(file, "translate", list("abcd"), {"first": made_of({}), "second": made_of(changes)})
    assert results[0] == runtimes.Result("translate", "first", 4, 4, 0.0, 5.5)
    return results[1]


def test_runtimes_that_agree(file: Path) -> None:
    assert compared({}, file) == runtimes.Result("translate", "second", 4, 4, 0.0, 5.5)


@pytest.mark.parametrize("number", [2, 6])  # in the first round, or in the second, of the same text
def test_another_text_counts_in_both_rounds(number: int, file: Path) -> None:
    assert compared({number: {"text": np.array([9], np.uint8)}}, file).equal == 3


def test_a_missing_output_counts(file: Path) -> None:
    assert compared({0: {"ids": np.array([9], np.int32)}}, file).equal == 3


def test_numbers_are_compared_by_their_difference(file: Path) -> None:
    result = compared({1: {"score": np.array([1.0], np.float32)}, 7: {"score": np.array([1.75], np.float32)}}, file)
    assert (result.equal, result.difference) == (4, 0.5)


def test_inputs_by_their_names_and_kinds(file: Path) -> None:
    first, second = runtimes.calls_for(file, "sample", ["é", b"x" * 40])
    assert first["text"].tobytes() == "é".encode().ljust(toys.N, b"\0")
    assert second["text"].tobytes() == b"x" * toys.N
    assert {name: (array.dtype.name, array.tolist()) for name, array in first.items() if name != "text"} == {
        "length": ("int32", [64]),
        "temperature": ("float32", [np.float32(0.8)]),
        "seed": ("int32", [1]),
        "top_k": ("int32", [20]),
        "top_p": ("float32", [np.float32(0.9)]),
    }


def test_texts_are_lines_or_first_columns(tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("one\n\n two \nthree\n", encoding="utf-8")
    (tmp_path / "texts.tsv.gz").write_bytes(gzip.compress("é\tother\n".encode()))
    assert runtimes.read_texts(tmp_path / "texts.txt", 2) == ["one", "two"]
    assert runtimes.read_texts(tmp_path / "texts.tsv.gz", 9) == ["é"]


def test_the_command_prints_a_row_for_each_runtime(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # no browser here: that takes seconds
    arguments = ["runtimes", str(file), "--count", "3", "--signature", "translate"]
    done = CliRunner().invoke(command_line.main, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    rows = [line.split("|")[2:4] for line in done.stdout.splitlines() if line.startswith("| translate")]
    assert [[cell.strip() for cell in row] for row in rows] == [["interpreter", "3 of 3"], ["CompiledModel", "3 of 3"]]
    assert "LiteRT.js is left out: not installed: node, npm, chromium" in done.stderr


def test_the_command_refuses_a_signature_that_is_not_there(file: Path) -> None:
    done = CliRunner().invoke(command_line.main, ["runtimes", str(file), "--signature", "speak"])
    assert done.exit_code == 2
    assert "--signature speak: the file has " in done.output
