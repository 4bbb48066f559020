"""The metrics: how each is computed, and how it is shown."""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
import math
import re
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nlpseq.errors import MissingExtraError

_UNKNOWN_DIGITS = 4  # significant ones
_NOT_A_NUMBER = "–"


@dataclass(frozen=True)
class Metric:
    """One number that says how good a model is, or how much was measured.

    Attributes:
        key: its name in what ``measure`` returns and in ``metrics.json``.
        words: its name for people.
        higher_is_better: None for a count.
        decimals: digits after the point of the shown value; None: four significant digits, and whole numbers whole.
        scale: the shown value is the value times this.
        unit: stands after the shown value.
        tolerance: how much of it an exported file of small weights may lose; None where no file is judged by it.
    """

    key: str
    words: str
    higher_is_better: bool | None
    decimals: int | None = 3
    scale: float = 1.0
    unit: str = ""
    tolerance: float | None = None

    def lost(self, value: float, reference: float) -> float:
        """Returns by how much ``value`` is worse than ``reference``; below 0 where it is better.

        Raises:
            ValueError: the metric is a count.
        """
        if self.higher_is_better is None:
            raise ValueError(f"metric '{self.key}' is a count: no value of it is better than another")
        return reference - value if self.higher_is_better else value - reference

    def better(self, new: float, old: float | None) -> bool:
        """Returns whether ``new`` is better than ``old``; any number is better than None or NaN."""
        if math.isnan(new):
            return False
        return old is None or math.isnan(old) or self.lost(new, old) < 0

    def shown(self, value: float) -> str:
        """Returns the value with its unit and as many digits as mean something."""
        if not math.isfinite(value):
            return _NOT_A_NUMBER
        if self.decimals is not None:
            return f"{value * self.scale:,.{self.decimals}f}{self.unit}"
        return f"{value:,}" if isinstance(value, int) else f"{value:.{_UNKNOWN_DIGITS}g}"

    def shown_difference(self, value: float) -> str:
        """Returns a difference of two values in words, such as "0.3 points" or "0.3 of BLEU"."""
        return f"{value * self.scale:.2g} {'points' if self.unit == ' %' else f'of {self.words}'}"


def find_metric(key: str, metrics: Iterable[Metric]) -> Metric:
    """Returns the metric of this key; for a key that is not among ``metrics`` a count with the key as its words."""
    words = key.replace("_", " ")
    return next((metric for metric in metrics if metric.key == key), Metric(key, words, None, decimals=None))


# Language models

NATS_PER_CHARACTER = Metric("nats_per_character", "nats per character", False, tolerance=0.01)
BITS_PER_CHARACTER = Metric("bits_per_character", "bits per character", False)
CHARACTERS = Metric("characters", "characters measured", None, decimals=0)


def language_model_scores(total_nats: float, characters: int) -> dict[str, float]:
    """Returns nats and bits per character.

    Args:
        total_nats: negative log-likelihood of all characters together.
        characters: how many there are.
    """
    nats = total_nats / max(characters, 1)
    return {
        NATS_PER_CHARACTER.key: nats,
        BITS_PER_CHARACTER.key: nats / math.log(2),
        CHARACTERS.key: characters,
    }


# Classification

ACCURACY = Metric("accuracy", "accuracy", True, decimals=1, scale=100, unit=" %", tolerance=0.003)
MACRO_F1 = Metric("macro_f1", "macro-averaged F1", True)
LOG_LOSS = Metric("nats", "log-loss in nats", False)
CALIBRATION_ERROR = Metric("expected_calibration_error", "calibration error", False)
EXAMPLES = Metric("examples", "texts measured", None, decimals=0)
CONFUSION = "confusion"  # the key of the confusion matrix

_SMALLEST_PROBABILITY = 1e-12  # so that the loss of a probability of 0 is finite


def classification_scores(probabilities: np.ndarray, targets: np.ndarray, labels: Sequence[str]) -> dict[str, Any]:
    """Returns accuracy, macro-averaged F1, log-loss, calibration error and the confusion matrix.

    Args:
        probabilities: float [examples, classes].
        targets: int [examples].
        labels: names of the classes.

    Returns:
        accuracy: part of the examples whose most probable class is the true one.
        macro_f1: mean F1 of the classes that are true or predicted for some example.
        nats: mean negative log-likelihood of the true class.
        expected_calibration_error: with 15 bins.
        examples: their number.
        confusion: [classes][classes], rows are true classes, columns predicted ones.
    """
    predicted = probabilities.argmax(axis=1)
    confusion = np.zeros((len(labels), len(labels)), int)
    np.add.at(confusion, (targets, predicted), 1)
    hits = np.diag(confusion)
    occurrences = confusion.sum(axis=0) + confusion.sum(axis=1)
    f1 = 2 * hits[occurrences > 0] / occurrences[occurrences > 0]
    of_target = probabilities[np.arange(len(targets)), targets]
    return {
        ACCURACY.key: float(hits.sum() / max(len(targets), 1)),
        MACRO_F1.key: float(f1.mean()),
        LOG_LOSS.key: float(-np.log(np.maximum(of_target, _SMALLEST_PROBABILITY)).mean()),
        CALIBRATION_ERROR.key: expected_calibration_error(probabilities, targets),
        EXAMPLES.key: len(targets),
        CONFUSION: confusion.tolist(),
    }


def expected_calibration_error(probabilities: np.ndarray, targets: np.ndarray, bins: int = 15) -> float:
    """Returns the mean distance between confidence and accuracy over bins of confidence, weighted by their sizes.

    Args:
        probabilities: float [examples, classes].
        targets: int [examples].
        bins: how many, of equal width.

    Source: Guo et al. 2017, arXiv:1706.04599.
    """
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == targets
    bin_of_example = np.minimum((confidence * bins).astype(int), bins - 1)
    error = 0.0
    for index in range(bins):
        inside = bin_of_example == index
        if inside.any():
            error += inside.mean() * abs(confidence[inside].mean() - correct[inside].mean())
    return float(error)


# Translation

BLEU = Metric("bleu", "BLEU", True, decimals=1, tolerance=0.3)
CHRF = Metric("chrf", "chrF", True, decimals=1, tolerance=0.3)
EXACT = Metric("exact", "answers equal to a reference", True, decimals=1, scale=100, unit=" %")
BLEU_LOWERCASED_TOKENIZED = Metric("bleu_lowercased_tokenized", "BLEU, lowercased, Moses-tokenized", True, decimals=1)
SOURCES = Metric("sources", "sentences measured", None, decimals=0)
REFERENCES = Metric("references", "reference translations", None, decimals=0)
SIGNATURE = "signature_"  # a key of this and a metric's key holds how the metric was computed

# What may be watched: BLEU over the tokens that sacreBLEU's tokenizer of that name finds, or chrF.
_BLEU_TOKENIZERS = {"bleu": "13a", "bleu-zh": "zh", "bleu-ja-mecab": "ja-mecab", "bleu-char": "char"}
_TOKENS = {"zh": " of Chinese characters", "ja-mecab": " of Japanese words", "char": " of characters"}
WATCHED = (*_BLEU_TOKENIZERS, CHRF.key)

_JAPANESE = re.compile("[\u3041-\u30ff]")
_CHINESE = re.compile("[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003134f]")
_UNSPACED = re.compile("[\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff]")  # Thai, Lao, Tibetan, Burmese, Khmer
_TOKENS_OF_BLEU = 4  # it counts sequences of so many


def translation_metrics(watched: str) -> tuple[Metric, ...]:
    """Returns the metrics of a translation, the watched one first.

    Args:
        watched: one of ``WATCHED``.
    """
    tokens = _BLEU_TOKENIZERS.get(watched, "13a")
    bleu = dataclasses.replace(BLEU, words=f"BLEU{_TOKENS.get(tokens, '')}")
    first = (CHRF, bleu) if watched == CHRF.key else (bleu, CHRF)
    lowercased = (BLEU_LOWERCASED_TOKENIZED,) if tokens == "13a" else ()
    return (*first, EXACT, *lowercased, SOURCES, REFERENCES)


def fitting_translation_metric(references: Iterable[str]) -> str:
    """Returns which of ``WATCHED`` says something of translations into such texts.

    Chinese and Japanese, and other scripts without spaces, are counted in their own tokens. Of texts that are shorter
    than BLEU's longest sequences, chrF is taken, which counts characters.

    Raises:
        ValueError: there is no text.
    """
    texts = list(references)
    if not texts:
        raise ValueError("without a text no metric is better than another")
    whole = "".join(texts)
    letters = max(1, sum(map(str.isalpha, whole)))
    kana, han, others = (len(script.findall(whole)) for script in (_JAPANESE, _CHINESE, _UNSPACED))
    watched, count = "bleu", [len(text.split()) for text in texts]
    if 2 * (kana + han + others) > letters:
        count = [len("".join(text.split())) for text in texts]
        watched = "bleu-zh" if han > others else "bleu-char"
        if 20 * kana > letters:
            watched = "bleu-ja-mecab" if _has_mecab() else "bleu-char"
    return CHRF.key if statistics.median(count) < _TOKENS_OF_BLEU else watched


def translation_scores(
    hypotheses: Sequence[str],
    references: Sequence[Sequence[str]],
    watched: str = "bleu",
    *,
    complete: bool = True,
) -> dict[str, Any]:
    """Returns BLEU and chrF as sacreBLEU computes them.

    Args:
        hypotheses: one translation of each source.
        references: one reference or more of each source.
        watched: one of ``WATCHED``.
        complete: whether to add what is not watched, counts and signatures.

    Raises:
        MissingExtraError: sacrebleu, sacremoses or a tokenizer of Japanese is not installed.

    Source: Papineni et al. 2002 (BLEU); Popović 2015 (chrF); Post 2018, arXiv:1804.08771 (sacreBLEU).
    """
    try:
        import sacrebleu.metrics
    except ImportError:
        raise MissingExtraError("sacrebleu") from None
    tokens = _BLEU_TOKENIZERS.get(watched, "13a")
    if tokens == "ja-mecab" and not _has_mecab():
        raise MissingExtraError("sacrebleu[ja]", "japanese")
    # Where characters are the tokens, sacreBLEU warns of what looks tokenized.
    bleu, chrf = sacrebleu.metrics.BLEU(tokenize=tokens, force=True), sacrebleu.metrics.CHRF()
    streams = _streams(references)
    if not complete:
        first = chrf if watched == CHRF.key else bleu
        return {CHRF.key if first is chrf else BLEU.key: first.corpus_score(hypotheses, streams).score}
    pairs = zip(hypotheses, references, strict=True)
    scores: dict[str, Any] = {
        BLEU.key: bleu.corpus_score(hypotheses, streams).score,
        CHRF.key: chrf.corpus_score(hypotheses, streams).score,
        EXACT.key: sum(hypothesis in group for hypothesis, group in pairs) / max(len(hypotheses), 1),
        SOURCES.key: len(hypotheses),
        REFERENCES.key: sum(map(len, references)),
        SIGNATURE + BLEU.key: str(bleu.get_signature()),
        SIGNATURE + CHRF.key: str(chrf.get_signature()),
    }
    if tokens == "13a":
        lowercased = sacrebleu.metrics.BLEU(lowercase=True, tokenize="none", force=True)
        tokenized = [[moses_tokenized(reference) for reference in group] for group in references]
        moses = [moses_tokenized(hypothesis) for hypothesis in hypotheses]
        scores[BLEU_LOWERCASED_TOKENIZED.key] = lowercased.corpus_score(moses, _streams(tokenized)).score
        scores[SIGNATURE + BLEU_LOWERCASED_TOKENIZED.key] = f"{lowercased.get_signature()}|moses"
    return scores


def closest_chrf(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> list[float]:
    """Returns for each hypothesis its chrF, from 0 to 100, against the reference that is closest to it.

    Raises:
        MissingExtraError: sacrebleu is not installed.
    """
    try:
        import sacrebleu.metrics
    except ImportError:
        raise MissingExtraError("sacrebleu") from None
    chrf = sacrebleu.metrics.CHRF()
    pairs = zip(hypotheses, references, strict=True)
    return [chrf.sentence_score(hypothesis, list(group)).score for hypothesis, group in pairs]


def _has_mecab() -> bool:
    """Whether Japanese can be cut into words."""
    return all(importlib.util.find_spec(package) is not None for package in ("MeCab", "ipadic"))


def moses_tokenized(text: str) -> str:
    """Returns the text with spaces where Moses' tokenizer splits it; upper case stays.

    Raises:
        MissingExtraError: sacremoses is not installed.
    """
    return _moses().tokenize(text, escape=False, return_str=True)


@functools.cache
def _moses() -> Any:
    try:
        from sacremoses import MosesTokenizer
    except ImportError:
        raise MissingExtraError("sacremoses") from None
    return MosesTokenizer()


def _streams(references: Sequence[Sequence[str]]) -> Any:
    """Returns references as sacreBLEU takes them: the n-th ones of all sources, None where a source has fewer."""
    most = max(map(len, references))
    return [[group[index] if index < len(group) else None for group in references] for index in range(most)]
