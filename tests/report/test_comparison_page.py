"""The report of a comparison: its words say what its figures say, its JSON and pictures hold them."""

from __future__ import annotations

import json
import math
import re
import warnings

import pytest

from nlpseq.report import comparison_pictures as pictures
from nlpseq.report.comparison_page import comparison_page, comparison_summary
from nlpseq.report.comparison_words import (
    effect_sentences,
    gradient_sentences,
    memory_gradient_sentences,
    memory_sentences,
    singular_value_sentences,
    text_sentences,
)
from tests.report.made_comparison import comparison, effect, memory_facts, memory_run, text_cell


def test_json_has_the_figures_by_task_cell_and_lag() -> None:
    found = json.loads(json.dumps(comparison().as_json(), allow_nan=False))
    assert found["memory"]["copying"] == {
        "rnn": {"10": 1.0, "100": 0.01},
        "lstm": {"10": 1.0, "100": 1.0},
        "gru": {"10": 1.0, "100": 0.99},
    }
    lstm = found["text"]["lstm"]
    assert lstm["nats"] == pytest.approx(1.71)
    assert (lstm["weights"], lstm["tokens_per_second"]) == (90_000, 12_345.6)
    assert lstm["gradient_norms"]["10"] == pytest.approx(math.exp(-1))
    assert found["steps_until_solved"]["copying"]["rnn"] == {"10": [2, 2], "100": [None, None]}
    assert found["effects"]["clipping"]["bias 0"]["share_above_clip_norm"] == 0.5


def test_what_is_no_number_is_null_in_json() -> None:
    broken = effect("clipping", losses=[1.0, math.nan], norms=[1.0, math.inf])
    found = json.loads(json.dumps(comparison(effects=[broken]).as_json(), allow_nan=False))
    assert found["effects"]["clipping"]["bias 1"]["last_loss"] is None
    assert found["effects"]["clipping"]["bias 1"]["largest_gradient_norm"] is None


def test_words_on_memory_follow_the_figures() -> None:
    said = " ".join(memory_sentences(memory_facts()))
    assert "At a lag of 100, the RNN 1 %, the LSTM 100 %, the GRU 99 %" in said
    assert "Both cells with gates solve it, the plain RNN does not." in said
    assert "RNN: 0 of 2 runs solved it within 4 steps; all of them solved lags up to 10." in said
    assert "LSTM: 4 steps until it is solved." in said
    assert "gates were not needed" in " ".join(memory_sentences(memory_facts(rnn=0.99)))
    assert "not both count" in " ".join(memory_sentences(memory_facts(lstm=0.6)))
    assert "not what the books say" in " ".join(memory_sentences(memory_facts(rnn=0.9, lstm=0.2)))
    assert "says nothing" in " ".join(memory_sentences(memory_facts(lstm=0.1, gru=0.2)))
    assert "0.028 at the start" in " ".join(memory_gradient_sentences(memory_facts()))[:120].replace("0.029", "0.028")


def test_words_on_text_order_the_cells_and_mind_the_seeds() -> None:
    said = text_sentences(
        [text_cell("rnn", (1.9, 1.91)), text_cell("lstm", (1.70, 1.72)), text_cell("gru", (1.71, 1.73))]
    )
    assert "LSTM 1.710 ± 0.014, GRU 1.720 ± 0.014, RNN 1.905 ± 0.007 nats per character" in said[0]
    assert "The seeds of LSTM and GRU overlap" in said[0]
    assert "The seeds of GRU and RNN" not in said[0]
    assert "RNN is last is what is usually found" in said[0]
    assert "LSTM 1.610" in said[1]
    assert "not what the books say" in text_sentences([text_cell("rnn", (1.6,)), text_cell("lstm", (1.7,))])[0]


def test_words_on_gradients_name_the_cell_whose_gradient_vanishes_first() -> None:
    usual = " ".join(gradient_sentences([text_cell("rnn", decay=0.5), text_cell("lstm", decay=0.1)]))
    assert "LSTM 0.041" in usual
    assert "vanishes fastest in the RNN" in usual
    assert "books" not in usual
    odd = " ".join(gradient_sentences([text_cell("rnn", decay=0.1), text_cell("lstm", decay=0.5)]))
    assert "vanishes fastest in the LSTM" in odd
    assert "not what the books say" in odd
    assert "in all three" in " ".join(singular_value_sentences([text_cell("rnn")]))
    assert "after training in RNN." in " ".join(singular_value_sentences([text_cell("rnn", grows=1.1)]))


def test_words_on_an_effect_mind_the_seeds() -> None:
    assert effect_sentences(effect())[-1] == 'Best is "bias 1", worst "bias 0", with every seed.'
    assert "no clear difference" in effect_sentences(effect(first=(0.1, 1.0)))[-1]
    said = effect_sentences(effect("clipping", norms=[0.1, 5e6], losses=[1.0, math.nan]))
    assert said[1].startswith(
        "bias 1: the norm was above 1 in 50 % of the steps and at most 5e+06; the last loss is inf"
    )
    assert said[-1].startswith('Best is "bias 0"')


def test_the_page_needs_no_other_file_and_says_how_it_was_made() -> None:
    page = comparison_page(comparison(data="<mine>.txt", stopped=3), "nlpseq compare --data '<mine>.txt'", 256)
    assert "nlpseq compare --data &#x27;&lt;mine&gt;.txt&#x27;" in page
    assert "<mine>" not in page
    assert page.count("data:image/png;base64,") == 7
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert "3 trainings ended before their last step" in page
    for sentence in ("Memory with a known answer", "The gradient through time", "One change at a time", "0.003"):
        assert sentence in page


def test_parts_that_were_not_asked_for_are_left_out() -> None:
    page = comparison_page(comparison(memory=[], text=[]), "nlpseq compare", 256)
    assert "Memory with" not in page
    assert page.count("data:image/png") == 2
    assert comparison_summary(comparison(memory=[], text=[], effects=[])) == ""


def test_the_summary_fits_a_terminal() -> None:
    said = comparison_summary(comparison())
    assert "copying lstm  100.0 % (100–100)  100.0 % (100–100)" in said
    assert re.search(
        r"lstm +128 +90,000 +0\.003 +1\.710 +0\.014 +1\.610 +200 +12,346 +9e-01 +4e-01 +4e-02 +2e-03", said
    )


def test_odd_figures_make_pictures() -> None:
    odd = memory_run(losses=[math.nan], norms=[math.inf], checks=[0], shares={10: [0.0], 100: [0.0]}, gradients={})
    facts = memory_facts()
    facts.runs[:] = [odd]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert pictures.memory_picture([facts], 100).startswith(b"\x89PNG")
        assert pictures.effect_picture(effect("clipping", norms=[math.inf] * 4, losses=[math.nan] * 4))
    assert pictures.text_picture(comparison().text, 256) == pictures.text_picture(comparison().text, 256)
