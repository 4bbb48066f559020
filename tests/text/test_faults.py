"""Faults of answers that show without a reference."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpseq.text.faults import amount_stands_in, figures, loops, loses_figures, stands_in


@pytest.mark.parametrize(
    ("text", "looping"),
    [
        ("no no no", True),
        ("the cat the cat, the cat the dog", False),
        ("on the mat On the mat on the mat", True),
        ("very very good", False),
        ("hahaha", False),
        ("la hahahahaha la", True),
        ("东京东京东京东京", True),
        ("1000000 22222 .....", False),
        ("", False),
    ],
)
def test_loops(text: str, looping: bool) -> None:
    assert loops(text) == looping


@given(st.lists(st.sampled_from(["a", "b"]), max_size=14))
def test_loops_are_three_equal_runs_of_words(words: list[str]) -> None:
    starts = [(start, length) for length in range(1, 9) for start in range(len(words))]
    expected = any(
        len(words) >= start + 3 * length and words[start : start + length] * 3 == words[start : start + 3 * length]
        for start, length in starts
    )
    assert loops(" ".join(words)) == expected


@pytest.mark.parametrize(
    ("text", "other", "same"),
    [
        ("At 7:30, 12 dogs.", "12 chiens à 7 h 30.", True),
        ("1,250 cats", "1 250 chats", True),
        ("1,250 cats", "1.250 chats", True),
        ("1250000 cats", "1\u202f250\u202f000 chats", True),
        ("3.5 km", "3,5 km", True),
        ("3.5 km", "35 km", False),
        ("7 cats, 7 dogs", "7 chats", False),
        ("٣ cats", "3 chats", True),
        ("no figure", "aucun", True),
    ],
)
def test_figures(text: str, other: str, same: bool) -> None:
    assert (figures(text) == figures(other)) == same


@pytest.mark.parametrize(
    ("word", "text", "stands"),
    [
        ("ann@web.org", "Écris à ann@web.org.", True),
        ("ann@web.org", "Écris à joann@web.org.", False),
        ("Ann Lee", "C'est «\u00a0Ann\u00a0Lee\u00a0» !", True),
        ("Ann Lee", "ann lee", False),
        ("12", "Il y en a 12, ou 13.", True),
        ("12", "12,5", False),
        ("12", "112", False),
        ("12:30", "À 12:30.", True),
        ("12", "12:30", False),
        ("AB-12", "AB-12-3", False),
        ("web.org", "web.org/en", False),
        ("C++", "C++ (C++)", True),
    ],
)
def test_a_word_stands_in_a_text(word: str, text: str, stands: bool) -> None:
    assert stands_in(word, text) == stands


@pytest.mark.parametrize(
    ("amount", "text", "stands"),
    [
        ("€49.90", "Cela coûte 49,90 €.", True),
        ("€49.90", "Cela coûte €49.90.", True),
        ("€49.90", "Cela coûte 49,90 $.", False),
        ("€49.90", "Cela coûte 49,80 €.", False),
        ("1,250 USD", "1 250 USD", True),
        ("37%", "37\u00a0%", True),
    ],
)
def test_an_amount_stands_in_a_text_in_either_way_of_writing(amount: str, text: str, stands: bool) -> None:
    assert amount_stands_in(amount, text) == stands


def test_a_figure_is_lost_where_its_digits_are() -> None:
    assert loses_figures("at 2:30", "à 14 h 30")
    assert loses_figures("30 and 30", "30")
    assert not loses_figures("in 1,250 days", "dans 1 250 jours et 3 heures")
