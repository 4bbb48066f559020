"""Answering a stream of texts with several threads, in order and in little memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")

_AHEAD = 4  # items a thread that are read before the oldest answer has been taken


def ordered_map(answer: Callable[[Item], Answer], items: Iterable[Item], jobs: int) -> Generator[Answer, None, None]:
    """``map(answer, items)`` by so many threads; an answer comes out as soon as it and all before it are there.

    With one job nothing is read ahead: the first item is answered before the second is asked for. With more, a thread
    of its own reads the items, so that answers come out while it waits for the next one. An error of ``items`` or of
    ``answer`` is raised in its place, after the answers before it.
    """
    if jobs == 1:
        yield from map(answer, items)
        return
    places = threading.Semaphore(_AHEAD * jobs)
    answers: SimpleQueue[Future[Answer] | None] = SimpleQueue()
    stopped = threading.Event()

    def read() -> None:
        try:
            iterator = iter(items)
            while places.acquire() and not stopped.is_set():
                answers.put(threads.submit(answer, next(iterator)))
        except StopIteration:
            answers.put(None)
        except BaseException as error:
            failed: Future[Answer] = Future()
            failed.set_exception(error)
            answers.put(failed)

    threads = ThreadPoolExecutor(jobs)
    # A daemon: at an interrupt it may wait for a line that never comes.
    threading.Thread(target=read, daemon=True).start()
    try:
        while (future := answers.get()) is not None:
            yield future.result()
            places.release()
    finally:
        stopped.set()
        places.release()
        threads.shutdown(wait=False, cancel_futures=True)
