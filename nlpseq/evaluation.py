"""Metrics of the three tasks."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from nlpseq.errors import MissingExtraError


def language_model_scores(total_nats: float, characters: int) -> dict[str, float]:
    """Nats and bits per character, from the summed negative log-likelihood of that many characters."""
    nats = total_nats / max(characters, 1)
    return {"nats_per_character": nats, "bits_per_character": nats / math.log(2), "characters": characters}


def classification_scores(probabilities: np.ndarray, targets: np.ndarray, labels: Sequence[str]) -> dict[str, Any]:
    """Accuracy, macro-averaged F1, confusion matrix, log-loss and calibration.

    Args:
        probabilities: float [examples, classes].
        targets: int [examples].
        labels: names of the classes.

    Returns:
        accuracy, macro_f1, nats (mean negative log-likelihood), expected_calibration_error (15 bins of equal width;
        Guo et al. 2017, arXiv:1706.04599), and confusion: rows are true classes, columns predicted ones.
    """
    predicted = probabilities.argmax(axis=1)
    confusion = np.zeros((len(labels), len(labels)), int)
    np.add.at(confusion, (targets, predicted), 1)
    hits = np.diag(confusion)
    f1 = 2 * hits / np.maximum(confusion.sum(axis=0) + confusion.sum(axis=1), 1)
    of_target = probabilities[np.arange(len(targets)), targets]
    return {
        "accuracy": float(hits.sum() / max(len(targets), 1)),
        "macro_f1": float(f1.mean()),
        "nats": float(-np.log(np.maximum(of_target, 1e-12)).mean()),
        "expected_calibration_error": expected_calibration_error(probabilities, targets),
        "examples": len(targets),
        "confusion": confusion.tolist(),
    }


def expected_calibration_error(probabilities: np.ndarray, targets: np.ndarray, bins: int = 15) -> float:
    """Mean distance between confidence and accuracy, over bins of confidence, weighted by their size (Guo 2017)."""
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == targets
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    error = 0.0
    for index in range(bins):
        inside = which == index
        if inside.any():
            error += inside.mean() * abs(confidence[inside].mean() - correct[inside].mean())
    return float(error)


def translation_scores(
    hypotheses: Sequence[str], references: Sequence[Sequence[str]], *, complete: bool = True
) -> dict[str, Any]:
    """BLEU (Papineni 2002) and chrF (Popović 2015) by sacreBLEU (Post 2018, arXiv:1804.08771).

    Args:
        hypotheses: one translation a source.
        references: for each source one reference or more.
        complete: also chrF, the lowercased and Moses-tokenised BLEU, and the signatures.

    Raises:
        MissingExtraError: sacrebleu is not installed.
    """
    try:
        from sacrebleu.metrics import BLEU, CHRF
    except ImportError:
        raise MissingExtraError("sacrebleu") from None
    streams: Any = _streams(references)
    bleu = BLEU()
    scores: dict[str, Any] = {"bleu": bleu.corpus_score(hypotheses, streams).score}
    if complete:
        chrf, lowercased = CHRF(), BLEU(lowercase=True, tokenize="none", force=True)
        scores["chrf"] = chrf.corpus_score(hypotheses, streams).score
        tokenized = [[moses_tokenized(reference) for reference in group] for group in references]
        scores["bleu_lowercased_tokenized"] = lowercased.corpus_score(
            [moses_tokenized(hypothesis) for hypothesis in hypotheses], _streams(tokenized)
        ).score
        scores["signature_bleu"] = str(bleu.get_signature())
        scores["signature_chrf"] = str(chrf.get_signature())
        scores["signature_bleu_lowercased_tokenized"] = f"{lowercased.get_signature()}|moses"
        scores["sources"] = len(hypotheses)
        scores["references"] = sum(map(len, references))
    return scores


def moses_tokenized(text: str) -> str:
    """The text as Moses' tokeniser splits it, in its own case."""
    return _moses().tokenize(text, escape=False, return_str=True)


@functools.cache
def _moses() -> Any:
    try:
        from sacremoses import MosesTokenizer
    except ImportError:
        raise MissingExtraError("sacremoses") from None
    return MosesTokenizer()


def _streams(references: Sequence[Sequence[str]]) -> Any:
    """sacreBLEU's form: the n-th references of all sources, None where a source has fewer."""
    most = max(map(len, references))
    return [[group[index] if index < len(group) else None for group in references] for index in range(most)]
