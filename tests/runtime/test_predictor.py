"""Which predictor serves a program, also one from another package."""

from __future__ import annotations

from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from nlpseq.errors import UserError
from nlpseq.runtime.backend import Backend, Outputs, decoded
from nlpseq.runtime.classifier import Classifier
from nlpseq.runtime.generator import Generator
from nlpseq.runtime.litert import ExportedFile
from nlpseq.runtime.metadata import Metadata
from nlpseq.runtime.predictor import Predictor, predictor_class, predictor_for, signatures
from nlpseq.runtime.questions import Answer, Question
from nlpseq.runtime.results import Generation
from nlpseq.runtime.translator import Translator

BUILT_IN = {"translation": Translator, "sentiment": Classifier, "char-lm": Generator}


class Singer(Predictor):
    """A predictor as another package might have it."""

    signature = "sing"

    def respond(self, text: str) -> Generation:
        return Generation(decoded(self.backend.call("sing", text.encode())["text"]), text, 0)

    def answer(self, question: Question) -> Answer:
        return Answer(self.respond(question.text).text)


class Echo(Backend):
    """A program that says what it reads, under whatever signature."""

    def __init__(self, *names: str) -> None:
        super().__init__("echo", Metadata("singing", {name: {"N": 8} for name in names}))

    def _run(self, signature: str, text: NDArray[np.uint8], numbers: dict[str, float]) -> Outputs:
        return {"text": text}


@pytest.fixture
def with_singer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A package with a predictor is installed; it also claims a signature that is ours."""
    points = [EntryPoint(name, f"{__name__}:Singer", "nlpseq.predictors") for name in ("sing", "translate")]

    def entry_points(**selected: Any) -> EntryPoints:
        return EntryPoints(points).select(**selected)

    monkeypatch.setattr("importlib.metadata.entry_points", entry_points)


@pytest.mark.parametrize("task", BUILT_IN)
def test_a_program_is_served_by_what_it_can_do(toy_files: dict[str, Path], task: str) -> None:
    assert type(predictor_for(ExportedFile(toy_files[task]))) is BUILT_IN[task]


@pytest.mark.usefixtures("with_singer")
def test_a_predictor_of_another_package() -> None:
    assert signatures() == ["classify", "generate", "sing", "translate"]
    assert predictor_for(Echo("sing")).respond("la").line == "la"
    assert isinstance(predictor_for(Echo("hum", "sing")), Singer)  # one that nobody serves is passed over
    assert predictor_class("translate") is Translator  # ours stays ours


def test_a_program_that_nobody_serves() -> None:
    assert predictor_class("sing") is None
    with pytest.raises(UserError, match="echo: can do hum, sing, which this version of nlpseq does not know"):
        predictor_for(Echo("hum", "sing"))
    with pytest.raises(UserError, match="echo: can do nothing"):
        predictor_for(Echo())
