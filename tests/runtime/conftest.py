"""A file that the tests of runtimes and of listings share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Made


@pytest.fixture(scope="session")
def echo_file(made_once: Made) -> Path:
    """The file that says again what it reads, converted once for all workers."""
    return made_once("echo", _write_echo) / "echo.tflite"


def _write_echo(folder: Path) -> None:
    from tests.runtime.echo import echo

    folder.mkdir()
    (folder / "echo.tflite").write_bytes(echo())
