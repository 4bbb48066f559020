"""Encoded corpora on disk: ids as flat files, made once for a content and a tokenizer.

A corpus is a folder: for each field ``F.ids`` (all ids, one after the other) and ``F.offsets`` (int64, one more than
there are examples), and ``corpus.json``. It is built under a temporary name and renamed when it is whole, so that a
kill leaves nothing half-made under its key, and of two processes that build the same one, one wins and both are right.
An entry is checked before it is used: one that is damaged, or that somebody else put there, is built again.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import itertools
import json
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nlpseq.data.collector import paused_collector
from nlpseq.errors import MachineError, UserError

_FORMAT = 3
_CHECKED_IDS = 1 << 22  # at once
_MOST_FACTS_BYTES = 1 << 20  # of corpus.json
_UNUSED_DAYS = 30
_ABANDONED_DAYS = 1
_OUR_NAME = re.compile(r"[0-9a-f]{40}(\..*\.part)?")


@dataclass(frozen=True)
class Corpus:
    """Encoded examples on disk.

    They are read through the file system's cache instead of mapped memory. So a corpus that is larger than memory
    costs only the examples in use.

    Attributes:
        folder: where the files are.
        fields: the names of the sequences of ids that an example consists of, in order.
        examples: how many there are.
        ids: how many ids each field holds in all.
        notes: counts from encoding that a person should hear of, such as texts that were cut.
        dtype: the type of the ids on disk.
    """

    folder: Path
    fields: tuple[str, ...]
    examples: int
    ids: tuple[int, ...]
    notes: dict[str, int]
    dtype: str

    def offsets(self, field: str, start: int, stop: int) -> np.ndarray:
        """int64 [stop - start + 1]: where the ids of each example begin, and where the last ones end."""
        return np.fromfile(self.folder / f"{field}.offsets", np.int64, stop - start + 1, offset=8 * start)

    def lengths(self, field: str, start: int, stop: int) -> np.ndarray:
        """int64 [stop - start]: how many ids each example has."""
        return np.diff(self.offsets(field, start, stop))

    def read(self, field: str, start: int, stop: int) -> np.ndarray:
        """int32 [stop - start]: a range of the field's ids, counted in ids."""
        offset = np.dtype(self.dtype).itemsize * start
        return np.fromfile(self.folder / f"{field}.ids", self.dtype, stop - start, offset=offset).astype(np.int32)


class Encoded(NamedTuple):
    """Some examples.

    Attributes:
        ids: of each field all ids, one example after the other.
        lengths: of each field how many of them each example has.
    """

    ids: tuple[np.ndarray, ...]
    lengths: tuple[np.ndarray, ...]


def encoded(examples: Iterable[Sequence[Sequence[int]]], fields: int) -> Encoded:
    """Puts together examples, each of which has its ids field by field."""
    columns = list(zip(*examples, strict=True)) or [()] * fields
    return Encoded(
        tuple(np.fromiter(itertools.chain.from_iterable(column), np.int32) for column in columns),
        tuple(np.fromiter(map(len, column), np.int64, len(column)) for column in columns),
    )


def cache_folder() -> Path:
    """``$NLPSEQ_CACHE``, or ``nlpseq`` in the user's cache folder."""
    if chosen := os.environ.get("NLPSEQ_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nlpseq"


def cached_corpus(
    key: Sequence[object],
    fields: Sequence[str],
    encode: Callable[[dict[str, int]], Iterable[Encoded]],
    *,
    largest_id: int = 2**31 - 1,
) -> Corpus:
    """The corpus for this key, encoded now if it is not there yet.

    Args:
        key: everything that the ids depend on: content, tokenizer, limits.
        fields: names of the fields.
        encode: yields examples, many at once; it may count into the dictionary that it is given.
        largest_id: two bytes an id are enough for most vocabularies.

    Raises:
        UserError: there can be no cache where it should be.
        MachineError: the disk gives back something else than was written.
    """
    dtype = "<u2" if largest_id < 1 << 16 else "<i4"
    name = hashlib.blake2b(repr((_FORMAT, dtype, tuple(fields), *key)).encode(), digest_size=20).hexdigest()
    folder = cache_folder() / name
    corpus = _open(folder, fields, dtype, largest_id)
    if corpus is None:
        with _usable(folder.parent):
            folder.parent.mkdir(parents=True, exist_ok=True)
            _purge(folder.parent)
            temporary = Path(tempfile.mkdtemp(prefix=f"{name}.", suffix=".part", dir=folder.parent))
        try:
            _write(temporary, fields, encode, dtype)
            if os.path.lexists(folder) and _open(folder, fields, dtype, largest_id) is None:
                with _usable(folder.parent):
                    _remove(folder)
            try:
                temporary.rename(folder)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
                # Another process was first, with the same ids.
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        corpus = _open(folder, fields, dtype, largest_id)
        if corpus is None:
            raise MachineError(f"{folder}: what was written there does not read back: check the disk and its space")
    with contextlib.suppress(OSError):  # others may have made it, in a folder that all may read
        os.utime(folder)
    return corpus


@contextlib.contextmanager
def _usable(folder: Path) -> Iterator[None]:
    """What forbids a cache in this folder becomes an error that says what to do; a full disk is not meant here."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise UserError(
            f"the cache cannot be in {folder} ({error.strerror}): let the environment variable NLPSEQ_CACHE name a "
            "folder that you can write to"
        ) from error


def _open(folder: Path, fields: Sequence[str], dtype: str, largest_id: int) -> Corpus | None:
    """The corpus in this folder; None where there is none, or not all of it is as it must be."""
    try:
        if not stat.S_ISDIR(folder.lstat().st_mode) or _size(folder / "corpus.json") > _MOST_FACTS_BYTES:
            return None
        facts = json.loads((folder / "corpus.json").read_text(encoding="utf-8"))
        corpus = Corpus(folder, tuple(fields), facts["examples"], tuple(facts["ids"]), dict(facts["notes"]), dtype)
        return corpus if _is_sound(corpus, largest_id) else None
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None


def _is_sound(corpus: Corpus, largest_id: int) -> bool:
    """Whether the facts are of the right types and fit the files, and the ids are in their range."""
    counts = [corpus.examples, *corpus.ids, *corpus.notes.values()]
    if not all(type(count) is int and count >= 0 for count in counts) or not all(map(str.isprintable, corpus.notes)):
        return False
    for field, total in zip(corpus.fields, corpus.ids, strict=True):
        sizes = _size(corpus.folder / f"{field}.ids"), _size(corpus.folder / f"{field}.offsets")
        if sizes != (total * np.dtype(corpus.dtype).itemsize, 8 * (corpus.examples + 1)):
            return False
        end = 0
        for start in range(0, corpus.examples, _CHECKED_IDS):
            offsets = corpus.offsets(field, start, min(start + _CHECKED_IDS, corpus.examples))
            if offsets[0] != end or (offsets[1:] < offsets[:-1]).any():
                return False
            end = int(offsets[-1])
        if end != total or corpus.offsets(field, 0, 0)[0] != 0:
            return False
        for start in range(0, total, _CHECKED_IDS):
            ids = corpus.read(field, start, min(start + _CHECKED_IDS, total))
            if ids.min() < 0 or ids.max() > largest_id:
                return False
    return True


def _size(file: Path) -> int:
    """The bytes of a file.

    Raises:
        OSError: there is no such file.
        ValueError: it is a link or a pipe.
    """
    status = file.lstat()
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(f"{file} is no regular file")
    return status.st_size


def _write(
    folder: Path,
    fields: Sequence[str],
    encode: Callable[[dict[str, int]], Iterable[Encoded]],
    dtype: str,
) -> None:
    notes: dict[str, int] = {}
    examples, totals = 0, [0] * len(fields)
    with paused_collector(), contextlib.ExitStack() as stack:
        id_files = [stack.enter_context(open(folder / f"{field}.ids", "wb")) for field in fields]
        offset_files = [stack.enter_context(open(folder / f"{field}.offsets", "wb")) for field in fields]
        for file in offset_files:
            file.write(np.zeros(1, np.int64).tobytes())
        for several in encode(notes):
            examples += len(several.lengths[0])
            for position, (ids, lengths) in enumerate(zip(several.ids, several.lengths, strict=True)):
                id_files[position].write(ids.astype(dtype).tobytes())
                offset_files[position].write((totals[position] + np.cumsum(lengths, dtype=np.int64)).tobytes())
                totals[position] += len(ids)
        for file in (*id_files, *offset_files):
            file.flush()
            os.fsync(file.fileno())
    (folder / "corpus.json").write_text(json.dumps({"examples": examples, "ids": totals, "notes": notes}))


def _purge(folder: Path) -> None:
    """Removes entries that nobody used for a month, and those that a kill left half-made for a day."""
    now = time.time()
    for entry in folder.iterdir():
        days = _ABANDONED_DAYS if entry.name.endswith(".part") else _UNUSED_DAYS
        with contextlib.suppress(OSError):
            old = now - entry.stat().st_mtime > days * 86_400
            if old and entry.is_dir() and _OUR_NAME.fullmatch(entry.name):
                _remove(entry)


def _remove(folder: Path) -> None:
    """Renames the folder before it removes it: under its own name a corpus is whole or absent.

    A link is removed, and what it points to stays.
    """
    doomed = folder if folder.name.endswith(".part") else folder.with_name(f"{folder.name}.{os.getpid()}.part")
    folder.rename(doomed)
    if doomed.is_symlink() or not doomed.is_dir():
        doomed.unlink()
    else:
        shutil.rmtree(doomed, ignore_errors=True)
