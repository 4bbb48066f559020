"""The tables of robustness, and tables for a terminal."""

from typing import Any

from nlpseq.metrics import ACCURACY, BLEU
from nlpseq.report.plain_table import plain_table
from nlpseq.report.robustness_table import robustness_tables


def faults(answers: int, loop: int, changed: int, of: int) -> dict[str, int]:
    return {"answers": answers, "empty": 0, "loop": loop, "changed_figures": changed, "with_figures": of}


def test_a_translator_has_a_table_of_noise_and_one_of_copied_words() -> None:
    found: dict[str, Any] = {
        "texts": 1200,
        "as_they_are": 50.12,
        "noise": {
            "no_accents": {"texts": 30, "as_they_are": 51.0, "with_noise": 40.04, "faults": faults(30, 2, 0, 0)},
        },
        "copied": {"URLs": {"right": 3, "of": 40}},
        "faults": faults(1200, 0, 1, 5),
        "all_faults": faults(1270, 2, 4, 9),
    }
    (title, header, rows), copied = robustness_tables(found, BLEU)
    assert title == "1,200 texts as people type them"
    assert header == ["", "texts", "BLEU as they are", "BLEU typed so", "empty", "loops", "changed figures"]
    assert rows == [
        ["as they are", "1,200", "50.1", "–", "0", "0", "1 of 5"],
        ["no accents", "30", "51.0", "40.0", "0", "2", "–"],
        ["all, with copied words", "1,270", "–", "–", "0", "2", "4 of 9"],
    ]
    assert copied[2] == [["URLs", "3", "40", "8 %"]]


def test_a_classifier_has_labels_that_change() -> None:
    noise = {"typo": {"texts": 9, "as_they_are": 0.9, "with_noise": 0.855, "other_labels": 2}}
    ((_, header, rows),) = robustness_tables({"texts": 10, "as_they_are": 0.9, "noise": noise}, ACCURACY)
    assert header[-1] == "other labels"
    assert rows == [["as they are", "10", "90.0 %", "–", "0"], ["typo", "9", "90.0 %", "85.5 %", "2"]]


def test_a_table_for_a_terminal_is_aligned() -> None:
    table = plain_table([["", "b"], ["name", "c"]], [["x", "1,000"], ["long name", ""]])
    assert table.split("\n") == [
        "               b",
        "name           c",
        "---------  -----",
        "x          1,000",
        "long name",
    ]
