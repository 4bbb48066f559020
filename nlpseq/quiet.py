"""Importing TensorFlow without what its C++ part writes to standard error before it can be told not to."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import sys
import tempfile
from collections.abc import Iterator

from nlpseq.errors import MissingExtraError


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
    with _silenced_stderr():
        import tensorflow as tf

        tf.config.list_physical_devices()
    # They warn of retracing where shapes differ, which they do, and of data sets that are not there yet.
    for name in ("tensorflow", "absl"):
        logging.getLogger(name).setLevel(logging.ERROR)


@contextlib.contextmanager
def _silenced_stderr() -> Iterator[None]:
    with tempfile.TemporaryFile() as said:
        sys.stderr.flush()
        kept = os.dup(2)
        os.dup2(said.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(kept, 2)
            said.seek(0)
            sys.stderr.write(said.read().decode("utf-8", "replace"))
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
