"""Ctrl-C and SIGTERM: the first interrupts, whatever is under way; the second ends the process, even inside of C++."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from typing import NoReturn

from nlpseq.quiet import say

INTERRUPTED = 130

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_PATIENCE_S = 1.0
_installed = False


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """Inside of the block SIGTERM interrupts as Ctrl-C does; a second one ends the process within a second.

    Python answers a signal between two of its own instructions. A library may be busy for a minute between them, so a
    thread listens as well.
    """
    global _installed
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    try:
        previous = {number: signal.signal(number, signal.default_int_handler) for number in _SIGNALS}
        descriptor = signal.set_wakeup_fd(ours.fileno(), warn_on_full_buffer=False)
    except ValueError:  # not in the main thread: signals are somebody else's
        ours.close()
        theirs.close()
        yield
        return
    threading.Thread(target=_listen, args=(theirs,), daemon=True).start()
    _installed = True
    try:
        yield
    finally:
        _installed = False
        signal.set_wakeup_fd(descriptor)
        for number, handler in previous.items():
            signal.signal(number, handler)
        ours.close()


def end_interrupted(message: str) -> NoReturn:
    """Says a last line, and ends the program as interrupted; another signal ends it at once."""
    with contextlib.suppress(ValueError):  # not in the main thread
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)
    say(f"\n{message}")
    sys.exit(INTERRUPTED)


def _listen(requests: socket.socket) -> None:
    with requests:
        if not requests.recv(1):
            return
        if not select.select([requests], [], [], _PATIENCE_S)[0]:
            with contextlib.suppress(OSError):  # it may be closed
                os.write(2, b"\nstopping; Ctrl-C again stops at once\n")
        if not requests.recv(1):
            return
        ended = select.select([requests], [], [], _PATIENCE_S)[0] and not requests.recv(1)
        if not ended:
            os._exit(INTERRUPTED)


def _default_in_child() -> None:
    """A forked child dies of a signal in silence, and tells the parent's thread of none."""
    if _installed:
        signal.set_wakeup_fd(-1)
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_default_in_child)
