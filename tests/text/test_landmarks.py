"""What a reader may keep track of, on texts where it can be counted by hand."""

from __future__ import annotations

from nlpseq.text.landmarks import landmarks


def at(text: str, name: str) -> str:
    """The landmark as a line under the text."""
    return "".join(str(int(value)) for value in landmarks(text)[name])


def test_landmarks_of_characters() -> None:
    text = 'He (AB CD) said\n"no way, man".'
    assert at(text, "inside brackets") == "000111111100000000000000000000"
    assert at(text, "inside quotes") == "000000000000000011111111111110"
    assert at(text, "after a negation") == "000000000000000001111110000000"
    assert at(text, "end of a sentence") == "000000000000000000000000000001"
    assert at(text, "in capitals") == "000011111000000000000000000000"
    assert at(text, "position in the word") == "120012012001234001201230012300"
    assert at("ab\ncd", "position in the line") == "12012"
    assert at("ab cd", "end of a word") == "01001"


def test_a_piece_gets_what_holds_at_its_end() -> None:
    pieces = ["▁It", "▁is", "n't", "▁good", ".", "▁Yes"]
    assert landmarks(pieces)["after a negation"] == [0, 0, 1, 1, 0, 0]
    assert landmarks(pieces)["position in the text"] == [2, 5, 8, 13, 14, 18]


def test_bytes_are_characters_and_marks_of_the_model_are_nothing() -> None:
    pieces = ["<s>", "▁a", "<0x28>", "b", "<0x29>", "<0xC3>", "<0xA9>", "</s>"]
    assert landmarks(pieces)["inside brackets"] == [0, 0, 1, 1, 1, 0, 0, 0]
    assert landmarks(pieces)["position in the text"] == [0, 1, 2, 3, 4, 5, 6, 6]


def test_nothing_has_no_landmarks() -> None:
    assert landmarks([]) == {}
