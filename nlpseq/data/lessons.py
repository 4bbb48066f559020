"""What teachers made of texts, as examples for another model to learn from: a file of JSON lines."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from nlpseq.atomic_files import replaced
from nlpseq.data.sources import Record
from nlpseq.errors import DataError


def write_lessons(file: Path, records: Iterable[Record]) -> int:
    """Writes records into a gzipped file, atomically, and returns how many there were.

    The same records make the same bytes.
    """
    count = 0
    with (
        replaced(file) as temporary,
        open(temporary, "wb") as raw,
        gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0) as packed,
    ):
        for record in records:
            packed.write(json.dumps([record.file, *record.fields], ensure_ascii=False).encode() + b"\n")
            count += 1
    return count


def read_lessons(file: Path) -> Iterator[Record]:
    """Yields the records of a file of :func:`write_lessons`; ``file`` of each is the teacher.

    Raises:
        DataError: the file is damaged.
    """
    number = 0
    try:
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                teacher, *fields = json.loads(line)
                yield Record(tuple(fields), teacher, number)
    except (OSError, EOFError, ValueError) as error:
        raise DataError(
            f"the lessons of the teachers cannot be read ({error}): start anew with --overwrite",
            file=str(file),
            line=number + 1,
        ) from None


def lessons_digest(file: Path) -> str:
    """A name for the content of a file of lessons; "" where there is none."""
    try:
        return hashlib.blake2b(file.read_bytes(), digest_size=16).hexdigest()
    except FileNotFoundError:
        return ""
