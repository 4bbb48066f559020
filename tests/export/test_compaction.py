"""A file holds each table once, and computes what it did before."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from nlpseq.export import tflite
from nlpseq.export.compaction import compacted
from nlpseq.programs.program import Program, Signature

PIECES, SIZE = 512, 64
BYTES = {"int8": 1, "float16": 2, "none": 4}  # of a weight
TEXTS = (b"a", b"bcd", b"zyxwvuts", b"q", b"")
KINDS = pytest.mark.parametrize("quantization", BYTES)
SIGNATURES = ("write", "write_on")


@pytest.fixture(scope="module")
def table() -> np.ndarray:
    return np.random.default_rng(5).normal(size=(PIECES, SIZE)).astype(np.float32)


@pytest.fixture(scope="module")
def files(table: np.ndarray) -> dict[str, tuple[bytes, bytes]]:
    """By quantization: what the converter makes of a tiny decoder with tied vectors, and the same compacted."""
    weights = tf.Variable(table)

    def write(text: tf.Tensor, more: int) -> dict[str, tf.Tensor]:
        ids = tf.cast(text, tf.int32)
        length = more + tf.reduce_sum(tf.minimum(ids, 1))

        def step(index: tf.Tensor, last: tf.Tensor, state: tf.Tensor) -> tuple[tf.Tensor, ...]:
            vectors = tf.convert_to_tensor(weights)
            state = tf.tanh(tf.gather(vectors, last) + state)
            return index + 1, tf.argmax(tf.matmul(state, vectors, transpose_b=True), 1, tf.int32), state

        start = tf.constant(0), ids[:, 0], tf.zeros([1, SIZE])
        _, last, state = tf.while_loop(lambda index, *_: index < length, step, start)
        read = tf.gather(tf.convert_to_tensor(weights), ids[:, :length])
        return {"ids": last + 0, "state": state + 0.0, "sum": tf.reduce_sum(read, 1), "left_out": 0 * last}

    program = Program(
        (
            Signature("write", lambda text: write(text, 0), {"N": 8}),
            Signature("write_on", lambda text: write(text, 3), {"N": 8}),
        )
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tflite, "compacted", lambda content: content)
        made = {kind: tflite.convert(program, kind) for kind in BYTES}
    return {kind: (content, compacted(content)) for kind, content in made.items()}


def called(content: bytes, texts: tuple[bytes, ...]) -> Iterator[dict[str, np.ndarray]]:
    """What both signatures say to texts, in turns."""
    interpreter = Interpreter(model_content=content)
    runners = [interpreter.get_signature_runner(name) for name in SIGNATURES]
    for text in texts:
        for run in runners:
            yield {name: np.copy(value) for name, value in run(text=padded(text)).items()}


def padded(text: bytes) -> np.ndarray:
    return np.frombuffer(text.ljust(8, b"\0"), np.uint8)


def contents(content: bytes) -> list[bytes]:
    model = schema.ModelT.InitFromPackedBuf(content)
    return [bytes(buffer.data) for buffer in model.buffers if buffer.data is not None]


@KINDS
def test_a_table_stands_once(files: dict[str, tuple[bytes, bytes]], quantization: str) -> None:
    found = contents(files[quantization][1])
    assert len(set(found)) == len(found)
    assert len([one for one in found if len(one) >= PIECES * SIZE]) == 1


def test_the_converter_writes_a_tied_table_twice(files: dict[str, tuple[bytes, bytes]]) -> None:
    assert len([one for one in contents(files["int8"][0]) if len(one) == PIECES * SIZE]) == 2


@KINDS
def test_a_file_is_hardly_larger_than_its_weights(files: dict[str, tuple[bytes, bytes]], quantization: str) -> None:
    weights = BYTES[quantization] * PIECES * SIZE
    scales = 12 * PIECES if quantization == "int8" else 0  # and a zero point for each row
    assert weights < len(files[quantization][1]) < weights + scales + 16_000


@KINDS
def test_it_computes_what_it_did(files: dict[str, tuple[bytes, bytes]], quantization: str) -> None:
    before, after = (list(called(content, TEXTS)) for content in files[quantization])
    assert len(before) == 2 * len(TEXTS)
    for one, other in zip(before, after, strict=True):
        for name, value in one.items():  # of 8 bits, rows have scales of their own afterwards
            np.testing.assert_allclose(other[name], value, atol=0.1 if quantization == "int8" else 1e-5, err_msg=name)


@KINDS
def test_rows_are_those_of_the_table(
    files: dict[str, tuple[bytes, bytes]], quantization: str, table: np.ndarray
) -> None:
    for text, outputs in zip(TEXTS, list(called(files[quantization][1], TEXTS))[::2], strict=True):
        wanted = table[np.frombuffer(text, np.uint8)].sum(0)
        exact = {"int8": len(text) * np.abs(table).max() / 254, "float16": 0.01, "none": 1e-5}[quantization]
        np.testing.assert_allclose(outputs["sum"], wanted, rtol=0, atol=exact + 1e-6)


@KINDS
def test_signatures_share_their_loops_and_loops_hand_on_no_constants(
    files: dict[str, tuple[bytes, bytes]], quantization: str
) -> None:
    model = schema.ModelT.InitFromPackedBuf(files[quantization][1])
    loops = [
        (options.condSubgraphIndex, options.bodySubgraphIndex, len(operator.inputs))
        for graph in model.subgraphs
        for operator in graph.operators
        if isinstance(options := operator.builtinOptions, schema.WhileOptionsT)
    ]
    assert len(loops) == 2
    assert len(set(loops)) == 1
    assert len(model.subgraphs) == 4  # two signatures, and a loop's condition and body
    assert loops[0][2] == 5  # two counters, limit, last piece, state


@KINDS
def test_compacting_again_changes_nothing(files: dict[str, tuple[bytes, bytes]], quantization: str) -> None:
    small = files[quantization][1]
    assert compacted(small) == small
