"""Tables from given seconds, workloads by hand, and the command line's refusals: no clock is asked."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks import __main__ as command_line
from benchmarks import cost, report, workload
from benchmarks.race import Turn, in_order
from benchmarks.worker import turn
from benchmarks.workload import CharLM, Gemm, Translation


def turns(*seconds: float, tokens: float = 1000, operations: float = 6e6) -> list[Turn]:
    return [Turn(each, tokens, operations, loss=2.5, peak_bytes=10**9) for each in seconds]


RACED = {
    "nlpseq": turns(1, 1, 2),
    "keras": turns(2, 4, 3),
    "keras-jit": turns(5, 6, 4),
    "pytorch": turns(1.5, 1, 3),
    "gemm": turns(0.001, 0.002, 0.003, tokens=0, operations=9e3),
}


def test_ratios_are_taken_round_by_round() -> None:
    found = report.ratio(RACED["nlpseq"], RACED["keras"])
    assert found.median == pytest.approx(2)  # of 2, 4 and 1.5
    assert found.best == pytest.approx(2)  # 1 second against 2
    assert report.ratio(RACED["nlpseq"], RACED["pytorch"]).median == pytest.approx(1.5)


def test_keras_best_is_the_fastest_way_to_train_its_layers() -> None:
    assert report.keras_best(RACED) == "keras"
    assert report.keras_best({"nlpseq": RACED["nlpseq"]}) == ""


def test_the_share_of_the_limit_is_the_operations_done_against_those_possible() -> None:
    row = report.rows(RACED)[0]
    # 6, 6 and 3 million operations a second, of 9, 4.5 and 3 million
    assert row.gemm_share == pytest.approx(1)
    rate, tokens = report.gemm_limit(RACED)
    assert (rate, tokens) == (pytest.approx(4.5e6), pytest.approx(750))


def test_the_table_shows_every_contender_and_the_formula() -> None:
    text = report.table(RACED)
    lines = text.splitlines()
    head = "| contender | tokens/s | best | to Keras' best | to pytorch | of GEMM limit | peak MB | loss |"
    assert lines[0].split() == head.split()
    assert "| nlpseq    |    1,000 | 1,000 |    2.00 (2.00) | 1.50 (1.00) |         100 % |   1,000 | 2.500 |" in lines
    assert "Keras' best: keras." in text
    assert "(3 x 2 x 0.001 million multiply-adds a token) = 750 tokens/s" in text


def test_without_pytorch_and_keras_a_table_has_no_ratios() -> None:
    assert report.table({"nlpseq": RACED["nlpseq"]}).splitlines()[0].count("|") == 6


def test_the_order_of_rounds_alternates() -> None:
    assert in_order(["a", "b"], 0) == ["a", "b"]
    assert in_order(["a", "b"], 1) == ["b", "a"]


def test_a_turn_trains_the_steps_that_it_is_told() -> None:
    sizes, seen = CharLM(batch=2, length=3), []

    def step(number: int) -> float:
        seen.append(number)
        return 10.0 * number

    answer = turn(step, sizes, first=4, count=3)
    assert seen == [4, 5, 6]
    assert (answer["tokens"], answer["loss"]) == (18, 60)
    assert Turn(**answer).operations == 3 * sizes.operations(0)


def test_operations_of_a_character_model() -> None:
    sizes = CharLM(units=5, batch=2, length=3, embedding=7, vocabulary=11)
    multiply_adds = 4 * 5 * (7 + 5) + 4 * 5 * (5 + 5) + 5 * 11
    assert sizes.operations(0) == 3 * 2 * multiply_adds * 2 * 3


def test_operations_of_translation_count_no_padding() -> None:
    sizes = Translation(units=5, embedding=7, vocabulary=600, sentences=2)
    source, target = (np.count_nonzero(field, axis=1) for field in sizes.fields(0))
    encoder = 2 * 4 * 5 * (7 + 5) + 10 * 5
    decoder = 4 * 5 * (7 + 5) + 4 * 5 * (15 + 5) + 20 * 7 + 7 * 600
    attention = (source * target).sum() * (5 + 10)
    multiply_adds = encoder * source.sum() + decoder * target.sum() + attention + 2 * 10 * 20
    assert sizes.operations(0) == 3 * 2 * multiply_adds
    assert sizes.tokens(0) == target.sum()


def test_streams_go_on_from_batch_to_batch() -> None:
    sizes = CharLM(batch=2, length=3, vocabulary=9)
    (first,), (second,) = sizes.fields(0), sizes.fields(1)
    assert first.shape == (2, 4)
    assert (first[:, -1] == second[:, 0]).all()
    assert 0 <= first.min() <= first.max() < 9


def test_pairs_are_as_long_as_those_of_multi30k() -> None:
    lengths = workload.pair_lengths(np.random.default_rng(1), 20_000)
    assert lengths.mean(axis=0) == pytest.approx([16.0, 16.9], abs=0.3)
    assert lengths.std(axis=0) == pytest.approx([5.2, 6.1], abs=0.3)


@pytest.mark.parametrize("sizes", [CharLM(cell="gru"), Translation(dropout=0.0), Gemm("bfloat16")])
def test_workloads_travel_as_json(sizes: workload.Workload) -> None:
    assert workload.from_json(workload.to_json(sizes)) == sizes


def test_a_straight_line_is_recognized() -> None:
    sizes = {length: CharLM(length=length, batch=2) for length in (10, 20, 40)}
    raced = {length: turns(1 + length / 10, tokens=2 * length) for length in sizes}
    measured = cost.points(raced, sizes)
    assert cost.straight_line(measured) == pytest.approx((1, 0.1, 0), abs=1e-6)
    assert measured[0].per_token == pytest.approx(2 / 20)
    assert "1000.0 ms + 100.000 ms x length, to within 0 %" in cost.table(cost.axes("lstm")[0], measured)


def test_the_picture_is_a_png() -> None:
    pytest.importorskip("matplotlib")
    line = [cost.Point(value, 1e-5 * value, 1e-3, 1) for value in (1, 2, 3)]
    assert cost.picture({"length": line, "layers": line}, "title").startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "arguments",
    [
        ["char-lm", "--cells", "lstm,gur"],
        ["char-lm", "--batch", "64,"],
        ["char-lm", "--units", "0"],
        ["char-lm", "--precision", "float16"],
        ["char-lm", "--contenders", "jax"],
        ["translation", "--contenders", "keras"],
        ["translation", "--rounds", "0"],
        ["first-step", "no-such-recipe.toml"],
        ["cost", "--cell", "rnn"],
    ],
)
def test_bad_flags_exit_with_2(arguments: list[str]) -> None:
    assert CliRunner().invoke(command_line.main, arguments).exit_code == 2


def test_without_pytorch_a_line_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    done = CliRunner().invoke(command_line.main, ["char-lm", "--contenders", "pytorch"])
    assert done.exit_code == 2
    assert "pip install" in done.output
    assert "nobody is left" in done.output
