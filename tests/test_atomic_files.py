"""Writing files whole or not at all."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from nlpseq.atomic_files import is_temporary, remove, replaced, scratch_folder, write_text


def test_a_file_is_replaced_whole_or_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "new" / "file.txt"
    write_text(file, "old")

    def stop_halfway() -> None:
        with replaced(file) as temporary:
            temporary.write_text("half", encoding="utf-8")
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        stop_halfway()
    assert file.read_text(encoding="utf-8") == "old"
    assert list(file.parent.iterdir()) == [file]


def test_a_scratch_folder_is_known_as_such_and_removed(tmp_path: Path) -> None:
    with scratch_folder(tmp_path) as folder:
        assert list(tmp_path.iterdir()) == [folder]
        assert is_temporary(folder)
        (folder / "file.txt").touch()
    assert list(tmp_path.iterdir()) == []


def test_what_a_link_points_to_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    remove(tmp_path / "link")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
    remove(tmp_path / "folder")
    assert list(tmp_path.iterdir()) == []


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    file, link = tmp_path / "file.txt", tmp_path / "link.txt"
    file.write_text("old", encoding="utf-8")
    link.symlink_to(file)
    write_text(link, "new")
    assert link.is_symlink()
    assert file.read_text(encoding="utf-8") == "new"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_written_to_and_stays(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text(encoding="utf-8")))
    reader.start()
    with replaced(pipe) as path:
        path.write_text("text", encoding="utf-8")
    reader.join(10)
    assert read == ["text"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
