"""What pairs have in common decides how a model of them is used."""

from __future__ import annotations

import pytest

from nlpseq.data.pair_habits import PairHabits


def habits(*pairs: tuple[str, str]) -> PairHabits:
    found = PairHabits()
    for pair in pairs:
        found.add(*pair)
    return found


def test_most_sources_are_sentences_or_not() -> None:
    assert habits(("One.", "a"), ("Two.", "b"), ("One. Two.", "c")).are_sentences
    assert not habits(("One.", "a"), ("One. Two.", "c"), ("A\nb", "d")).are_sentences


@pytest.mark.parametrize(("source", "lines"), [("One. Two.", False), ("a\nb", True), ("a\n", False)])
def test_some_sources_have_lines(source: str, lines: bool) -> None:
    assert habits(("x", "y"), (source, "z")).have_lines == lines


def test_sentences_stay_together_up_to_what_pairs_of_several_have() -> None:
    single = [("One.", "a")] * 90
    several = [("One. " * count, "b") for count in range(2, 12)]
    assert habits(*single, *several).together == 50  # nine of ten have up to ten times five bytes
    assert habits(*single).together == 0
    assert habits(*single * 10, *several[:5]).together == 0  # too few to have learnt it


def test_figures_are_copied_unless_training_changes_them() -> None:
    words = ("two cats", "zwei Katzen")
    assert habits(words).copies_figures
    assert habits(words, ("12", "12"), ("7!", "7 !"), ("9", "9")).copies_figures
    assert not habits(words, ("12", "twelve"), ("7", "seven"), ("9", "9")).copies_figures


def test_few_sources_are_in_capitals() -> None:
    shouted, said = ("COME HERE NOW", "x"), ("Come here NOW", "x")
    assert habits(shouted, *[said] * 99).lack_capitals
    assert not habits(shouted, *[said] * 98).lack_capitals


def test_some_pairs_share_names_and_numbers() -> None:
    assert habits(("Tom eats", "Tom mange"), *[("he eats", "il mange")] * 49).share_words
    assert not habits(("Tom eats", "Tom mange"), *[("he eats", "il mange")] * 50).share_words


def test_long_targets_may_be_written_where_training_has_them() -> None:
    assert habits(("a cat", "ein Kater")).characters_factor == 2.5
    assert habits(*[("好" * 10, "x" * 70)] * 20).characters_factor == 6.2  # (70 - 20) / 10, and a quarter more
    outlier = habits(*[("a cat", "ein Kater")] * 1000, ("a", "x" * 5000))
    assert outlier.characters_factor == 2.5


def test_most_pairs_keep_their_figures() -> None:
    kept, lost = ("30 cats, 2 dogs", "30 chats et 2 chiens"), ("30 cats", "trente chats")
    assert habits(("no", "non")).keep_figures
    assert habits(kept, lost).keep_figures
    assert not habits(kept, lost, ("7", "sept")).keep_figures
