"""The tables of what a model makes of texts as people type them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nlpseq.metrics import Metric

_NOTHING = "–"

Table = tuple[str, Sequence[str], Sequence[Sequence[str]]]  # title, header, rows


def robustness_tables(found: Mapping[str, Any], metric: Metric) -> list[Table]:
    """Returns what was measured as tables.

    Args:
        found: as it stands in ``metrics.json`` under ``robustness``.
        metric: the one that was measured.
    """
    tables = [_noise_table(found, metric)]
    if copied := found.get("copied"):
        rows = [[kind, str(count["right"]), str(count["of"]), _share(count)] for kind, count in copied.items()]
        tables.append(("Words that must come out as they went in", ["kind of word", "right", "of", "share"], rows))
    return tables


def _noise_table(found: Mapping[str, Any], metric: Metric) -> Table:
    title = f"{found['texts']:,} texts as people type them"
    header = ["", "texts", f"{metric.words} as they are", f"{metric.words} typed so"]
    whole = metric.shown(found["as_they_are"])
    rows = [["as they are", f"{found['texts']:,}", whole, _NOTHING]]
    if "faults" not in found:
        rows[0].append("0")
        for kind, each in found["noise"].items():
            rows.append([*_metric_cells(kind, each, metric), f"{each['other_labels']:,}"])
        return title, [*header, "other labels"], rows
    rows[0] += _fault_cells(found["faults"])
    for kind, each in found["noise"].items():
        rows.append([*_metric_cells(kind, each, metric), *_fault_cells(each["faults"])])
    faults = found["all_faults"]
    rows.append(["all, with copied words", f"{faults['answers']:,}", _NOTHING, _NOTHING, *_fault_cells(faults)])
    return title, [*header, "empty", "loops", "changed figures"], rows


def _metric_cells(kind: str, each: Mapping[str, Any], metric: Metric) -> list[str]:
    values = (metric.shown(each[key]) for key in ("as_they_are", "with_noise"))
    return [kind.replace("_", " "), f"{each['texts']:,}", *values]


def _fault_cells(faults: Mapping[str, int]) -> list[str]:
    figures = f"{faults['changed_figures']:,} of {faults['with_figures']:,}" if faults["with_figures"] else _NOTHING
    return [f"{faults['empty']:,}", f"{faults['loop']:,}", figures]


def _share(count: Mapping[str, int]) -> str:
    return f"{100 * count['right'] / count['of']:.0f} %"
