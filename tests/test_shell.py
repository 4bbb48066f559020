"""Commands in messages, as a shell reads them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from nlpseq import shell

NAMES = [
    "plain",
    "my data.tsv",
    "d'été",
    'a"b',
    "a;rm -rf $HOME `id`",
    "a\\b",
    "日本",
    "tab\there",
    "line\nbreak",
    "caf\udce9",
    "\u00a0",
]


@pytest.mark.parametrize("name", NAMES)
def test_bash_reads_what_was_meant(name: str) -> None:
    line = shell.command("printf", "%s", name)
    assert line.isprintable()
    # A shell gets bytes; a name that is not UTF-8 comes back as it was.
    done = subprocess.run(["bash", "-c", line], capture_output=True, check=True)
    assert done.stdout == os.fsencode(name)


def test_a_path_is_no_option() -> None:
    assert shell.command("cat", Path("-n")) == "cat ./-n"
    assert shell.command("cat", "-n") == "cat -n"
