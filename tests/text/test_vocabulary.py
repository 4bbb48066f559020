"""The files of a vocabulary: what is saved is loaded, and what is damaged is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from nlpseq.errors import UserError
from nlpseq.text.tokenizers import Characters
from nlpseq.text.vocabulary import Vocabulary

SOURCE, TARGET = Characters(["a", "b"]), Characters(["c"])


def written(folder: Path, facts: Any) -> Path:
    """A model folder with a tokeniser, and a ``vocabulary.json`` of one's own."""
    Vocabulary({"text": SOURCE}).save(folder)
    (folder / "vocabulary.json").write_text(json.dumps(facts), encoding="utf-8")
    return folder


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    vocabulary = Vocabulary({"source": SOURCE, "target": TARGET}, ("gut", "schlecht 😀"))
    vocabulary.save(tmp_path)
    again = Vocabulary.load(tmp_path)
    assert list(again.tokenizers) == ["source", "target"]
    assert [tokenizer.to_bytes() for tokenizer in again.tokenizers.values()] == [SOURCE.to_bytes(), TARGET.to_bytes()]
    assert again.labels == vocabulary.labels
    assert again.digest() == vocabulary.digest()


def test_a_digest_names_the_content() -> None:
    digests = {
        Vocabulary(tokenizers, labels).digest()
        for tokenizers in ({"source": SOURCE}, {"target": SOURCE}, {"source": TARGET}, {})
        for labels in ((), ("a",), ("b",), ("a", "b"), ("b", "a"))
    }
    assert len(digests) == 20


def test_a_shared_tokeniser_is_kept_once(tmp_path: Path) -> None:
    Vocabulary({"source": SOURCE, "target": Characters(["a", "b"])}).save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source.json", "vocabulary.json"]
    again = Vocabulary.load(tmp_path)
    assert again.tokenizers["source"] is again.tokenizers["target"]


def test_a_folder_without_vocabulary(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"vocabulary\.json is missing: this is not a complete model folder"):
        Vocabulary.load(tmp_path)


def test_a_folder_without_the_tokeniser(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the tokeniser 'other' is missing"):
        Vocabulary.load(written(tmp_path, {"tokenizers": {"text": "other"}, "labels": []}))


def test_a_vocabulary_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "vocabulary.json").mkdir()
    with pytest.raises(UserError, match=r"vocabulary\.json: cannot be read: Is a directory"):
        Vocabulary.load(tmp_path)


@pytest.mark.parametrize(
    "name", ["../text", "../../x", "/etc/passwd", "a/b", "..", ".", "", "text.json", "x" * 300, "a\0b", "\ud800", "é"]
)
def test_a_name_never_leads_out_of_the_folder(name: str, tmp_path: Path) -> None:
    (tmp_path / "text.json").write_bytes(SOURCE.to_bytes())  # what "../text" would reach
    for files in ({"text": name}, {name: "text"}):
        with pytest.raises(UserError, match=r"vocabulary\.json: damaged"):
            Vocabulary.load(written(tmp_path / "model", {"tokenizers": files, "labels": []}))


@pytest.mark.parametrize(
    "facts",
    [
        [],
        None,
        5,
        {},
        {"tokenizers": {"text": "text"}},
        {"labels": []},
        {"tokenizers": ["text"], "labels": []},
        {"tokenizers": "text", "labels": []},
        {"tokenizers": {"text": 5}, "labels": []},
        {"tokenizers": {"text": ["text"]}, "labels": []},
        {"tokenizers": {"text": "text"}, "labels": "ab"},
        {"tokenizers": {"text": "text"}, "labels": {"a": 1}},
        {"tokenizers": {"text": "text"}, "labels": ["a", 5]},
        {"tokenizers": {"text": "text"}, "labels": [["a"]]},
        {"tokenizers": {"text": "text"}, "labels": ["\ud800"]},
        {"tokenizers": {"text": "text"}, "labels": None},
    ],
)
def test_wrong_types(facts: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"vocabulary\.json: damaged"):
        Vocabulary.load(written(tmp_path, facts))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"labels": ' * 50_000,
        b'{"tokenizers": {}, "labels": [' + b"9" * 5_000 + b"]}",
        b'{"tokenizers": {}, "labels": [1e999, NaN]}',
    ],
)
def test_damaged_json(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "vocabulary.json").write_bytes(content)
    with pytest.raises(UserError, match=r"vocabulary\.json: damaged"):
        Vocabulary.load(tmp_path)
