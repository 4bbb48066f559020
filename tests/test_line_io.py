"""Lines in, lines out."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from nlpseq.errors import DataError, UserError
from nlpseq.line_io import line_writer, lines_of

MOST = 100_000  # characters of a line


def read(content: bytes, folder: Path) -> list[str]:
    file = folder / "in.txt"
    file.write_bytes(content)
    with lines_of((), file) as lines:
        return list(lines)


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"", []),
        (b"\n", [""]),
        (b"one\n\n two \nlast", ["one", "", " two ", "last"]),
        (b"one\r\ntwo\r\n", ["one", "two"]),
        ("\ufeffone\n\ufefftwo\n".encode(), ["one", "\ufefftwo"]),  # a byte order mark stands at the beginning only
        ("a\u2028b\x0bc\x85d\n".encode(), ["a\u2028b\x0bc\x85d"]),  # none of these ends a line of a file
    ],
)
def test_lines_of_a_file(content: bytes, lines: list[str], tmp_path: Path) -> None:
    assert read(content, tmp_path) == lines


def test_arguments_are_texts_as_they_are() -> None:
    with lines_of(("one\ntwo", ""), None) as texts:
        assert list(texts) == ["one\ntwo", ""]


def test_standard_input_is_read_as_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line comes out before the next one has been written."""
    reading, writing = os.pipe()
    with open(reading, encoding="utf-8") as standard_input, open(writing, "wb", buffering=0) as user:
        monkeypatch.setattr(sys, "stdin", standard_input)
        with lines_of((), None) as lines:
            answers = iter(lines)
            for line in ("one", "", "zwölf"):
                user.write(f"{line}\n".encode())
                assert next(answers) == line
            user.close()
            assert list(answers) == []


def test_standard_input_that_is_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"one\ntwo")))
    with lines_of((), None) as lines:
        assert list(lines) == ["one", "two"]


def test_a_terminal_is_told_how_to_end(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    class Terminal(io.TextIOWrapper):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Terminal(io.BytesIO(b"one\n")))
    with lines_of((), None) as lines:
        assert list(lines) == ["one"]
    assert capsys.readouterr() == ("", "one text per line; end with Ctrl-D\n")


def test_without_a_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(UserError, match="there is no standard input: give texts, or a file with --input"):
        opened((), None)


def test_texts_come_from_one_place(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="give texts or --input, not both"):
        opened(("one",), tmp_path / "in.txt")
    with pytest.raises(UserError, match=r"none\.txt: no such file"):
        opened((), tmp_path / "none.txt")


def opened(texts: tuple[str, ...], file: Path | None) -> Iterable[str]:
    with lines_of(texts, file) as lines:
        return lines


@pytest.mark.parametrize(("content", "line", "byte"), [(b"one\nt\xfcr\n", 2, 2), (b"\xff\xfeo\0n\0", 1, 1)])
def test_another_encoding_is_named_where_it_begins(content: bytes, line: int, byte: int, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"in\.txt, line {line}: not UTF-8 \(byte {byte} of the line\)") as caught:
        read(content, tmp_path)
    assert caught.value.line == line


@pytest.mark.parametrize("character", ["x", "é", "日", "🙂"])
def test_how_long_a_line_may_be(character: str, tmp_path: Path) -> None:
    longest = character * MOST
    assert read(f"\ufeff{longest}\r\n{longest}".encode(), tmp_path) == [longest] * 2
    with pytest.raises(UserError, match="line 2: more than 100,000 characters in one line: cut it into lines"):
        read(f"one\n{longest}{character}".encode(), tmp_path)
    with pytest.raises(UserError, match="text 2: more than 100,000 characters"):
        opened(("one", longest + character), None)


def test_a_file_without_line_ends_is_not_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless(io.BytesIO):
        def readline(self, size: int | None = -1) -> bytes:
            assert size is not None
            assert 0 < size < 10 * MOST
            return b"\xff" * size  # also where a character is cut, the length is what is wrong

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(Endless()))
    with (
        pytest.raises(UserError, match="standard input, line 1: more than 100,000 characters"),
        lines_of((), None) as lines,
    ):
        list(lines)


def test_lines_are_written_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    class Output(io.BytesIO):
        seen = b""

        def flush(self) -> None:
            self.seen = self.getvalue()

    output = Output()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(output, encoding="ascii"))
    with line_writer(None) as write:
        write("zwölf")
        assert output.seen == "zwölf\n".encode()
        write("half \ud800")
        assert output.seen == "zwölf\nhalf ?\n".encode()


def test_a_file_appears_when_all_is_written(tmp_path: Path) -> None:
    file = tmp_path / "out.txt"
    with line_writer(file) as write:
        write("zwölf")
        write("")
        assert not file.exists()
    assert file.read_bytes() == "zwölf\n\n".encode()

    def stop_halfway() -> None:
        with line_writer(file) as write:
            write("other")
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        stop_halfway()
    assert file.read_bytes() == "zwölf\n\n".encode()
    assert list(tmp_path.iterdir()) == [file]
