"""One process at a time in a folder, by a lock that the operating system opens when the process ends, even by a kill.

The lock is ``flock`` on a file in the folder, and ``msvcrt.locking`` on Windows. What stands in the file is for people
alone: a file that a kill left behind binds nobody.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from nlpseq.errors import UserError
from nlpseq.quiet import say

LOCK = "run.lock"

_TRIES, _PAUSE_S = 5, 0.05  # a look at the lock holds it for a moment
_LOCKED_BYTE = 1 << 30  # on Windows; others may read the bytes before it
_MOST_BYTES = 1 << 16
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL)
_held: set[int] = set()  # descriptors


@contextlib.contextmanager
def held(folder: Path, command: str) -> Iterator[None]:
    """The folder belongs to this block; it is made where it is not there yet.

    Afterwards the lock's file is gone, and so is each folder that was made for it and is still empty.

    Args:
        folder: what to hold.
        command: what is being done, for the message that others get.

    Raises:
        UserError: another process holds the folder, or it cannot be written to.
    """
    made = [each for each in (folder, *folder.parents) if not each.exists()]
    descriptor = _opened(folder)
    try:
        _sign(descriptor, folder / LOCK, command)
        yield
    finally:
        _close(descriptor, folder / LOCK)
        with contextlib.suppress(OSError):
            for each in made:
                each.rmdir()


def check_free(folder: Path) -> None:
    """Refuses a folder that another process holds.

    Raises:
        UserError: one does; the message names it.
    """
    if (folder / LOCK).is_file():
        descriptor = _opened(folder)
        _held.discard(descriptor)
        os.close(descriptor)


def _opened(folder: Path) -> int:
    """A descriptor of the lock's file, with the lock."""
    file = folder / LOCK
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: this is a file: choose another folder with --output")
    for left in reversed(range(_TRIES)):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(file, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
        except FileNotFoundError:  # another process has just ended, and removed what it had made
            continue
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise UserError(
                f"{file}: cannot be written ({error.strerror}): choose another folder with --output"
            ) from None
        _held.add(descriptor)
        # The file may be another one by now: a process that ends removes its own.
        if _lock(descriptor, folder) and _is_at(descriptor, file):
            return descriptor
        facts = _read(descriptor)
        _held.discard(descriptor)
        os.close(descriptor)
        if left:
            time.sleep(_PAUSE_S)
    raise UserError(f"{folder}: {_words(facts)}")


def _sign(descriptor: int, file: Path, command: str) -> None:
    """Writes who holds the lock."""
    if os.fstat(descriptor).st_size and not _facts(_read(descriptor)):
        raise UserError(f"{file}: this is no lock of nlpseq: move it to another place, or remove it")
    facts = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now().astimezone().isoformat(" ", "seconds"),
        "command": command,
    }
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.write(descriptor, json.dumps(facts).encode())


def _close(descriptor: int, file: Path) -> None:
    # As long as it is locked nobody else's file has this name. Windows removes no file that is open: there it stays.
    with contextlib.suppress(OSError):
        if _is_at(descriptor, file) and _facts(_read(descriptor)):
            file.unlink()
    _held.discard(descriptor)
    os.close(descriptor)


def _is_at(descriptor: int, file: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), file.stat())
    except FileNotFoundError:
        return False


def _read(descriptor: int) -> bytes:
    os.lseek(descriptor, 0, os.SEEK_SET)
    return os.read(descriptor, _MOST_BYTES)


def _facts(content: bytes) -> dict[str, Any]:
    """What :func:`_sign` wrote; empty where it is something else."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    match found:
        case {"pid": int(), "host": str(host), "since": str(since), "command": str(command)}:
            return found if f"{host}{since}{command}".isprintable() else {}
    return {}


def _words(content: bytes) -> str:
    """Who holds the lock, and what to do."""
    facts = _facts(content)
    if not facts:
        return "another process works in this folder: wait until it has ended"
    pid, there = facts["pid"], "" if facts["host"] == socket.gethostname() else f" on {facts['host']}"
    return (
        f"process {pid}{there} works in this folder since {facts['since']} ({facts['command']}): "
        f"wait until it has ended, or end it{there} with: kill {pid}"
    )


def _close_in_child() -> None:
    """A forked child would go on holding the lock after this process."""
    while _held:
        os.close(_held.pop())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_in_child)

if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int, folder: Path) -> bool:
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def _lock(descriptor: int, folder: Path) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            say(f"{folder}: this file system has no locks: see to it that no other run works in this folder")
        return True
