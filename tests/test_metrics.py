"""Metrics against figures computed by hand and against sacreBLEU, and how they are shown."""

import builtins
import math
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sacrebleu

from nlpseq import metrics
from nlpseq.errors import MissingExtraError
from nlpseq.metrics import (
    ACCURACY,
    BLEU,
    CHARACTERS,
    NATS_PER_CHARACTER,
    Metric,
    classification_scores,
    expected_calibration_error,
    find_metric,
    language_model_scores,
    moses_tokenized,
    translation_scores,
)

# What a metric is


def test_a_metric_is_shown_with_its_digits_and_unit() -> None:
    assert ACCURACY.shown(0.90361) == "90.4 %"
    assert BLEU.shown(7.05) == "7.0"
    assert NATS_PER_CHARACTER.shown(1.44321) == "1.443"
    assert CHARACTERS.shown(111_540) == "111,540"
    assert BLEU.shown(math.nan) == BLEU.shown(math.inf) == "–"


def test_a_difference_is_shown_in_the_unit_of_the_metric() -> None:
    assert ACCURACY.shown_difference(0.003) == "0.3 points"
    assert BLEU.shown_difference(0.3) == "0.3 of BLEU"


@pytest.mark.parametrize(("metric", "high_is_good"), [(BLEU, True), (NATS_PER_CHARACTER, False)])
def test_a_metric_knows_its_direction(metric: Metric, high_is_good: bool) -> None:
    assert metric.better(2.0, 1.0) is high_is_good
    assert metric.better(1.0, 2.0) is not high_is_good
    assert metric.lost(2.0, 1.5) == (-0.5 if high_is_good else 0.5)


def test_an_equal_value_is_no_better_and_the_first_number_is() -> None:
    assert not BLEU.better(1.0, 1.0)
    assert BLEU.better(0.0, None)
    assert BLEU.better(0.0, math.nan)
    assert not BLEU.better(math.nan, None)
    assert not BLEU.better(math.nan, 1.0)


def test_no_count_is_better_than_another() -> None:
    with pytest.raises(ValueError, match="'characters' is a count"):
        CHARACTERS.better(2, 1)


def test_metrics_are_found_among_those_that_are_given() -> None:
    own = Metric("parent_f1", "F1 of parents", True)
    assert find_metric("parent_f1", (BLEU, own)) is own
    unknown = find_metric("parent_f1", (BLEU,))
    assert (unknown.words, unknown.higher_is_better) == ("parent f1", None)
    assert (unknown.shown(0.123456), unknown.shown(12345)) == ("0.1235", "12,345")


# Language models


def test_language_model_scores_by_hand() -> None:
    scores = language_model_scores(100 * math.log(2) * 3, 100)
    assert scores["bits_per_character"] == pytest.approx(3.0)
    assert scores["nats_per_character"] == pytest.approx(2.0794415)
    assert scores["characters"] == 100


def test_language_model_scores_of_nothing() -> None:
    assert language_model_scores(0.0, 0) == {"nats_per_character": 0.0, "bits_per_character": 0.0, "characters": 0}


# Classification

PROBABILITIES = np.array(
    [
        [0.7, 0.2, 0.1],  # 0, right
        [0.1, 0.8, 0.1],  # 1, wrong: 0
        [0.3, 0.6, 0.1],  # 1, right
        [0.2, 0.5, 0.3],  # 1, wrong: 2
        [0.1, 0.3, 0.6],  # 2, right
        [0.9, 0.05, 0.05],  # 0, right
    ]
)
TARGETS = np.array([0, 0, 1, 2, 2, 0])


def test_classification_scores_by_hand() -> None:
    scores = classification_scores(PROBABILITIES, TARGETS, ["bad", "so-so", "good"])
    assert scores["examples"] == 6
    assert scores["accuracy"] == pytest.approx(4 / 6)
    assert scores["confusion"] == [[2, 1, 0], [0, 1, 0], [0, 1, 1]]
    # bad: precision 1, recall 2/3; so-so: 1/3 and 1; good: 1 and 1/2.
    assert scores["macro_f1"] == pytest.approx((4 / 5 + 1 / 2 + 2 / 3) / 3)
    assert scores["nats"] == pytest.approx(-sum(map(math.log, (0.7, 0.1, 0.6, 0.3, 0.6, 0.9))) / 6)


def test_a_class_that_never_occurs_does_not_count_in_macro_f1() -> None:
    scores = classification_scores(np.array([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0]]), np.array([0, 1]), ["a", "b", "c"])
    assert scores["accuracy"] == 1.0
    assert scores["macro_f1"] == 1.0
    assert scores["confusion"] == [[1, 0, 0], [0, 1, 0], [0, 0, 0]]


def test_a_class_that_is_only_answered_or_only_true_has_f1_zero() -> None:
    # "c" is answered once and never true, "d" is true once and never answered; "e" does not occur.
    predicted, targets = np.array([0, 0, 1, 2, 1]), np.array([0, 0, 1, 1, 3])
    macro_f1 = classification_scores(np.eye(5)[predicted], targets, list("abcde"))["macro_f1"]
    assert macro_f1 == pytest.approx((1 + 2 / 4 + 0 + 0) / 4)


def test_a_probability_of_zero_costs_a_finite_loss() -> None:
    scores = classification_scores(np.array([[1.0, 0.0]]), np.array([1]), ["a", "b"])
    assert scores["nats"] == pytest.approx(-math.log(1e-12))


def test_scores_are_plain_numbers_for_json() -> None:
    scores = classification_scores(PROBABILITIES.astype(np.float32), TARGETS, ["a", "b", "c"])
    assert {name: type(value) for name, value in scores.items()} == {
        "accuracy": float,
        "macro_f1": float,
        "nats": float,
        "expected_calibration_error": float,
        "examples": int,
        "confusion": list,
    }


def test_calibration_error_by_hand() -> None:
    # Bins of width 1/5. Confidence 0.9 twice, one right: |0.9 - 0.5| x 2/4. Confidence 0.7 and 0.65, both right:
    # |0.675 - 1| x 2/4.
    probabilities = np.array([[0.9, 0.1], [0.1, 0.9], [0.7, 0.3], [0.35, 0.65]])
    error = expected_calibration_error(probabilities, np.array([0, 0, 0, 1]), bins=5)
    assert error == pytest.approx(0.4 * 0.5 + 0.325 * 0.5)


def test_a_calibrated_model_has_no_error() -> None:
    probabilities = np.array([[0.75, 0.25]] * 4)
    assert expected_calibration_error(probabilities, np.array([0, 0, 0, 1])) == pytest.approx(0.0)
    assert expected_calibration_error(np.array([[1.0, 0.0]] * 3), np.array([0, 0, 0])) == 0.0
    assert expected_calibration_error(np.array([[1.0, 0.0]] * 4), np.array([1, 1, 1, 0])) == pytest.approx(0.75)


def test_errors_of_opposite_sign_in_two_bins_do_not_cancel() -> None:
    probabilities = np.array([[0.95, 0.05], [0.95, 0.05], [0.55, 0.45], [0.55, 0.45]])
    targets = np.array([0, 1, 0, 0])  # 0.95 is right half of the time, 0.55 always
    assert expected_calibration_error(probabilities, targets) == pytest.approx((0.45 + 0.45) / 2)


def test_calibration_error_in_the_scores_has_15_bins() -> None:
    # 0.62 and 0.68 stand in one bin of 10, but in two of 15: 9.3 and 10.2.
    probabilities = np.array([[0.62, 0.38], [0.68, 0.32]])
    scores = classification_scores(probabilities, np.array([0, 1]), ["a", "b"])
    assert scores["expected_calibration_error"] == pytest.approx((0.38 + 0.68) / 2)
    assert expected_calibration_error(probabilities, np.array([0, 1]), bins=10) == pytest.approx(0.65 - 0.5)


# Translation

HYPOTHESES = [
    "The cat sat on the mat.",
    "There is a dog in the garden, isn't there?",
    "It rains.",
    "Wer hat das gesagt?",
    "",
]
REFERENCES = [
    ["The cat is sitting on the mat."],
    ["There's a dog in the garden, isn't there?"],
    ["It's raining."],
    ["Wer hat das gesagt?"],
    ["Nothing at all."],
]


def test_single_references_are_sacrebleus() -> None:
    scores = translation_scores(HYPOTHESES, REFERENCES)
    stream = [group[0] for group in REFERENCES]
    assert scores["bleu"] == pytest.approx(sacrebleu.corpus_bleu(HYPOTHESES, [stream]).score)
    assert scores["chrf"] == pytest.approx(sacrebleu.corpus_chrf(HYPOTHESES, [stream]).score)
    assert 10 < scores["bleu"] < 90
    assert (scores["sources"], scores["references"]) == (5, 5)


def test_equal_numbers_of_references_are_sacrebleus() -> None:
    second = ["A cat sat on a mat.", "A dog is in the garden.", "It rains.", "Wer sagte das?", "None."]
    references = [[*group, other] for group, other in zip(REFERENCES, second, strict=True)]
    streams = [[group[0] for group in REFERENCES], second]
    scores = translation_scores(HYPOTHESES, references)
    assert scores["bleu"] == pytest.approx(sacrebleu.corpus_bleu(HYPOTHESES, streams).score)
    assert scores["chrf"] == pytest.approx(sacrebleu.corpus_chrf(HYPOTHESES, streams).score)
    assert scores["bleu"] > translation_scores(HYPOTHESES, REFERENCES)["bleu"]
    assert scores["references"] == 10


def test_different_numbers_of_references_by_hand() -> None:
    # 9 of 10 unigrams, 7 of 8 bigrams, 5 of 6 trigrams, 3 of 4 fourgrams, and no brevity penalty (5 + 5 words against
    # closest references of 5 + 5): only with the second reference of the first source is its every n-gram known.
    hypotheses = ["a b c d e", "k l m n z"]
    references = [["a b c x y", "a b c d e"], ["k l m n o"]]
    expected = 100 * (9 / 10 * 7 / 8 * 5 / 6 * 3 / 4) ** 0.25
    assert translation_scores(hypotheses, references)["bleu"] == pytest.approx(expected, rel=1e-6)


def test_a_missing_reference_is_not_an_empty_one() -> None:
    # An empty reference would be the closest in length to a short hypothesis and forgive its brevity.
    hypotheses = ["a b c d", "k l m n o p q r"]
    references = [["a b c d e f g h i j"], ["k l m n o p q r", "k l m n o p q r s"]]
    expected = 100 * math.exp(1 - 18 / 12)
    assert translation_scores(hypotheses, references)["bleu"] == pytest.approx(expected, rel=1e-6)


def test_lowercased_tokenized_bleu() -> None:
    moses = pytest.importorskip("sacremoses").MosesTokenizer()
    scores = translation_scores(HYPOTHESES, REFERENCES)

    def prepared(text: str) -> str:
        return moses.tokenize(text, escape=False, return_str=True).lower()

    expected = sacrebleu.corpus_bleu(
        [prepared(text) for text in HYPOTHESES],
        [[prepared(group[0]) for group in REFERENCES]],
        tokenize="none",
        force=True,
    )
    assert scores["bleu_lowercased_tokenized"] == pytest.approx(expected.score)


def test_case_counts_in_one_bleu_only() -> None:
    scores = translation_scores(["THE CAT SAT ON THE MAT ."], [["the cat sat on the mat ."]])
    assert scores["bleu_lowercased_tokenized"] == pytest.approx(100.0)
    assert scores["bleu"] < 20


def test_moses_tokenization_by_hand() -> None:
    assert moses_tokenized('It isn\'t "so", Mr. Smith & Co.') == 'It isn \'t " so " , Mr. Smith & Co .'
    assert moses_tokenized("") == ""


def test_signatures_name_what_was_done() -> None:
    scores = translation_scores(HYPOTHESES, REFERENCES)
    assert "tok:13a" in scores["signature_bleu"]
    assert "case:mixed" in scores["signature_bleu"]
    assert scores["signature_chrf"].startswith("nrefs:1|case:mixed|")
    assert "case:lc" in scores["signature_bleu_lowercased_tokenized"]
    assert "tok:none" in scores["signature_bleu_lowercased_tokenized"]
    assert scores["signature_bleu_lowercased_tokenized"].endswith("|moses")


def test_the_quick_evaluation_gives_bleu_alone() -> None:
    quick = translation_scores(HYPOTHESES, REFERENCES, complete=False)
    assert quick == {"bleu": translation_scores(HYPOTHESES, REFERENCES)["bleu"]}


def test_perfect_and_useless_translations() -> None:
    texts = [group[0] for group in REFERENCES[:4]]
    assert translation_scores(texts, REFERENCES[:4])["bleu"] == pytest.approx(100.0)
    assert translation_scores([""] * 4, REFERENCES[:4])["bleu"] == 0.0


@pytest.mark.parametrize("package", ["sacrebleu", "sacremoses"])
def test_a_missing_package_is_named_with_its_extra(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.partition(".")[0] == package:
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    metrics._moses.cache_clear()
    with pytest.raises(MissingExtraError, match=rf"{package}.*nlpseq\[train\]"):
        translation_scores(["a"], [["a"]])


def test_the_extra_named_in_the_error_holds_the_packages() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    train = {requirement.split(">")[0].strip() for requirement in project["optional-dependencies"]["train"]}
    assert {"sacrebleu", "sacremoses"} <= train
