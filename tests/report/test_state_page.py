"""What inspect shows: units are sorted by what they follow, and words say what the gates do."""

from __future__ import annotations

import numpy as np
import pytest

from nlpseq.report.state_facts import LayerStates, Reading, by_chance, followed
from nlpseq.report.state_page import layer_sentences, reading_page, reading_summary
from nlpseq.report.state_pictures import shown_units, state_picture

PIECES = tuple('a "b" <c>\n')
QUOTES = [0.0, 0, 1, 1, 1, 0, 0, 0, 0, 0]
LINE = [float(place) for place in range(10)]


def reading(pieces: tuple[str, ...] = PIECES, cell: str = "lstm") -> Reading:
    generator = np.random.default_rng(1)
    memory = np.stack([0.3 - 0.5 * np.array(QUOTES), np.array(LINE) / 20, generator.normal(size=10) / 9], axis=1)
    values = {"state": memory}
    if cell == "lstm":
        values = {"state": memory / 2, "cell state": np.arctanh(memory), "forget gate": np.full((10, 3), 0.75)}
        values["forget gate"][7] = 0.25
    layer = LayerStates("layer 1", cell, values, followed(memory, {"inside quotes": QUOTES, "position": LINE}))
    return Reading("mine", pieces, [layer], 10)


def test_units_are_sorted_by_how_closely_they_follow() -> None:
    found = reading().layers[0].followed
    assert [found["inside quotes"][0].unit, found["position"][0].unit] == [0, 1]
    assert found["inside quotes"][0].correlation == pytest.approx(-1)  # of either sign
    assert found["position"][0].correlation == pytest.approx(1)
    assert len(found["position"]) == 3
    expected = np.corrcoef(reading().layers[0].memory[:, 2], LINE)[0, 1]
    assert next(each.correlation for each in found["position"] if each.unit == 2) == pytest.approx(expected)


def test_what_never_changes_is_followed_by_nobody() -> None:
    assert followed(np.ones((10, 2)), {"constant": [1.0] * 10}) == {}
    assert [each.correlation for each in followed(np.ones((10, 2)), {"position": LINE})["position"]] == [0, 0]


def test_each_landmark_gets_as_many_rows() -> None:
    layer = reading().layers[0]
    assert [unit for unit, _ in shown_units(layer, 2)] == [0, 1]
    assert shown_units(layer, 4)[0] == (0, "inside quotes -1.00  0")
    nothing = LayerStates("layer 1", "rnn", {"state": np.zeros((4, 5))}, {})
    assert shown_units(nothing, 2) == [(0, "unit 0"), (1, "unit 1")]


def test_sentences_name_where_gates_open() -> None:
    said = layer_sentences(reading(), reading().layers[0])
    assert "the forget gate is open by 0.70 on average" in said[0]
    assert "least at 'c'" in said[0]
    assert "by chance" in said[-1]
    assert layer_sentences(reading(cell="rnn"), reading(cell="rnn").layers[0])[0].startswith("layer 1: no unit")


def test_a_longer_text_leaves_less_to_chance() -> None:
    assert by_chance(10, 100) == 1
    assert by_chance(100_000, 100) < 0.05 < by_chance(1000, 100)


def test_the_page_shows_the_text_and_its_gates() -> None:
    page = reading_page(reading(), 4)
    assert page.count("data:image/png") == 1
    assert "&lt;</span>" in page
    assert 'title="-0.20, forget gate 0.75"' in page
    assert "Unit 0: inside quotes (-1.00)" in page
    assert "position" in reading_summary(reading())


@pytest.mark.parametrize("pieces", [PIECES, tuple(["▁日本", "</s>", "$x$", "▁a very long piece indeed"] * 100)])
@pytest.mark.parametrize("cell", ["lstm", "rnn"])
def test_any_text_makes_a_picture(pieces: tuple[str, ...], cell: str) -> None:
    made = reading(pieces, cell)
    layer = made.layers[0]
    values = {name: np.resize(each, (len(pieces), 3)) for name, each in layer.values.items()}
    png = state_picture(made, LayerStates(layer.name, cell, values, layer.followed), 5)
    assert png.startswith(b"\x89PNG")
