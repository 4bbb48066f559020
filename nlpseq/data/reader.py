"""Reading a SPEC: records one by one, or a running text in chunks."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from nlpseq.data import objects, text_files
from nlpseq.data.columns import ALIASES, ColumnOption, locate, parse_columns, select_columns
from nlpseq.data.findings import Findings
from nlpseq.data.labelled_lines import is_labelled, read_labelled
from nlpseq.data.meter import Meter
from nlpseq.data.sources import Kind, Part, Record, Rows, Source, resolve, single_specs
from nlpseq.data.tables import Table, folded, is_quoted, open_table
from nlpseq.errors import DataError, UserError
from nlpseq.text.unicode import clean_label, is_invisible

MAX_LINE_CHARACTERS = 100_000  # of a record: a longer one is a running text, or a quote that was never closed
CHUNK_CHARACTERS = 1 << 16
DELIMITERS: dict[Kind, str] = {".csv": ",;\t|", ".tsv": "\t", ".txt": "\t"}
# What programs write where there is no value. "none" and "NA" are not among them: they are classes of somebody.
NOT_NUMBERS = frozenset(("NaN", "nan", "<NA>", "#N/A"))
NO_VALUES = NOT_NUMBERS | {"None", "NULL", "null"}  # as a label; "None." may be a text


@dataclass(frozen=True)
class Look:
    """How one file, or the like, is read.

    Attributes:
        name: as the user named it.
        form: in words, such as "CSV, comma, UTF-8".
        columns: for each wanted column the name that it has there.
        has_header: whether the first row names the columns; None where there are no rows.
        unused: what else is there.
    """

    name: str
    form: str
    columns: dict[str, str]
    has_header: bool | None = None
    unused: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reader:
    """Reads one SPEC for one task.

    Attributes:
        columns: what the task reads: ("text", "label"), ("source", "target") or ("text",).
        option: what `--columns` said: names in the file's order, "label,-,text", or by header,
            "text=review,label=stars". Parallel files and the sample have no columns to choose.
        sample: yields the rows of the task's bundled sample.
    """

    columns: tuple[str, ...]
    option: str = ""
    sample: Callable[[], Rows] | None = None

    def records(
        self, spec: str, part: Part = "train", findings: Findings | None = None, meter: Meter | None = None
    ) -> Iterator[Record]:
        """Yields the records lazily, without spaces around a field.

        Args:
            spec: see the module.
            part: which split of a TFDS dataset; files and the sample are read whole.
            findings: gets what is left out and what is mended.
            meter: is told of the bytes that are read.

        Raises:
            UserError: no such data or split, or columns that cannot be told apart; most of it at the call, not at the
                first record.
            DataError: a line that cannot be used, unequal parallel files, or no record at all.
        """
        found, measured = findings or Findings(), meter or Meter()
        sources = self._sources(spec, measured)
        several = [
            _records(self._rows(source, part, MAX_LINE_CHARACTERS, found, measured), self.columns, source.spec, found)
            for source in sources
        ]
        return itertools.chain.from_iterable(several)

    def text(self, spec: str, part: Part = "train", meter: Meter | None = None) -> Iterator[str]:
        r"""Yields running text in chunks of at most 64k characters, every end of line as "\n".

        A .txt, or a file of any other extension, is taken as it is. Of a table, JSON lines and TFDS, and of a .txt with
        an `option`, each record's text is followed by "\n". The arguments are those of :meth:`records`.

        Raises:
            UserError: no such data or split, two parallel files, or columns that cannot be told apart.
            DataError: a line that cannot be used, or no text at all.
        """
        measured = meter or Meter()
        return chunks([self._pieces(source, part, measured) for source in self._sources(spec, measured, any_text=True)])

    def look(self, spec: str, part: Part = "train") -> list[Look]:
        """Says how each of the files, or the like, is read.

        Raises:
            UserError, DataError: as :meth:`records`, for what is at the beginning.
        """
        any_text = self.columns == ("text",)
        return [self._look(resolve(single, any_text=any_text), part) for single in single_specs(spec)]

    def _sources(self, spec: str, meter: Meter, *, any_text: bool = False) -> list[Source]:
        parse_columns(self.option, self.columns)
        sources = [resolve(single, any_text=any_text) for single in single_specs(spec)]
        for source in sources:
            meter.expect(sum(os.path.getsize(path) for path in source.paths if path.is_file()))
        return sources

    def _look(self, source: Source, part: Part) -> Look:
        name, columns = source.spec, self.columns
        match source.kind:
            case "sample":
                return Look("the bundled sample", "part of nlpseq", {column: column for column in columns})
            case "tfds":
                from nlpseq.data import tfds

                names = tfds.named_features(source.spec, columns, part, self._chosen)
                return Look(name, "TensorFlow dataset", dict(zip(columns, names, strict=True)))
            case "pair":
                return Look(
                    name, f"parallel files, {self._encoding(source)}", dict(zip(columns, source.names, strict=False))
                )
            case ".jsonl" | ".parquet":
                words = "JSON lines, UTF-8" if source.kind == ".jsonl" else "Parquet"
                for line, item in self._objects(source, None, Meter()):
                    keys = objects.named_keys(item, columns, self._chosen, name, line)
                    unused = tuple(key for key in objects.flat_keys(item) if key not in keys)
                    return Look(name, words, dict(zip(columns, keys, strict=True)), unused=unused)
                return Look(name, words, {})
        if self._is_labelled(source):
            return Look(
                name,
                f"text, each line begins with __label__, {self._encoding(source)}",
                {"label": "__label__", "text": "the rest"},
            )
        if self._is_plain(source):
            return Look(name, f"text, {self._encoding(source)}", {"text": "the line"})
        table = self._table(source, MAX_LINE_CHARACTERS, Meter())
        words = f"table, {table.form.words()}, {self._encoding(source)}"
        if not table.head:
            return Look(name, words, {})
        places = locate(table, columns, self._chosen, name)
        named = places.named(columns)
        unused = tuple(cell for cell in places.header if cell and cell not in named.values())
        return Look(name, words, named, bool(places.header), unused)

    @property
    def _chosen(self) -> ColumnOption:
        return parse_columns(self.option, self.columns)

    def _encoding(self, source: Source) -> str:
        return ", ".join(dict.fromkeys(map(text_files.encoding, source.paths, source.names)))

    def _is_labelled(self, source: Source) -> bool:
        """Whether a file has a label at the beginning of each line, as fastText reads it."""
        return (
            source.kind in (".txt", ".tsv", ".csv")
            and self.columns == ("text", "label")
            and not self.option
            and is_labelled(text_files.read_lines(source.paths[0], source.spec, MAX_LINE_CHARACTERS))
        )

    def _is_plain(self, source: Source) -> bool:
        """Whether a line is a text, with the TABs in it."""
        return source.kind == ".txt" and self.columns == ("text",) and not self.option

    def _pieces(self, source: Source, part: Part, meter: Meter) -> Iterator[str]:
        """The running text of a single source, in pieces of any size."""
        if source.kind == "pair":
            raise UserError(f"'{source.spec}' are two parallel files: give one file of running text")
        if source.kind == "sample":
            return (_with_line_feeds(text) for (text,) in self._bundled())
        if self._is_plain(source):
            return text_files.read_blocks(source.paths[0], source.spec, meter)
        rows = self._rows(source, part, None, Findings(), meter)
        return (
            _with_line_feeds(record.fields[0]) + "\n" for record in _records(rows, ("text",), source.spec, Findings())
        )

    def _rows(
        self, source: Source, part: Part, most_characters: int | None, findings: Findings, meter: Meter
    ) -> Iterator[tuple[int, tuple[str, ...]]]:
        """Yields (line, fields as they are) of any source."""
        name, columns = source.spec, self.columns
        match source.kind:
            case "tfds":
                from nlpseq.data import tfds

                return tfds.read(name, columns, part, self._chosen)
            case "sample":
                return enumerate(self._bundled(), start=1)
            case "pair":
                if columns != ("source", "target"):
                    raise UserError(f"'{name}' are two parallel files, but this task reads {' and '.join(columns)}")
                (first, second), (one, other) = source.paths, source.names
                return text_files.read_parallel((first, second), (one, other), most_characters, findings, meter)
            case ".jsonl" | ".parquet":
                return objects.select_keys(self._objects(source, most_characters, meter), columns, self._chosen, name)
        if self._is_labelled(source):
            return read_labelled(text_files.read_lines(source.paths[0], name, most_characters, meter), name)
        if self._is_plain(source):
            lines = text_files.read_lines(source.paths[0], name, most_characters, meter)
            return ((line, (text,)) for line, text in lines)
        table = self._table(source, most_characters, meter)
        if not table.head:
            return iter(())
        return select_columns(table, locate(table, columns, self._chosen, name), columns, name, findings)

    def _objects(self, source: Source, most_characters: int | None, meter: Meter) -> Iterator[objects.Object]:
        if source.kind == ".parquet":
            return objects.read_parquet(source.paths[0], source.spec, meter)
        return objects.read_jsonl(source.paths[0], source.spec, most_characters, meter)

    def _table(self, source: Source, most_characters: int | None, meter: Meter) -> Table:
        by_name = self._chosen.by_name
        known = [
            frozenset((folded(by_name[column]),) if column in by_name else ALIASES.get(column, (column,)))
            for column in self.columns
        ]
        lines = text_files.read_lines(source.paths[0], source.spec, most_characters, meter)
        return open_table(lines, source.spec, DELIMITERS[source.kind], len(self.columns), known, most_characters)

    def _bundled(self) -> Rows:
        if self.sample is None:
            raise UserError("this task has no bundled sample: give a file")
        return self.sample()


def chunks(texts: Iterable[Iterable[str]]) -> Iterator[str]:
    """Joins the pieces of several texts, and cuts the whole at line ends into chunks of at most CHUNK_CHARACTERS.

    Every text begins a line. A line that is longer than a chunk is cut.
    """
    pending = ""
    for text in texts:
        line_end = "\n" if pending and not pending.endswith("\n") else ""
        for piece in text:
            pending += line_end + piece
            line_end, start = "", 0
            while len(pending) - start > CHUNK_CHARACTERS:
                longest = start + CHUNK_CHARACTERS
                end = pending.rfind("\n", start, longest) + 1 or longest
                yield pending[start:end]
                start = end
            pending = pending[start:]
    if pending:
        yield pending


def _with_line_feeds(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _records(
    rows: Iterator[tuple[int, tuple[str, ...]]], columns: tuple[str, ...], name: str, findings: Findings
) -> Iterator[Record]:
    """Strips the fields, cleans the labels, and leaves out rows that lack one of them."""
    labels: dict[str, str] = {}  # as they are written, and as they are meant
    label_at = columns.index("label") if "label" in columns else None
    none = True
    for line, cells in rows:
        fields = tuple(map(_stripped, cells))
        if label_at is not None:
            written = cells[label_at].strip(" \t\r\n")
            if written not in labels:
                labels[written] = "" if written in NO_VALUES else clean_label(written)
            label = labels[written]
            if label != written:
                fields = (*fields[:label_at], label, *fields[label_at + 1 :])
                if label:
                    findings.mend("labels without their invisible characters", name, line)
        for field in fields:
            if '""' in field and is_quoted(field):
                findings.mend("cells in quotes that were taken for text", name, line)
        if all(fields) and NOT_NUMBERS.isdisjoint(fields):
            none = False
            yield Record(fields, name, line)
        else:
            empty = [column for column, field in zip(columns, fields, strict=True) if not field or field in NOT_NUMBERS]
            findings.leave_out(f"no {' and no '.join(empty)}", name, line)
    if none:
        raise DataError(_nothing(findings), file=name)


def _nothing(findings: Findings) -> str:
    left_out = ", ".join(f"{found.count:,} with {reason}" for reason, found in findings.left_out.items())
    return f"this has no records: it is empty, or all its lines are blank or a header{left_out and f' ({left_out})'}"


def _stripped(field: str) -> str:
    """Without spaces and invisible characters around it."""
    field = field.strip()
    if field.isascii():
        return field
    while field and (is_invisible(field[0]) or is_invisible(field[-1])):
        field = field[is_invisible(field[0]) : len(field) - is_invisible(field[-1])].strip()
    return field
