"""Tests of the bundled sample stories."""

import re
from collections import Counter
from importlib.resources import files

import pytest


@pytest.fixture(scope="module")
def data() -> bytes:
    return (files("nlpseq.data.samples") / "stories.txt").read_bytes()


@pytest.fixture(scope="module")
def pieces(data: bytes) -> list[str]:
    """The tales, plays, letters and so on: two blank lines stand between them."""
    return data.decode("ascii").rstrip("\n").split("\n\n\n")


def test_size(data: bytes) -> None:
    assert 130_000 <= len(data) <= 170_000


def test_ascii(data: bytes) -> None:
    assert all(byte == ord("\n") or 0x20 <= byte <= 0x7E for byte in data)
    assert data.endswith(b".\n")
    assert not re.search(rb" \n|\n\n\n\n|  ", data)


def test_no_paragraph_occurs_twice(data: bytes) -> None:
    paragraphs = Counter(line for line in data.decode("ascii").splitlines() if len(line) > 40)
    assert [paragraph for paragraph, count in paragraphs.items() if count > 1] == []


def test_titles(pieces: list[str]) -> None:
    titles = [piece.splitlines()[0] for piece in pieces]
    assert len(set(titles)) == len(titles) >= 100
    for title in titles:
        assert 5 <= len(title) <= 70, title
        assert title[0].isupper(), title
        assert title[-1] not in ".,:;", title


def test_every_piece_is_short(pieces: list[str]) -> None:
    for piece in pieces:
        assert 40 <= len(piece.split()) <= 450, piece


@pytest.mark.parametrize("name", ["Little Wick", "Tobin", "Pip", "Mrs. Plum", "Captain Brass", "Bram", "Admiral"])
def test_the_cast_recurs(pieces: list[str], name: str) -> None:
    assert sum(name in piece for piece in pieces) >= 10


def test_plays_name_the_speaker(pieces: list[str]) -> None:
    plays = [piece.splitlines() for piece in pieces if "\nA little play\n" in piece]
    assert len(plays) >= 12
    for _, _, *lines in plays:
        for line in filter(None, lines):
            assert re.match(r"[A-Z][A-Z. ]+: \S", line), line
