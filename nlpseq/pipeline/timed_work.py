"""Many short trainings side by side, one on each core, within a time and with a bar."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from nlpseq.cores import available_cores
from nlpseq.training.display import Display

Result = TypeVar("Result")
Advance = Callable[[int], bool]  # is told of steps that are done, and answers whether there is time for more

_MARKS = 200  # of the bar
_LOOK_SECONDS = 0.2


class TimedWork:
    """A pool of threads that train. TensorFlow computes outside of Python's lock, so a thread uses a core.

    Args:
        minutes: processor time divided by the number of cores, so that a busy machine does not cut the work short.
        display: shows the bar.
        label: of the bar.
    """

    def __init__(self, minutes: float, display: Display, label: str) -> None:
        self._cores = available_cores()
        self._end = time.process_time() + 60 * minutes * self._cores
        self._pool = ThreadPoolExecutor(self._cores)
        self._expected = self._done = 0.0
        self._lock, self._over = threading.Lock(), threading.Event()
        self._stopped: set[int] = set()
        self._bar = threading.Thread(target=self._show, args=(display, label), daemon=True)

    def __enter__(self) -> TimedWork:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._pool.shutdown(cancel_futures=True)
        self._bar.join()

    @property
    def stopped(self) -> int:
        """How many trainings the time ended early."""
        return len(self._stopped)

    def expect(self, cost: float) -> None:
        """Makes the bar longer by work that is still to come; in any unit that is like time."""
        with self._lock:
            self._expected += cost

    def do(self, step_cost: float, function: Callable[..., Result], *arguments: Any) -> Future[Result]:
        """Runs ``function(*arguments, advance)`` when a core is free. It calls ``advance`` after each step."""

        def run() -> Result:
            mark = object()

            def advance(steps: int) -> bool:
                with self._lock:
                    self._done += steps * step_cost
                    if time.process_time() < self._end and not self._over.is_set():
                        return True
                    self._stopped.add(id(mark))
                    return False

            return function(*arguments, advance)

        return self._pool.submit(run)

    def _show(self, display: Display, label: str) -> None:
        for mark in display.track(range(_MARKS), label):
            while self._done * _MARKS < (mark + 1) * self._expected or not self._expected:
                if self._over.wait(_LOOK_SECONDS):
                    return
