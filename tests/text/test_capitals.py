"""Texts in capitals: the graph does what the function does, and both do what Python calls small letters."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from nlpseq.text.capitals import without_capitals
from nlpseq.text.graph import capitals

LETTERS = [
    *map(chr, range(0x20, 0x7F)),
    *map(chr, range(0xA0, 0x180)),
    *map(chr, range(0x370, 0x530)),
    *"中あ😀\u0301",
]
SIZE = 128
READ = tf.function(capitals.without_capitals, input_signature=[tf.TensorSpec([None, SIZE], tf.uint8)])


def in_graph(texts: list[str]) -> list[str]:
    buffer = np.zeros((len(texts), SIZE), np.uint8)
    for row, text in enumerate(texts):
        encoded = text.encode()
        buffer[row, : len(encoded)] = np.frombuffer(encoded, np.uint8)
    read = READ(tf.constant(buffer)).numpy()
    return [bytes(row).rstrip(b"\0").decode() for row in read]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("WHERE IS THE STATION?", "where is the station?"),
        ("OÙ EST LA GARE À NÎMES ?", "où est la gare à nîmes ?"),
        ("ГДЕ ЗДЕСЬ ВОКЗАЛ, ЁЖ?", "где здесь вокзал, ёж?"),
        ("ΠΟΥ ΕΙΝΑΙ", "που ειναι"),
        ("NASA", "NASA"),
        ("THE EU", "THE EU"),
        ("NASA is HERE NOW", "NASA is HERE NOW"),
        ("OUI, à MIDI MÊME", "OUI, à MIDI MÊME"),
        ("12:30, 4 × 5 ÷ 2 = 10", "12:30, 4 × 5 ÷ 2 = 10"),
        ("", ""),
    ],
)
def test_examples(text: str, expected: str) -> None:
    assert without_capitals(text) == expected
    assert in_graph([text]) == [expected]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.text(st.sampled_from(LETTERS), max_size=SIZE // 4), min_size=1, max_size=20))
def test_the_graph_is_the_function(texts: list[str]) -> None:
    texts = [text.replace("\0", "") for text in (*texts, *(text.upper()[: SIZE // 4] for text in texts))]
    assert in_graph(texts) == [without_capitals(text) for text in texts]


def test_small_letters_are_pythons() -> None:
    for letter in LETTERS:
        read = without_capitals(f"AAAAAA {letter}")
        if letter.islower() and read.startswith("A"):
            continue  # a small letter, which says that the text is not in capitals
        assert read in (f"aaaaaa {letter.lower()}", f"aaaaaa {letter}")
