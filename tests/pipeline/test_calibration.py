"""Confidence against simulated translations whose share of acceptable ones is known."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nlpseq import model_folder
from nlpseq.metrics import closest_chrf
from nlpseq.pipeline import calibration
from nlpseq.pipeline.calibration import fitted
from nlpseq.pipeline.loading import load_trained
from nlpseq.runtime.confidence import Calibration
from nlpseq.runtime.questions import Answer, Question
from nlpseq.runtime.translator import Translator
from tests.pipeline.runs import Silent

GOOD, BAD = "one two three", "xyz"


def simulated(count: int, odds: tuple[float, float]) -> tuple[list[Question], list[Answer]]:
    """Answers of which those with the score s are right with the log-odds a + b s."""
    draw = np.random.default_rng(1)
    scores = draw.uniform(-3, 0, count)
    right = draw.random(count) < 1 / (1 + np.exp(-(odds[0] + odds[1] * scores)))
    questions = [Question(f"text {number}", (GOOD, "another")) for number in range(count)]
    answers = [
        Answer(GOOD if each else BAD, {"score": score}) for each, score in zip(right, scores.tolist(), strict=True)
    ]
    return questions, answers


def test_the_share_of_right_answers_is_found_again() -> None:
    # Length says all of these answers, so it has to be the same.
    questions, answers = simulated(4000, (3.0, 2.0))
    answers = [Answer(answer.text if answer.text == GOOD else "x" * len(GOOD), answer.numbers) for answer in answers]
    found = fitted(questions, answers, 60.0)
    model = Calibration.of(found)
    assert model is not None
    for score in (-2.5, -1.5, -0.5):
        assert model.confidence(score, GOOD) == pytest.approx(1 / (1 + math.exp(-(3.0 + 2.0 * score))), abs=0.04)
    assert (found["fitted_on"], found["checked_on"], len(found["bins"])) == (2000, 2000, 10)
    assert found["expected_calibration_error"] < 0.04
    by_hand = sum(each["questions"] * abs(each["confidence"] - each["acceptable"]) for each in found["bins"]) / 2000
    assert found["expected_calibration_error"] == pytest.approx(by_hand, abs=1e-3)


def test_length_counts_as_well() -> None:
    questions, answers = simulated(400, (0.0, 0.0))
    model = Calibration.of(fitted(questions, answers, 60.0))
    assert model is not None
    assert model.confidence(-1.0, GOOD) > 0.9
    assert model.confidence(-1.0, BAD) < 0.1


@pytest.mark.parametrize("text", [GOOD, BAD])
def test_answers_that_are_all_right_or_all_wrong(text: str) -> None:
    questions, answers = simulated(200, (0.0, 0.0))
    found = fitted(questions, [Answer(text, answer.numbers) for answer in answers], 60.0)
    model = Calibration.of(found)
    assert model is not None
    assert abs(model.confidence(-1.0, text) - (text == GOOD)) < 0.1
    assert all(math.isfinite(weight) for weight in found["weights"])


def test_the_order_of_the_data_does_not_matter() -> None:
    questions, answers = simulated(300, (1.0, 1.0))
    assert fitted(questions[::-1], answers[::-1], 60.0) == fitted(questions, answers, 60.0)


def test_a_trained_model_is_asked_and_loaded_with_it(
    whole_run: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(whole_run("translation"), tmp_path / "model")
    trained = load_trained(model_folder.find(str(folder)))
    assert not trained.calibration
    questions, display = trained.task.questions(trained.task.dataset.examples("valid")), Silent()
    assert calibration.calibration(trained, questions, display) == {}
    assert "it takes 200 validation texts to fit and check it, and there are" in display.lines[0]

    monkeypatch.setattr(calibration, "FEWEST", 2)
    again = load_trained(model_folder.find(str(folder)))
    found = calibration.calibration(again, questions, display)
    assert found["fitted_on"] + found["checked_on"] == len(questions)
    assert found["acceptable_chrf"] == (100.0 if again.task.metrics[0].key == "chrf" else 60.0)
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    (folder / "metrics.json").write_text(json.dumps({**metrics, "calibration": found}), encoding="utf-8")
    loaded = load_trained(model_folder.find(str(folder)))
    translator = loaded.with_settings({"decoding.beam": 2}).predictor()
    assert isinstance(translator, Translator)
    assert translator.is_calibrated


def test_the_closest_reference_counts() -> None:
    one, both = closest_chrf(["a cat", "a cat"], [["the dogs"], ["the dogs", "a cat"]])
    assert one < 30
    assert both == pytest.approx(100)


def test_a_confidence_of_any_score() -> None:
    model = Calibration((0.0, 5.0, 0.0), 10)
    assert [model.confidence(score, "") for score in (-1e9, 0.0, 1e9)] == [0.0, 0.5, 1.0]
