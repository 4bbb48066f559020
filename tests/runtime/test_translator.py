"""Translating with an exported file; the toy writes upper case."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nlpseq.errors import UserError
from nlpseq.runtime.litert import ExportedFile
from nlpseq.runtime.translator import Translator
from tests.runtime import toys


@pytest.fixture(scope="module")
def translator(toy_files: dict[str, Path]) -> Translator:
    return Translator(ExportedFile(toy_files["translation"]))


def upper(text: str) -> str:
    return "".join(character.upper() if character.isascii() else character for character in text)


def test_a_short_text_is_one_call(translator: Translator) -> None:
    result = translator.translate("A cat.")
    assert (result.text, result.score, result.source) == ("A CAT.", -7.0, "A cat.")
    assert result.pieces == (*"A CAT.", "</s>")
    assert result.source_pieces == (*"A cat.", "</s>")
    assert np.array(result.alignment).tolist() == np.eye(7).tolist()


def test_greedy_search_is_another_signature(translator: Translator) -> None:
    assert translator.translate("A Cat.", greedy=True).text == "a cat."
    assert translator.beam == toys.B


def test_the_n_best(translator: Translator) -> None:
    best, second = translator.n_best("A cat.", 3)  # the toy leaves the third place empty
    assert best == translator.translate("A cat.")
    assert (second.text, second.score, second.source, second.pieces) == ("A cat.", -8.0, "A cat.", ())
    assert translator.n_best("A cat.", 1) == [best]


@pytest.mark.parametrize("n_best", [0, toys.B + 1])
def test_no_more_than_the_beam_keeps(translator: Translator, n_best: int) -> None:
    with pytest.raises(UserError, match=f"n-best is {n_best}: choose from 1 to {toys.B}"):
        translator.n_best("A cat.", n_best)


def test_the_n_best_of_a_long_text_are_those_of_its_parts(translator: Translator) -> None:
    text = "Here is one cat. And here is another!"
    assert [result.text for result in translator.n_best(text, 3)] == [upper(text), text]


@pytest.mark.parametrize("text", ["", " ", "\n\t", "\0"])
def test_nothing_translates_to_nothing(translator: Translator, text: str) -> None:
    result = translator.translate(text)
    assert (result.text, result.pieces, result.alignment, result.source) == ("", (), (), text)


def test_a_long_text_is_translated_in_parts(translator: Translator) -> None:
    text = "One cat.  Two dogs sleep.\n\n\tThe third sentence does not fit. End."
    result = translator.translate(text)
    assert result.text == upper(text)
    assert result.source == text
    assert result.pieces[:9] == (*"ONE CAT.", "</s>")
    assert len(result.alignment) == len(result.pieces)
    alignment = np.array(result.alignment)
    assert alignment.tolist() == np.eye(len(result.source_pieces)).tolist()


@settings(deadline=None, max_examples=200, derandomize=True)
@given(st.text(st.characters(codec=None), max_size=90))
@example("日本語の長い文章です。改行もあります。\nはい。")
@example("e\u0301" * 40)
@example("x" * 200)
@example("a\0b " * 20)
@example("\ud800" * 30)
def test_nothing_is_lost_of_any_text(translator: Translator, text: str) -> None:
    assert squeezed(translator.translate(text).text) == squeezed(upper(text))


def squeezed(text: str) -> str:
    """Without what may come and go where a text is cut: spaces, and zeros at the end of a buffer."""
    unicode = "".join("\ufffd" if "\ud800" <= character <= "\udfff" else character for character in text)
    return "".join(unicode.replace("\0", " ").split())


def test_a_zero_within_a_text_is_a_character(translator: Translator) -> None:
    assert translator.translate("a\0b").text == "A\0B"


def test_names_of_pieces(tmp_path: Path) -> None:
    names = [f"t{index}" for index in range(100)]
    other = Translator(ExportedFile(toys.write_toy(tmp_path / "model.tflite", "translation", target_pieces=names)))
    result = other.translate("b")
    assert result.source_pieces == ("b", "</s>")
    assert result.pieces == (f"t{ord('B') + 4}", "t3")
    assert other.translate("~").pieces == (f"<{ord('~') + 4}>", "t3")


def calibrated(folder: Path, facts: dict[str, object]) -> Translator:
    return Translator(ExportedFile(toys.write_toy(folder / "model.tflite", "translation", calibration=facts)))


def test_a_long_text_is_as_sure_as_its_worst_part(tmp_path: Path) -> None:
    translator = calibrated(tmp_path, {"weights": [5.0, 1.0, 0.5], "longest": 4})
    text = "A cat sleeps. Two dogs bark."
    result = translator.translate(text)
    parts = [translator.translate(part) for part in ("A cat sleeps.", "Two dogs bark.")]
    assert [part.text for part in result.parts] == [part.text for part in parts]
    assert result.confidence == min(part.confidence for part in parts if part.confidence is not None)
    odds = 5.0 - len("Two dogs bark.") - 1 + 0.5 * np.log(5)  # longer than 4 counts as 4
    assert result.confidence == pytest.approx(1 / (1 + np.exp(-odds)), rel=1e-3)
    assert translator.translate(" ").confidence is None


@pytest.mark.parametrize("facts", [{"weights": [1.0]}, {"weights": [1, 2, "3"], "longest": 1}, {"weights": [1, 2, 3]}])
def test_a_calibration_that_is_not_understood_is_refused(tmp_path: Path, facts: dict[str, object]) -> None:
    with pytest.raises(UserError, match="of its calibration are not understood: export the model again"):
        calibrated(tmp_path, facts)
