"""Where examples come from: files, parallel files, TensorFlow Datasets and a task's bundled sample.

A SPEC is `sample`, `tfds:NAME[/CONFIG][:VERSION]`, a path (.txt, .tsv, .csv, .jsonl, each also .gz) or `SRC,TGT`; or
several of these, one after the other: `A + B`.
"""

from __future__ import annotations

import difflib
import hashlib
import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nlpseq.data import text_files
from nlpseq.data.columns import ColumnOption, complete, match_names, parse_columns, select_columns, select_keys
from nlpseq.errors import DataError, UserError

Part = Literal["train", "valid", "test"]
Rows = Iterable[tuple[str, ...]]  # the fields of each example
Kind = Literal["sample", "tfds", "pair", ".txt", ".tsv", ".csv", ".jsonl"]

MAX_LINE_CHARACTERS = 100_000  # of a record: a longer one is a running text, or a quote that was never closed
CHUNK_CHARACTERS = 1 << 16
EXTENSIONS: tuple[Kind, ...] = (".txt", ".tsv", ".csv", ".jsonl")
FORMS = (
    "data is 'sample', 'tfds:NAME', a file that ends in .txt, .tsv, .csv or .jsonl (or one of these and .gz), or two "
    "parallel files 'SOURCE,TARGET'; several of these are joined by ' + '"
)


@dataclass(frozen=True, slots=True)
class Record:
    """One example as it stands in the data."""

    fields: tuple[str, ...]  # in the order of the columns asked for
    file: str  # printable: as the user named it, or "tfds:…", or "sample"
    line: int  # 1-based, where the record starts; for TFDS and the sample the number of the example


@dataclass(frozen=True, slots=True)
class Source:
    """A single SPEC after a look at the disk."""

    kind: Kind
    spec: str  # printable
    files: tuple[str, ...] = ()  # as the user named them

    @property
    def paths(self) -> tuple[Path, ...]:
        return tuple(Path(file).expanduser() for file in self.files)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the files in messages."""
        return tuple(map(printable, self.files))


def read_records(
    spec: str,
    columns: tuple[str, ...],
    *,
    part: Part = "train",
    option: str = "",
    sample: Callable[[], Rows] | None = None,
) -> Iterator[Record]:
    """Yields the records lazily, without blank lines, rows without text, and spaces around a field.

    Args:
        spec: see the module.
        columns: what the task reads: ("text", "label"), ("source", "target") or ("text",).
        part: which split of a TFDS dataset; files and the sample are read whole.
        option: what `--columns` said: names in the file's order, "label,-,text", or by header,
            "text=review,label=stars". Parallel files and the sample have no columns to choose.
        sample: yields the rows of the task's bundled sample.

    Raises:
        UserError: no such data or split, or columns that cannot be told apart; most of it at the call, not at the
            first record.
        DataError: a line that cannot be used, unequal parallel files, or no record at all.
    """
    chosen = parse_columns(option, columns)
    sources = [_resolve(single) for single in single_specs(spec)]
    several = [
        _records(_rows(source, columns, part, chosen, sample, MAX_LINE_CHARACTERS), columns, source.spec)
        for source in sources
    ]
    return itertools.chain.from_iterable(several)


def read_text(
    spec: str, *, part: Part = "train", option: str = "", sample: Callable[[], Rows] | None = None
) -> Iterator[str]:
    r"""Yields running text in chunks of at most 64k characters, every end of line as "\n".

    A .txt, or a file of any other extension, is taken as it is. Of .tsv, .csv, .jsonl and TFDS, and of a .txt with an
    `option`, each record's text is followed by "\n". The arguments are those of :func:`read_records`.

    Raises:
        UserError: no such data or split, two parallel files, or columns that cannot be told apart.
        DataError: a line that cannot be used, or no text at all.
    """
    return chunks([_pieces(single, part, option, sample) for single in single_specs(spec)])


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


def has_part(spec: str, part: Part, columns: tuple[str, ...]) -> bool:
    """Whether the data has a split for the part, with labels if they are read; of several SPECs each must have it.

    Files and the sample have none but "train", which is all of them.

    Raises:
        UserError: no such data, or a TFDS dataset that cannot be had.
    """
    sources = [_resolve(single, any_text=True) for single in single_specs(spec)]
    if any(source.kind != "tfds" for source in sources):
        return part == "train"
    from nlpseq.data import tfds

    return all(tfds.has_part(source.spec, part, labelled="label" in columns) for source in sources)


def described(spec: str, part: Part) -> str:
    """What is read of the SPEC for the part, in words.

    Raises:
        UserError: no such data or split.
    """
    words = []
    for single in single_specs(spec):
        source = _resolve(single, any_text=True)
        if source.kind == "tfds":
            from nlpseq.data import tfds

            words.append(f"the split '{tfds.split_name(source.spec, part)}' of {source.spec}")
        else:
            words.append("the bundled sample" if source.kind == "sample" else source.spec)
    return " + ".join(words)


def fingerprint(spec: str, part: Part = "train", sample: Callable[[], Rows] | None = None) -> str:
    """Returns a hex BLAKE2b that changes with the content.

    It covers the kind and the bytes of files, the name, version and sizes of a TFDS split, or the rows of the sample;
    not which columns are read.

    Raises:
        UserError: no such data or split.
    """
    singles = single_specs(spec)
    if len(singles) > 1:
        prints = [fingerprint(single, part, sample) for single in singles]
        return hashlib.blake2b(repr(prints).encode(), digest_size=16).hexdigest()
    source = _resolve(spec, any_text=True)
    if source.kind == "sample":
        return hashlib.blake2b(repr(list(_bundled(sample))).encode(), digest_size=16).hexdigest()
    if source.kind == "tfds":
        from nlpseq.data import tfds

        return tfds.fingerprint(source.spec, part)
    return text_files.fingerprint(source.kind, source.paths, source.names)


def single_specs(spec: str) -> list[str]:
    """The SPECs that `A + B` is made of."""
    return [spec] if _exists(spec) else [single.strip() for single in spec.split(" + ")]


def printable(name: str) -> str:
    """The name of a file as it can be printed and written, even where it is not UTF-8."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def _resolve(spec: str, *, any_text: bool = False) -> Source:
    """What a SPEC means; with `any_text`, a file of unknown extension is a .txt."""
    name = printable(spec)
    if spec == "sample":
        return Source("sample", name)
    if spec.startswith("tfds:"):
        return Source("tfds", name)
    if not _exists(spec):
        pairs = [(spec[:at], spec[at + 1 :]) for at, character in enumerate(spec) if character == ","]
        pair = next((pair for pair in pairs if all(map(_exists, pair))), pairs[0] if len(pairs) == 1 else None)
        if pair is None:
            raise UserError(_missing(spec))
        for file in pair:
            _check_file(file)
        return Source("pair", name, pair)
    _check_file(spec)
    extension = Path(spec.casefold().removesuffix(".gz")).suffix
    kind = next((known for known in EXTENSIONS if known == extension), ".txt" if any_text else None)
    if kind is None:
        raise UserError(
            f"'{name}' has the extension '{printable(extension)}', which does not say what is in it: {FORMS}"
        )
    return Source(kind, name, (spec,))


def _exists(file: str) -> bool:
    return os.path.exists(os.path.expanduser(file))


def _check_file(file: str) -> None:
    if not _exists(file):
        raise UserError(_missing(file))
    if os.path.isdir(os.path.expanduser(file)):
        raise UserError(f"'{printable(file)}' is a folder: {FORMS}")


def _missing(file: str) -> str:
    """The message for a file that is not there, with the files whose names come near."""
    folder, name = Path(file).expanduser().parent, printable(file)
    if len(name) > 1000 or not folder.is_dir():
        return f"no such file: '{name[:1000]}' (there is no folder '{printable(str(folder))[:1000]}'); {FORMS}"
    close = difflib.get_close_matches(Path(file).name, sorted(os.listdir(folder)), n=3)
    hint = f" (similar names there: {', '.join(map(printable, close))})" if close else ""
    return f"no such file: '{name}'{hint}; {FORMS}"


def _pieces(spec: str, part: Part, option: str, sample: Callable[[], Rows] | None) -> Iterator[str]:
    """The running text of a single SPEC, in pieces of any size."""
    source = _resolve(spec, any_text=True)
    chosen = parse_columns(option, ("text",))
    if source.kind == "pair":
        raise UserError(f"'{source.spec}' are two parallel files: give one file of running text")
    if source.kind == "sample":
        return (text.replace("\r\n", "\n").replace("\r", "\n") for (text,) in _bundled(sample))
    if source.kind == ".txt" and chosen == ColumnOption():
        return text_files.read_blocks(source.paths[0], source.spec)
    records = _records(_rows(source, ("text",), part, chosen, None, None), ("text",), source.spec)
    return (record.fields[0].replace("\r\n", "\n").replace("\r", "\n") + "\n" for record in records)


def _rows(
    source: Source,
    columns: tuple[str, ...],
    part: Part,
    option: ColumnOption,
    sample: Callable[[], Rows] | None,
    max_characters: int | None,
) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yields (line, fields as they are) of any source."""
    if source.kind == "tfds":
        from nlpseq.data import tfds

        return tfds.read(source.spec, columns, part, option)
    if source.kind == "sample":
        return enumerate(_bundled(sample), start=1)
    if source.kind == "pair":
        if columns != ("source", "target"):
            raise UserError(f"'{source.spec}' are two parallel files, but this task reads {' and '.join(columns)}")
        (first, second), (name, other) = source.paths, source.names
        return text_files.read_parallel((first, second), (name, other), max_characters)
    path, name = source.paths[0], source.spec
    match source.kind:
        case ".jsonl":
            return select_keys(text_files.read_jsonl(path, name, max_characters), columns, option, name)
        case ".csv":
            delimiter = _sniff_delimiter(path, name, columns, option)
            return select_columns(text_files.read_csv(path, name, delimiter, max_characters), columns, option, name)
        case ".txt" if columns == ("text",) and option == ColumnOption():  # a line is a text, with the TABs in it
            return ((line, (text,)) for line, text in text_files.read_lines(path, name, max_characters))
    return select_columns(text_files.read_tsv(path, name, max_characters), columns, option, name)


def _bundled(sample: Callable[[], Rows] | None) -> Rows:
    if sample is None:
        raise UserError("this task has no bundled sample: give a file")
    return sample()


def _sniff_delimiter(path: Path, name: str, columns: tuple[str, ...], option: ColumnOption) -> str:
    """Comma, unless only semicolons make a header, or enough columns, of the first row."""
    comma, semicolon = (_first_row(path, name, delimiter) for delimiter in ",;")
    is_header = [complete(match_names(row, columns, option.by_name)) is not None for row in (comma, semicolon)]
    if any(is_header):
        return "," if is_header[0] else ";"
    return ";" if len(comma) < len(columns) <= len(semicolon) else ","


def _first_row(path: Path, name: str, delimiter: str) -> list[str]:
    """A CSV file's first row, empty where the file makes no sense with this delimiter."""
    try:
        return next(text_files.read_csv(path, name, delimiter, None), (0, []))[1]
    except DataError:
        return []


def _records(rows: Iterator[tuple[int, tuple[str, ...]]], columns: tuple[str, ...], name: str) -> Iterator[Record]:
    """Strips the fields and leaves out rows that lack more than their label."""
    none = True
    for line, cells in rows:
        fields = tuple(cell.strip() for cell in cells)
        if any("\0" in field for field in fields):
            raise DataError("a field holds a NUL character, which is no text: remove it", file=name, line=line)
        empty = [column for column, field in zip(columns, fields, strict=True) if not field]
        if empty == ["label"]:
            raise DataError("the label is empty: fill it in or remove the line", file=name, line=line)
        if not empty:
            none = False
            yield Record(fields, name, line)
    if none:
        raise DataError("this has no records: it is empty, or all its lines are blank or a header", file=name)
