"""Reading a SPEC in one call."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from nlpseq.data.reader import Reader
from nlpseq.data.sources import Part, Record, Rows


def read_records(
    spec: str,
    columns: tuple[str, ...],
    *,
    part: Part = "train",
    option: str = "",
    sample: Callable[[], Rows] | None = None,
) -> Iterator[Record]:
    return Reader(columns, option, sample).records(spec, part)


def read_text(
    spec: str, *, part: Part = "train", option: str = "", sample: Callable[[], Rows] | None = None
) -> Iterator[str]:
    return Reader(("text",), option, sample).text(spec, part)
