"""Python's search for cyclic garbage, and when it is only in the way."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def paused_collector() -> Iterator[None]:
    """No search for cyclic garbage inside of the block.

    A pass over a corpus makes millions of small objects and no cycles. Each search looks at all of TensorFlow's
    objects: half of the time of a pass went there.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
