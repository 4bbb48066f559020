"""One process at a time writes into a folder, whatever ends it."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nlpseq import folder_lock
from nlpseq.errors import UserError
from nlpseq.folder_lock import LOCK, locked

HOLDER = """
import sys, time
from pathlib import Path
from nlpseq.folder_lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""
CONTENDER = """
import sys, time
from pathlib import Path
from nlpseq.errors import UserError
from nlpseq.folder_lock import locked
time.sleep(max(0.0, float(sys.argv[2]) - time.time()))
try:
    with locked(Path(sys.argv[1])):
        print("held", flush=True)
        time.sleep(1.0)
except UserError:
    print("refused")
"""


def started(program: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_a_lock_names_its_holder_and_ends_with_it(tmp_path: Path) -> None:
    holder = started(HOLDER, tmp_path)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(UserError, match=f"since .*: process {holder.pid} on .*choose another folder"), locked(tmp_path):
        pass
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (tmp_path / LOCK).exists()  # what a kill leaves is no lock
    with locked(tmp_path):
        assert (tmp_path / LOCK).exists()
    assert not list(tmp_path.iterdir())


def test_of_several_that_begin_at_once_one_wins(tmp_path: Path) -> None:
    begin = time.time() + 2.0
    contenders = [started(CONTENDER, tmp_path, begin) for _ in range(4)]
    assert sorted(each.communicate()[0] for each in contenders) == ["held\n", *["refused\n"] * 3]


def test_a_folder_is_made_for_it_and_does_not_stay(tmp_path: Path) -> None:
    with locked(tmp_path / "a" / "new"):
        assert (tmp_path / "a" / "new").is_dir()
    assert not (tmp_path / "a" / "new").exists()
    with locked(tmp_path / "kept"):
        (tmp_path / "kept" / "file").touch()
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["file"]


def test_where_the_file_system_has_no_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(descriptor: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(folder_lock, "_lock_in_system", no_locks)
    with locked(tmp_path), pytest.raises(UserError, match=f"process {os.getpid()} on"), locked(tmp_path):
        pass
    ended = started("pass")
    ended.wait()
    facts = f'{{"process": {ended.pid}, "host": "{socket.gethostname()}"}}'
    (tmp_path / LOCK).write_text(facts, encoding="utf-8")
    with locked(tmp_path):
        pass
    (tmp_path / LOCK).write_text('{"process": 1, "host": "another machine"}', encoding="utf-8")
    with pytest.raises(UserError, match="process 1 on another machine"), locked(tmp_path):
        pass
