"""Keeping from standard error what C++ libraries write to it before they can be told not to."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
import threading
from collections.abc import Iterator

from nlpseq.errors import MissingExtraError

_REDIRECTED = threading.Lock()  # there is one standard error in a process


def import_tensorflow() -> None:
    """Imports TensorFlow and finds its devices; what it said is shown only if that fails.

    Raises:
        MissingExtraError: TensorFlow or Keras is not installed.
    """
    for package in ("tensorflow", "keras"):
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError(package)
    if "tensorflow" in sys.modules:
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    import logging
    import tempfile

    with tempfile.TemporaryFile() as said:
        try:
            with _stderr_into(said.fileno()):
                import tensorflow as tf

                tf.config.list_physical_devices()
        except BaseException:
            said.seek(0)
            sys.stderr.write(said.read().decode("utf-8", "replace"))
            raise
    # They warn of retracing where shapes differ, which they do, and of data sets that are not there yet.
    for name in ("tensorflow", "absl"):
        logging.getLogger(name).setLevel(logging.ERROR)


@contextlib.contextmanager
def silenced_stderr() -> Iterator[None]:
    """Whatever the block writes to standard error is lost; its exceptions are not."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        with _stderr_into(nowhere):
            yield
    finally:
        os.close(nowhere)


@contextlib.contextmanager
def audible_stderr() -> Iterator[None]:
    """What the block writes to standard error is not lost, whatever other threads silence."""
    with _REDIRECTED:
        yield


def say(message: str) -> None:
    """Writes a line to standard error, whatever other threads silence."""
    with audible_stderr(), contextlib.suppress(OSError):  # it may be closed
        print(message, file=sys.stderr, flush=True)


@contextlib.contextmanager
def _stderr_into(descriptor: int) -> Iterator[None]:
    with _REDIRECTED:
        try:
            kept = os.dup(2)
        except OSError:  # closed: nobody hears it
            yield
            return
        sys.stderr.flush()
        os.dup2(descriptor, 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
