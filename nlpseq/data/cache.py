"""Encoded corpora on disk: ids as flat files, made once for a content and a tokeniser.

A corpus is a folder: for each field ``F.ids`` (all ids, one after the other) and ``F.offsets`` (int64, one more than
there are examples), and ``corpus.json``. It is built under a temporary name and renamed when it is whole, so that a
kill leaves nothing half-made under its key, and of two processes that build the same one, one wins and both are right.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

_FORMAT = 2
_FLUSH_IDS = 1 << 20
_UNUSED_DAYS = 30
_ABANDONED_DAYS = 1
_OUR_NAME = re.compile(r"[0-9a-f]{40}(\..*\.part)?")


@dataclass(frozen=True)
class Corpus:
    """Encoded examples on disk. Reads go through the file system's cache, not through mapped memory: a corpus larger
    than memory costs only the examples in use.

    Attributes:
        folder: where the files are.
        fields: their names, in order.
        examples: how many there are.
        ids: how many ids each field holds in all.
        notes: counts from encoding that a person should hear of, such as texts that were cut.
        dtype: of the ids on disk.
    """

    folder: Path
    fields: tuple[str, ...]
    examples: int
    ids: tuple[int, ...]
    notes: dict[str, int]
    dtype: str

    def offsets(self, field: str, start: int, stop: int) -> np.ndarray:
        """int64 [stop - start + 1]: where the examples' ids begin and end."""
        return np.fromfile(self.folder / f"{field}.offsets", np.int64, stop - start + 1, offset=8 * start)

    def lengths(self, field: str, start: int, stop: int) -> np.ndarray:
        """int64 [stop - start]."""
        return np.diff(self.offsets(field, start, stop))

    def read(self, field: str, start: int, stop: int) -> np.ndarray:
        """int32 [stop - start]: a range of the field's ids, counted in ids."""
        offset = np.dtype(self.dtype).itemsize * start
        return np.fromfile(self.folder / f"{field}.ids", self.dtype, stop - start, offset=offset).astype(np.int32)


def cache_folder() -> Path:
    """``$NLPSEQ_CACHE``, or ``nlpseq`` in the user's cache folder."""
    if chosen := os.environ.get("NLPSEQ_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nlpseq"


def cached_corpus(
    key: Sequence[object],
    fields: Sequence[str],
    encode: Callable[[dict[str, int]], Iterable[Sequence[Sequence[int]]]],
    *,
    largest_id: int = 2**31 - 1,
) -> Corpus:
    """The corpus for this key, encoded now if it is not there yet.

    Args:
        key: everything that the ids depend on: content, tokeniser, limits.
        fields: names of the fields.
        encode: yields for each example its ids, field by field; it may count into the dictionary that it is given.
        largest_id: two bytes an id are enough for most vocabularies.
    """
    dtype = "<u2" if largest_id < 1 << 16 else "<i4"
    name = hashlib.blake2b(repr((_FORMAT, dtype, tuple(fields), *key)).encode(), digest_size=20).hexdigest()
    folder = cache_folder() / name
    if not (folder / "corpus.json").exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        _purge(folder.parent)
        temporary = Path(tempfile.mkdtemp(prefix=f"{name}.", suffix=".part", dir=folder.parent))
        try:
            _write(temporary, fields, encode, dtype)
            if folder.exists() and not (folder / "corpus.json").exists():
                _remove(folder)  # what is left of a removal that was killed
            try:
                temporary.rename(folder)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
                # Another process was first, with the same ids.
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    os.utime(folder)
    facts = json.loads((folder / "corpus.json").read_text())
    return Corpus(folder, tuple(fields), facts["examples"], tuple(facts["ids"]), facts["notes"], dtype)


def _write(
    folder: Path,
    fields: Sequence[str],
    encode: Callable[[dict[str, int]], Iterable[Sequence[Sequence[int]]]],
    dtype: str,
) -> None:
    notes: dict[str, int] = {}
    examples, totals = 0, [0] * len(fields)
    with contextlib.ExitStack() as stack:
        id_files = [stack.enter_context(open(folder / f"{field}.ids", "wb")) for field in fields]
        offset_files = [stack.enter_context(open(folder / f"{field}.offsets", "wb")) for field in fields]
        ids: list[list[int]] = [[] for _ in fields]
        offsets: list[list[int]] = [[0] for _ in fields]

        def flush() -> None:
            for position in range(len(fields)):
                id_files[position].write(np.array(ids[position], dtype).tobytes())
                offset_files[position].write(np.array(offsets[position], np.int64).tobytes())
                ids[position].clear()
                offsets[position].clear()

        for example in encode(notes):
            examples += 1
            for position, field_ids in enumerate(example):
                ids[position].extend(field_ids)
                totals[position] += len(field_ids)
                offsets[position].append(totals[position])
            if sum(map(len, ids)) >= _FLUSH_IDS:
                flush()
        flush()
        for file in (*id_files, *offset_files):
            file.flush()
            os.fsync(file.fileno())
    (folder / "corpus.json").write_text(json.dumps({"examples": examples, "ids": totals, "notes": notes}))


def _purge(folder: Path) -> None:
    """Removes what nobody used for a month, and what a kill left behind."""
    now = time.time()
    for entry in folder.iterdir():
        days = _ABANDONED_DAYS if entry.name.endswith(".part") else _UNUSED_DAYS
        with contextlib.suppress(OSError):
            old = now - entry.stat().st_mtime > days * 86_400
            if old and entry.is_dir() and _OUR_NAME.fullmatch(entry.name):
                _remove(entry)


def _remove(folder: Path) -> None:
    """Renamed first: under its own name a corpus is whole or absent."""
    doomed = folder if folder.name.endswith(".part") else folder.with_name(f"{folder.name}.{os.getpid()}.part")
    folder.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)
