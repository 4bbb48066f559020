"""A file of lessons gives back what was written, and says where it is damaged."""

from pathlib import Path

import pytest

from nlpseq.data.lessons import lessons_digest, read_lessons, write_lessons
from nlpseq.data.sources import Record
from nlpseq.errors import DataError

RECORDS = [Record((f"text {number}", "a\tü\n"), "taught by T", number) for number in (1, 2, 3)]


def test_what_was_written_is_read(tmp_path: Path) -> None:
    file = tmp_path / "lessons.jsonl.gz"
    assert lessons_digest(file) == ""
    assert write_lessons(file, RECORDS) == 3
    assert list(read_lessons(file)) == RECORDS
    digest = lessons_digest(file)
    write_lessons(file, RECORDS)
    assert lessons_digest(file) == digest
    write_lessons(file, RECORDS[:2])
    assert lessons_digest(file) != digest


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    file = tmp_path / "lessons.jsonl.gz"
    write_lessons(file, RECORDS)
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"lessons\.jsonl\.gz, line \d+: the lessons .* start anew with --overwrite"):
        list(read_lessons(file))
