"""Text files, plain or .gz, as numbered lines, rows and objects.

Text that is not clean UTF-8 is refused with its place. `path` is where a file is, `name` is how messages call it.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import hashlib
import io
import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import cast

from nlpseq.errors import DataError, UserError
from nlpseq.shell import quoted

BLOCK_BYTES = 1 << 16

UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# Starts of files that are not text, and what to do about it.
FOREIGN_STARTS = {
    b"\x1f\x8b": "this is compressed by gzip: give it a name that ends in .gz",
    b"PK\x03\x04": "this is a zip archive or an Excel workbook: unpack it, or save the sheet as CSV UTF-8",
}


@contextmanager
def opened(path: Path, name: str) -> Iterator[io.BufferedReader]:
    """The file's bytes, unpacked, after a UTF-8 byte order mark.

    Raises:
        UserError: the file cannot be opened.
        DataError: it is UTF-16, or compressed under another name, or a damaged .gz.
    """
    try:
        with _open(path) as stream:
            start = stream.peek(4)[:4]
            if start.startswith(UTF16_MARKS):
                raise DataError(f"this is UTF-16, not UTF-8: {recode_command(name, 'utf-16')}", file=name)
            for magic, advice in FOREIGN_STARTS.items():
                if start.startswith(magic):
                    raise DataError(advice, file=name)
            if start.startswith(codecs.BOM_UTF8):
                stream.read(len(codecs.BOM_UTF8))
            yield stream
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"this is no whole .gz file ({error}): copy or download it again", file=name) from error
    except OSError as error:
        raise UserError(f"cannot read '{name}': {error.strerror or error}") from error


def _open(path: Path) -> io.BufferedReader:
    # A GzipFile is no BufferedReader, but has what is used of one here: read, readline and peek.
    return cast(io.BufferedReader, gzip.open(path)) if path.suffix.casefold() == ".gz" else path.open("rb")


def recode_command(name: str, encoding: str) -> str:
    """The shell command that converts a file to UTF-8."""
    file = quoted(Path(name))
    if name.casefold().endswith(".gz"):
        return f"convert it with `zcat {file} | iconv -f {encoding} -t utf-8 | gzip > NEW.gz`"
    return f"convert it with `iconv -f {encoding} -t utf-8 {file} > NEW`"


def read_lines(path: Path, name: str, max_characters: int | None = None) -> Iterator[tuple[int, str]]:
    r"""Yields (line number, line), split at "\n" alone, so that U+2028, form feeds and the like stay in their line.

    Raises:
        DataError: a line is not UTF-8, holds a NUL, or is longer than `max_characters`.
    """
    most_bytes = -1 if max_characters is None else 4 * max_characters + 2  # 4: the longest character in UTF-8
    with opened(path, name) as stream:
        for line, raw in enumerate(iter(lambda: stream.readline(most_bytes), b""), start=1):
            if len(raw) == most_bytes and not raw.endswith(b"\n"):
                raise DataError(_too_long(f"more than {most_bytes:,} bytes", max_characters), file=name, line=line)
            try:
                text = raw.rstrip(b"\r\n").decode()
            except UnicodeDecodeError as error:
                raise _not_utf8(raw[error.start], error.start, name, line) from None
            if "\0" in text:
                raise _not_utf8(0, raw.index(b"\0"), name, line)
            if max_characters is not None and len(text) > max_characters:
                raise DataError(_too_long(f"{len(text):,} characters", max_characters), file=name, line=line)
            yield line, text


def read_blocks(path: Path, name: str) -> Iterator[str]:
    r"""Yields the text in blocks of about 64k characters, every end of line as "\n".

    Raises:
        DataError: the text is empty, is not UTF-8 or holds a NUL.
    """
    none = True
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder("utf-8")(), translate=True)
    line, offset = 1, 0  # of the block's first byte: its line, and the bytes before it in that line
    with opened(path, name) as stream:
        while True:
            block = stream.read(BLOCK_BYTES)
            try:
                text = decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                carried = len(error.object) - len(block)  # the last block's unfinished character
                raise _at(block, error.start - carried, error.object[error.start], line, offset, name) from None
            if b"\0" in block:
                raise _at(block, block.index(b"\0"), 0, line, offset, name)
            if text:
                none = False
                yield text
            if not block:
                break
            line += block.count(b"\n")
            offset = len(block) - block.rindex(b"\n") - 1 if b"\n" in block else offset + len(block)
    if none:
        raise DataError("this is empty", file=name)


def read_tsv(path: Path, name: str, max_characters: int | None) -> Iterator[tuple[int, list[str]]]:
    """Yields (line, cells) of the lines that are not blank. Quotes have no meaning here."""
    for line, text in read_lines(path, name, max_characters):
        if text.strip():
            yield line, text.split("\t")


def read_csv(path: Path, name: str, delimiter: str, max_characters: int | None) -> Iterator[tuple[int, list[str]]]:
    """Yields (line where the row starts, cells) of the rows that are not blank.

    Raises:
        DataError: a quote is not closed, or closed in the middle of a field.
    """
    lines = (text + "\n" for _, text in read_lines(path, name, max_characters))
    reader = csv.reader(lines, delimiter=delimiter, strict=True, skipinitialspace=True)
    while True:
        start = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            message = f'not valid CSV ({error}): close every quote, and write " inside a quoted field as ""'
            raise DataError(message, file=name, line=start) from None
        if any(cell.strip() for cell in cells):
            yield start, cells


def read_jsonl(path: Path, name: str, max_characters: int | None) -> Iterator[tuple[int, dict[str, object]]]:
    """Yields (line, object) of the lines that are not blank.

    Raises:
        DataError: a line is not one JSON object, or holds half of a surrogate pair, which is no text.
    """
    for line, text in read_lines(path, name, max_characters):
        if not text.strip():
            continue
        try:
            item = json.loads(text)
            if "\\u" in text:
                json.dumps(item, ensure_ascii=False).encode()
        except json.JSONDecodeError as error:
            message = f"not valid JSON at column {error.colno} ({error.msg}): write one object a line"
            raise DataError(message, file=name, line=line) from None
        except (ValueError, RecursionError) as error:
            raise DataError(f"JSON that cannot be used ({error})", file=name, line=line) from None
        if not isinstance(item, dict):
            raise DataError(f"write one JSON object a line, not a {type(item).__name__}", file=name, line=line)
        yield line, item


def read_parallel(
    paths: tuple[Path, Path], names: tuple[str, str], max_characters: int | None
) -> Iterator[tuple[int, tuple[str, str]]]:
    """Yields (line, (source, target)) of two parallel files, without the lines that are blank in one of them.

    Raises:
        DataError: the files differ in their number of lines; blank lines at the end do not count.
    """
    sides = [read_lines(path, name, max_characters) for path, name in zip(paths, names, strict=True)]
    counts = [0, 0]
    for source, target in zip_longest(*sides):
        if source and target:
            counts = [source[0], target[0]]
            if source[1].strip() and target[1].strip():
                yield source[0], (source[1], target[1])
        else:
            line, text = source or target
            if text.strip():
                counts[0 if source else 1] = line
    if counts[0] != counts[1]:
        message = (
            f"{names[0]} has {counts[0]:,} lines and {names[1]} has {counts[1]:,}: parallel files must have the same "
            "number of lines, line by line the translation of each other"
        )
        raise DataError(message, file=",".join(names))


def fingerprint(kind: str, paths: tuple[Path, ...], names: tuple[str, ...]) -> str:
    """Returns the hex BLAKE2b of the kind of the files, and of their bytes on the disk.

    Raises:
        UserError: a file cannot be read.
    """
    whole = hashlib.blake2b(kind.encode(), digest_size=16)
    for path, name in zip(paths, names, strict=True):
        try:
            with path.open("rb") as stream:
                whole.update(hashlib.file_digest(stream, hashlib.blake2b).digest())
        except OSError as error:
            raise UserError(f"cannot read '{name}': {error.strerror or error}") from error
    return whole.hexdigest()


def _too_long(length: str, most: int | None) -> str:
    return f"the line has {length}, the limit is {most:,}: is this a running text? The task char-lm takes it, as .txt"


def _at(block: bytes, index: int, byte: int, line: int, offset: int, name: str) -> DataError:
    """The error of the byte at `index` of a block that starts at `offset` of `line`."""
    before = block[: max(index, 0)]
    in_line = index - before.rindex(b"\n") - 1 if b"\n" in before else offset + index
    return _not_utf8(byte, in_line, name, line + before.count(b"\n"))


def _not_utf8(byte: int, offset: int, name: str, line: int) -> DataError:
    if byte == 0:
        message = f"byte {offset + 1} of the line is NUL, which is no text: {recode_command(name, 'utf-16le')} if it is"
        return DataError(f"{message} UTF-16, or remove it", file=name, line=line)
    command = recode_command(name, "windows-1252")
    message = f"byte {offset + 1} of the line (0x{byte:02X}) is not UTF-8: {command}, with the file's own encoding"
    return DataError(message, file=name, line=line)
