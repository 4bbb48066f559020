"""What a run shows while it goes: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol, TypeVar

from nlpseq.data.meter import Meter, Watch

Item = TypeVar("Item")

_LINE_SECONDS = 30.0
_REMAINING = "{desc} |{bar}| {percentage:3.0f}% {remaining} left"
_LOOK_ITEMS = 512  # between two looks at the clock


class Display(Protocol):
    """Where a run reports to."""

    def begin(self, epoch: int, epochs: int, examples: int, seen: int) -> None: ...
    def advance(self, examples: int, loss: float, tokens_per_second: float, eta_s: float | None) -> None: ...
    def end(self, line: str) -> None: ...
    def say(self, line: str) -> None: ...
    def track(self, items: Sequence[Item], label: str) -> Iterable[Item]: ...
    def reading(self, label: str, after: str = "") -> Watch: ...


class TerminalDisplay:
    """A bar of tqdm for each epoch, on stderr or in a notebook."""

    def __init__(self) -> None:
        self._bar: Any = None

    def begin(self, epoch: int, epochs: int, examples: int, seen: int) -> None:
        form = "{desc} |{bar}| {percentage:3.0f}% {postfix}"
        self._bar = _bar(total=examples, initial=seen, desc=f"epoch {epoch + 1}/{epochs}", bar_format=form)

    def advance(self, examples: int, loss: float, tokens_per_second: float, eta_s: float | None) -> None:
        self._bar.set_postfix_str(_state(loss, tokens_per_second, eta_s), refresh=False)
        self._bar.update(examples)

    def end(self, line: str) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        self.say(line)

    def say(self, line: str) -> None:
        if self._bar is not None:
            self._bar.clear()
        print(line, file=sys.stderr, flush=True)

    def track(self, items: Sequence[Item], label: str) -> Iterable[Item]:
        """The items one by one, with a bar and the time that is left."""
        return _bar(items, desc=label, bar_format=_REMAINING)

    def reading(self, label: str, after: str = "") -> Watch:
        """Shows a bar while items go through; `after` stands there until the next line comes."""

        def watch(items: Iterator[Any], meter: Meter) -> Iterator[Any]:
            with _bar(desc=label, total=1.0, bar_format=_REMAINING) as bar:
                for number, item in enumerate(items):
                    if number % _LOOK_ITEMS == 0:
                        bar.update(min(1.0, meter.share() or 0.0) - bar.n)
                    yield item
            if after:
                self.say(after)

        return watch


class LineDisplay:
    """A line from time to time, on stderr."""

    def __init__(self) -> None:
        self._label, self._examples, self._seen, self._last = "", 0, 0, time.monotonic()

    def begin(self, epoch: int, epochs: int, examples: int, seen: int) -> None:
        self._label, self._examples, self._seen = f"epoch {epoch + 1}/{epochs}", examples, seen

    def advance(self, examples: int, loss: float, tokens_per_second: float, eta_s: float | None) -> None:
        self._seen += examples
        if time.monotonic() - self._last >= _LINE_SECONDS:
            self._last = time.monotonic()
            part = 100 * self._seen / self._examples
            self.say(f"{self._label} {part:3.0f}% {_state(loss, tokens_per_second, eta_s)}")

    def end(self, line: str) -> None:
        self.say(line)

    def say(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    def track(self, items: Sequence[Item], label: str) -> Iterator[Item]:
        """The items one by one, with a line from time to time."""
        started = self._last = time.monotonic()
        for index, item in enumerate(items):
            if time.monotonic() - self._last >= _LINE_SECONDS:
                self._last = time.monotonic()
                left_s = (self._last - started) * (len(items) - index) / max(index, 1)
                self.say(f"{label} {100 * index / len(items):3.0f}%, {duration(left_s)} left")
            yield item

    def reading(self, label: str, after: str = "") -> Watch:
        """Says from time to time how far it is while items go through, and `after` if that took long."""

        def watch(items: Iterator[Any], meter: Meter) -> Iterator[Any]:
            started = self._last = time.monotonic()
            for number, item in enumerate(items):
                if number % _LOOK_ITEMS == 0 and time.monotonic() - self._last >= _LINE_SECONDS:
                    self._last = time.monotonic()
                    share = meter.share()
                    how_far = f"{number:,} read"
                    if share:
                        left_s = (self._last - started) * (1 - share) / share
                        how_far = f"{100 * share:3.0f}%, {duration(left_s)} left"
                    self.say(f"{label} {how_far}")
                yield item
            if after and time.monotonic() - started >= _LINE_SECONDS:
                self.say(after)

        return watch


class Speed:
    """Tokens a second and the time that is left, from the end of the first step on, which traces the graph."""

    def __init__(self) -> None:
        self._begin: tuple[float, float] | None = None
        self._tokens = 0
        self.tokens_per_second = 0.0
        self.eta_s: float | None = None

    def advance(self, now: float, tokens: int, done: float) -> None:
        if self._begin is None:
            self._begin = now, done
            return
        self._tokens += tokens
        seconds, part = now - self._begin[0], done - self._begin[1]
        self.tokens_per_second = self._tokens / max(seconds, 1e-9)
        self.eta_s = seconds * (1 - done) / part if part > 0 else None


def display() -> Display:
    """The one that fits where stderr goes."""
    return TerminalDisplay() if sys.stderr.isatty() or _in_notebook() else LineDisplay()


def _bar(*arguments: Any, **options: Any) -> Any:
    from tqdm.auto import tqdm

    width = {} if _in_notebook() else {"ncols": 100, "file": sys.stderr}
    return tqdm(*arguments, leave=False, **width, **options)


def _in_notebook() -> bool:
    return "ipykernel" in sys.modules


def duration(seconds: float) -> str:
    """65 -> "1:05"; 3700 -> "1:01:40"."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _state(loss: float, tokens_per_second: float, eta_s: float | None) -> str:
    left = f", {duration(eta_s)} left" if eta_s is not None else ""
    return f"loss {loss:.3f}, {tokens_per_second:,.0f} tokens/s{left}"
