"""Writing files so that a kill at any moment leaves the old one or the new one, whole."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

_TEMPORARY = re.compile(r"\.[0-9a-f]{8}\..+")


@contextlib.contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` to write to; renamed to ``path`` at the end, removed after an error.

    What is no file, such as ``/dev/null`` or a pipe, is written to as it is, and a link goes on pointing where it did.
    """
    if path.exists() and not path.is_file():
        yield path
        return
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_path(path)
    try:
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def temporary_path(path: Path) -> Path:
    """A name beside ``path``, which nothing has; a kill may leave it behind, and :func:`is_temporary` knows it.

    The suffix stays: libraries choose a format by it.
    """
    return path.with_name(f".{secrets.token_hex(4)}.{path.name}")


@contextlib.contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """A new folder in ``parent``, for what is to be moved to its place when all of it is there; removed at the end."""
    path = parent / f".{secrets.token_hex(4)}.new"
    path.mkdir()
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def is_temporary(path: Path) -> bool:
    """Whether a kill left this file or folder behind while it was written."""
    return _TEMPORARY.fullmatch(path.name) is not None


def remove(path: Path) -> None:
    """Removes a file, a link, or a folder with all that is in it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file atomically."""
    with replaced(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Writes a UTF-8 text file atomically."""
    write_bytes(path, content.encode("utf-8"))
