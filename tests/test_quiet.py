"""What C++ libraries write to standard error."""

from __future__ import annotations

import os
import threading

import pytest

from nlpseq.quiet import audible_stderr, silenced_stderr


def test_only_the_block_is_silent(capfd: pytest.CaptureFixture[str]) -> None:
    os.write(2, b"before ")
    with silenced_stderr():
        os.write(2, b"inside ")
    os.write(2, b"after")
    assert capfd.readouterr().err == "before after"


def test_an_error_of_the_block_is_raised_and_silence_ends(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="wrong"), silenced_stderr():
        raise ValueError("wrong")
    os.write(2, b"after")
    assert capfd.readouterr().err == "after"


def test_a_message_is_heard_while_another_thread_is_silent(capfd: pytest.CaptureFixture[str]) -> None:
    silent, saying = threading.Event(), threading.Event()

    def work() -> None:
        with silenced_stderr():
            silent.set()
            saying.wait(60)

    def say() -> None:
        saying.set()
        with audible_stderr():
            os.write(2, b"heard")

    thread = threading.Thread(target=work)
    thread.start()
    assert silent.wait(60)
    say()
    thread.join()
    assert capfd.readouterr().err == "heard"


def test_threads_give_back_what_was_there(capfd: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        for _ in range(50):
            with silenced_stderr():
                os.write(2, b"inside")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os.write(2, b"after")
    assert capfd.readouterr().err == "after"
