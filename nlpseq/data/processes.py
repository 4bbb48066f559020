"""Work that several processes share, with its results in order.

The processes are forks: they know everything that this one knows, and need not import it. Python's threads would wait
for each other. TensorFlow must not be used in a fork.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from nlpseq.errors import MachineError

Result = TypeVar("Result")
Work = Callable[[int, int], Iterator[Result]]  # of a process: its number, and how many there are

_DIES_WITH_PARENT = 1  # of prctl: PR_SET_PDEATHSIG
_RESULT, _ERROR, _END = range(3)


def in_order(work: Work[Result], jobs: int) -> Iterator[Result]:
    """Yields result 0 of process 0, result 0 of process 1, and so on, until one of them has no more.

    An error of a process is raised in the place of its result.

    Args:
        work: ``work(0, 1)`` yields all results; ``work(k, n)`` yields those of numbers k, k + n, k + 2 n and so on.
        jobs: processes; with one, or on a system without forks, this process does it all.

    Raises:
        MachineError: a process was killed.
    """
    if jobs == 1 or not _can_fork():
        yield from work(0, 1)
        return
    context = multiprocessing.get_context("fork")
    with contextlib.ExitStack() as stack:
        receivers = []
        for number in range(jobs):
            receiver, sender = context.Pipe(duplex=False)
            process = context.Process(target=_send, args=(work, number, jobs, sender), daemon=True)
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
                process.start()
            sender.close()
            stack.callback(process.join)
            stack.callback(process.terminate)
            stack.callback(receiver.close)
            receivers.append(receiver)
        while True:
            for receiver in receivers:
                try:
                    kind, value = receiver.recv()
                except EOFError:
                    raise MachineError("a process that read the data was killed: is the memory full?") from None
                if kind == _END:
                    return
                if kind == _ERROR:
                    raise value
                yield value


def _can_fork() -> bool:
    return "fork" in multiprocessing.get_all_start_methods() and sys.platform != "darwin"


def _send(work: Work[Any], number: int, jobs: int, sender: Connection) -> None:
    """What a process does. Ctrl-C reaches all of them; the parent answers it, and they end with the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_DIES_WITH_PARENT, signal.SIGKILL)
    with contextlib.suppress(BrokenPipeError):  # nobody wants the rest
        try:
            for result in work(number, jobs):
                sender.send((_RESULT, result))
            sender.send((_END, None))
        except Exception as error:
            sender.send((_ERROR, error))
