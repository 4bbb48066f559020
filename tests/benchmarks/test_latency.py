"""What contenders are asked and what becomes of their answers; contenders are given, no clock is asked."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks import __main__ as command_line
from benchmarks import latency, latency_cases
from benchmarks.latency import Answer, Call, Case
from nlpseq import model_folder
from nlpseq.errors import UserError
from tests.runtime import toys

TWO = Case("two", (Call("translate", "a", {}), Call("translate", "b", {})))


def answers(case: Case, seconds: dict[str, list[float]], rounds: int) -> dict[str, list[list[Answer]]]:
    """Contenders that take these times one after the other; the first says the text, the others a."""
    times = {name: iter(values) for name, values in seconds.items()}

    def ask(name: str, call: Call) -> Answer:
        taken = next(times[name])
        return Answer(taken, taken / 2, 0.0, call.text if name == "first" else "a")

    return latency.measure(case, list(seconds), rounds, ask)


def test_the_first_round_is_not_counted_and_the_best_is_of_each_call() -> None:
    found = answers(TWO, {"first": [9, 9, 1, 4, 3, 2], "second": [9, 9, 1, 1, 1, 1]}, rounds=2)
    first, second = latency.rows(TWO, found)
    assert (first.median, first.best, first.cpu) == (2500, 1500, 1250)  # of 1, 4, 3, 2; of 1 and 2
    assert (first.equal, second.equal, second.calls) == (2, 1, 2)


def test_the_time_of_shorter_calls_is_taken_off_and_shared_among_characters() -> None:
    case = Case("more", (Call("generate", "a", {"length": 400}),), (Call("generate", "a", {"length": 100}),), 300)
    (row,) = latency.rows(case, answers(case, {"first": [9, 9, 0.04, 0.01]}, rounds=1))
    assert case.unit == "µs a character"
    assert row.median == pytest.approx(100)


def test_the_best_of_a_difference_is_between_the_best_of_both() -> None:
    case = Case("more", (Call("generate", "a", {}),), (Call("generate", "", {}),), 1)
    (row,) = latency.rows(case, answers(case, {"first": [9, 9, 5, 1, 6, 4]}, rounds=2))
    assert row.best == pytest.approx(4e6)  # 5 - 1, not 6 - 4


def test_answers_that_are_drawn_are_not_compared() -> None:
    case = Case("drawn", (Call("generate", "", {}),), characters=10)
    (row,) = latency.rows(case, answers(case, {"first": [1, 1]}, rounds=1))
    assert row.equal is None


def test_everybody_answers_in_an_order_that_alternates() -> None:
    asked: list[str] = []

    def ask(name: str, call: Call) -> Answer:
        asked.append(name + call.text)
        return Answer(1, 1, 0.0, "")

    latency.measure(TWO, ["x", "y"], 1, ask)
    assert asked == ["xa", "xb", "ya", "yb", "ya", "yb", "xa", "xb"]


def test_sources_have_the_pieces_that_were_asked_for(toy_files: dict[str, Path]) -> None:
    model = model_folder.find(str(toy_files["translation"]))
    beam, greedy = latency.cases(model, ["abc", "abcd", "abe", "abc"], 4)
    assert [call.text for call in beam.calls] == ["abc", "abe"]
    assert (beam.name, greedy.calls[0].options) == (f"translate, beam {toys.B}, 4 pieces", {"greedy": True})
    with pytest.raises(UserError, match=r"no text has 9 pieces in '.*', only 4, 5: give others with --texts"):
        latency.cases(model, ["abc", "abcd"], 9)


def test_classified_texts_are_as_long_as_they_should_be(
    toy_files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latency_cases, "_LENGTHS", (20, 1000))
    found = latency.cases(model_folder.find(str(toy_files["sentiment"])), ["One two.", "Three."], 15)
    assert [case.name for case in found] == [
        "classify 20 characters",
        f"classify {toys.N} characters, all that it reads",
    ]
    assert [call.text for call in found[0].calls] == ["One two. Three. One ", "Three. One two. Thre"]
    assert len(found[1].calls[0].text) == toys.N


def test_a_language_model_writes_and_scores(toy_files: dict[str, Path]) -> None:
    found = latency.cases(model_folder.find(str(toy_files["char-lm"])), ["One two.", "Three."], 15)
    assert [case.characters for case in found] == [200, 300, 200, 300, 1000]
    assert [call.text for call in found[0].calls] == ["One ", "Three. "]
    assert len(found[4].calls[0].text) == 1000


def test_the_command_prints_a_line_for_each_case_and_contender(toy_files: dict[str, Path], tmp_path: Path) -> None:
    files = [str(toy_files[task]) for task in ("translation", "sentiment")]
    texts = tmp_path / "texts.txt"
    texts.write_text("abc\nabcd\n", encoding="utf-8")
    arguments = ["latency", *files, "--rounds", "1", "--pieces", "4", "--texts", str(texts)]
    done = CliRunner().invoke(command_line.main, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    lines = [[cell.strip() for cell in line.split("|")[1:3]] for line in done.stdout.splitlines() if line[:1] == "|"]
    assert [f"translate, beam {toys.B}, 4 pieces", "toy-translation"] in lines
    assert [f"classify {toys.N} characters, all that it reads", "toy-sentiment"] in lines


def test_names_are_those_of_the_models_where_they_differ(toy_files: dict[str, Path], tmp_path: Path) -> None:
    copy = tmp_path / "copy.tflite"
    copy.write_bytes(toy_files["sentiment"].read_bytes())
    found = {str(file): model_folder.find(str(file)) for file in (toy_files["sentiment"], copy)}
    assert [one.name for one in latency.exported_contenders(found)] == list(found)
    assert [one.name for one in latency.exported_contenders(dict([next(iter(found.items()))]))] == ["toy-sentiment"]
