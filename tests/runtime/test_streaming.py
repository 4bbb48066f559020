"""Answers to a stream: in order, as soon as they are there, and with little read ahead."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator

import pytest

from nlpseq.runtime.streaming import ordered_map

PATIENCE_S = 60  # a test that waits so long has failed


def waited(event: threading.Event) -> None:
    assert event.wait(PATIENCE_S)


@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_answers_are_in_order(jobs: int) -> None:
    assert list(ordered_map(lambda number: -number, range(100), jobs)) == [-number for number in range(100)]
    assert list(ordered_map(lambda number: -number, [], jobs)) == []


def test_a_later_answer_may_be_there_first() -> None:
    second = threading.Event()

    def answer(item: str) -> str:
        waited(second) if item == "first" else second.set()
        return item

    assert list(ordered_map(answer, ["first", "second"], 2)) == ["first", "second"]


def test_one_job_reads_nothing_ahead() -> None:
    read: list[int] = []
    answers = ordered_map(str, (read.append(number) or number for number in range(9)), 1)
    assert next(answers) == "0"
    assert read == [0]


def test_an_answer_comes_out_while_the_next_item_is_waited_for() -> None:
    answered = threading.Event()

    def items() -> Iterator[str]:
        yield "a"
        waited(answered)
        yield "b"

    answers = ordered_map(str.upper, items(), 2)
    assert next(answers) == "A"
    answered.set()
    assert list(answers) == ["B"]


def test_few_items_are_read_ahead() -> None:
    read, far = [0], threading.Event()

    def items() -> Iterator[int]:
        for number in itertools.count():
            read[0] = number + 1
            if number == 7:
                far.set()
            yield number

    answers = ordered_map(str, items(), 2)
    assert next(answers) == "0"
    waited(far)
    for taken in range(1, 1000):
        assert next(answers) == str(taken)
        assert read[0] <= taken + 8
    answers.close()


@pytest.mark.parametrize("jobs", [1, 3])
def test_errors_come_in_their_place(jobs: int) -> None:
    def items() -> Iterator[int]:
        yield from range(5)
        raise ValueError("no more")

    answers = ordered_map(lambda number: 12 // (3 - number), items(), jobs)
    assert [next(answers) for _ in range(3)] == [4, 6, 12]
    with pytest.raises(ZeroDivisionError):
        next(answers)
    answers = ordered_map(str, items(), jobs)
    assert [next(answers) for _ in range(5)] == ["0", "1", "2", "3", "4"]
    with pytest.raises(ValueError, match="no more"):
        next(answers)


def test_whoever_stops_is_not_kept_waiting() -> None:
    never = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        never.wait()

    answers = ordered_map(str, items(), 2)
    assert next(answers) == "1"
    answers.close()
    never.set()
