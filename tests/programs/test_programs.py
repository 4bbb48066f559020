"""Exported files, programs in this process and the Keras models do the same, whatever a model is built of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from nlpseq.export import inspection, tflite
from nlpseq.export.attachment import attach
from nlpseq.runtime.litert import ExportedFile
from nlpseq.runtime.predictor import predictor_for
from nlpseq.runtime.questions import Question
from nlpseq.tasks.base import Trained
from tests.tasks.tiny import tiny_task

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
VARIANTS = {
    "translation": [
        ("tokenizer.normalization=nmt_nfkc", "data.unit=sentence"),
        (
            "model.cell=gru", "model.attention=additive", "model.decoder_layers=1", "model.encoder_layers=2",
            "model.layer_norm=true", "decoding.beam=3", "decoding.length_penalty=0.5",
        ),
        (
            "model.cell=rnn", "model.bidirectional=false", "model.tie_embeddings=false", "tokenizer.shared=false",
            "decoding.longest_factor=1.5",
        ),
    ],
    "sentiment": [
        ("tokenizer.normalization=nmt_nfkc_cf", "model.zoneout=0.1", "model.zoneout_cell=0.1"),
        ("model.cell=gru", "model.pooling=attention", "model.language_model_weight=0.5", "model.weight_norm=true"),
        ("model.cell=rnn", "model.pooling=last", "model.layers=2"),
        ("model.pooling=last", "model.bidirectional=false"),
    ],
    "char-lm": [("model.weight_drop=0.3",), ("model.cell=gru", "model.layers=1", "tokenizer.vocabulary_size=5")],
}  # fmt: skip
CASES = [(name, settings) for name, variants in VARIANTS.items() for settings in variants]


class Both:
    """A tiny untrained model, used from a file and in this process."""

    def __init__(self, folder: Path, name: str, settings: tuple[str, ...]) -> None:
        keras.utils.set_random_seed(3)
        short = () if name == "char-lm" else ("data.max_length=64",)
        task, vocabulary = tiny_task(folder, name, *short, *settings)
        self.trained = Trained("tiny", task, task.network(vocabulary), vocabulary)
        for variable in self.trained.model.trainable_variables if name != "char-lm" else ():
            variable.assign(2 * variable.numpy())  # far from even answers
        if name == "char-lm":  # bytes that make no character are written one for one, or not at all
            bias = self.trained.model.output_layer.bias
            bias.assign(np.where(np.arange(bias.shape[0]) < 260, -60.0, 0.0))
        self.content = tflite.convert(self.trained.program(), "none")
        path = folder / "model.tflite"
        path.write_bytes(attach(self.content, {"task": name, **self.trained.program().facts()}))
        self.file: Any = predictor_for(ExportedFile(path))
        self.running: Any = self.trained.predictor()


@pytest.fixture(scope="module", params=CASES, ids=lambda case: "-".join((case[0], *case[1])))
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Both:
    return Both(tmp_path_factory.mktemp("model"), *request.param)


def test_every_runtime_can_run_it(both: Both) -> None:
    inspection.check(both.content)


def test_they_answer_alike(both: Both) -> None:
    """The file, the program in this process, and the Keras model with the libraries' tokenizers."""
    texts = [text for text in TEXTS if text.strip() or both.trained.task.facts.name != "char-lm"]
    questions = [Question(text.replace("\ud800", "\ufffd"), ("+",)) for text in texts if text]
    expected = both.trained.task.ask(both.trained, questions)
    for question, answer in zip(questions, expected, strict=True):
        for predictor in (both.file, both.running):
            found = predictor.answer(question)
            assert found.text == answer.text
            assert list(found.numbers) == list(answer.numbers)
            values = list(found.numbers.values()), list(answer.numbers.values())
            np.testing.assert_allclose(*values, atol=1e-4)


def test_one_predictor_over_both(both: Both) -> None:
    {"translation": _same_translations, "sentiment": _same_classes, "char-lm": _same_text}[
        both.trained.task.facts.name
    ](both.file, both.running)


def _same_translations(file: Any, running: Any) -> None:
    assert file.beam == running.beam
    for text in TEXTS:
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
        for options in ({}, {"temperature": 0.0}, {"top_k": 5, "top_p": 0.8, "temperature": 1.5}):
            found = file.generate(text, length=30, seed=seed, **options)
            assert found == running.generate(text, length=30, seed=seed, **options)
    assert file.score("The old cat")["nats_per_character"] == pytest.approx(
        running.score("The old cat")["nats_per_character"], abs=1e-4
    )


@pytest.mark.parametrize(
    "settings", [("model.cell=gru", "model.pooling=attention"), ("model.pooling=last",), ("model.pooling=max_mean",)]
)
def test_the_relevance_of_two_classes_sums_to_the_log_odds(tmp_path: Path, settings: tuple[str, ...]) -> None:
    keras.utils.set_random_seed(5)
    task, vocabulary = tiny_task(tmp_path, "sentiment", *settings)
    network = task.network(vocabulary)
    network.output_layer.bias.assign([0.7, -0.4])
    ids = np.array([vocabulary.tokenizers["text"].encode("a lovely game and a boring room")], np.int32)
    for given in (ids, np.pad(ids, [[0, 0], [0, 3]])):
        probabilities, relevance = (tensor.numpy()[0] for tensor in network.explain(given))
        best = int(probabilities.argmax())
        log_odds = np.log(probabilities[best] / probabilities[1 - best])
        bias = network.output_layer.bias.numpy()
        assert relevance.sum() == pytest.approx(log_odds - (bias[best] - bias[1 - best]), abs=1e-5)
        assert not relevance[ids.shape[1] :].any()
