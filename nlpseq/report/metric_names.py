"""What a metric is called in words, which direction is better, and how many of its digits mean something."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class MetricName:
    """How a metric is shown.

    Attributes:
        words: its name for people.
        higher_is_better: None where it is a count, or where nobody said.
        decimals: digits after the point, of the scaled value.
        scale: what the value is multiplied with to be shown.
        unit: stands after the number.
    """

    words: str
    higher_is_better: bool | None
    decimals: int = 3
    scale: float = 1.0
    unit: str = ""


_NAMES = {
    "nats_per_character": MetricName("nats per character", False),
    "bits_per_character": MetricName("bits per character", False),
    "characters": MetricName("characters measured", None, decimals=0),
    "accuracy": MetricName("accuracy", True, decimals=1, scale=100, unit=" %"),
    "macro_f1": MetricName("macro-averaged F1", True),
    "nats": MetricName("log-loss in nats", False),
    "expected_calibration_error": MetricName("calibration error", False),
    "examples": MetricName("texts measured", None, decimals=0),
    "bleu": MetricName("BLEU", True, decimals=1),
    "chrf": MetricName("chrF", True, decimals=1),
    "bleu_lowercased_tokenized": MetricName("BLEU, lowercased, Moses-tokenised", True, decimals=1),
    "sources": MetricName("sentences measured", None, decimals=0),
    "references": MetricName("reference translations", None, decimals=0),
}
_FOUR_DIGITS = 4
_LOWER_IS_BETTER = ("loss", "error", "nats", "bits", "perplexity")


def metric_name(key: str) -> MetricName | None:
    """How the metric of this key is shown; None for one that this project does not know."""
    return _NAMES.get(key)


def metric_words(key: str) -> str:
    """The metric's name for people."""
    known = metric_name(key)
    return known.words if known else key.replace("_", " ")


def lower_is_better(key: str) -> bool:
    """The metric's direction; guessed from the words in its name where the metric is not known."""
    known = metric_name(key)
    if known and known.higher_is_better is not None:
        return not known.higher_is_better
    return any(word in key for word in _LOWER_IS_BETTER)


def shown_metric(key: str, value: float) -> str:
    """A value with as many digits as mean something, and its unit."""
    if not math.isfinite(value):
        return "–"
    known = metric_name(key)
    if known is None:
        return f"{value:,}" if isinstance(value, int) else f"{value:.{_FOUR_DIGITS}g}"
    return f"{value * known.scale:,.{known.decimals}f}{known.unit}"
