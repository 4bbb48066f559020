"""Lines in, lines out, one by one; files whole or absent."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from nlpseq.errors import DataError, UserError
from nlpseq.quiet import say

_MOST_CHARACTERS = 100_000  # in one line; more is a file in the wrong form
_MOST_BYTES = 4 * _MOST_CHARACTERS + 5  # UTF-8, with a byte order mark and an end of line


@contextmanager
def lines_of(texts: tuple[str, ...], file: Path | None) -> Iterator[Iterable[str]]:
    """The texts to work on: arguments, else the file's lines, else those of standard input as they come.

    Raises:
        UserError: both are given, there is no such file, or a line is not UTF-8 or too long.
    """
    if texts and file:
        raise UserError("give texts or --input, not both")
    if texts:
        yield [_checked(text, f"text {index + 1}") for index, text in enumerate(texts)]
    elif file is not None:
        if not file.is_file():
            raise UserError(f"{file}: no such file")
        with open(file, "rb") as stream:
            yield _decoded(stream, str(file))
    else:
        yield _decoded(_standard_input(), "standard input")


@contextmanager
def line_writer(output: Path | None) -> Iterator[Callable[[str], None]]:
    """A function that writes one line: to standard output at once, or to a file that appears when all is done."""
    if output is None:

        def write(line: str) -> None:
            sys.stdout.buffer.write(line.encode("utf-8", "replace") + b"\n")
            sys.stdout.buffer.flush()

        yield write
        return
    from nlpseq.atomic_files import replaced

    with replaced(output) as temporary, open(temporary, "wb") as file:
        yield lambda line: _discard(file.write(line.encode("utf-8", "replace") + b"\n"))
        file.flush()


def _discard(written: int) -> None:
    """A line has been written; how many bytes it had is of no interest."""


def _standard_input() -> IO[bytes]:
    if sys.stdin is None:
        raise UserError("there is no standard input: give texts, or a file with --input")
    if sys.stdin.isatty():
        say("one text per line; end with Ctrl-D")
    try:
        # A stream of our own: Python gives up its own one at exit, when a thread may still wait for a line from it.
        return open(sys.stdin.fileno(), "rb", closefd=False)
    except OSError:  # it is no file, as in tests
        return sys.stdin.buffer


def _decoded(stream: IO[bytes], name: str) -> Iterator[str]:
    for number, line in enumerate(iter(lambda: stream.readline(_MOST_BYTES), b""), start=1):
        where = f"{name}, line {number}"
        if len(line) == _MOST_BYTES and not line.endswith(b"\n"):  # cut off, perhaps inside of a character
            raise _too_long(where)
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise DataError(
                f"not UTF-8 (byte {error.start + 1} of the line): convert it, such as iconv -f latin1 -t utf-8",
                file=name,
                line=number,
            ) from None
        yield _checked(text, where)


def _checked(text: str, where: str) -> str:
    if len(text) > _MOST_CHARACTERS:
        raise _too_long(where)
    return text


def _too_long(where: str) -> UserError:
    return UserError(f"{where}: more than {_MOST_CHARACTERS:,} characters in one line: cut it into lines")
