"""How sure a translation model may be: fitted on half of the validation part, checked on the other half."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nlpseq.export.proof import fair_sample
from nlpseq.metrics import CHRF, closest_chrf
from nlpseq.runtime.confidence import Calibration, features
from nlpseq.runtime.questions import Answer, Question
from nlpseq.tasks.base import Trained, asked
from nlpseq.training.display import Display

FEWEST = 200  # questions; of fewer nothing can be said
_MOST = 10_000
_OF_A_BIN = 50  # questions, at least
_MOST_BINS = 10
_LONGEST = 99  # percentile of the lengths
_ACCEPTABLE = 60.0  # chrF
_EQUAL = 100.0
_PRIOR = 1.0  # weight of the belief that no feature says anything
_STEPS = 50


def calibration(trained: Trained, questions: Sequence[Question], display: Display) -> dict[str, Any]:
    """Fits a calibration of a translation model, once; empty for other models, and where questions are few.

    Args:
        trained: the model, which may have been asked before.
        questions: of the validation part.
        display: is told where nothing can be said.

    Returns:
        As ``metrics.json`` has it:

        acceptable_chrf: a translation is acceptable whose chrF, against the closest reference, is as high.
        weights, longest: as :class:`nlpseq.runtime.confidence.Calibration` takes them.
        fitted_on, checked_on: questions.
        acceptable: share of the checked ones.
        expected_calibration_error: mean distance between confidence and that share over the bins.
        bins: of the checked ones by their confidence: ``from``, ``to``, ``questions``, and their mean ``score``,
            ``confidence`` and share ``acceptable``.

    Source: Platt 1999 (logistic regression on scores); Guo et al. 2017, arXiv:1706.04599 (the error).
    """
    if trained.task.facts.signature != "translate":
        return {}
    return trained.graph("calibration", lambda: _made(trained, questions, display))


def _made(trained: Trained, questions: Sequence[Question], display: Display) -> dict[str, Any]:
    known = [question for question in questions if question.text.strip() and question.expected]
    if len(known) < FEWEST:
        display.say(
            f"no confidence: it takes {FEWEST} validation texts to fit and check it, and there are {len(known)}"
        )
        return {}
    sample = fair_sample(known, _MOST)
    answers = asked(trained, sample, track=display.track)
    # Of a single word, a chrF of 60 would accept another word.
    threshold = _EQUAL if trained.task.metrics[0].key == CHRF.key else _ACCEPTABLE
    return fitted(sample, answers, threshold)


def fitted(questions: Sequence[Question], answers: Sequence[Answer], threshold: float) -> dict[str, Any]:
    """The calibration of these answers, as :func:`calibration` returns it."""
    texts = [answer.text for answer in answers]
    scores = np.array([answer.numbers["score"] for answer in answers])
    chrf = np.array(closest_chrf(texts, [question.expected for question in questions]))
    acceptable = (chrf >= threshold - 1e-6).astype(float)
    # The order is that of the data: neighbors may be alike, so each half gets every other one of the sorted texts.
    order = sorted(range(len(questions)), key=lambda index: questions[index].text)
    to_fit, to_check = order[::2], order[1::2]
    longest = int(np.percentile([len(texts[index]) for index in to_fit], _LONGEST))
    given = np.array([features(score, text, longest) for score, text in zip(scores.tolist(), texts, strict=True)])
    weights = _regression(given[to_fit], acceptable[to_fit])
    model = Calibration(tuple(weights), longest)
    confidence = np.array([model.confidence(score, text) for score, text in zip(scores.tolist(), texts, strict=True)])
    bins = _bins(confidence[to_check], scores[to_check], acceptable[to_check])
    error = sum(each["questions"] * abs(each["confidence"] - each["acceptable"]) for each in bins) / len(to_check)
    return {
        "acceptable_chrf": threshold,
        "weights": weights,
        "longest": longest,
        "fitted_on": len(to_fit),
        "checked_on": len(to_check),
        "acceptable": round(float(acceptable[to_check].mean()), 4),
        "expected_calibration_error": round(error, 4),
        "bins": bins,
    }


def _regression(given: np.ndarray, acceptable: np.ndarray) -> list[float]:
    """Weights of a logistic regression by Newton's method; a weak prior keeps them finite.

    Args:
        given: float [answers, features], the first of them 1.
        acceptable: float [answers], 0 or 1.
    """
    center, spread = given.mean(axis=0), given.std(axis=0)
    center[0], spread[spread == 0.0] = 0.0, 1.0
    scaled = (given - center) / spread
    scaled[:, 0] = 1.0
    weights = np.zeros(scaled.shape[1])
    for _ in range(_STEPS):
        probability = 1.0 / (1.0 + np.exp(-scaled @ weights))
        slope = scaled.T @ (probability - acceptable) + _PRIOR * weights
        curvature = (scaled.T * (probability * (1.0 - probability))) @ scaled + _PRIOR * np.eye(len(weights))
        weights -= np.linalg.solve(curvature, slope)
    unscaled = weights / spread
    unscaled[0] = weights[0] - (unscaled[1:] * center[1:]).sum()
    return [round(weight, 6) for weight in unscaled.tolist()]


def _bins(confidence: np.ndarray, scores: np.ndarray, acceptable: np.ndarray) -> list[dict[str, float]]:
    """Bins of equal numbers, by confidence."""
    count = max(1, min(_MOST_BINS, len(confidence) // _OF_A_BIN))
    return [
        {
            "from": round(float(confidence[inside[0]]), 4),
            "to": round(float(confidence[inside[-1]]), 4),
            "questions": len(inside),
            "score": round(float(scores[inside].mean()), 4),
            "confidence": round(float(confidence[inside].mean()), 4),
            "acceptable": round(float(acceptable[inside].mean()), 4),
        }
        for inside in np.array_split(np.argsort(confidence, kind="stable"), count)
    ]
