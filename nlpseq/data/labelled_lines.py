"""Lines that begin with their label, as fastText reads them: "__label__positive What a film!"."""

from __future__ import annotations

from collections.abc import Iterator

from nlpseq.data.tables import Line
from nlpseq.errors import DataError

_MARK = "__label__"


def is_labelled(lines: Iterator[Line]) -> bool:
    """Returns whether the first line that is not blank begins with a label."""
    return next((text.lstrip().startswith(_MARK) for _, text in lines if text.strip()), False)


def read_labelled(lines: Iterator[Line], name: str) -> Iterator[tuple[int, tuple[str, str]]]:
    """Yields (line, (text, label)) of the lines that are not blank.

    Raises:
        DataError: a line has no label at its beginning, or more than one.
    """
    for line, text in lines:
        words = text.split(maxsplit=2)
        if not words:
            continue
        if not words[0].startswith(_MARK):
            raise DataError(f"does not begin with {_MARK}, as other lines do: {text[:60]!r}", file=name, line=line)
        if len(words) > 1 and words[1].startswith(_MARK):
            message = f"two labels, {words[0]} and {words[1]}: a text can have one here; keep one"
            raise DataError(message, file=name, line=line)
        yield line, (text.lstrip()[len(words[0]) :], words[0].removeprefix(_MARK).rstrip(","))
