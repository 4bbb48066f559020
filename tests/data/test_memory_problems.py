"""Problems with a known answer: an answer worked out by hand from the inputs is the answer that is given."""

from __future__ import annotations

import numpy as np
import pytest

from nlpseq.data.memory_problems import PROBLEMS, MemoryProblem

COPYING, ADDING, BRACKETS = PROBLEMS
OPENING, CLOSING, LETTERS = "([{<\"'", ")]}>\"'", "abcdef"
SIGNS = OPENING + CLOSING + LETTERS + "?"


def made(problem: MemoryProblem, lag: int, rows: int = 200, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    examples = problem.make(lag, rows, np.random.default_rng(seed))
    return examples.inputs, examples.answers


@pytest.mark.parametrize("lag", [10, 37, 100])
def test_a_symbol_is_asked_for_after_exactly_the_lag(lag: int) -> None:
    inputs, answers = made(COPYING, lag)
    ids = inputs.argmax(axis=-1)
    for row, answer in zip(ids, answers, strict=True):
        asked = np.flatnonzero(row == 9)
        assert [row[at - lag] for at in asked] == answer.tolist()
        assert set(row[3:lag]) == {8}


@pytest.mark.parametrize("lag", [10, 11, 200])
def test_the_sum_is_that_of_the_marked_numbers(lag: int) -> None:
    inputs, answers = made(ADDING, lag)
    assert inputs.shape == (200, lag, 2)
    marked = inputs[:, :, 1] == 1
    assert (marked.sum(axis=1) == 2).all()
    assert (marked.argmax(axis=1) < max(1, lag // 10)).all()  # the first one is as far back as can be
    assert answers[:, 0] == pytest.approx((inputs[:, :, 0] * marked).sum(axis=1), abs=1e-6)


@pytest.mark.parametrize("lag", [10, 11, 12, 13, 100])
def test_brackets_are_closed_by_a_stack(lag: int) -> None:
    inputs, answers = made(BRACKETS, lag)
    for row, answer in zip(inputs.argmax(axis=-1), answers, strict=True):
        text = "".join(SIGNS[index] for index in row)
        assert text.endswith("??")
        stack = []
        for at, sign in enumerate(text[:-2]):
            closes_quote = at > 1 and row[at] >= len(OPENING)
            if sign in OPENING and not closes_quote:
                stack.append(sign)
            elif sign in CLOSING:
                assert OPENING.index(stack.pop()) == CLOSING.index(sign)
        assert len(stack) == 2
        assert [OPENING.index(stack.pop()) for _ in range(2)] == answer.tolist()
        assert len(text) == lag + 3


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.name)
def test_the_chance_is_what_a_guess_solves(problem: MemoryProblem) -> None:
    _, answers = made(problem, 20, rows=20_000)
    if problem.classes:
        guess = np.zeros((len(answers), problem.count, problem.classes))
        guess[:, :, 0] = 1
    else:
        guess = np.ones((len(answers), 1, 1))
    assert problem.solved(guess, answers).mean() == pytest.approx(problem.chance, abs=0.01)


def test_a_sum_may_be_off_by_less_than_four_hundredths() -> None:
    answers = np.array([[1.0], [1.0], [1.0]], np.float32)
    assert ADDING.solved(np.array([1.039, 0.961, 1.041])[:, None, None], answers).tolist() == [True, True, False]


def test_the_seed_decides() -> None:
    for problem in PROBLEMS:
        assert (made(problem, 20)[0] == made(problem, 20)[0]).all()
        assert (made(problem, 20)[0] != made(problem, 20, seed=2)[0]).any()
