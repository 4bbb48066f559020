"""Terms: how they are read, where they are found, and how they come into a translation."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nlpseq.errors import DataError, UserError
from nlpseq.runtime.glossary import Glossary
from nlpseq.runtime.litert import ExportedFile
from nlpseq.runtime.results import Translation
from nlpseq.runtime.terminology import translated, written_out
from nlpseq.runtime.translator import Translator

# Reading


def read(folder: Path, content: bytes) -> Glossary:
    (folder / "terms.tsv").write_bytes(content)
    return Glossary.read(folder / "terms.tsv")


def test_comments_blank_lines_and_a_byte_order_mark(tmp_path: Path) -> None:
    glossary = read(tmp_path, "\ufeff# terms\r\n\r\nstation\tgare\r\n  the  bill \t l'addition\nstation\tgare".encode())
    assert found(glossary, "station, the\nbill") == [("station", "gare"), ("the\nbill", "l'addition")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a\tb\nstation gare\n", "line 2: a line of a glossary is a term, one tab, and its translation"),
        (b"a\tb\tc\n", "line 1: a line of a glossary"),
        (b"# x\n\na\t \n", "line 3: a line of a glossary"),
        (b"a\tb\nx\ty\na\tc\n", "line 3: 'a' has another translation in line 1: leave one of them"),
        (b"a\tb\n\xe9\tb\n", "line 2: not UTF-8"),
    ],
)
def test_a_bad_line_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=re.escape(f"terms.tsv, {message}")):
        read(tmp_path, content)


def test_blank_terms_and_no_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="'a' is to be ' ': give two texts that are not blank"):
        Glossary({"a": " "})
    with pytest.raises(UserError, match="no such file"):
        Glossary.read(tmp_path / "terms.tsv")


# Finding


def found(glossary: Glossary, text: str) -> list[tuple[str, str]]:
    marked, terms = glossary.marked(text)
    assert written_out(marked, terms) == text
    return [(terms[each].source, terms[each].target) for each in marked if each in terms]


@pytest.mark.parametrize(
    ("terms", "text", "sources"),
    [
        ("station", "Station: the station's STATION.", ["Station", "station", "STATION"]),
        ("station", "stations substation station-master x@station.com https://station.org station_1", []),
        ("station", "(station) “station”, station/hotel – station!", ["station"] * 4),
        ("IT", "it is IT", ["IT"]),
        ("New York|York|York City", "New York, York. New York City", ["New York", "York", "York City"]),
        ("C++|.NET|a.b|(x)", "C++ .NET a.b axb (x) x", ["C++", ".NET", "a.b", "(x)"]),
        ("naïve|straße", "NAÏVE Straße", ["NAÏVE", "Straße"]),
        ("喜欢", "我喜欢你", ["喜欢"]),
    ],
)
def test_where_terms_are_found(terms: str, text: str, sources: list[str]) -> None:
    glossary = Glossary(dict.fromkeys(terms.split("|"), "x"))
    assert [source for source, _ in found(glossary, text)] == sources


@settings(deadline=None, max_examples=200, derandomize=True)
@given(st.text(max_size=40), st.dictionaries(st.text(min_size=1, max_size=4).filter(str.strip), st.just("x")))
def test_any_text_can_be_written_out_again(text: str, terms: dict[str, str]) -> None:
    found(Glossary(terms), text)


# Translating


def model(translate: Callable[[str], str], *, read: int = 1000) -> Callable[[str], Translation | None]:
    """A model that reads so many characters, word by word, and looks at the word of the same number."""

    def call(text: str) -> Translation | None:
        if len(text) > read:
            return None
        written = translate(text)
        pieces = [*(f"▁{word}" for word in written.split()), "</s>"]
        source_pieces = [*(f"▁{word}" for word in text.split()), "</s>"]
        rows = np.eye(len(pieces), len(source_pieces))
        return Translation(written, -1.0, tuple(pieces), tuple(source_pieces), tuple(map(tuple, rows.tolist())), text)

    return call


def with_terms(text: str, terms: dict[str, str], translate: Callable[[str], str]) -> Translation:
    made = translated(*Glossary(terms).marked(text), model(translate))
    assert made is not None
    assert made.source == text
    assert np.array([list(row) for row in made.alignment]).shape == (len(made.pieces), len(made.source_pieces))
    return made


def test_what_the_model_writes_by_itself_stays() -> None:
    asked: list[str] = []
    made = with_terms("the station", {"station": "gare"}, lambda text: asked.append(text) or "la gare")
    assert (made.text, asked) == ("la gare", ["the station"])


def test_the_term_stands_where_an_invented_word_is_copied() -> None:
    """The model turns words round, and makes nothing of those that it knows."""

    def turned(text: str) -> str:
        return " ".join("?" if word in ("red", "wine", "glass") else word for word in reversed(text.split()))

    made = with_terms("glass of red wine", {"red wine": "vin rouge", "glass": "verre"}, turned)
    assert (made.text, made.missing_terms) == ("Vin rouge of verre", ())
    assert made.pieces == ("▁Vin rouge", "▁of", "▁verre", "</s>")
    assert made.source_pieces == ("▁glass", "▁of", "▁red wine", "</s>")


def test_a_capital_only_where_a_sentence_begins() -> None:
    terms = {"x": "gare", "y": "iPhone", "z": "hôtel"}
    assert (
        with_terms("x and x. x! y y « z »", terms, lambda text: text).text
        == "Gare and gare. Gare! iPhone iPhone « hôtel »"
    )


def test_invented_words_begin_as_terms_do() -> None:
    asked: list[str] = []
    with_terms("a b c", {"a": "été", "b": "gare", "c": "中"}, lambda text: asked.append(text) or "?")
    assert [word[0] for word in asked[1].split()] == ["E", "G", "K"]
    assert len({word.lower() for word in asked[1].split()}) == 3


def test_without_copying_attention_says_where() -> None:
    made = with_terms("the station closes", {"station": "terminal"}, lambda text: "la gare ferme")
    assert (made.text, made.pieces) == ("la terminal ferme", ("▁la", "▁terminal", "▁ferme", "</s>"))
    twice = with_terms("station or station", {"station": "terminal"}, lambda text: "gare ou gare")
    assert twice.text == "Terminal ou terminal"


def test_an_article_that_would_not_fit_is_written_anew() -> None:
    """A copied name that begins as the term does brings the right article with it."""

    def french(text: str) -> str:
        return "ici l'eau" if text == "here water" else f"ici la {text.split()[-1]}"

    assert with_terms("here water", {"water": "flotte"}, french).text == "ici la flotte"
    assert with_terms("here water", {"water": "onde"}, french).text == "ici l'onde"
    never_copied = with_terms("here water", {"water": "flotte"}, lambda text: "ici l'eau")
    assert (never_copied.text, never_copied.missing_terms) == ("ici flotte", ())


def test_a_term_without_a_place_is_told() -> None:
    made = with_terms("the old station", {"station": "terminal"}, lambda text: "la gare")
    assert (made.text, made.missing_terms) == ("la gare", ("terminal",))


def test_what_does_not_fit_is_cut_first() -> None:
    assert translated(*Glossary({"station": "gare"}).marked("the station"), model(str, read=5)) is None


def test_a_term_alone_is_its_translation() -> None:
    asked: list[str] = []
    assert with_terms("Station", {"station": "gare"}, lambda text: asked.append(text) or text).text == "Gare"
    assert not asked


@pytest.fixture(scope="module")
def translator(toy_files: dict[str, Path]) -> Translator:
    return Translator(ExportedFile(toy_files["translation"]))


def test_a_whole_program(translator: Translator) -> None:
    """It writes capitals, so a name is copied but for its case."""
    result = translator.translate("A cat. A dog sleeps. Cat!", glossary={"cat": "chat", "sleeps": "dort-il"})
    assert result.text == "A chat. A DOG dort-il. Chat!"
    assert result.missing_terms == ()
    assert translator.translate("A cat.", glossary={}) == translator.translate("A cat.")


def test_a_term_longer_than_the_buffer(translator: Translator) -> None:
    long = "cat " * 30 + "dog"
    assert translator.translate(f"A {long}. b", glossary={long: "chat"}).text == "A chat. B"
