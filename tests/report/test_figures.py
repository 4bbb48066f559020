"""Text that the fonts can draw, in the room that there is."""

import pytest

from nlpseq.report.figures import drawable, fitted, text_width


def test_what_no_font_has_becomes_a_box() -> None:
    assert drawable("é ▁x\u0378") == "é ·x□"
    assert drawable("a\u202eb\x07\n\t") == "ab↵⇥"
    assert drawable("a\u00a0b\u2009c") == "a b c"


@pytest.mark.parametrize("text", ["", "a", "short"])
def test_text_that_fits_stays(text: str) -> None:
    assert fitted(text, 10, 1.0) == text


def test_text_is_cut_to_its_room() -> None:
    text = "a rather long text " * 20
    cut = fitted(text, 10, 1.0)
    assert 0.8 < text_width(cut, 10) <= 1.0
    assert cut.endswith("…")
    assert text.startswith(cut[:-1])


def test_bold_text_takes_more_room() -> None:
    assert text_width("word", 10, bold=True) > text_width("word", 10) > 0
    assert text_width("", 10) == 0
    assert text_width("word", 20) == pytest.approx(2 * text_width("word", 10), rel=0.05)


def test_dollars_take_room() -> None:
    """They are text: in mathematics they would not be drawn."""
    assert text_width("$a_b$", 10) > text_width("a_b", 10)
