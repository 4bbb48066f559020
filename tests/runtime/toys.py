"""A toy ``.tflite`` that keeps the contract of exported files: what it answers can be said without a model.

Texts are bytes, a byte is a piece, and its id is the byte plus 4.

- ``translate`` writes upper case, ``translate_greedy`` lower case, and the second best has every letter as it was.
  Piece t is aligned with source piece t. The score is minus the number of source pieces.
- ``classify`` counts: ``+`` speaks for the label good, ``-`` for bad. It reads the first 4 and the last 12 bytes.
- ``generate`` writes the letter that the seed says, from a; ``sample`` the one that top_k says, from A.
- ``score``: a character costs 1 nat after another one, 2 at the beginning of what is given; it reads 28 bytes.
"""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import Any

import tensorflow as tf

from nlpseq.export.attachment import attach

N, M, S, T, B = 32, 48, 16, 16, 3
SCORED = 28  # bytes

TEXT = tf.TensorSpec([N], tf.uint8, "text")
INT, FLOAT = tf.TensorSpec([1], tf.int32), tf.TensorSpec([1], tf.float32)
SIZES = {
    "translation": {
        "translate": {"N": N, "M": M, "S": S, "T": T, "B": B},
        "translate_greedy": {"N": N, "M": M, "S": S, "T": T},
    },
    "sentiment": {"classify": {"N": N, "S": S, "C": 2}},
    "char-lm": {"generate": {"N": N, "M": M}, "sample": {"N": N, "M": M}, "score": {"N": N}},
}
PIECES = ["<pad>", "<unk>", "<s>", "</s>", *(chr(byte) if byte < 128 else f"<0x{byte:02X}>" for byte in range(256))]


class Toy(tf.Module):
    @tf.function(input_signature=[TEXT])
    def translate(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        letters, length = _read(text)
        best, as_it_was = _padded(_upper(letters), M), _padded(letters, M)
        nothing = tf.zeros_like(best)
        return {
            **_translation(letters, length, _upper(letters)),
            "n_best_text": tf.cast(tf.stack([best, as_it_was, nothing]), tf.uint8),
            "n_best_score": tf.stack([_score(length), _score(length) - 1, tf.constant(-1e9)]),
        }

    @tf.function(input_signature=[TEXT])
    def translate_greedy(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        letters, length = _read(text)
        return _translation(letters, length, _lower(letters))

    @tf.function(input_signature=[TEXT])
    def classify(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        letters, length = _read(text)
        begin = tf.range(S)
        places = begin + tf.where(begin < S // 4, 0, tf.maximum(length - S, 0))
        read = tf.gather(letters, places)
        verdict = tf.cast(tf.equal(read, ord("+")), tf.float32) - tf.cast(tf.equal(read, ord("-")), tf.float32)
        odds = tf.reduce_sum(verdict)
        return {
            "probabilities": tf.nn.softmax(tf.stack([-odds, odds])),
            "relevance": verdict,
            "ids": tf.where(begin < length, read + 4, 0),
            "left_out": tf.maximum(length - S, 0)[None],
        }

    @tf.function(input_signature=[TEXT, INT, FLOAT, INT])
    def generate(
        self, text: tf.Tensor, length: tf.Tensor, temperature: tf.Tensor, seed: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        return _written(text, length, ord("a") + seed % 26 + tf.cast(0 * temperature, tf.int32))

    @tf.function(input_signature=[TEXT, INT, FLOAT, INT, INT, FLOAT])
    def sample(
        self,
        text: tf.Tensor,
        length: tf.Tensor,
        temperature: tf.Tensor,
        seed: tf.Tensor,
        top_k: tf.Tensor,
        top_p: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        unused = tf.cast(0 * temperature * top_p, tf.int32) + 0 * seed
        return _written(text, length, ord("A") + top_k % 26 + unused)

    @tf.function(input_signature=[TEXT, INT])
    def score(self, text: tf.Tensor, context: tf.Tensor) -> dict[str, tf.Tensor]:
        _, length = _read(text)
        left_out = tf.maximum(length - SCORED, 0)
        characters = tf.maximum(length - left_out - context, 0)
        first = tf.where((context == 0) & (characters > 0), 1, 0)
        return {
            "nats": tf.cast(characters + first, tf.float32),
            "characters": characters,
            "left_out": left_out[None],
        }


def _read(text: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """int32 [N] bytes, and how many there are before the zeros at the end."""
    letters = tf.cast(text, tf.int32)
    return letters, tf.reduce_max(tf.where(letters > 0, tf.range(N) + 1, 0))


def _upper(letters: tf.Tensor) -> tf.Tensor:
    return tf.where((letters >= ord("a")) & (letters <= ord("z")), letters - 32, letters)


def _lower(letters: tf.Tensor) -> tf.Tensor:
    return tf.where((letters >= ord("A")) & (letters <= ord("Z")), letters + 32, letters)


def _padded(letters: tf.Tensor, size: int) -> tf.Tensor:
    return tf.pad(letters, [[0, size - N]])


def _score(length: tf.Tensor) -> tf.Tensor:
    return -tf.cast(length + 1, tf.float32)


def _translation(letters: tf.Tensor, length: tf.Tensor, written: tf.Tensor) -> dict[str, tf.Tensor]:
    read = tf.minimum(length, S - 1)  # and the end mark
    place = tf.range(S)

    def ids(letters: tf.Tensor) -> tf.Tensor:
        return tf.where(place < read, letters[:S] + 4, tf.where(tf.equal(place, read), 3, 0))

    return {
        "text": tf.cast(_padded(tf.where(tf.range(N) < read, written, 0), M), tf.uint8),
        "score": _score(length)[None],
        "alignment": tf.eye(T, S) * tf.cast(place <= read, tf.float32)[:, None],
        "ids": ids(written),
        "source_ids": ids(letters),
        "left_out": (length - read)[None],
    }


def _written(text: tf.Tensor, count: tf.Tensor, letter: tf.Tensor) -> dict[str, tf.Tensor]:
    letters, length = _read(text)
    place = tf.range(M)
    new = tf.where(place < length + count, letter, 0)
    return {
        "text": tf.cast(tf.where(place < length, _padded(letters, M), new), tf.uint8),
        "left_out": tf.zeros([1], tf.int32),
    }


@functools.cache
def converted() -> bytes:
    """All signatures in one file, without metadata."""
    toy = Toy()
    names = [name for sizes in SIZES.values() for name in sizes]
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(toy, folder, signatures={name: getattr(toy, name) for name in names})
        return tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=names).convert()


def toy(task: str, **facts: Any) -> bytes:
    """An exported file for the task, with further facts or others."""
    known = {
        "nlpseq": "0.1.0",
        "task": task,
        "name": f"toy-{task}",
        "created": "2026-11-21",
        "licence": "none",
        "data": "none",
        "languages": ["en", "fr"] if task == "translation" else [],
        "labels": ["bad", "good"] if task == "sentiment" else [],
        "quantization": "none",
        "signatures": SIZES[task],
        "pieces": [] if task == "char-lm" else PIECES,
        "golden": [],
        "proof": {},
    }
    return attach(converted(), {**known, **facts})


def write_toy(file: Path, task: str, **facts: Any) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(toy(task, **facts))
    return file
