"""Text files, plain or .gz, as numbered lines and blocks.

They are UTF-8, or UTF-16 or UTF-32 with a byte order mark. Text that is not clean is refused with its place. `path` is
where a file is, `name` is how messages call it.
"""

from __future__ import annotations

import codecs
import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import Any, cast

from nlpseq.data.findings import Findings
from nlpseq.data.meter import Meter
from nlpseq.errors import DataError, UserError
from nlpseq.shell import quoted

BLOCK_BYTES = 1 << 16

# Byte order marks, the longer ones first: that of UTF-32 begins like that of UTF-16.
MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    codecs.BOM_UTF8: "utf-8-sig",
}
# Starts of files that are not text, and what to do about it.
FOREIGN_STARTS = {
    b"\x1f\x8b": "this is compressed by gzip: give it a name that ends in .gz",
    b"PK\x03\x04": "this is a zip archive or an Excel workbook: unpack it, or save the sheet as CSV UTF-8",
}


@contextmanager
def opened(path: Path, name: str, meter: Meter | None = None) -> Iterator[io.BufferedReader]:
    """The file's text as UTF-8, unpacked, without a byte order mark; a lone CR ends a line if no LF does.

    Raises:
        UserError: the file cannot be opened.
        DataError: it is no text, or a damaged .gz.
    """
    try:
        with path.open("rb") as raw:
            counted = io.BufferedReader(_Metered(raw, meter or Meter()), BLOCK_BYTES)
            with _unpacked(counted, path) as stream:
                start = stream.peek(BLOCK_BYTES)[:BLOCK_BYTES]
                for magic, advice in FOREIGN_STARTS.items():
                    if start.startswith(magic):
                        raise DataError(advice, file=name)
                encoding = _marked(start)
                if encoding == "utf-8-sig":
                    stream.read(len(codecs.BOM_UTF8))
                elif encoding:
                    stream = io.BufferedReader(_Recoded(stream, encoding), BLOCK_BYTES)
                    start = stream.peek(BLOCK_BYTES)
                if b"\r" in start and b"\n" not in start:
                    stream = io.BufferedReader(_CarriageReturns(stream), BLOCK_BYTES)
                yield stream
    except UnicodeDecodeError as error:
        message = f"this is no whole {error.encoding} text ({error.reason}): save it as UTF-8"
        raise DataError(message, file=name) from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"this is no whole .gz file ({error}): copy or download it again", file=name) from error
    except OSError as error:
        raise UserError(f"cannot read '{name}': {error.strerror or error}") from error


def encoding(path: Path, name: str) -> str:
    """The encoding in words: "UTF-8", or "UTF-16 with a byte order mark".

    Raises:
        UserError: the file cannot be opened.
    """
    try:
        with path.open("rb") as raw, _unpacked(raw, path) as stream:
            marked = _marked(stream.peek(4))
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"cannot read '{name}': {error}") from error
    return f"{marked.removesuffix('-sig').upper()} with a byte order mark" if marked else "UTF-8"


def _unpacked(raw: io.BufferedReader[Any], path: Path) -> io.BufferedReader:
    # A GzipFile is no BufferedReader, but has what is used of one here: read, readline and peek.
    return cast(io.BufferedReader, gzip.open(raw)) if path.suffix.casefold() == ".gz" else raw


def _marked(start: bytes) -> str:
    """The encoding that a byte order mark stands for, "" where there is none."""
    return next((encoding for mark, encoding in MARKS.items() if start.startswith(mark)), "")


class _Metered(io.RawIOBase):
    """Tells a meter of the bytes that are read."""

    def __init__(self, stream: io.BufferedReader, meter: Meter) -> None:
        self._stream, self._meter = stream, meter

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = self._stream.readinto1(buffer)
        self._meter.advance(count)
        return count


class _Translated(io.RawIOBase):
    """A stream of other bytes. A subclass says which."""

    def __init__(self, stream: io.BufferedReader) -> None:
        self._stream, self._pending = stream, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._pending:
            block = self._stream.read(BLOCK_BYTES)
            self._pending = self._translate(block)
            if not block:
                break
        count = min(len(buffer), len(self._pending))
        buffer[:count], self._pending = self._pending[:count], self._pending[count:]
        return count

    def _translate(self, block: bytes) -> bytes:
        """What stands for the block; an empty one is the last."""
        raise NotImplementedError


class _Recoded(_Translated):
    """A stream of another encoding as UTF-8."""

    def __init__(self, stream: io.BufferedReader, encoding: str) -> None:
        super().__init__(stream)
        self._decoder = codecs.getincrementaldecoder(encoding)()

    def _translate(self, block: bytes) -> bytes:
        return self._decoder.decode(block, final=not block).encode()


class _CarriageReturns(_Translated):
    """A stream whose lines end in CR, as those of old spreadsheets do."""

    def _translate(self, block: bytes) -> bytes:
        return block.replace(b"\r", b"\n")


def recode_command(name: str, encoding: str) -> str:
    """The shell command that converts a file to UTF-8."""
    file = quoted(Path(name))
    if name.casefold().endswith(".gz"):
        return f"convert it with `zcat {file} | iconv -f {encoding} -t utf-8 | gzip > NEW.gz`"
    return f"convert it with `iconv -f {encoding} -t utf-8 {file} > NEW`"


def read_lines(
    path: Path, name: str, max_characters: int | None = None, meter: Meter | None = None
) -> Iterator[tuple[int, str]]:
    r"""Yields (line number, line), split at "\n" alone, so that U+2028, form feeds and the like stay in their line.

    Raises:
        DataError: a line is not UTF-8, holds a NUL, or is longer than `max_characters`.
    """
    most_bytes = -1 if max_characters is None else 4 * max_characters + 2  # 4: the longest character in UTF-8
    with opened(path, name, meter) as stream:
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


def read_blocks(path: Path, name: str, meter: Meter | None = None) -> Iterator[str]:
    r"""Yields the text in blocks of about 64k characters, every end of line as "\n".

    Raises:
        DataError: the text is empty, is not UTF-8 or holds a NUL.
    """
    none = True
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder("utf-8")(), translate=True)
    line, offset = 1, 0  # of the block's first byte: its line, and the bytes before it in that line
    with opened(path, name, meter) as stream:
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


def read_parallel(
    paths: tuple[Path, Path],
    names: tuple[str, str],
    max_characters: int | None,
    findings: Findings,
    meter: Meter | None = None,
) -> Iterator[tuple[int, tuple[str, str]]]:
    """Yields (line, (source, target)) of two parallel files, without the lines that are blank in both of them.

    Raises:
        DataError: the files differ in their number of lines; blank lines at the end do not count.
    """
    sides = [read_lines(path, name, max_characters, meter) for path, name in zip(paths, names, strict=True)]
    counts = [0, 0]
    for source, target in zip_longest(*sides):
        if source and target:
            counts = [source[0], target[0]]
            if source[1].strip() or target[1].strip():
                yield source[0], (source[1], target[1])
            else:
                findings.leave_out("blank lines", ",".join(names), source[0])
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
