"""Shared work: the same results in the same order as alone, errors in their place, nothing left behind."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from nlpseq.data.processes import in_order
from nlpseq.errors import DataError, MachineError


def squares(count: int, fails_at: int | None = None) -> object:
    def work(number: int, jobs: int) -> Iterator[np.ndarray]:
        for place in range(number, count, jobs):
            if place == fails_at:
                raise DataError("of no use", file="a.tsv", line=place)
            yield np.full(50_000, place) ** 2  # more than a pipe holds

    return work


@pytest.mark.parametrize("jobs", [1, 2, 3])
@pytest.mark.parametrize("count", [0, 1, 2, 7, 12])
def test_results_come_in_order(jobs: int, count: int) -> None:
    found = [int(each[0]) for each in in_order(squares(count), jobs)]  # type: ignore[arg-type]
    assert found == [place**2 for place in range(count)]


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_an_error_comes_in_its_place(jobs: int) -> None:
    results = in_order(squares(20, fails_at=7), jobs)  # type: ignore[arg-type]
    assert [int(each[0]) for each in itertools.islice(results, 7)] == [place**2 for place in range(7)]
    with pytest.raises(DataError, match=r"^a\.tsv, line 7: of no use$"):
        next(results)


def test_whoever_has_enough_leaves_no_process_behind() -> None:
    results = in_order(squares(1000), 2)  # type: ignore[arg-type]
    assert int(next(results)[0]) == 0
    results.close()  # type: ignore[attr-defined]
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_a_process_that_was_killed_is_told() -> None:
    def work(number: int, jobs: int) -> Iterator[int]:
        yield number
        os.kill(os.getpid(), 9)

    with pytest.raises(MachineError, match="was killed"):
        list(in_order(work, 2))


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes end with their parent on Linux only")
def test_processes_end_with_one_that_is_killed() -> None:
    program = textwrap.dedent(
        """
        import os, time
        from nlpseq.data.processes import in_order
        def work(number, jobs):
            yield os.getpid()
            time.sleep(60)
        results = in_order(work, 2)
        print(next(results), next(results), flush=True)
        time.sleep(60)
        """
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    children = [int(word) for word in parent.stdout.readline().split()]
    assert len(children) == 2
    parent.kill()
    parent.wait()
    for _ in range(100):
        if not any(Path(f"/proc/{child}").exists() and _runs(child) for child in children):
            return
        time.sleep(0.05)
    pytest.fail("a process outlived its parent")


def _runs(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
