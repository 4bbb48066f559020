"""Importing TensorFlow without what its C++ part writes to standard error before it can be told not to."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
from collections.abc import Iterator


def import_tensorflow() -> None:
    """Imports TensorFlow and finds its devices; what it said is shown only if that fails."""
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
