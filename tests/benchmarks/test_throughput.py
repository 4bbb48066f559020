"""Reading what the command line writes, and the table from given runs; the real command line once, with a toy."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks import __main__ as command_line
from benchmarks import throughput
from benchmarks.race import WorkerError
from benchmarks.throughput import Run
from nlpseq.errors import UserError


def ran(seconds: float, digest: str = "a") -> Run:
    return Run(seconds, 2 * seconds, (10_000_000, 20_000_000, 30_000_000), 40_000_000, digest, 0.5)


def test_memory_is_looked_at_after_parts_of_the_lines() -> None:
    held = iter([(1, 9), (2, 7), (3, 8)])
    stream = io.BytesIO(b"x\n" * 8)
    count, digest, resident, peak = throughput.read(stream, 8, lambda: next(held))
    assert (count, resident, peak) == (8, (1, 2, 3), 9)
    assert digest != throughput.read(io.BytesIO(b"x\n" * 7 + b"y\n"), 8, lambda: (0, 0))[1]


def test_texts_are_repeated_where_they_are_few() -> None:
    assert throughput.repeated(["a", "b"], 5) == ["a", "b", "a", "b", "a"]
    assert throughput.repeated(["a", "b"], 1) == ["a"]


def test_the_order_of_rounds_alternates() -> None:
    asked: list[int] = []

    def once(jobs: int) -> Run:
        asked.append(jobs)
        return ran(jobs)

    found = throughput.measure([1, 2], 2, once)
    assert asked == [1, 2, 2, 1]
    assert [run.seconds for run in found[2]] == [2, 2]


def test_the_table_says_how_fast_and_whether_the_output_is_the_same() -> None:
    text = throughput.table({1: [ran(2.0)], 2: [ran(1.0, "b")]}, 1000)
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line[:1] == "|"]
    assert rows[2] == ["1", "500", "1.00", "4.00", "40", "10", "20", "30", "the same"]
    assert rows[3] == ["2", "1,000", "2.00", "2.00", "40", "10", "20", "30", "ANOTHER"]
    assert "Other processes took 50 %" in text


def test_a_command_that_fails_is_an_error() -> None:
    with pytest.raises(WorkerError, match=r"1 lines of 2, status 3:\nno luck"):
        throughput.run([sys.executable, "-c", "import sys; print(); sys.stderr.write('no luck'); sys.exit(3)"], 2)


def test_a_language_model_reads_no_lines() -> None:
    with pytest.raises(UserError, match="no command reads lines for a char-lm model: give one of translation, sent"):
        throughput.command("char-lm", "model", Path("texts"), 1)


def test_the_command_line_keeps_the_order(toy_files: dict[str, Path]) -> None:
    arguments = ["throughput", str(toy_files["sentiment"]), "--lines", "20", "--jobs", "1,2"]
    done = CliRunner().invoke(command_line.main, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    assert done.stdout.count("the same") == 2
