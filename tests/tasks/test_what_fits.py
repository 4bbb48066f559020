"""What tasks choose by their data: tokenizers, sizes of batches, and what they tell of it."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from nlpseq.data.sources import Record
from nlpseq.tasks import task_class
from nlpseq.tasks.base import Prepared, Task
from nlpseq.text.tokenizers import Characters, SentencePiece
from nlpseq.text.vocabulary import Vocabulary
from tests.tasks.tiny import PAIRS, tiny_config, tiny_task, write_data

CODES = ["".join(random.Random(seed).choices("ACGT", k=60)) for seed in range(60)]
RECIPES = [(f"half a cup, {count} m2 … ok", f"½ Tasse, {count} m² … gut™") for count in range(60)]
AUTO = ("tokenizer.kind=auto", "data.unit=auto")


def prepared(folder: Path, name: str, rows: list[tuple[str, ...]], *settings: str) -> tuple[Task, Prepared]:
    task = task_class(name)(tiny_config(name, write_data(folder, name), *settings))
    return task, task.prepare([Record(row, "own.tsv", line) for line, row in enumerate(rows, start=1)], None)


def test_texts_without_words_are_read_by_characters(tmp_path: Path) -> None:
    codes = [(code, "+-"[place % 2]) for place, code in enumerate(CODES)]
    _, found = prepared(tmp_path, "sentiment", codes, *AUTO[:1])
    assert found.settings == {"tokenizer.kind": "characters"}
    tokenizer = found.vocabulary.tokenizers["text"]
    assert tokenizer.pieces(tokenizer.encode("ACgt")) == list("ACGT")  # a strand in small letters is the same
    words = [(f"{code[:4]} is not a word, {code[4:8]} neither", "+") for code in CODES]
    assert prepared(tmp_path, "sentiment", [*words, ("no", "-")], *AUTO[:1])[1].settings == {
        "tokenizer.kind": "sentencepiece"
    }
    chosen = prepared(tmp_path, "sentiment", codes, "tokenizer.kind=sentencepiece")[1]
    assert (chosen.settings, type(chosen.vocabulary.tokenizers["text"])) == ({}, SentencePiece)


@pytest.mark.parametrize("shared", ["true", "false"])
def test_words_into_words_are_read_by_characters(tmp_path: Path, shared: str) -> None:
    rows = [(f"{code[:6]}. V;PST", f"{code[:5]}te\u0301") for code in CODES]
    task, found = prepared(tmp_path, "translation", rows, *AUTO, f"tokenizer.shared={shared}")
    assert found.settings == {
        "tokenizer.kind": "characters",
        "tokenizer.capitals": "as they are",
        "data.unit": "line",
        "data.together": 0,
        "data.figures": "copied",
        "model.copying": "always",
        "augmentation.on": "never",
        "augmentation.lost_figures": "left out",
        "augmentation.added": "never",
        "decoding.characters_factor": 2.5,
        "training.metric": "chrf",
    }
    source, target = found.vocabulary.tokenizers["source"], found.vocabulary.tokenizers["target"]
    assert isinstance(source, Characters)
    assert source.has_pieces_of(target) == (shared == "true")
    record = task.clean(Record(rows[0], "own.tsv", 1))
    (ids,) = task.encode([record], found.vocabulary, notes := {})
    assert target.decode(ids[1]) == f"{CODES[0][:5]}té"
    assert not notes


@pytest.mark.parametrize("shared", ["true", "false"])
def test_targets_are_written_as_they_are_and_sources_are_normalized(tmp_path: Path, shared: str) -> None:
    settings = ("tokenizer.normalization=nmt_nfkc", "tokenizer.vocabulary_size=400", f"tokenizer.shared={shared}")
    task, found = prepared(tmp_path, "translation", RECIPES, *settings)
    source, target = found.vocabulary.tokenizers["source"], found.vocabulary.tokenizers["target"]
    assert [target.decode(target.encode(text)) for _, text in RECIPES] == [text for _, text in RECIPES]
    assert source.encode("３ m² …") == source.encode("3 m2 ...")
    assert target.encode("３ m² …") != target.encode("3 m2 ...")
    assert source.has_pieces_of(target) == (shared == "true")
    network = task.network(found.vocabulary)
    assert (network.source_embedding is network.target_embedding) == (shared == "true")
    found.vocabulary.save(tmp_path)
    loaded = Vocabulary.load(tmp_path)
    assert loaded.digest() == found.vocabulary.digest()


def test_what_cannot_be_written_is_counted(tmp_path: Path) -> None:
    _, found = prepared(tmp_path, "translation", RECIPES, "tokenizer.vocabulary_size=400")
    older = SentencePiece.train([text for pair in RECIPES for text in pair], 400, "nmt_nfkc")
    task, notes = tiny_task(tmp_path, "translation")[0], {}
    records = [Record(row, "own.tsv", 1) for row in [*RECIPES[:3], ("a", "two  spaces"), ("b", "▁")]]
    assert len(list(task.encode(records, found.vocabulary, notes))) == 5
    assert notes == {
        "targets with several spaces in a row: one is written": 1,
        "targets with '▁', which this model writes otherwise": 1,
    }
    assert list(task.encode(records[:1], Vocabulary({"source": older, "target": older}), notes := {}))
    assert [what.split("'")[1] for what in notes] == ["²", "½", "…", "™"]


@pytest.mark.parametrize(("count", "told"), [(49, True), (50, False)])
def test_few_examples_are_told(tmp_path: Path, count: int, told: bool) -> None:
    rows = (PAIRS * 2)[:count]
    warning = prepared(tmp_path, "translation", rows)[1].warning
    assert ("only 49 examples to train on" in warning) == told
    labelled = [(source, "+-"[place % 2]) for place, (source, _) in enumerate(rows)]
    assert prepared(tmp_path, "sentiment", labelled)[1].warning == warning


@pytest.mark.parametrize(("characters", "told"), [(4_999, True), (5_000, False)])
def test_a_short_text_is_told(tmp_path: Path, characters: int, told: bool) -> None:
    warning = prepared(tmp_path, "char-lm", [("x" * characters,)])[1].warning
    assert ("only 4,999 characters to train on" in warning) == told


@pytest.mark.parametrize(("characters", "streams"), [(2_000, 4), (100_000, 7), (500_000, 32)])
def test_a_small_text_is_read_in_few_streams(tmp_path: Path, characters: int, streams: int) -> None:
    """10 kB: 35 steps an epoch with 4 streams, 4 with 32, which learnt next to nothing."""
    task, vocabulary = tiny_task(tmp_path, "char-lm", "training.batch_tokens=0", "training.length=64")
    text = tmp_path / "own.txt"
    text.write_text("The old cat sat. " * (characters // 17 + 1), encoding="utf-8")
    task = task.with_settings({"data.train": str(text), "data.valid": str(text)})
    corpus = task.corpus(vocabulary, "train")
    batch = next(task.batches(corpus, training=True))
    assert batch.fields[0].shape == (streams, 65)


@pytest.mark.parametrize(("ids", "epochs"), [(1_000, 60), (28_000, 36), (400_000, 20), (8_000_000, 8)])
def test_a_small_corpus_is_read_more_often(tmp_path: Path, ids: int, epochs: int) -> None:
    task, vocabulary = tiny_task(tmp_path, "sentiment")
    corpus = replace(task.corpus(vocabulary, "train"), ids=(ids, ids // 14))
    assert task.length_of_run(corpus) == {"training.epochs": epochs, "training.patience": max(epochs // 4, 5)}
    assert epochs in (60, 8) or 3_900 < epochs * ids / task.batch_tokens(corpus) < 4_100
    chosen = {"training.epochs": 3, "training.patience": 0}
    assert task.with_settings(chosen).length_of_run(corpus) == chosen


def test_few_texts_are_cut_into_few_pieces(tmp_path: Path) -> None:
    words = ["".join(random.Random(seed).choices("abcdefghijklmnop", k=7)) for seed in range(4_000)]
    rows = [(" ".join(words[start : start + 8]), "+-"[start % 2]) for start in range(0, 3_990, 3)]
    sizes = [
        prepared(tmp_path, "sentiment", given, "tokenizer.vocabulary_size=0")[1]
        .vocabulary.tokenizers["text"]
        .vocabulary_size
        for given in (rows * 4, rows * 2)
    ]
    assert sizes[0] == sum(len(text) for text, _ in rows * 4) // 200
    assert sizes[1] == 1000 + len(set("abcdefghijklmnop "))
    han = [("".join(chr(0x4E00 + 7 * start + place) for place in range(30)), "+-"[start % 2]) for start in range(300)]
    assert prepared(tmp_path, "sentiment", han, "tokenizer.vocabulary_size=0")[1].vocabulary.tokenizers["text"]
