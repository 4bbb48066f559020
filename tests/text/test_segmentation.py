"""Cutting long text: nothing is lost, and each part fits."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nlpseq.text import segmentation
from nlpseq.text.segmentation import Segment, has_letters, is_one_sentence, rejoined, segments

FILE = Path(__file__).parent / "sentences.json"
CASES = json.loads(FILE.read_text(encoding="utf-8"))

# Text as it comes: words, sentence ends, quotes, line breaks, odd spaces, and long words without any.
TEXT = st.one_of(
    st.text(max_size=80),
    st.text(alphabet='ab .!?…"»)\n\t 。！\u00a0\u2009', max_size=80),
    st.lists(st.sampled_from(["Yes.", "no", 'He said "stop!"', "\n\n", "   ", "extraordinarily", "好。", "…"])).map(
        " ".join
    ),
)


def at_most(characters: int) -> Callable[[str], bool]:
    return lambda text: len(text) <= characters


def texts(parts: list[Segment]) -> list[str]:
    return [part.text for part in parts]


def whole(parts: list[Segment]) -> str:
    return "".join(part.text + part.spacing for part in parts)


@settings(deadline=None, max_examples=300, derandomize=True)
@given(TEXT, st.integers(1, 20))
def test_nothing_is_lost_and_each_part_fits(text: str, characters: int) -> None:
    parts = segments(text, at_most(characters))
    assert whole(parts) == text.strip()
    assert all(len(part.text) <= characters for part in parts)
    assert all(part.spacing.isspace() for part in parts if part.spacing)


@settings(deadline=None, max_examples=200, derandomize=True)
@given(TEXT, st.integers(1, 20))
@example("      hello", 6)
@example("          ", 3)
def test_no_part_is_blank_or_has_space_around_it(text: str, characters: int) -> None:
    assert [part for part in texts(segments(text, at_most(characters))) if not part or part != part.strip()] == []


@settings(deadline=None, max_examples=200, derandomize=True)
@given(TEXT, st.integers(4, 40))
def test_the_limit_may_count_bytes(text: str, size: int) -> None:
    text = text.encode("utf-8", "replace").decode()
    parts = segments(text, lambda part: len(part.encode()) <= size)
    assert whole(parts) == text.strip()
    assert all(len(part.text.encode()) <= size for part in parts)


def test_text_that_fits_stays_whole() -> None:
    assert segments(" One. Two.  Three.\n", at_most(17)) == [Segment("One. Two.  Three.", "")]


@pytest.mark.parametrize("text", ["", " ", "\n\t "])
def test_blank_text_has_no_parts(text: str) -> None:
    assert segments(text, at_most(10)) == []
    assert segments(text * 20, at_most(10)) == []


def test_sentences_come_before_words() -> None:
    assert texts(segments("It rains. Does it? It does!", at_most(10))) == ["It rains.", "Does it?", "It does!"]


def test_sentences_may_be_wanted_even_where_all_fits() -> None:
    text = "One here.  Two there!\nThree?"
    assert [part.text for part in segments(text, lambda part: True)] == [text]
    parts = segments(text, lambda part: True, unit="sentence")
    assert parts == [("One here.", "  "), ("Two there!", "\n"), ("Three?", "")]
    assert [part.text for part in segments("One. Two words", lambda part: len(part) < 7, unit="sentence")] == [
        "One.", "Two", "words",
    ]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["text"])
def test_texts_are_cut_where_people_would(case: dict[str, Any]) -> None:
    most = case.get("bytes", 10_000)
    unit, together = case.get("unit", "sentence"), case.get("together", 0)
    parts = segments(case["text"], lambda part: len(part.encode()) <= most, unit=unit, together=together)
    assert [list(part) for part in parts] == case["parts"]


def in_javascript(cases: list[dict[str, Any]]) -> list[list[list[str]]]:
    """What the page in the browser cuts texts into."""
    if not (node := shutil.which("node")):
        pytest.skip("needs node")
    script = FILE.with_suffix(".mjs")
    done = subprocess.run([node, script], input=json.dumps(cases), capture_output=True, encoding="utf-8", timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_page_in_the_browser_cuts_texts_alike() -> None:
    assert in_javascript(CASES) == [case["parts"] for case in CASES]


def test_the_page_in_the_browser_follows_the_same_rules() -> None:
    random = Random(1)
    words = [*segmentation._ABBREVIATIONS, *segmentation._BEFORE_NUMBERS, *segmentation._AFTER_ORDINALS]
    words += [
        *segmentation._BEFORE_ORDINALS,
        *segmentation._words("I A b. 3 19 1990 ex par p. U.S p.m MM Hauptstr the Then"),
    ]
    marks = [
        ". ",
        ". ",
        ". ",
        "! ",
        "? ",
        "… ",
        " ",
        " ",
        '." ',
        ".» ",
        " » ",
        "。",
        "。」",
        "！“",
        "؟ ",
        "।",
        ".\n",
        "  ",
    ]
    words, cases = sorted(words), list[dict[str, Any]]()
    for word in 4 * words:
        several = [*random.choices(words, k=2), word, *random.choices(words, k=3)]
        several = [random.choice([str, str.capitalize])(each) for each in several]
        text = "".join(each + random.choice(marks) for each in several)
        chosen = {"unit": random.choice(["sentence", "line", "text"]), "together": random.choice([0, 30])}
        cases.append({"text": text, "bytes": random.choice([12, 40]), **chosen})
    for case, parts in zip(cases, in_javascript(cases), strict=True):
        options = {"unit": case["unit"], "together": case["together"]}
        own = segments(case["text"], lambda part, most=case["bytes"]: len(part.encode()) <= most, **options)
        assert [list(part) for part in own] == parts, case


def test_a_sentence_end_may_stand_within_quotes() -> None:
    assert texts(segments('"It rains." She left.', at_most(12))) == ['"It rains."', "She left."]


def test_chinese_and_japanese_need_no_space_between_sentences() -> None:
    assert texts(segments("下雨了。真的吗？真的！", at_most(5))) == ["下雨了。", "真的吗？", "真的！"]


@pytest.mark.parametrize(
    ("text", "one"),
    [("It rains.", True), (" no end ", True), ("Version 3.14", True), ("Yes. No.", False), ("a\nb", False)],
)
def test_one_sentence_has_no_end_within(text: str, one: bool) -> None:
    assert is_one_sentence(text) == one


def test_lines_are_cut_apart() -> None:
    assert texts(segments("a title\nthe text", at_most(8))) == ["a title", "the text"]


def test_a_point_inside_a_number_or_a_name_is_no_end() -> None:
    assert texts(segments("version 3.14 is out now", at_most(12))) == ["version 3.14", "is out now"]


def test_only_the_sentence_that_does_not_fit_is_cut_into_words() -> None:
    parts = texts(segments("Short one. This sentence is too long to fit. End.", at_most(18)))
    assert parts[0] == "Short one."
    assert parts[-1] == "End."
    assert " ".join(parts[1:-1]) == "This sentence is too long to fit."


def test_a_word_that_does_not_fit_is_cut_in_the_middle() -> None:
    assert texts(segments("abcdefgh", at_most(4))) == ["abcd", "efgh"]


def test_a_single_character_is_given_even_where_it_does_not_fit() -> None:
    assert texts(segments("ab", lambda text: False)) == ["a", "b"]


def test_long_text_costs_few_calls() -> None:
    calls = 0

    def fits(text: str) -> bool:
        nonlocal calls
        calls += 1
        return len(text) <= 400

    text = " ".join(f"word{index}" for index in range(10_000))
    parts = segments(text, fits)
    assert whole(parts) == text
    assert calls < 8 * len(parts)


@pytest.mark.parametrize(
    "text",
    [
        "One line.\n\nAnother  one, with   spaces.\r\n\tAnd a third.",
        "no\u00a0break\u2009spaces and averyverylongwordindeed",
        "下雨了。真的吗？真的！",
    ],
)
@pytest.mark.parametrize("characters", [1, 5, 12, 20])
def test_what_is_made_of_the_parts_is_spaced_as_the_text_was(text: str, characters: int) -> None:
    parts = segments(text, at_most(characters))
    assert rejoined(parts, texts(parts)) == text


def test_sentences_get_a_space_where_the_other_language_wants_one() -> None:
    parts = segments("下雨了。真的吗？真的！", at_most(4))
    assert rejoined(parts, ["It rains.", "Really?", "Really!"]) == "It rains. Really? Really!"


def test_a_part_that_nothing_was_made_of_stays() -> None:
    parts = segments("One. Two. Three.", at_most(6))
    assert rejoined(parts, ["", "zwei", " "]) == "One. zwei Three."


@pytest.mark.parametrize(
    ("text", "letters"), [("a", True), ("12 好", True), ("7,5 %", False), ("🙂 …", False), ("", False)]
)
def test_figures_marks_and_emoji_are_no_letters(text: str, letters: bool) -> None:
    assert has_letters(text) == letters
