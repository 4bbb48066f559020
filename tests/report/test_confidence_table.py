"""The table of confidence in the model card."""

from __future__ import annotations

from nlpseq.report.confidence_table import confidence_in_words, confidence_table

FOUND = {
    "acceptable_chrf": 60.0,
    "fitted_on": 1108,
    "checked_on": 1107,
    "expected_calibration_error": 0.0312,
    "bins": [
        {"from": 0.031, "to": 0.4, "questions": 1107, "score": -1.2345, "confidence": 0.25, "acceptable": 0.333},
    ],
}


def test_a_row_for_each_bin() -> None:
    _, header, rows = confidence_table(FOUND)
    assert rows == [["3 % to 40 %", "1,107", "-1.23", "25 %", "33 %"]]
    assert len(header) == len(rows[0])


def test_what_is_acceptable_is_said() -> None:
    words = confidence_in_words(FOUND)
    assert "chrF of 60 or more" in words
    assert "error is 0.031" in words
