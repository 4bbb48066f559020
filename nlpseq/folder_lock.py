"""One process at a time writes into a model folder.

The lock is the operating system's, on a file in the folder: it ends with the process that holds it, however that ends.
The file says who holds it, for the message. Where a file system has no locks, the process named in the file is looked
for instead.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shlex
import socket
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from nlpseq.errors import UserError

LOCK = "run.lock"

_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL)
_HELD = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds the folder's lock inside of the block; the folder is made for it, and removed if it stays empty.

    Raises:
        UserError: another process holds it.
    """
    made = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = _acquired(folder)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # while it is held, so that nobody waits for a file that is gone
            (folder / LOCK).unlink()
        os.close(descriptor)
        if made:
            with contextlib.suppress(OSError):
                folder.rmdir()


def _acquired(folder: Path) -> int:
    """The open file of the lock, which is held."""
    file = folder / LOCK
    while True:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            _lock(descriptor, folder)
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), os.stat(file)):  # else its last holder has removed it
                    _write_holder(descriptor)
                    return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _lock(descriptor: int, folder: Path) -> None:
    try:
        _lock_in_system(descriptor)
    except OSError as error:
        if error.errno in _NO_LOCKS and not _is_running(_holder(descriptor)):
            return
        if error.errno not in (*_HELD, *_NO_LOCKS):
            raise
        raise UserError(f"{folder}: {_words(_holder(descriptor))}") from None


def _lock_in_system(descriptor: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        os.lseek(descriptor, 1 << 20, os.SEEK_SET)  # far behind what is read
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _write_holder(descriptor: int) -> None:
    facts = {
        "process": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now().strftime("%Y-%m-%d %H:%M:%S"),
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
    }
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.write(descriptor, json.dumps(facts).encode())


def _holder(descriptor: int) -> dict[str, Any]:
    """What the file says of the process that holds it; nothing where it says nothing."""
    try:
        os.lseek(descriptor, 0, os.SEEK_SET)
        found = json.loads(os.read(descriptor, 1 << 16))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _words(holder: dict[str, Any]) -> str:
    known = {"process", "host"} <= holder.keys()
    process = f"process {holder['process']} on {holder['host']}" if known else "a process"
    command = f" ({holder['command']})" if holder.get("command") else ""
    since = f" since {holder['since']}" if holder.get("since") else ""
    return (
        f"another run works in this folder{since}: {process}{command}: wait until it ends, stop it, or choose another "
        "folder with --output"
    )


def _is_running(holder: dict[str, Any]) -> bool:
    """Whether the process is there; of another machine's nobody knows, so that it counts as running."""
    process = holder.get("process")
    if not isinstance(process, int):
        return False
    if holder.get("host") != socket.gethostname():
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
