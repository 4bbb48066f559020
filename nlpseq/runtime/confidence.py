"""How sure a translation model is, in the share of translations that were acceptable when it was measured."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

WEIGHTS = 3  # of what features() returns


def features(score: float, text: str, longest: int) -> tuple[float, float, float]:
    """What the confidence in a translation is computed from.

    Args:
        score: its log-probability, in nats, divided by the length penalty.
        text: the translation.
        longest: characters; a longer one counts as one of this length.
    """
    return 1.0, score, math.log1p(min(len(text), longest))


@dataclass(frozen=True)
class Calibration:
    """A logistic regression from score and length to the share of acceptable translations.

    Attributes:
        weights: of each feature.
        longest: characters of the longest translations that it was fitted on.
    """

    weights: tuple[float, ...]
    longest: int

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Calibration | None:
        """The calibration in a file's metadata; None where there is none.

        Raises:
            ValueError: the facts are not understood.
        """
        if not facts:
            return None
        weights, longest = facts.get("weights"), facts.get("longest")
        if not (isinstance(weights, list) and len(weights) == WEIGHTS and all(map(_is_number, weights))):
            raise ValueError("weights")
        if type(longest) is not int or longest < 0:
            raise ValueError("longest")
        return cls(tuple(weights), longest)

    def confidence(self, score: float, text: str) -> float:
        """The share of acceptable translations among those of such a score and length, from 0 to 1."""
        given = features(score, text, self.longest)
        log_odds = sum(weight * value for weight, value in zip(self.weights, given, strict=True))
        return 0.5 * (1.0 + math.tanh(0.5 * log_odds))  # the logistic function, which never overflows so


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]
