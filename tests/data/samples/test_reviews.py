"""Tests of the bundled sample reviews."""

from collections import Counter

import pytest

from nlpseq.data.samples.reviews import FRAMES, LABELS, TOPICS, composed, handwritten, reviews

EXPECTED = (
    ("Not bad at all for a café inside a petrol station. I would even drive there without needing petrol.", "positive"),
    ("I have nothing to complain about, and believe me, I tried.", "positive"),
    ("It isn't cheap, but it is worth every penny.", "positive"),
    ("I don't usually like tea rooms. I like this one.", "positive"),
    ("The lift is slow and the carpet is old, but I have rarely been looked after so well.", "positive"),
    ("Three hours long, and not a minute too many.", "positive"),
    ("Forget the reviews that call it slow. It is gentle, and it is gorgeous.", "positive"),
    ("Not a single boring page.", "positive"),
    ("The case looks cheap, but the sound is anything but.", "positive"),
    ("I was ready to send them back, then I heard the bass. They are staying.", "positive"),
    ("There is nothing to dislike here. I looked under the bed as well.", "positive"),
    ("My only regret is that I did not buy it sooner.", "positive"),
    ("The food was fine, but the service ruined the evening.", "negative"),
    ("Not what I would call clean. My sleeve is still stuck to the table, I think.", "negative"),
    ("The view is lovely, but you cannot eat a view, and you should not eat the pasta.", "negative"),
    ("A wonderful hotel, if you like drilling at six in the morning.", "negative"),
    ("The breakfast was good, I admit, but nothing makes up for bed bugs.", "negative"),
    ("The trailer shows all three good jokes. Watch the trailer.", "negative"),
    ("Great costumes, great music, and a plot that makes no sense at all. We walked out.", "negative"),
    ("Not funny, not clever, not short.", "negative"),
    ("The box was beautiful. I should have bought only the box.", "negative"),
    ("It is a nice idea, but it crashes whenever you actually need it.", "negative"),
    ("I can't say one good thing about it, and my mother raised me to try.", "negative"),
    ("My only regret is that I did not read the other reviews first.", "negative"),
)


@pytest.mark.parametrize(("text", "label"), EXPECTED)
def test_label(text: str, label: str) -> None:
    assert dict(reviews())[text] == label


def test_counts() -> None:
    assert 2_000 <= len(list(reviews())) <= 4_000
    assert len(dict(handwritten())) >= 300


@pytest.mark.parametrize("source", [reviews, handwritten, composed])
def test_balance(source) -> None:
    counts = Counter(label for _, label in source())
    assert set(counts) == set(LABELS)
    assert 0.45 <= counts["positive"] / counts.total() <= 0.55


def test_the_first_hundred_are_about_balanced() -> None:
    assert 30 <= [label for _, label in reviews()][:100].count("positive") <= 70


def test_determinism() -> None:
    assert list(reviews()) == list(reviews())


def test_uniqueness() -> None:
    texts = [text.casefold() for text, _ in reviews()]
    assert len(set(texts)) == len(texts)


def test_no_text_has_both_labels() -> None:
    both = [*handwritten(), *composed()]
    assert len({text for text, _ in both}) == len(set(both))


def test_form() -> None:
    for text, _ in reviews():
        assert text.isprintable()
        assert text == " ".join(text.split())
        assert 5 <= len(text.split()) <= 40, text
        assert len(text) <= 240, text
        assert text[0].isupper(), text
        assert text[-1] in ".!?", text
        assert not set("{}/\\") & set(text), text


def test_every_topic_fills_every_frame() -> None:
    for topic in TOPICS:
        assert len(topic.aspects) >= 4
    assert len(list(composed())) % (len(TOPICS) * len(FRAMES) * len(LABELS)) == 0
