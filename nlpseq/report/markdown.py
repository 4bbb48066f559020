"""Pieces of Markdown that text of any kind cannot break."""

from __future__ import annotations

import re
from collections.abc import Sequence


def inline(text: str) -> str:
    """Returns the text in one line that Markdown and a table's cell show as it is."""
    return re.sub(r"([\\`*_\[\]<>|$~#])", r"\\\1", " ".join(str(text).split()))


def code(lines: Sequence[str], language: str = "") -> str:
    """Returns a code block that none of its lines can end."""
    longest = max((len(run) for line in lines for run in re.findall(r"`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join([f"{fence}{language}", *(line.strip("\n") for line in lines), fence])


def bullets(lines: Sequence[str]) -> str:
    """Returns a list of ready Markdown lines."""
    return "\n".join(f"- {line}" for line in lines)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Returns a table of ready Markdown cells; a column of numbers is aligned to the right."""
    is_number = [
        bool(rows) and all(re.fullmatch(r"[–\d.,%\s-]+", row[column]) for row in rows) for column in range(len(header))
    ]
    rule = ["---:" if right else "---" for right in is_number]
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, rule, *rows))


def picture(file: str, caption: str) -> str:
    """Returns a picture; the file is a path relative to the document."""
    return f"![{inline(caption)}]({file.replace(' ', '%20')})"
