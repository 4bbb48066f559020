"""Writing and scoring with an exported file; the toy repeats a letter that the seed, or top_k, says."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nlpseq.errors import UserError
from nlpseq.runtime.generator import Generator
from nlpseq.runtime.litert import ExportedFile
from tests.runtime import toys


@pytest.fixture(scope="module")
def generator(toy_files: dict[str, Path]) -> Generator:
    return Generator(ExportedFile(toy_files["char-lm"]))


def calls_of(generator: Generator, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, dict[str, Any]]]:
    """Will hold what the file is called with."""
    calls = []
    call = generator.backend.call

    def noted(signature: str, text: bytes, **numbers: float) -> Any:
        calls.append((signature, text.decode(), numbers))
        return call(signature, text, **numbers)

    monkeypatch.setattr(generator.backend, "call", noted)
    return calls


def test_the_prompt_goes_on(generator: Generator) -> None:
    result = generator.generate("Zoë ", length=5, seed=2)
    assert (result.text, result.prompt, result.seed) == ("Zoë ccccc", "Zoë ", 2)
    assert generator.generate("", length=3, seed=0).text == "aaa"


def test_numbers_reach_the_file(generator: Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = calls_of(generator, monkeypatch)
    generator.generate("a", length=5, temperature=0.5, seed=3)
    assert generator.generate("a", length=5, temperature=0, top_k=2, seed=3).text == "aCCCCC"
    generator.generate("a", length=5, top_p=0.5, seed=3)
    assert calls == [
        ("generate", "a", {"length": 5, "temperature": 0.5, "seed": 3}),
        ("sample", "a", {"length": 5, "temperature": 0, "top_k": 2, "top_p": 1.0, "seed": 3}),
        ("sample", "a", {"length": 5, "temperature": 0.8, "top_k": 0, "top_p": 0.5, "seed": 3}),
    ]


def test_a_text_longer_than_the_buffer_goes_on_in_further_calls(
    generator: Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = calls_of(generator, monkeypatch)
    result = generator.generate("Begin", length=200, seed=4)
    assert len(result.text) == 205
    assert generator.generate("Begin", length=200, seed=4) == result
    written = "Begin"
    for _, given_text, numbers in calls[: len(calls) // 2]:
        assert given_text == written[-(toys.M // 2) :]
        written += chr(ord("a") + numbers["seed"] % 26) * (toys.M - len(given_text))
    assert written[:205] == result.text
    seeds = [numbers["seed"] for _, _, numbers in calls[: len(calls) // 2]]
    assert len(set(seeds)) == len(seeds)


def test_of_a_long_prompt_the_end_is_given(generator: Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = calls_of(generator, monkeypatch)
    prompt = "é" * 60 + "x"
    assert generator.generate(prompt, length=2, seed=1).text == prompt + "bb"
    assert calls[0][1] == "é" * 11 + "x"  # 24 bytes, without a half character


def test_a_prompt_that_is_no_unicode(generator: Generator) -> None:
    assert generator.generate("a\ud800", length=1, seed=1).text == "a\ufffdb"


@settings(deadline=None, max_examples=50)
@given(st.text(max_size=60), st.integers(0, 120))
def test_exactly_so_many_characters_follow(generator: Generator, prompt: str, length: int) -> None:
    result = generator.generate(prompt, length=length, seed=1)
    assert result.text.startswith(prompt)
    assert len(result.text) == len(prompt) + length


@pytest.mark.parametrize(
    "numbers",
    [
        {"length": -1}, {"temperature": -1}, {"temperature": math.nan}, {"temperature": math.inf}, {"top_k": -1},
        {"top_p": 0}, {"top_p": 1.1}, {"top_p": math.nan}, {"seed": -1}, {"seed": 2**31},
    ],
)  # fmt: skip
def test_numbers_out_of_range(generator: Generator, numbers: dict[str, Any]) -> None:
    """Once NaN passed as a temperature, and -1 as a seed (fault 8)."""
    ((name, value),) = numbers.items()
    with pytest.raises(UserError, match=rf"{name.replace('_', '-')} is {value}: it must be "):
        generator.generate("a", **numbers)


@pytest.mark.parametrize("length", [1, 3, 27, 28, 29, 32, 33, 70, 1000])
def test_every_character_counts_once(generator: Generator, length: int) -> None:
    scores = generator.score("x" * length)
    assert scores["characters"] == length
    # 1 nat each, and one more for the very first: only there nothing stands before.
    assert scores["nats_per_character"] == pytest.approx((length + 1) / length)
    assert scores["bits_per_character"] == pytest.approx(scores["nats_per_character"] / math.log(2))


@pytest.mark.parametrize("characters", ["abcdefghijklmnopqrstuvwxyz", "aé日🙂"])
def test_a_window_begins_with_the_end_of_what_stands_before(
    generator: Generator, monkeypatch: pytest.MonkeyPatch, characters: str
) -> None:
    calls = calls_of(generator, monkeypatch)
    text = (characters * 30)[:95]
    generator.score(text)
    read = ""
    for number, (_, window, numbers) in enumerate(calls):
        context = window[: numbers["context"]]
        assert read.endswith(context)
        assert len(window.encode()) <= toys.N
        assert len(context.encode()) > toys.N // 2 - 4 or number < 2  # a character has up to 4 bytes
        if len(window.encode()) <= toys.SCORED:  # else the toy leaves out some of it, and another call follows
            read += window[len(context) :]
    assert read == text


def test_an_empty_text_has_no_score(generator: Generator) -> None:
    with pytest.raises(UserError, match="at least one character"):
        generator.score("")
