"""Replaying the examples of a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nlpseq.errors import UserError
from nlpseq.runtime.litert import ExportedFile
from nlpseq.runtime.replay import replay
from tests.runtime import toys

RIGHT = {
    "signature": "translate",
    "inputs": {"text": "Ab"},
    "outputs": {
        "text": "AB",
        "score": -3.0004,
        "ids": [69, 70, 3],
        "alignment": [[1, 0, 0], [0, 0.9995, 0], [0, 0, 1]],
        "n_best_text": ["AB", "Ab"],
        "n_best_score": [-3, -4, -1e9],
        "left_out": 0,
    },
}


def differences(folder: Path, *golden: Any, task: str = "translation") -> list[tuple[str, ...]]:
    file = toys.write_toy(folder / "model.tflite", task, golden=golden)
    return [result.differences for result in replay(ExportedFile(file))]


def changed(**outputs: Any) -> dict[str, Any]:
    return {**RIGHT, "outputs": {**RIGHT["outputs"], **outputs}}


def test_what_is_as_stored_has_no_difference(tmp_path: Path) -> None:
    assert differences(tmp_path, RIGHT, {**RIGHT, "signature": "translate_greedy", "outputs": {"text": "ab"}}) == [
        (),
        (),
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("text", "Ab"),
        ("text", "AB "),
        ("score", -3.002),
        ("score", float("nan")),
        ("ids", [69, 70]),
        ("ids", [69, 71, 3]),
        ("alignment", [[1, 0, 0], [0, 0.998, 0], [0, 0, 1]]),
        ("alignment", [[1, 0], [0, 1]]),
        ("n_best_text", ["AB"]),
        ("n_best_score", [-3, -4]),
        ("left_out", 1),
    ],
)
def test_every_difference_is_seen(tmp_path: Path, name: str, value: Any) -> None:
    ((difference,),) = differences(tmp_path, changed(**{name: value}))
    assert difference.startswith(name)


def test_numbers_are_given_too(tmp_path: Path) -> None:
    inputs = {"text": "a", "length": 2, "temperature": 0.5, "seed": [3]}
    right = {"signature": "generate", "inputs": inputs, "outputs": {"text": "add"}}
    assert differences(tmp_path, right, task="char-lm") == [()]


@pytest.mark.parametrize(
    "example",
    [
        {},
        "text",
        {**RIGHT, "inputs": {}},
        {**RIGHT, "inputs": {"text": "x" * 99}},
        {**RIGHT, "outputs": {"none": 1}},
        {**RIGHT, "outputs": {"ids": [1] * 99}},
        {**RIGHT, "outputs": {"ids": "text"}},
    ],
)
def test_an_example_that_is_not_understood(tmp_path: Path, example: Any) -> None:
    with pytest.raises(UserError, match=r"model\.tflite: its example 1 is not understood"):
        differences(tmp_path, example)


def test_a_file_without_examples(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no examples"):
        differences(tmp_path)
