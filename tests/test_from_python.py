"""Data and training from a program: the notebook runs, rows of all kinds are read, mistakes are exceptions."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import nlpseq
from nlpseq.data.rows import kept_rows
from nlpseq.errors import UserError

NOTEBOOK = Path(__file__).parent.parent / "docs" / "your-own-rows.ipynb"
ROWS = [("good", "pos"), ("bad", "neg"), ("fine", "pos")]


@pytest.fixture(autouse=True)
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_notebook_runs_and_its_model_understands_negation(capsys: pytest.CaptureFixture[str]) -> None:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    scope: dict[str, Any] = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), str(NOTEBOOK), "exec"), scope)
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("row 2 is ")
    assert [line.split()[0] for line in said[1:]] == ["happy", "unhappy", "unhappy"]
    assert (Path("dishes") / "model.tflite").is_file()
    assert scope["model"].classify("The rice was fresh.").label == "happy"


@dataclass
class Frame:
    """What is used of a data frame of pandas."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]

    def itertuples(self, *, index: bool, name: str | None) -> Any:
        assert not index
        assert name is None
        return iter(self.rows)


class NAType:
    """What pandas has for no value."""


@pytest.mark.parametrize(
    "data",
    [
        ROWS,
        [list(row) for row in ROWS],
        [{"label": label, "text": text, "id": 3} for text, label in ROWS],
        Frame(("text", "label"), ROWS),
        (row for row in ROWS),
    ],
)
def test_rows_of_any_kind(data: Any) -> None:
    summary = nlpseq.preview("sentiment", data)
    assert summary.records == 3
    assert summary.labels == {"pos": 2, "neg": 1}
    assert [record.fields for record in summary.first] == ROWS


def test_what_is_no_value_is_left_out_and_counted() -> None:
    rows = [*ROWS, ("a", None), ("b", math.nan), (None, "pos"), ("c", NAType())]
    found = nlpseq.preview("sentiment", rows).as_json()
    assert (found["records"], found["left_out"]) == (3, {"no label": 3, "no text": 1})


def test_columns_of_other_names() -> None:
    rows = [{"body": text, "stars": label, "mood": "x"} for text, label in ROWS]
    assert nlpseq.preview("sentiment", rows, columns="text=body,label=mood").labels == {"x": 3}


def test_one_column_of_texts() -> None:
    assert kept_rows(["one", "two"], ("text",)).read_text(encoding="utf-8") == '{"text": "one"}\n{"text": "two"}\n'


def test_the_same_rows_are_the_same_file() -> None:
    assert kept_rows(ROWS, ("text", "label")) == kept_rows([*ROWS], ("text", "label"))
    assert kept_rows(ROWS[:2], ("text", "label")) != kept_rows(ROWS, ("text", "label"))


@pytest.mark.parametrize("data", [3, {"text": "a"}, [("a",)], ["a"], [3], [("a", "b", "c")]])
def test_what_is_no_row(data: Any) -> None:
    with pytest.raises(UserError):
        nlpseq.preview("sentiment", data)


def test_mistakes_are_exceptions() -> None:
    with pytest.raises(UserError, match="choose char-lm, sentiment"):
        nlpseq.preview("summaries", ROWS)
    with pytest.raises(UserError, match=r"config key 'model\.unit' is unknown"):
        nlpseq.train("sentiment", ROWS, settings={"model.unit": 3})
    with pytest.raises(UserError, match="no such file"):
        nlpseq.train("translation", "nothing.tsv")
