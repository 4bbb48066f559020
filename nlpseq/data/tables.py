"""Delimited tables: how one is written is decided on its first rows, and every row is held to it.

Python's `csv` splits the rows. What it lacks is the decision, and the doubt: a quote too many turns a hundred rows into
one text that is valid CSV, and a comma in a text without quotes shifts the cells after it.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice

from nlpseq.errors import DataError

Line = tuple[int, str]  # its number, 1-based, and its text
Row = tuple[int, list[str]]  # the line where the row starts, and its cells

HEAD_LINES, HEAD_CHARACTERS = 2000, 1 << 20  # what the form of a table is decided on
OTHER_DELIMITERS = ",;|"
NAMES = {"\t": "TAB", ",": "comma", ";": "semicolon", "|": "|"}

_SEPARATOR_LINE = re.compile(r"sep=(.)", re.IGNORECASE)  # a spreadsheet's own first line
_LINES_OF_A_STRAY_QUOTE, _SHARE_OF_ROWS = 3, 0.9  # lines inside of a cell, and how many of them look like rows
_MOST_CELL_CHARACTERS = 1 << 30


@dataclass(frozen=True)
class Form:
    """How a table is written.

    Attributes:
        delimiter: between two cells.
        quotes: whether a cell may stand in quotes that are not its own; None where no cell begins with a quote.
        stated: whether a line "sep=;" says so.
    """

    delimiter: str
    quotes: bool | None
    stated: bool = False

    def words(self) -> str:
        """For people: "comma, quotes"."""
        quotes = {True: "quoted where needed", False: "quotes are text", None: "no quotes"}[self.quotes]
        return f"{NAMES.get(self.delimiter, repr(self.delimiter))}, {quotes}"


@dataclass(frozen=True)
class Table:
    """A table whose form is decided.

    Attributes:
        form: how it is written.
        head: its first rows, up to the first that is broken.
        rows: all of them, the head included; can be read once.
    """

    form: Form
    head: list[Row]
    rows: Iterator[Row]


def open_table(
    lines: Iterator[Line],
    name: str,
    delimiters: str,
    needed: int,
    known: Iterable[frozenset[str]] = (),
    most_characters: int | None = None,
) -> Table:
    """Decides how a table is written.

    Args:
        lines: of the file.
        name: of the file in messages.
        delimiters: that come into question.
        needed: cells that a row must have.
        known: for each of the needed columns, the folded names that a header may have for it.
        most_characters: of a row; one that has more is a quote that was never closed.
    """
    head, is_whole = _head(lines)
    first = next((at for at, (_, text) in enumerate(head) if text.strip()), 0)
    if delimiters == "\t" and needed > 1 and not any("\t" in text for _, text in head):
        delimiters = OTHER_DELIMITERS  # whatever the file is called
    stated = _SEPARATOR_LINE.fullmatch(head[first][1].strip(' \r"')) if head else None
    if stated:
        head, delimiters = head[first + 1 :], stated[1]
    reading = [_Reading(delimiter, name, most_characters) for delimiter in delimiters]
    candidates = [_Candidate(head, is_whole, each, needed, [*known]) for each in reading]
    best = max(candidates, key=lambda candidate: candidate.merit)
    form = Form(best.reading.delimiter, best.quotes, bool(stated))
    return Table(form, best.rows, best.reading.rows(chain(head, lines), form.quotes))


def folded(cell: str) -> str:
    """A header's cell without what does not count in a name: case, blanks, "_" and "-"."""
    return re.sub(r"[\s_\-\ufeff]", "", cell).casefold()


def shown(cells: Sequence[str], most: int = 60) -> str:
    """The cells for an error message, each cut short."""
    return " | ".join(repr(cell if len(cell) <= most else cell[:most] + "…") for cell in cells)


def is_quoted(cell: str) -> bool:
    """Whether a cell is in quotes and the quotes inside of it are doubled."""
    inner = cell[1:-1]
    return cell[:1] == cell[-1:] == '"' and '""' in inner and '"' not in inner.replace('""', "")


class _Candidate:
    """The head of a table as it is with one delimiter."""

    def __init__(
        self, head: list[Line], is_whole: bool, reading: _Reading, needed: int, known: list[frozenset[str]]
    ) -> None:
        self.reading, delimiter = reading, reading.delimiter
        self.quotes = _are_quotes_of_the_file(head, reading)
        self.rows: list[Row] = []
        sound = True
        try:
            for row in reading.rows(iter(head), self.quotes):
                self.rows.append(row)
        except DataError:
            sound = not is_whole  # what is open at the end of the head may be closed after it
        widths = Counter(len(cells) for _, cells in self.rows)
        width, rows = max(widths.items(), key=lambda item: (item[1], item[0]), default=(0, 0))
        names = {folded(cell) for cell in self.rows[0][1]} if self.rows else set()
        spaced = sum(text.count(f"{delimiter} ") for _, text in head)
        self.merit = (
            width >= needed,
            bool(known) and all(names & aliases for aliases in known),
            sound and len(widths) == 1 and (needed > 1 or width == 1),
            rows / max(len(self.rows), 1),
            2 * spaced < sum(text.count(delimiter) for _, text in head),  # in prose a space follows
        )


def _head(lines: Iterator[Line]) -> tuple[list[Line], bool]:
    """The first lines, and whether they are all; those after them stay in `lines`."""
    head, characters = [], 0
    for line in lines:
        head.append(line)
        characters += len(line[1])
        if len(head) >= HEAD_LINES or characters >= HEAD_CHARACTERS:
            return head, False
    return head, True


def _are_quotes_of_the_file(
    lines: Sequence[Line], reading: _Reading, *, first: bool = True, commas: bool = False
) -> bool | None:
    """Whether quotes around a cell are the file's and not the text's; None where no cell begins with one.

    In CSV they are. In text with TABs they are if whoever wrote it was consistent: a cell that has a quote inside is in
    quotes, and a cell is in quotes because of what it holds, or with all others of its column.

    Args:
        lines: some of the table.
        reading: of the table.
        first: whether the table begins with them; else there are none with quotes before.
        commas: whether there are commas in cells before.
    """
    if reading.delimiter != "\t":
        return True
    if not any(_begins_with_a_quote(text) for _, text in lines):
        return None
    try:
        read = list(reading.rows(iter(lines), True))
    except DataError:
        return False
    written = [text.split("\t") for _, text in lines if text.strip()]
    plain = [cell for cells in written for cell in cells if not cell.startswith('"')]
    if len(read) == len(written):  # no cell goes over several lines
        if any('"' in cell for cell in plain):
            return False
        same_width = len({len(cells) for cells in written}) == 1
        if first and same_width and all(map(_is_quoted_alike, zip(*written, strict=True))):
            return True
    special = set(
        '"\t' if commas or any("," in cell for cell in plain) else '"\t,'
    )  # some spreadsheets quote commas too
    whole = [cell for cells in written for cell in cells if len(cell) > 1 and cell[0] == cell[-1] == '"']
    return all(special & set(cell[1:-1]) for cell in whole)


class _Reading:
    """Reads the rows of a table with one delimiter."""

    def __init__(self, delimiter: str, name: str, most_characters: int | None) -> None:
        self.delimiter, self.name, self._most = delimiter, name, most_characters

    def rows(self, lines: Iterator[Line], quotes: bool | None) -> Iterator[Row]:
        """Yields the rows that are not blank; where nobody knows of quotes, the first cell that has them decides."""
        if quotes:
            return self._quoted(lines)
        return self._plain(lines) if quotes is False else self._undecided(lines)

    def _undecided(self, lines: Iterator[Line]) -> Iterator[Row]:
        commas = False
        for line, text in lines:
            if _begins_with_a_quote(text):
                window = [(line, text), *islice(lines, HEAD_LINES)]
                quotes = _are_quotes_of_the_file(window, self, first=False, commas=commas)
                yield from self.rows(chain(window, lines), quotes)
                return
            commas = commas or "," in text
            if text.strip():
                yield line, text.split(self.delimiter)

    def _plain(self, lines: Iterator[Line]) -> Iterator[Row]:
        for line, text in lines:
            if text.strip():
                yield line, text.split(self.delimiter)

    def _quoted(self, lines: Iterator[Line]) -> Iterator[Row]:
        consumed: list[Line] = []  # lines of the row

        def texts() -> Iterator[str]:
            for line in lines:
                consumed.append(line)
                if len(consumed) > 1 and self._most and sum(len(text) for _, text in consumed) > self._most:
                    raise self._error(f"a quote opens here and is not closed in {self._most:,} characters", consumed)
                yield f"{line[1]}\n"

        csv.field_size_limit(_MOST_CELL_CHARACTERS)
        skip = self.delimiter != "\t"
        reader = csv.reader(texts(), delimiter=self.delimiter, strict=True, skipinitialspace=skip)
        while True:
            consumed.clear()
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise self._error(f"not valid CSV ({error})", consumed) from None
            if len(consumed) > _LINES_OF_A_STRAY_QUOTE + 1 and self._are_rows(consumed[1:-1], len(cells)):
                end = consumed[-1][0]
                raise self._error(
                    f"a quote opens here and closes in line {end}, the lines between look like rows", consumed
                )
            if any(map(str.strip, cells)):
                yield consumed[0][0], cells

    def _are_rows(self, lines: Sequence[Line], width: int) -> bool:
        """Whether lines inside of a cell are as many cells wide as the row itself."""
        texts = [text for _, text in lines if text.strip()]
        alike = sum(text.count(self.delimiter) == width - 1 for text in texts)
        return width > 1 and len(texts) >= _LINES_OF_A_STRAY_QUOTE and alike >= _SHARE_OF_ROWS * len(texts)

    def _error(self, what: str, consumed: list[Line]) -> DataError:
        to_do = 'close every quote, write " inside of a quoted cell as "", or write the data as .jsonl'
        return DataError(f"{what}: {to_do}. The line is {consumed[0][1][:100]!r}", file=self.name, line=consumed[0][0])


def _is_quoted_alike(column: Sequence[str]) -> bool:
    """Whether all cells of a column begin with a quote or none does; over numbers the name may be quoted alone."""
    quoted = [cell.startswith('"') for cell in column]
    return (
        all(quoted)
        or not any(quoted)
        or (not any(quoted[1:]) and all(cell.strip("-.0123456789") == "" for cell in column[1:]))
    )


def _begins_with_a_quote(text: str) -> bool:
    return text.startswith('"') or '\t"' in text
