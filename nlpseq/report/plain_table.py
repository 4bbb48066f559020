"""Tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence


def plain_table(header: Sequence[Sequence[str]], rows: Sequence[Sequence[str]]) -> str:
    """Returns aligned plain text, the first column to the left and the others to the right.

    Args:
        header: one row or several, above a rule.
        rows: each of as many cells as a row of the header.
    """
    every = [*header, *rows]
    widths = [max(len(row[column]) for row in every) for column in range(len(every[0]))]
    lines = [
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in every
    ]
    lines.insert(len(header), "  ".join("-" * width for width in widths))
    return "\n".join(lines)
