"""How much memory a process holds, and whether it runs, by what Linux says of it; 0 and True on other systems."""

from __future__ import annotations

from pathlib import Path


def resident_bytes(process: int | str = "self") -> int:
    """What a process holds now; 0 if it has ended."""
    return _bytes(process, "VmRSS")


def peak_bytes(process: int | str = "self") -> int:
    """The most that a process has held since its program began (``getrusage`` also counts what it was before)."""
    return _bytes(process, "VmHWM")


def is_running(process: int) -> bool:
    """Whether nobody has stopped a process (SIGSTOP), which may go on later."""
    try:
        state = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state not in "Tt"


def _bytes(process: int | str, key: str) -> int:
    try:
        lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(f"{key}:")), 0)
