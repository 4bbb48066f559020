"""Metadata in a ``.tflite``: other readers find them, and nothing of the model changes."""

from __future__ import annotations

import json
import zlib

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from nlpseq.export.attachment import attach


@pytest.fixture(scope="module")
def model() -> bytes:
    """A matrix product, [2] to [3]."""
    weights = tf.constant(np.arange(6, dtype=np.float32).reshape(2, 3))
    function = tf.function(lambda vector: vector[None] @ weights, input_signature=[tf.TensorSpec([2], tf.float32)])
    return tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()]).convert()


def entries(content: bytes) -> dict[bytes, bytes]:
    """The metadata as TensorFlow's own reader sees them."""
    read = schema.ModelT.InitFromPackedBuf(content)
    return {entry.name: bytes(read.buffers[entry.buffer].data) for entry in read.metadata}


@pytest.mark.parametrize("size", [*range(20), 60_000, 70_000, 990_000, 1_010_000])  # where numbers become longer too
def test_another_reader_finds_the_facts_and_the_rest_unchanged(model: bytes, size: int) -> None:
    facts = {"task": "translation", "pieces": ["▁é"], "padding": "x" * size}
    content = attach(model, facts)
    found = entries(content)
    stored = json.loads(found.pop(b"nlpseq"))
    assert found == entries(model)
    assert {key: stored[key] for key in facts} == facts
    assert stored["format"] == 1
    part = stored["content"]
    assert part["end"] == len(content)
    assert content[part["begin"] :] == model[8:]
    assert part["begin"] % 64 == 8
    before = content[: content.index(b'{"format"')]
    assert int(part["crc32"], 16) == zlib.crc32(before + model[8:])


def test_the_model_computes_what_it_did(model: bytes) -> None:
    before, after = Interpreter(model_content=model), Interpreter(model_content=attach(model, {}))
    for interpreter in (before, after):
        interpreter.allocate_tensors()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], np.array([1, 2], np.float32))
        interpreter.invoke()
        result = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
        assert result.tolist() == [[6, 9, 12]]


def test_metadata_are_attached_once(model: bytes) -> None:
    with pytest.raises(ValueError, match="as the converter made it"):
        attach(attach(model, {}), {})


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(ValueError, match="no TensorFlow Lite model"):
        attach(b"PK\x03\x04 some archive", {})
