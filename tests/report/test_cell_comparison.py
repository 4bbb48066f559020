"""The comparison of cells: its table and its picture."""

import math
import sys
import warnings

import pytest

from nlpseq.errors import MissingExtraError
from nlpseq.report.cell_comparison import CellResult, comparison_picture, comparison_table, relative_gradients


def result(cell="lstm", decay=0.1, lags=65, **more):
    facts = {
        "cell": cell,
        "parameters": 301_234,
        "losses": [(step, 4.0 - step / 1000) for step in range(0, 1000, 10)],
        "valid_nats": 1.6543,
        "tokens_per_second": 41_234.5,
        "gradient_norms": [2.0 * math.exp(-decay * lag) for lag in range(lags)],
    }
    return CellResult(**{**facts, **more})


def cells(table, name):
    return next(line.split() for line in table.splitlines() if line.startswith(name))


def test_the_table_shows_each_cell_s_results():
    table = comparison_table([result("rnn", decay=0.5), result("lstm", decay=0.1)])
    assert cells(table, "lstm") == ["lstm", "301,234", "1.654", "41,234", "0.905", "0.449", "0.041", "0.002"]
    assert cells(table, "rnn")[4:] == ["0.607", "0.018", "1e-07", "1e-14"]
    assert all(word in table for word in ("parameters", "nats/char", "tokens/s", "lag 64"))


def test_the_table_is_aligned_and_fits_a_terminal():
    lines = comparison_table([result("rnn", parameters=7), result("lstm", parameters=12_345_678)]).splitlines()
    assert len({len(line) for line in lines[1:5]}) == 1
    assert all(len(line) <= 120 for line in lines)


def test_what_was_not_measured_is_a_dash():
    rows = [
        result(lags=10, valid_nats=math.nan),
        result("gru", gradient_norms=[]),
        result("rnn", tokens_per_second=math.inf),
    ]
    rows[2].gradient_norms[8] = math.inf
    table = comparison_table(rows)
    assert cells(table, "lstm")[2:] == ["–", "41,234", "0.905", "0.449", "–", "–"]
    assert cells(table, "gru")[4:] == ["–"] * 4
    assert cells(table, "rnn")[3:6] == ["–", "0.905", "–"]
    assert "nan" not in table


def test_gradients_are_relative_to_lag_0():
    assert relative_gradients(result(gradient_norms=[4.0, 2.0, 0.0])) == [1.0, 0.5, 0.0]
    assert relative_gradients(result(gradient_norms=[0.0, 1.0])) == []
    assert relative_gradients(result(gradient_norms=[math.nan, 1.0])) == []


ODD = [
    {"losses": [(1, 2.0)], "gradient_norms": [1.0], "cell": "$\\frac$_日本"},
    {"losses": [(1, math.nan), (2, math.inf)], "gradient_norms": [0.0], "valid_nats": math.nan},
    {"gradient_norms": [1.0, 0.0, 1e-300, math.nan]},
]


@pytest.mark.parametrize("odd", [[{"losses": [], "gradient_norms": []}], ODD], ids=["nothing", "odd"])
def test_any_result_makes_a_picture(odd, capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        png = comparison_picture([result(**each) for each in odd])
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert capfd.readouterr().err == ""


def test_equal_results_give_equal_pictures_and_others_other_ones():
    once = comparison_picture([result()])
    assert comparison_picture([result()]) == once
    assert comparison_picture([result(decay=0.3)]) != once


def test_nothing_to_compare():
    assert comparison_picture([]).startswith(b"\x89PNG")
    assert "cell" in comparison_table([])


def test_without_matplotlib_there_is_a_table_but_no_picture(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert "lstm" in comparison_table([result()])
    with pytest.raises(MissingExtraError, match="matplotlib"):
        comparison_picture([result()])
