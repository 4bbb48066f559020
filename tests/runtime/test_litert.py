"""Opening exported files: what is whole is used, and what is not is refused before the interpreter sees it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nlpseq.errors import UserError
from nlpseq.runtime.backend import decoded, encoded, is_blank
from nlpseq.runtime.litert import ExportedFile
from tests.runtime import toys

# Each damaged file is opened, and used if it opens; a crash ends the process before it has printed anything.
OPEN_ALL = """
import json, sys
from pathlib import Path
from nlpseq.errors import UserError
from nlpseq.runtime.litert import ExportedFile
content = Path(sys.argv[1]).read_bytes()
file = Path(sys.argv[2])
said = []
for size, flipped in json.load(sys.stdin):
    damaged = bytearray(content[:size])
    if flipped is not None:
        damaged[flipped] ^= 1 << flipped % 8
    file.write_bytes(damaged)
    try:
        ExportedFile(file).call("translate", b"text")
        said.append("")
    except UserError as error:
        said.append(str(error))
print(json.dumps(said))
"""


def errors_of(content: bytes, damages: list[tuple[int, int | None]], folder: Path) -> list[str]:
    """What is said of the content, cut to a size and with a bit flipped."""
    whole = folder / "whole.tflite"
    whole.write_bytes(content)
    command = [sys.executable, "-c", OPEN_ALL, str(whole), str(folder / "damaged.tflite")]
    done = subprocess.run(command, input=json.dumps(damages), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def content() -> bytes:
    return toys.toy("translation")


def test_a_whole_file_is_used(content: bytes, tmp_path: Path) -> None:
    assert errors_of(content, [(len(content), None)], tmp_path) == [""]


def test_a_file_cut_anywhere_is_refused(content: bytes, tmp_path: Path) -> None:
    sizes = [*range(64), *range(64, len(content), len(content) // 150), len(content) - 1]
    for size, error in zip(sizes, errors_of(content, [(size, None) for size in sizes], tmp_path), strict=True):
        assert "copy or download it again" in error or (size < 8 and "no TensorFlow Lite model" in error), (size, error)
    assert f"cut off: it has {sizes[-1]:,} of {len(content):,} bytes" in error


def test_a_bit_flipped_anywhere_is_noticed(content: bytes, tmp_path: Path) -> None:
    facts = slice(content.index(b'{"format"'), content.index(b'"content":'))
    places = [*range(0, facts.start, 7), *range(facts.stop, len(content), 997)]
    padding = range(content.index(b"}}\0", facts.stop) + 2, json_end(content))
    places = [place for place in places if place not in padding]
    assert "" not in errors_of(content, [(len(content), place) for place in places], tmp_path)


def json_end(content: bytes) -> int:
    """Where the converter's part begins."""
    _, _, rest = content.partition(b'"begin":')
    return int(rest.partition(b",")[0])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: b"", "empty"),
        (lambda: b"PK\x03\x04" + bytes(100), "no TensorFlow Lite model"),
        (lambda: b"\x1c\0\0\0TFL3" + b"\xff" * 100, "cut off or damaged"),
        (toys.converted, "does not come from nlpseq"),
        (lambda: toys.toy("translation", format=2, nlpseq="9.0"), "made by nlpseq 9.0 in format 2; this version reads"),
        (lambda: toys.toy("translation", format="new"), "damaged"),
        (lambda: toys.toy("translation", format=None), "damaged"),
    ],
)
def test_what_cannot_be_used_is_said(make: Callable[[], bytes], message: str, tmp_path: Path) -> None:
    file = tmp_path / "model.tflite"
    file.write_bytes(make())
    with pytest.raises(UserError) as caught:
        ExportedFile(file)
    assert str(caught.value).startswith(f"{file}: ")
    assert message in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        ExportedFile(tmp_path / "none.tflite")
    with pytest.raises(UserError, match="cannot be read"):
        ExportedFile(tmp_path)


def test_what_metadata_lack_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="export the model again"):
        ExportedFile(toys.write_toy(tmp_path / "a.tflite", "translation", signatures={"translate": {}})).call(
            "translate", b"x"
        )
    model = ExportedFile(toys.write_toy(tmp_path / "b.tflite", "translation", signatures={"sing": {"N": 4}}))
    with pytest.raises(UserError, match="has no signature 'sing'"):
        model.call("sing", b"x")


def test_the_file_may_go_while_it_is_used(toy_files: dict[str, Path], tmp_path: Path) -> None:
    file = tmp_path / "model.tflite"
    file.write_bytes(toy_files["translation"].read_bytes())
    model = ExportedFile(file)
    file.write_bytes(b"")
    assert decoded(model.call("translate", b"text")["text"]) == "TEXT"


def test_threads_share_a_model(toy_files: dict[str, Path]) -> None:
    model = ExportedFile(toy_files["translation"])
    together = threading.Barrier(4)
    answers: dict[str, list[str]] = {}

    def call(text: str) -> None:
        together.wait(60)
        answers[text] = [decoded(model.call("translate", text.encode())["text"]) for _ in range(50)]

    threads = [threading.Thread(target=call, args=(text,)) for text in ("one", "two", "three", "four")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {text: [text.upper()] * 50 for text in ("one", "two", "three", "four")}


def test_a_closed_model_refuses(toy_files: dict[str, Path]) -> None:
    model = ExportedFile(toy_files["translation"])
    model.close()
    with pytest.raises(RuntimeError, match="closed"):
        model.call("translate", b"x")


@given(st.text(st.characters(codec=None)))
@example("\ud83d\ude00 \udc80 ok")
def test_any_text_becomes_utf_8(text: str) -> None:
    expected = "".join("\ufffd" if "\ud800" <= character <= "\udfff" else character for character in text)
    assert encoded(text).decode("utf-8") == expected


def test_zeros_at_the_end_are_padding_and_those_before_are_not() -> None:
    assert decoded(np.frombuffer(b"a\0b\0\0", np.uint8)) == "a\0b"
    assert decoded(np.zeros(3, np.uint8)) == ""
    assert decoded(np.frombuffer("é".encode()[:1], np.uint8)) == "\ufffd"


@pytest.mark.parametrize(("text", "blank"), [("", True), (" \n\u00a0", True), ("\0 \0", True), ("\0a", False)])
def test_blank_texts(text: str, blank: bool) -> None:
    assert is_blank(text) is blank
