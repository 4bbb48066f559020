"""Who may work in a folder, and what is left afterwards."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nlpseq import folder_lock
from nlpseq.errors import UserError
from nlpseq.folder_lock import LOCK, check_free, held

HOLDER = """
import sys
from pathlib import Path
from nlpseq.errors import UserError
from nlpseq.folder_lock import held
{before}
try:
    with held(Path(sys.argv[1]), "nlpseq a-command"):
        {inside}
        print("held", flush=True)
        sys.stdin.read()
except UserError:
    print("refused", flush=True)
    sys.stdin.read()
"""
FORKED = "import os\n        if os.fork() == 0: sys.stdin.read(); os._exit(0)"


def holder(folder: Path, before: str = "", inside: str = "") -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLDER.format(before=before, inside=inside), str(folder)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.mark.parametrize("inside", ["", FORKED])
def test_a_folder_is_held_until_its_process_ends(tmp_path: Path, inside: str) -> None:
    """Even by a kill, and even where a child of it lives on."""
    if inside and not hasattr(os, "fork"):
        pytest.skip("no forks here")
    process = holder(tmp_path / "model", inside=inside)
    assert said(process) == "held"
    for refused in (held(tmp_path / "model", "another"), None):
        with pytest.raises(UserError, match=rf"process {process.pid} works in .* since 2.*\(nlpseq a-command\).*kill"):
            check_free(tmp_path / "model") if refused is None else refused.__enter__()
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (tmp_path / "model" / LOCK).exists()
    check_free(tmp_path / "model")
    with held(tmp_path / "model", "another"):
        pass
    assert list((tmp_path / "model").iterdir()) == []
    assert process.stdin is not None
    process.stdin.close()


def test_of_several_at_once_one_wins(tmp_path: Path) -> None:
    wait = f"import time\nwhile not Path({str(tmp_path / 'go')!r}).exists(): time.sleep(0.001)"
    processes = [holder(tmp_path / "model", before=wait) for _ in range(4)]
    (tmp_path / "go").touch()
    assert sorted(map(said, processes)) == ["held", "refused", "refused", "refused"]
    for process in processes:
        process.communicate("")
    assert not (tmp_path / "model").exists()


def test_only_what_was_made_is_removed(tmp_path: Path) -> None:
    with held(tmp_path / "models" / "mine", "it"):
        assert (tmp_path / "models" / "mine" / LOCK).is_file()
    assert list(tmp_path.iterdir()) == []
    with held(tmp_path / "models" / "mine", "it"):
        (tmp_path / "models" / "mine" / "notes.txt").touch()
    assert [path.name for path in (tmp_path / "models" / "mine").iterdir()] == ["notes.txt"]


def test_what_somebody_else_put_there_stays(tmp_path: Path) -> None:
    (tmp_path / LOCK).write_text("mine", encoding="utf-8")
    with pytest.raises(UserError, match="no lock of nlpseq"), held(tmp_path, "it"):
        pass
    assert (tmp_path / LOCK).read_text(encoding="utf-8") == "mine"
    with pytest.raises(UserError, match="this is a file"), held(tmp_path / LOCK, "it"):
        pass
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / LOCK).symlink_to(tmp_path / LOCK)
    with pytest.raises(UserError, match="cannot be written"), held(tmp_path / "other", "it"):
        pass


def test_a_file_system_without_locks_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    fcntl = pytest.importorskip("fcntl")

    def none(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    with held(tmp_path, "it"):
        assert folder_lock._facts((tmp_path / LOCK).read_bytes())["command"] == "it"
    assert "no locks: see to it that no other run works" in capfd.readouterr().err
