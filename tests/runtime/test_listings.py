"""What docs/mobile.md shows is what runs: its C++ is built and called, its JavaScript is docs/browser/main.js."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

from benchmarks import runtimes
from tests.runtime.echo import FACTS, N

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "mobile.md").read_text(encoding="utf-8")

TEXTS = [
    b"Where is the station?",
    "Où est l'hôtel ? 駅はどこですか。 👩‍👩‍👧".encode(),
    b"",
    b"  ",
    b"a\0b",
    b"." * N,
    b"\xff\xfe \xc3 \xed\xa0\x80",
]


def listing(language: str, beginning: str) -> str:
    """The one block of code in that language that begins so."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    (found,) = [block for block in blocks if block.startswith(beginning)]
    return found


def test_the_page_shows_the_very_javascript() -> None:
    assert listing("js", "// Runs") == (ROOT / "docs" / "browser" / "main.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The C++ listing, built as its page says, with the library of the Python package."""
    specification = find_spec("ai_edge_litert")
    assert specification is not None
    assert specification.origin is not None
    library = Path(specification.origin).parent / "libLiteRt.so"
    compilers = [shutil.which(name) for name in ("c++", "g++", "clang++")]
    if not (library.exists() and shutil.which("cmake") and any(compilers)):
        pytest.skip("needs cmake, a C++ compiler and libLiteRt.so")
    folder = tmp_path_factory.mktemp("native")
    code = listing("cpp", "// Translates")
    (folder / "translate.cpp").write_text(code, encoding="utf-8")
    (folder / "CMakeLists.txt").write_text(listing("cmake", "cmake_minimum"), encoding="utf-8")
    headers = folder / "sdk" / "litert" / "c"
    headers.mkdir(parents=True)
    for name in re.findall(r'#include "litert/c/(\w+\.h)"', code):
        (headers / name).write_text(f'#include "{Path(__file__).parent / "litert_c_api.h"}"\n', encoding="utf-8")
    (folder / "sdk" / "libLiteRt.so").symlink_to(library)
    options = [f"-DLITERT={folder / 'sdk'}", "-DCMAKE_CXX_FLAGS=-Wall -Wextra -Werror"]
    for command in (["-S", ".", "-B", "build", *options], ["--build", "build"]):
        done = subprocess.run(["cmake", *command], cwd=folder, capture_output=True, encoding="utf-8")
        assert done.returncode == 0, done.stdout + done.stderr
    return folder / "build" / "translate"


def run(program: Path, *arguments: str | Path, texts: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([program, *arguments], input=texts, capture_output=True, timeout=60)


def test_cpp_gives_the_interpreters_bytes(program: Path, echo_file: Path) -> None:
    done = run(program, echo_file, texts=b"".join(text + b"\n" for text in TEXTS))
    assert done.returncode == 0, done.stderr
    calls = runtimes.calls_for(echo_file, "translate", TEXTS)
    expected, _ = runtimes.in_interpreter(echo_file, "translate", calls)
    assert done.stdout.split(b"\n") == [*(outputs["text"].tobytes().rstrip(b"\0") for outputs in expected), b""]


def test_cpp_translates_a_text_longer_than_the_buffer(program: Path, echo_file: Path) -> None:
    sentences = "Where is the station? It is behind the old hotel on the left. " + "Good morning to you all. " * 4
    words = "no sentence ends in this text of many words but it is too long for one buffer, it seems"
    characters = "é" * 100
    done = run(program, echo_file, texts="\n".join([sentences.strip(), words, characters]).encode())
    first, second, third = done.stdout.decode().splitlines()
    assert first == sentences.strip()
    assert second == words
    assert third.replace(" ", "") == characters


def test_cpp_reads_the_metadata_and_says_what_is_wrong(program: Path, echo_file: Path, tmp_path: Path) -> None:
    facts = json.loads(run(program, echo_file, "--metadata").stdout)
    assert {name: facts[name] for name in FACTS} == FACTS
    missing = run(program, tmp_path / "missing.tflite")
    assert missing.returncode == 1
    assert b"error: reading " in missing.stderr
