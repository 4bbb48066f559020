"""Noise: what each kind changes, and what it leaves."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpseq.data import noise


def changed(kind: str, text: str, seed: int = 1) -> str:
    return noise.KINDS[kind](text, Random(seed))


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("capitals", "Where's Zoë?", "WHERE'S ZOË?"),
        ("small_letters", "Where's Zoë?", "where's zoë?"),
        ("no_final_mark", "Where is it?", "Where is it"),
        ("no_final_mark", "Où est-il\u00a0?", "Où est-il"),
        ("no_final_mark", 'He said "yes."', 'He said "yes"'),
        ("no_final_mark", "在哪里？", "在哪里"),
        ("no_final_mark", "Dr. Smith, at 3.5", "Dr. Smith, at 3.5"),
        ("no_final_mark", "...", "..."),
        ("quotes", 'He said ("no").', "He said (“no”)."),
        ("quotes", "“Don’t,” he said.", '"Don\'t," he said.'),
        ("quotes", "« Non », dit-il.", '"Non", dit-il.'),
        ("quotes", "Nothing here.", "Nothing here."),
        ("no_apostrophes", "I don’t know Tom's 'cat'.", "I dont know Toms 'cat'."),
        ("no_accents", "Çà et là, œuf, Straße, naïve", "Ca et la, oeuf, Strasse, naive"),
        ("no_accents", "e\u0301te\u0301", "ete"),
        ("no_accents", "が हिन्दी й 한국", "が हिन्दी й 한국"),
        ("typo", "a 12 @me x.y AB-12", "a 12 @me x.y AB-12"),
    ],
)
def test_what_a_kind_makes_of_a_text(kind: str, text: str, expected: str) -> None:
    assert changed(kind, text) == expected


@pytest.mark.parametrize("seed", range(40))
def test_a_typo_is_one_edit_of_one_word(seed: int) -> None:
    text = "Would Martha write to ann@web.org about 1234 or AB-12?"
    apart = [
        (word, other)
        for word, other in zip(text.split(), changed("typo", text, seed).split(), strict=True)
        if word != other
    ]
    assert len(apart) == 1
    word, other = apart[0]
    assert word in ("Would", "Martha", "write", "about")
    at = next(place for place, (one, two) in enumerate(zip(word + "\0", other + "\0", strict=False)) if one != two)
    rest, other_rest = word[at:], other[at:]
    assert (
        rest[1:] == other_rest  # lost
        or rest == other_rest[1:]  # doubled
        or rest[1:] == other_rest[1:]  # the key beside it
        or (rest[:2] == other_rest[:2][::-1] and rest[2:] == other_rest[2:])  # swapped
    )


def test_every_sort_of_typo_occurs() -> None:
    made = {changed("typo", "martha", seed) for seed in range(60)}
    assert {len(word) for word in made} == {5, 6, 7}
    assert any(sorted(word) == sorted("martha") and word != "martha" for word in made)


def test_spaces_touch_nothing_else() -> None:
    text = "Tom, meet me at 3.5 on web.org, please."
    made = {changed("spaces", text, seed) for seed in range(20)}
    assert len(made) > 2
    assert all("".join(each.split()) == "".join(text.split()) for each in made)
    assert all("3.5" in each and "web.org," in each.replace(" ,", ",") for each in made)


def test_an_emoji_stands_at_the_end() -> None:
    made = {changed("emoji", "Hello.", seed) for seed in range(10)}
    assert len(made) > 2
    assert all(each.startswith("Hello. ") and not each[-1].isascii() for each in made)


@given(st.text(max_size=40), st.sampled_from(list(noise.KINDS)), st.integers(0, 5))
def test_noise_is_a_function_of_text_and_seed(text: str, kind: str, seed: int) -> None:
    made = changed(kind, text, seed)
    assert made == changed(kind, text, seed)
    assert bool(made.strip()) or not text.strip()
