"""Attention between words: what belongs together, and what the numbers come to."""

from __future__ import annotations

import numpy as np
import pytest

from nlpseq.runtime.results import Translation, joined
from nlpseq.runtime.word_alignment import by_words, spelling, words


def translation(source_pieces: list[str], pieces: list[str], rows: list[list[float]]) -> Translation:
    return Translation("", -1.0, tuple(pieces), tuple(source_pieces), tuple(map(tuple, rows)), "a text")


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        (["▁Where", "▁is", "▁the", "▁stat", "ion", "?", "</s>"], ["Where", "is", "the", "station", "?", "</s>"]),
        (["▁la", "▁gare", "\u202f?", "</s>"], ["la", "gare", "\u202f?", "</s>"]),
        (["▁I", "▁don", "'", "t", "▁kn", "ow", "..."], ["I", "don't", "know", "..."]),
        (["▁“", "Yes", "”", "."], ["“", "Yes", "”", "."]),
        (["▁", "Xylo", "phone"], ["Xylophone"]),
        (["▁na", "<0xC3>", "<0xAF>", "ve"], ["naïve"]),
        (["▁我", "喜欢", "你", "。", "</s>"], ["我", "喜欢", "你", "。", "</s>"]),
        (["▁<0xE4>", "<0xE4>", "<0xBD>", "<0xA0>", "▁a"], ["<0xE4>", "你", "a"]),
        (["a", "b", " ", "c", "</s>"], ["a", "b", " ", "c", "</s>"]),  # a tokenizer of characters
        (["▁mail", "@", "home", ".", "org", "."], ["mail@home.org", "."]),
        ([], []),
    ],
)
def test_words_of_pieces(pieces: list[str], expected: list[str]) -> None:
    found = words(pieces)
    assert [text for text, _ in found] == expected
    assert [place for _, span in found for place in span] == list(range(len(pieces)))


def test_columns_are_added_and_rows_are_averaged() -> None:
    rows = [[0.5, 0.25, 0.25], [0.1, 0.1, 0.8], [0.0, 0.0, 1.0]]
    merged = by_words(translation(["▁sta", "tion", "</s>"], ["▁ga", "re", "</s>"], rows))
    assert (merged.source_pieces, merged.pieces) == (("station", "</s>"), ("gare", "</s>"))
    np.testing.assert_allclose(merged.alignment, [[0.475, 0.525], [0.0, 1.0]])


def test_rows_still_sum_to_one() -> None:
    weights = np.random.default_rng(0).random((7, 6))
    rows = (weights / weights.sum(axis=1, keepdims=True)).tolist()
    merged = by_words(translation(["▁a", "b", "▁c", "d", "!", "</s>"], ["▁a", "▁b", "c", "d", "▁e", "?", "</s>"], rows))
    np.testing.assert_allclose(np.sum(merged.alignment, axis=1), 1.0)


def test_a_translation_without_pieces_stays() -> None:
    nothing = Translation("", 0.0, (), (), (), " ")
    assert by_words(nothing) == nothing
    second_best = Translation("chat", -1.0, (), ("▁cat", "</s>"), (), "cat")
    assert by_words(second_best).source_pieces == ("cat", "</s>")


def test_parts_stay_apart() -> None:
    one = translation(["▁a", "</s>"], ["▁b", "</s>"], [[1, 0], [0, 1]])
    whole = by_words(joined("a a", "b b", [one, one]))
    assert whole.pieces == ("b", "</s>", "b", "</s>")
    assert np.array(whole.alignment).tolist() == np.eye(4).tolist()


def test_what_pieces_spell() -> None:
    assert spelling(["▁na", "<0xC3>", "<0xAF>", "ve", "▁.", "</s>"]) == (" naïve .", [0, 0, 0, 1, 3, 3, 4, 4])
