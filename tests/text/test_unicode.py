"""What becomes of strings that are not Unicode text."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nlpseq.text.unicode import without_surrogates


@settings(deadline=None, max_examples=100, derandomize=True)
@given(st.text())
def test_text_stays_as_it_is(text: str) -> None:
    assert without_surrogates(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\ud800", "\ufffd"),
        ("a\udfffb", "a\ufffdb"),
        ("\ud83d\ude00 😀", "\ufffd\ufffd 😀"),
        ("\ud7ff\ue000", "\ud7ff\ue000"),
        (b"caf\xe9".decode("utf-8", "surrogateescape"), "caf\ufffd"),
    ],
)
def test_each_surrogate_becomes_one_replacement_character(text: str, expected: str) -> None:
    assert without_surrogates(text) == expected
    expected.encode("utf-8")
