"""A ``.tflite`` file from anybody, with a checksum that is right: it runs no code and ends in one clear line.

What is damaged, cut off, foreign or empty is in ``tests/runtime/test_litert.py``.
"""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from nlpseq.export.attachment import attach
from nlpseq.runtime.litert import ExportedFile
from nlpseq.runtime.predictor import predictor_for
from nlpseq.runtime.replay import replay
from tests.runtime import toys
from tests.safety.refusals import refusal


def use(file: Path) -> str:
    return predictor_for(ExportedFile(file)).respond("hello").line


def verify(file: Path) -> list[Any]:
    return list(replay(ExportedFile(file)))


def test_a_good_file_is_used(tmp_path: Path) -> None:
    assert use(toys.write_toy(tmp_path / "model.tflite", "translation")) == "HELLO"


def test_an_operator_of_tensorflow_is_not_run(tmp_path: Path) -> None:
    """LiteRT would run it where somebody has linked TensorFlow's own operators into it."""
    marker = tmp_path / "marker"

    @tf.function(input_signature=[toys.TEXT])
    def translate(text: tf.Tensor) -> dict[str, tf.Tensor]:
        tf.io.write_file(str(marker), "planted")
        return {"text": text}

    translate(tf.zeros([toys.N], tf.uint8))
    assert marker.exists()  # the payload works
    marker.unlink()

    module = tf.Module()
    module.translate = translate
    tf.saved_model.save(module, str(tmp_path / "saved_model"), signatures={"translate": translate})
    converter = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path / "saved_model"))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS]
    facts = {"task": "translation", "signatures": {"translate": toys.SIZES["translation"]["translate"]}}
    file = tmp_path / "model.tflite"
    file.write_bytes(attach(converter.convert(), facts))
    assert "the installed LiteRT cannot run it" in refusal(file, use)
    assert not marker.exists()


@pytest.mark.parametrize("letter", ["N", "M"])
@pytest.mark.parametrize("size", [-1, 0, 1 << 40, 32.5, "32", None, True, [], {}])
def test_sizes_are_sizes(letter: str, size: object, tmp_path: Path) -> None:
    sizes = {"translate": {**toys.SIZES["translation"]["translate"], letter: size}}
    refusal(toys.write_toy(tmp_path / "model.tflite", "translation", signatures=sizes), use)


@pytest.mark.parametrize("size", [1, toys.N - 1, toys.N + 1, 1 << 20])
def test_a_size_that_is_not_the_file_s(size: int, tmp_path: Path) -> None:
    sizes = {"translate": {**toys.SIZES["translation"]["translate"], "N": size}}
    refusal(toys.write_toy(tmp_path / "model.tflite", "translation", signatures=sizes), use)


@pytest.mark.parametrize(
    "facts",
    [
        {"signatures": {"translate": []}},
        {"signatures": {"translate": "os:system"}},
        {"signatures": {}},
        {"signatures": {"os:system": {"N": 32}}},
        {"signatures": []},
        {"task": None},
        {"task": ["translation"]},
        {"name": 1},
        {"pieces": "text"},
        {"languages": {"en": "fr"}},
        {"format": True},
    ],
)
def test_facts_of_another_kind(facts: dict[str, Any], tmp_path: Path) -> None:
    known = {"task": "translation", "signatures": toys.SIZES["translation"]}
    file = tmp_path / "model.tflite"
    file.write_bytes(attach(toys.converted(), known | facts))
    refusal(file, use)


@pytest.mark.parametrize(
    "example",
    [
        1,
        {},
        {"signature": "translate", "inputs": {"text": 1}, "outputs": {}},
        {"signature": "translate", "inputs": {"text": "a", "text2": 1}, "outputs": {}},
        {"signature": "sing", "inputs": {"text": "a"}, "outputs": {}},
        {"signature": "translate", "inputs": {"text": "a" * 100}, "outputs": {}},
        {"signature": "translate", "inputs": {"text": "a"}, "outputs": {"__class__": 1}},
        {"signature": "translate", "inputs": {"text": "a"}, "outputs": {"score": {"a": 1}}},
        {"signature": "translate", "inputs": {"text": "a"}, "outputs": {"alignment": [[[1]]]}},
    ],
)
def test_examples_of_another_kind(example: object, tmp_path: Path) -> None:
    refusal(toys.write_toy(tmp_path / "model.tflite", "translation", golden=[example]), verify)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("length of the facts", 0xFFFFFFFF),
        ("length of the facts", 0x7FFFFFFF),
        ("root", 0),
        ("root", 0xFFFFFFF0),
        ("vtable of the root", 0),  # the table is its own vtable
        ("vtable of the root", 0x80000000),
    ],
)
def test_offsets_that_lead_astray(place: str, value: int, tmp_path: Path) -> None:
    content = bytearray(toys.toy("translation"))
    (root,) = struct.unpack_from("<I", content)
    where = {"length of the facts": content.index(b'{"format"') - 4, "root": 0, "vtable of the root": root}[place]
    struct.pack_into("<I", content, where, value)
    file = tmp_path / "model.tflite"
    file.write_bytes(content)
    assert re.search("damaged|does not come from nlpseq", refusal(file, use))


def test_facts_that_stand_deep_inside_of_each_other(tmp_path: Path) -> None:
    content = toys.toy("translation", licence="x" * 200_000)
    file = tmp_path / "model.tflite"
    file.write_bytes(content.replace(b'"' + b"x" * 200_000 + b'"', b"[" * 200_002))
    assert "damaged" in refusal(file, use)
