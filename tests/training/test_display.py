"""What a run shows: a bar on a terminal, and lines from time to time elsewhere. The clock is the test's."""

from __future__ import annotations

import io
import sys

import pytest

from nlpseq.training import display as module
from nlpseq.training.display import LineDisplay, Speed, TerminalDisplay, display, duration


class Clock:
    """Stands still until it is told to go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(module.time, "monotonic", lambda: self.now)


def test_a_line_every_half_minute(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    clock, shown = Clock(monkeypatch), LineDisplay()
    shown.begin(0, 2, 200, 20)
    for _ in range(4):
        clock.now += 15
        shown.advance(30, 1.5, 1234.0, 65.0)
    shown.end("epoch 1/2 done")
    assert capsys.readouterr().err.splitlines() == [
        "epoch 1/2  40% loss 1.500, 1,234 tokens/s, 1:05 left",
        "epoch 1/2  70% loss 1.500, 1,234 tokens/s, 1:05 left",
        "epoch 1/2 done",
    ]


def test_a_loop_is_shown_in_lines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    clock, seen = Clock(monkeypatch), []
    for item in LineDisplay().track("abcd", "asking"):
        seen.append(item)
        clock.now += 20
    assert seen == list("abcd")
    assert capsys.readouterr().err.splitlines() == ["asking  50%, 0:40 left"]


def test_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stderr", terminal)
    shown = display()
    assert isinstance(shown, TerminalDisplay)
    shown.begin(1, 3, 10, 5)
    shown.say("something else")
    shown.advance(5, 0.25, 10.0, None)
    shown.end("epoch 2/3 done")
    assert list(shown.track([1, 2], "evaluating")) == [1, 2]
    written = terminal.getvalue()
    assert "epoch 2/3 |" in written
    assert " 50% " in written
    assert "something else\n" in written
    assert written.count("epoch 2/3 done\n") == 1
    assert "evaluating |" in written
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert isinstance(display(), LineDisplay)


def test_speed_counts_from_the_end_of_the_first_step() -> None:
    speed = Speed()
    speed.advance(10.0, 999, 0.1)  # this step took long: it traced the graph
    assert (speed.tokens_per_second, speed.eta_s) == (0.0, None)
    speed.advance(12.0, 100, 0.1)
    assert (speed.tokens_per_second, speed.eta_s) == (50.0, None)  # no examples more than before
    speed.advance(14.0, 100, 0.5)
    assert speed.tokens_per_second == 50.0
    assert speed.eta_s == pytest.approx(5.0)  # 4 s for 0.4 of the run, 0.5 is left


@pytest.mark.parametrize(("seconds", "words"), [(0.9, "0:00"), (65, "1:05"), (3599.9, "59:59"), (3700, "1:01:40")])
def test_duration(seconds: float, words: str) -> None:
    assert duration(seconds) == words
