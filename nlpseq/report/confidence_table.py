"""The table of how sure a translation model is, and how often it is right then."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nlpseq.report.robustness_table import Table


def confidence_table(found: Mapping[str, Any]) -> Table:
    """Returns what was measured as a table.

    Args:
        found: as it stands in ``metrics.json`` under ``calibration``.
    """
    header = ["confidence", "texts", "mean score", "mean confidence", "acceptable"]
    rows = [
        [
            f"{_percent(each['from'])} to {_percent(each['to'])}",
            f"{each['questions']:,}",
            f"{each['score']:.2f}",
            _percent(each["confidence"]),
            _percent(each["acceptable"]),
        ]
        for each in found["bins"]
    ]
    return "Confidence, and how many translations are acceptable", header, rows


def confidence_in_words(found: Mapping[str, Any]) -> str:
    """Returns a sentence that says what confidence is, and how far it is from what it promises."""
    return (
        f"the share of translations that are acceptable: chrF of {found['acceptable_chrf']:.0f} or more against the "
        f"closest reference. It is fitted to score and length on {found['fitted_on']:,} validation texts and checked "
        f"on {found['checked_on']:,} others, as the table below: its expected calibration error is "
        f"{found['expected_calibration_error']:.3f}. It holds for texts of the same kind"
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
