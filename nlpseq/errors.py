"""The errors that reach a person: what was given, what is allowed, what to do."""

from __future__ import annotations

import contextlib
import errno
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class UserError(Exception):
    """The user's input was wrong; the command line prints the message without a traceback and exits with 2."""


class DataError(UserError):
    """A line of the user's data cannot be used.

    Args:
        message: what is wrong and what to do.
        file: the file as the user named it.
        line: 1-based, or None where the whole file is meant.
    """

    def __init__(self, message: str, *, file: str | Path, line: int | None = None) -> None:
        place = f"{file}, line {line}" if line is not None else f"{file}"
        super().__init__(f"{place}: {message}")
        self._message, self.file, self.line = message, str(file), line

    def __reduce__(self) -> tuple[Any, ...]:
        """For errors that come from another process."""
        return functools.partial(DataError, file=self.file, line=self.line), (self._message,)


class MachineError(Exception):
    """The machine cannot do what is asked (disk full, no network): exit code 1, no traceback."""


@contextlib.contextmanager
def full_disk(advice: str) -> Iterator[None]:
    """A full disk inside of the block becomes an error that says so, and what to do."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        file = f" ({error.filename})" if error.filename else ""
        raise MachineError(f"the disk is full{file}: {advice}") from error


class MissingExtraError(UserError):
    """A package that this command needs belongs to an extra that is not installed."""

    def __init__(self, package: str, extra: str = "train") -> None:
        super().__init__(f"this needs the package '{package}': pip install 'nlpseq[{extra}]'")
