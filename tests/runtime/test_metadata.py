"""What a file says of itself, read whole or in passing."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from nlpseq.errors import UserError
from nlpseq.runtime import metadata
from nlpseq.runtime.metadata import Metadata
from tests.runtime import toys

FACTS = {
    "label_names": {"0": "bad", "1": "good"},
    "golden": [{"signature": "classify"}],
    "proof": {"operators": ["ADD"]},
    "unit": "sentence",
    "target_pieces": ["▁é"],
    "of a later version": 1,
}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toys.write_toy(tmp_path_factory.mktemp("metadata") / "model.tflite", "sentiment", **FACTS)


def test_every_fact_is_known_by_its_key(file: Path) -> None:
    """What a later version adds is passed over."""
    found = metadata.read(file.read_bytes(), str(file))
    assert found == Metadata(
        task="sentiment",
        signatures=toys.SIZES["sentiment"],
        name="toy-sentiment",
        created="2026-11-21",
        nlpseq="0.1.0",
        licence="none",
        data="none",
        labels=("bad", "good"),
        label_names={"0": "bad", "1": "good"},
        quantization="none",
        unit="sentence",
        pieces=tuple(toys.PIECES),
        target_pieces=("▁é",),
        golden=({"signature": "classify"},),
        proof={"operators": ["ADD"]},
    )
    everything = {attribute.name for attribute in dataclasses.fields(Metadata)}
    assert set(found.summary()) == everything - {"pieces", "target_pieces", "golden"}


def test_a_glance_reads_the_facts_alone(file: Path, tmp_path: Path) -> None:
    """It says the same, and does not notice what is damaged behind them, which reading the file does."""
    content = file.read_bytes()
    assert metadata.peek(file) == metadata.read(content, str(file))
    damaged = tmp_path / "damaged.tflite"
    damaged.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert metadata.peek(damaged) == metadata.peek(file)
    with pytest.raises(UserError, match="checksum"):
        metadata.read(damaged.read_bytes(), "damaged")


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "cannot be read"), (b"PK\x03\x04" + bytes(99), "no TensorFlow Lite model")],
)
def test_a_glance_at_something_else(content: bytes, message: str, tmp_path: Path) -> None:
    file = tmp_path / "model.tflite"
    file.write_bytes(content)
    with pytest.raises(UserError, match=message):
        metadata.peek(file)
    with pytest.raises(UserError, match="cannot be read"):
        metadata.peek(tmp_path)
