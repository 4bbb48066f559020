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
from typing import Literal, TypeVar

from nlpseq.data import files
from nlpseq.data.columns import ColumnOption, complete, match_names, parse_columns, select_columns, select_keys
from nlpseq.errors import DataError, UserError

Part = Literal["train", "valid", "test"]
T = TypeVar("T")
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

    fields: tuple[str, ...]  # in the order of the roles asked for
    file: str  # as the user named it, or "tfds:…", or "sample"
    line: int  # 1-based, where the record starts; for TFDS and the sample the number of the example


@dataclass(frozen=True, slots=True)
class Source:
    """A SPEC after a look at the disk."""

    kind: Kind
    spec: str
    names: tuple[str, ...] = ()  # the files as the user named them

    @property
    def paths(self) -> tuple[Path, ...]:
        return tuple(Path(name).expanduser() for name in self.names)


def read_records(
    spec: str,
    roles: tuple[str, ...],
    *,
    part: Part = "train",
    columns: str | None = None,
    sample: Callable[[], Iterable[tuple[str, ...]]] | None = None,
) -> Iterator[Record]:
    """Yields the records lazily; blank lines and rows without text are left out, spaces around a field stripped.

    Args:
        spec: see the module.
        roles: ("text", "label"), ("source", "target") or ("text",).
        part: files and the sample have "train" only.
        columns: names in the file's order, "label,-,text", or by header, "text=review,label=stars". Parallel files and
            the sample have no columns to choose.
        sample: yields the fields of the task's bundled sample.

    Raises:
        UserError: no such data, or columns that cannot be told apart; most of it at the call, not at the first record.
        DataError: a line that cannot be used, unequal parallel files, or no record at all.
    """
    if len(parts := _joined(spec)) > 1:
        several = [read_records(each, roles, part=part, columns=columns, sample=sample) for each in parts]
        return itertools.chain.from_iterable(several)
    option = parse_columns(columns, roles)
    source = _resolve(spec)
    rows = _rows(source, roles, part, option, sample, MAX_LINE_CHARACTERS)
    return _records(rows, roles, spec)


def read_text(
    spec: str, *, part: Part = "train", columns: str | None = None, sample: Callable[[], str] | None = None
) -> Iterator[str]:
    r"""Yields running text in chunks of at most 64k characters, every end of line as "\n".

    A .txt, or a file of any other extension, is taken as it is. Of .tsv, .csv, .jsonl and TFDS, and of a .txt with
    `columns`, each record's text is followed by "\n".

    Raises:
        UserError: no such data, two parallel files, or columns that cannot be told apart.
        DataError: a line that cannot be used, or no text at all.
    """
    if len(parts := _joined(spec)) > 1:
        return itertools.chain.from_iterable(
            [read_text(each, part=part, columns=columns, sample=sample) for each in parts]
        )
    option = parse_columns(columns, ("text",))
    source = _resolve(spec, any_text=True)
    if source.kind == "pair":
        raise UserError(f"'{spec}' are two parallel files: give one file of running text")
    if source.kind == "sample":
        _only_train(source, part)
        pieces: Iterable[str] = [_sample(sample)]
    elif source.kind == ".txt" and columns is None:
        _only_train(source, part)
        pieces = files.read_blocks(source.paths[0], spec)
    else:
        rows = _rows(source, ("text",), part, option, None, None)
        pieces = (f"{record.fields[0]}\n" for record in _records(rows, ("text",), spec))
    return _chunks(pieces, spec)


def has_part(spec: str, part: Part) -> bool:
    """Whether the data has such a part: "train" always; others only for TFDS, where its split has labels if any.

    Of several SPECs each must have it.

    Raises:
        UserError: no such data, or a TFDS dataset that cannot be had.
    """
    if len(parts := _joined(spec)) > 1:
        return all(has_part(each, part) for each in parts)
    source = _resolve(spec, any_text=True)
    if source.kind == "tfds":
        from nlpseq.data import tfds

        return tfds.has_part(spec, part)
    return part == "train"


def fingerprint(spec: str, part: Part = "train") -> str:
    """Hex BLAKE2b that changes with the content: of the files' kind and bytes, or of a TFDS split's name, version and
    sizes. Which columns are read is not in it.

    Raises:
        UserError: no such data.
        ValueError: the sample, which its task hashes itself.
    """
    if len(parts := _joined(spec)) > 1:
        return hashlib.blake2b(repr([fingerprint(each, part) for each in parts]).encode()).hexdigest()
    source = _resolve(spec, any_text=True)
    if source.kind == "sample":
        raise ValueError("the sample has no fingerprint of its own: hash its text")
    if source.kind == "tfds":
        from nlpseq.data import tfds

        return tfds.fingerprint(spec, part)
    _only_train(source, part)
    return files.fingerprint(source.kind, source.paths, source.names)


def _joined(spec: str) -> list[str]:
    """The SPECs that a SPEC is made of."""
    return [spec] if _exists(spec) else [part.strip() for part in spec.split(" + ")]


def _resolve(spec: str, *, any_text: bool = False) -> Source:
    """What a SPEC means; with `any_text`, a file of unknown extension is a .txt."""
    if spec == "sample":
        return Source("sample", spec)
    if spec.startswith("tfds:"):
        return Source("tfds", spec)
    if not _exists(spec):
        pairs = [(spec[:at], spec[at + 1 :]) for at, character in enumerate(spec) if character == ","]
        pair = next((pair for pair in pairs if all(map(_exists, pair))), pairs[0] if len(pairs) == 1 else None)
        if pair is None:
            raise UserError(_missing(spec))
        for name in pair:
            _check_file(name)
        return Source("pair", spec, pair)
    _check_file(spec)
    extension = Path(spec.casefold().removesuffix(".gz")).suffix
    kind = next((known for known in EXTENSIONS if known == extension), ".txt" if any_text else None)
    if kind is None:
        raise UserError(f"'{spec}' has the extension '{extension}', which does not say what is in it: {FORMS}")
    return Source(kind, spec, (spec,))


def _exists(name: str) -> bool:
    return os.path.exists(os.path.expanduser(name))


def _check_file(name: str) -> None:
    if not _exists(name):
        raise UserError(_missing(name))
    if os.path.isdir(os.path.expanduser(name)):
        raise UserError(f"'{name}' is a folder: {FORMS}")


def _missing(name: str) -> str:
    """The message for a file that is not there, with the files whose names come near."""
    folder = Path(name).expanduser().parent
    if len(name) > 1000 or not folder.is_dir():
        return f"no such file: '{name[:1000]}' (there is no folder '{str(folder)[:1000]}'); {FORMS}"
    close = difflib.get_close_matches(Path(name).name, sorted(os.listdir(folder)), n=3)
    hint = f" (similar names there: {', '.join(close)})" if close else ""
    return f"no such file: '{name}'{hint}; {FORMS}"


def _rows(
    source: Source,
    roles: tuple[str, ...],
    part: Part,
    option: ColumnOption,
    sample: Callable[[], Iterable[tuple[str, ...]]] | None,
    max_characters: int | None,
) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yields (line, fields as they are) of any source."""
    if source.kind == "tfds":
        from nlpseq.data import tfds

        return tfds.read(source.spec, roles, part, option)
    _only_train(source, part)
    if source.kind == "sample":
        return iter(enumerate(_sample(sample), start=1))
    if source.kind == "pair":
        if roles != ("source", "target"):
            raise UserError(f"'{source.spec}' are two parallel files, but this task reads {' and '.join(roles)}")
        first, second = source.paths
        return files.read_parallel((first, second), (source.names[0], source.names[1]), max_characters)
    path, file = source.paths[0], source.spec
    match source.kind:
        case ".jsonl":
            return select_keys(files.read_jsonl(path, file, max_characters), roles, option, file)
        case ".csv":
            delimiter = _sniff_delimiter(path, file, roles, option)
            return select_columns(files.read_csv(path, file, delimiter, max_characters), roles, option, file)
        case ".txt" if roles == ("text",) and option == ColumnOption():  # a line is a text, with the TABs in it
            return ((line, (text,)) for line, text in files.read_lines(path, file, max_characters))
    return select_columns(files.read_tsv(path, file, max_characters), roles, option, file)


def _only_train(source: Source, part: Part) -> None:
    if part != "train":
        raise UserError(f"'{source.spec}' has no part '{part}': give that part's own file with --{part}")


def _sample(sample: Callable[[], T] | None) -> T:
    if sample is None:
        raise UserError("this task has no bundled sample: give a file")
    return sample()


def _sniff_delimiter(path: Path, file: str, roles: tuple[str, ...], option: ColumnOption) -> str:
    """Comma, unless the first row is a header, or has columns enough, by semicolons only."""
    comma, semicolon = (_first_row(path, file, delimiter) for delimiter in ",;")
    is_header = [complete(match_names(row, roles, option.by_role)) is not None for row in (comma, semicolon)]
    if any(is_header):
        return "," if is_header[0] else ";"
    return ";" if len(comma) < len(roles) <= len(semicolon) else ","


def _first_row(path: Path, file: str, delimiter: str) -> list[str]:
    """A CSV file's first row, empty where the file makes no sense with this delimiter."""
    try:
        return next(files.read_csv(path, file, delimiter, None), (0, []))[1]
    except DataError:
        return []


def _records(rows: Iterator[tuple[int, tuple[str, ...]]], roles: tuple[str, ...], file: str) -> Iterator[Record]:
    """Strips the fields and leaves out rows that lack more than their label."""
    none = True
    for line, cells in rows:
        fields = tuple(cell.strip() for cell in cells)
        if any("\0" in field for field in fields):
            raise DataError("a field holds a NUL character, which is no text: remove it", file=file, line=line)
        empty = [role for role, field in zip(roles, fields, strict=True) if not field]
        if empty == ["label"]:
            raise DataError("the label is empty: fill it in or remove the line", file=file, line=line)
        if not empty:
            none = False
            yield Record(fields, file, line)
    if none:
        raise DataError("this has no records: it is empty, or all its lines are blank or a header", file=file)


def _chunks(pieces: Iterable[str], file: str) -> Iterator[str]:
    """Joins and cuts the pieces to chunks of CHUNK_CHARACTERS, the last one shorter."""
    none, pending = True, ""
    for piece in pieces:
        none = none and not piece
        pending += piece.replace("\r\n", "\n").replace("\r", "\n")
        if len(pending) >= CHUNK_CHARACTERS:
            whole = len(pending) - len(pending) % CHUNK_CHARACTERS
            yield from (pending[at : at + CHUNK_CHARACTERS] for at in range(0, whole, CHUNK_CHARACTERS))
            pending = pending[whole:]
    if none:
        raise DataError("this is empty", file=file)
    if pending:
        yield pending
