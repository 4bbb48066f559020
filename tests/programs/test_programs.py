"""Exported files, programs in this process and the Keras models do the same, whatever a model is built of."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import runtimes
from nlpseq.programs.classify import fitting, ids_to_read
from nlpseq.programs.translate import previous_pieces
from nlpseq.runtime.litert import ExportedFile
from nlpseq.runtime.predictor import predictor_for
from nlpseq.runtime.questions import Question
from nlpseq.tasks.base import Trained
from nlpseq.text.tokenizers import EOS
from tests.programs.untrained import ANSWERING, VARIANTS, converted, untrained

TEXTS = [
    "two dogs",
    "a great film <BR/>with<br />a boring  play",
    "Où est la clé, naïve Zoë? 東京 🙂",
    "one cat " * 40,  # more than the model reads at once
    " \t",
    "",
    "a\nb",
    "x",
    "half \ud800 a character",
]
PLAIN = [text for text in TEXTS if len(text) < 100 and "\ud800" not in text]
WINDOWS = [("the cat", ""), ("old dög", "The "), ("y\nz", "x"), ("東京 🙂", "Où"), ("one cat " * 40, "two ")]
RUNTIMES = {"interpreter": runtimes.in_interpreter, "CompiledModel": runtimes.in_compiled_model}
CASES = [(name, place) for name, variants in VARIANTS.items() for place in range(len(variants))]


class Both:
    """A tiny untrained model, used from a file and in this process."""

    def __init__(self, trained: Trained, path: Path) -> None:
        self.trained, self.path = trained, path
        self.running: Any = trained.predictor()
        self.file: Any = predictor_for(ExportedFile(path))

    @property
    def task(self) -> str:
        return self.trained.task.facts.name

    def questions(self) -> list[Question]:
        """What a file and the Keras model are asked."""
        if self.task == "char-lm":
            return [Question(text, context=context) for text, context in WINDOWS]
        return [Question(text.replace("\ud800", "\ufffd"), ("+",)) for text in TEXTS if text]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, program_file: Callable[[str], Path]) -> Callable[[str, int], Both]:
    @cache
    def make(name: str, place: int) -> Both:
        folder = tmp_path_factory.mktemp(name)
        trained = untrained(folder, name, place)
        return Both(trained, converted(trained, "none", folder, ANSWERING) if place else program_file(name))

    return make


@pytest.fixture(params=CASES, ids=lambda case: "-".join((case[0], *VARIANTS[case[0]][case[1]])))
def both(request: pytest.FixtureRequest, made: Callable[[str, int], Both]) -> Both:
    return made(*request.param)


def test_they_answer_alike(both: Both) -> None:
    """The file, the program in this process, and the Keras model with the libraries' tokenizers."""
    questions = both.questions()
    for question, answer in zip(questions, both.trained.task.ask(both.trained, questions), strict=True):
        for predictor in (both.file, both.running):
            found = predictor.answer(question)
            assert found.text == answer.text
            assert list(found.numbers) == list(answer.numbers)
            values = list(found.numbers.values()), list(answer.numbers.values())
            np.testing.assert_allclose(*values, atol=1e-4)


def test_translations_do_not_run_away(made: Callable[[str, int], Both]) -> None:
    """Untrained models would repeat one piece to the end."""
    for text in ("x", "two dogs", "1 2 3", "🙂", "a great film with a boring play", "b" * 40):
        for place in range(len(VARIANTS["translation"])):
            both = made("translation", place)
            found = both.file.translate(text)
            assert found.text.strip()
            parts = [found.pieces[begin : begin + 4] for begin in range(len(found.pieces) - 11)]
            repeats = text == "b" * 40  # so a translation may
            assert repeats or not any(part * 3 == found.pieces[begin : begin + 12] for begin, part in enumerate(parts))
            if factor := both.trained.task.config.decoding.characters_factor:
                assert len(found.text) <= factor * len(text) + 20


def test_what_the_file_tells_besides_is_the_networks(both: Both) -> None:
    """Pieces, attention, relevance and greedy text, step by step in Keras."""
    {"translation": _attention, "sentiment": _relevance, "char-lm": _greedy_text}[both.task](both)


def _attention(both: Both) -> None:
    source, target = (both.trained.vocabulary.tokenizers[side] for side in ("source", "target"))
    names = {piece: index for index, piece in enumerate(target.pieces(range(target.vocabulary_size)))}
    for text in ("two dogs", "Où est la clé"):
        found = both.file.translate(text)
        given = [*source.encode(text), EOS]
        assert list(found.source_pieces) == source.pieces(given)
        written = np.array([[names[piece] for piece in found.pieces]], np.int32)
        memory, states = both.trained.model.encode(np.array([given], np.int32))
        _, weights, _ = both.trained.model.decode(previous_pieces(written), states, memory)
        np.testing.assert_allclose([list(row) for row in found.alignment], weights[0], atol=1e-4)


def _relevance(both: Both) -> None:
    tokenizer = both.trained.vocabulary.tokenizers["text"]
    for text in ("two dogs", "a great film <BR/>with<br />a boring  play", "", "one cat " * 40):
        found = both.file.classify(text)
        whole = ids_to_read(text, tokenizer)
        given = fitting(whole, both.trained.task.config.data.max_length)
        assert list(found.pieces) == tokenizer.pieces(given)
        assert found.cut == (len(given) < len(whole))
        _, relevance = both.trained.model.explain(np.array([given], np.int32))
        np.testing.assert_allclose(found.relevance, relevance[0], rtol=1e-3, atol=1e-4)


def _greedy_text(both: Both) -> None:
    tokenizer = both.trained.vocabulary.tokenizers["text"]
    for prompt in ("The old cät", ""):
        ids = tokenizer.encode(prompt or "\n")
        for _ in range(8):
            logits = both.trained.model(np.array([ids], np.int32))[0, -1].numpy()
            logits[tokenizer.never_learnt()] = -np.inf
            ids.append(int(np.argmax(logits)))
        expected = tokenizer.decode(ids if prompt else ids[1:])
        assert both.file.generate(prompt, length=8, temperature=0.0).text == expected


def test_one_predictor_over_both(both: Both) -> None:
    {"translation": _same_translations, "sentiment": _same_classes, "char-lm": _same_text}[both.task](
        both.file, both.running
    )


def test_compiled_model_gives_what_the_interpreter_gives(both: Both) -> None:
    for signature in runtimes.signatures(both.path):
        for result in runtimes.compare(both.path, signature, PLAIN, RUNTIMES)[1:]:
            assert result.equal == result.calls
            assert result.difference < 1e-4


@pytest.mark.parametrize("name", VARIANTS)
def test_weights_of_8_bits_change_little(name: str, made: Callable[[str, int], Both], tmp_path: Path) -> None:
    both = made(name, 0)
    path = converted(both.trained, "int8", tmp_path, ANSWERING)
    assert path.stat().st_size < both.path.stat().st_size
    predictor, questions = type(both.file)(ExportedFile(path)), both.questions()
    expected = both.trained.task.ask(both.trained, questions)
    of_keras, of_file = (
        np.array([next(iter(answer.numbers.values())) for answer in answers])
        for answers in (expected, [predictor.answer(question) for question in questions])
    )
    # Not 0: they are other weights.
    assert 0 < np.abs(of_keras - of_file).mean() < 0.1 * max(np.abs(of_keras).mean(), 1)


def _same_translations(file: Any, running: Any) -> None:
    assert file.beam == running.beam
    for text in TEXTS:
        if file.backend.has("translate_greedy"):
            assert file.translate(text, greedy=True).text == running.translate(text, greedy=True).text
        for found, expected in zip(file.n_best(text, 2), running.n_best(text, 2), strict=True):
            assert (found.text, found.pieces) == (expected.text, expected.pieces)
            assert found.source_pieces == expected.source_pieces
            assert found.score == pytest.approx(expected.score, abs=1e-4)
            rows = [list(row) for row in found.alignment], [list(row) for row in expected.alignment]
            np.testing.assert_allclose(*rows, atol=1e-4)


def _same_classes(file: Any, running: Any) -> None:
    for text in TEXTS:
        found, expected = file.classify(text), running.classify(text)
        assert (found.label, found.pieces, found.cut) == (expected.label, expected.pieces, expected.cut)
        np.testing.assert_allclose(found.relevance, expected.relevance, rtol=1e-3, atol=1e-3)


def _same_text(file: Any, running: Any) -> None:
    for seed, text in enumerate(TEXTS):
        drawn_from_few = [{"top_k": 5, "top_p": 0.8, "temperature": 1.5}] if file.backend.has("sample") else []
        for options in ({}, {"temperature": 0.0}, *drawn_from_few):
            found = file.generate(text, length=30, seed=seed, **options)
            assert found == running.generate(text, length=30, seed=seed, **options)
    assert file.score("The old cat")["nats_per_character"] == pytest.approx(
        running.score("The old cat")["nats_per_character"], abs=1e-4
    )
