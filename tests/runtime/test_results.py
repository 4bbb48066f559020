"""Answers, and how those of a text's parts become one."""

from __future__ import annotations

import json

import numpy as np
import pytest

from nlpseq.runtime.results import BlockDiagonal, Translation, joined


def translation(text: str, pieces: str, source: str, alignment: list[list[float]], score: float = -1.0) -> Translation:
    return Translation(text, score, tuple(pieces), tuple(source), alignment, source)


def test_a_long_alignment_has_the_parts_on_its_diagonal() -> None:
    parts = [
        translation("A", "A", "ab", [[0.25, 0.75]], score=-1),
        translation("CD", "CD", "c", [[1.0], [1.0]], score=-2),
    ]
    result = joined("ab  c", "A  CD", parts)
    assert np.array(result.alignment).tolist() == [[0.25, 0.75, 0], [0, 0, 1], [0, 0, 1]]
    assert (result.pieces, result.source_pieces) == (("A", "C", "D"), ("a", "b", "c"))
    assert (result.text, result.score, result.source) == ("A  CD", -1.5, "ab  c")
    assert json.loads(json.dumps(result.to_json()))["alignment"][0] == [0.25, 0.75, 0]


def test_a_single_part_stays_as_it_is() -> None:
    part = translation("A", "A", "ab", [[0.25, 0.75]])
    assert joined(" ab ", "A", [part]) == Translation("A", -1.0, ("A",), ("a", "b"), [[0.25, 0.75]], " ab ")


def test_rows_are_found_by_any_index() -> None:
    matrix = BlockDiagonal([[[1.0]], [[2.0, 3.0]]], [1, 2])
    assert len(matrix) == 2
    assert matrix[-1] == (0, 2, 3)
    assert matrix[:1] == [(1, 0, 0)]
    with pytest.raises(IndexError):
        matrix[2]
