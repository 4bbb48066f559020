"""Signals, as a process of its own gets them."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

PYTHON_CODE = "while True: time.sleep(0.01)"
LIBRARY_CODE = "hashlib.pbkdf2_hmac('sha256', b'a', b'b', 2_000_000_000)"
BLOCK = """
import hashlib, threading, time
from nlpseq.cli.stopping import end_interrupted, stoppable
try:
    with stoppable():
        threading.Timer(0.3, print, ["in"], dict(flush=True)).start()  # when the code below is under way
        {busy}
except KeyboardInterrupt:
    end_interrupted("interrupted; go on with: a command")
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(("busy", "signals"), [(PYTHON_CODE, 1), (LIBRARY_CODE, 2)])
def test_a_signal_ends_the_process(number: signal.Signals, busy: str, signals: int) -> None:
    """The first one between two instructions of Python, the second inside of a library, too."""
    command = [sys.executable, "-c", BLOCK.format(busy=busy)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline() == "in\n"
    process.send_signal(number)
    if signals == 2:
        assert process.stderr.readline() == "\n"
        assert process.stderr.readline() == "stopping; Ctrl-C again stops at once\n"
        process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said == ("" if signals == 2 else "\ninterrupted; go on with: a command\n")
