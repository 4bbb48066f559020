"""Classifying with an exported file; the toy weighs + against -."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nlpseq.runtime.classifier import Classifier, beginning_and_end
from nlpseq.runtime.litert import ExportedFile


@pytest.fixture(scope="module")
def classifier(toy_files: dict[str, Path]) -> Classifier:
    return Classifier(ExportedFile(toy_files["sentiment"]))


def test_a_text(classifier: Classifier) -> None:
    result = classifier.classify("a+b")
    assert (result.label, result.source, result.cut) == ("good", "a+b", False)
    assert result.probabilities == pytest.approx({"bad": 0.1192, "good": 0.8808}, abs=1e-4)
    assert (result.pieces, result.relevance) == (("a", "+", "b"), (0.0, 1.0, 0.0))


def test_labels_stand_in_the_order_of_the_probabilities(classifier: Classifier) -> None:
    assert classifier.classify("--").label == "bad"


def test_a_text_of_many_pieces_is_read_at_both_ends(classifier: Classifier) -> None:
    assert not classifier.classify("x" * 16).cut
    result = classifier.classify("+++" + "-" * 12 + "++")  # 17 bytes, 16 pieces
    assert result.cut
    assert len(result.pieces) == 16


def test_a_text_of_many_bytes_is_read_at_both_ends(classifier: Classifier) -> None:
    result = classifier.classify("+ + " + "- " * 500 + "word" * 3)
    assert result.cut
    assert "".join(result.pieces) == "+ + " + "word" * 3
    assert result.label == "good"


@pytest.mark.parametrize("text", ["", " ", "\0"])
def test_nothing_is_classified_too(classifier: Classifier, text: str) -> None:
    assert classifier.classify(text).label in ("good", "bad")


@settings(deadline=None)
@given(st.text(max_size=100), st.integers(16, 64))
def test_what_is_read_fits_and_is_the_beginning_and_the_end(text: str, size: int) -> None:
    content = text.encode()
    cut = beginning_and_end(content, size)
    assert len(cut) <= size
    if len(content) <= size:
        assert cut == content
    else:
        spaces = [place for place, byte in enumerate(cut) if byte == ord(" ")]
        assert any(content.startswith(cut[:place]) and content.endswith(cut[place + 1 :]) for place in spaces)
        assert cut.decode()


def test_words_and_characters_stay_whole() -> None:
    assert beginning_and_end(b"All is well that ends well, they say, and so it is", 24) == b"All and so it is"
    assert beginning_and_end("日本語の長い文章です".encode(), 16).decode() == "日 章です"
