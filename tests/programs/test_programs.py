"""Exported files do what the Keras models do, whatever a model is built of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from nlpseq.tasks.base import Program, Task, Vocabulary

from nlpseq.errors import UserError
from nlpseq.export import inspection, tflite
from nlpseq.export.metadata import attach
from nlpseq.runtime import models
from tests.tasks.test_tasks import tiny_task

TEXTS = [
    "two dogs",
    "a great film <BR/>with<br />a boring  play",
    "Où est la clé, naïve Zoë? 東京 🙂",
    "one cat " * 40,  # more than the model reads at once
    " \t",
    "",
    "a\nb",
    "x",
]
VARIANTS = {
    "translation": [
        (),
        ("model.cell=gru", "model.attention=additive", "model.decoder_layers=1", "model.encoder_layers=2"),
        ("model.cell=rnn", "model.bidirectional=false", "model.tie_embeddings=false", "tokenizer.shared=false"),
    ],
    "sentiment": [
        (),
        ("model.cell=gru", "model.pooling=attention", "model.language_model_weight=0.5"),
        ("model.cell=rnn", "model.pooling=last", "model.layers=2"),
        ("model.pooling=last", "model.bidirectional=false", "tokenizer.normalization=identity"),
        ("model.pooling=max_mean", "model.bidirectional=false"),
    ],
    "char-lm": [(), ("model.cell=gru", "model.layers=1"), ("model.cell=rnn", "tokenizer.vocabulary_size=5")],
}
CASES = [(name, settings) for name, variants in VARIANTS.items() for settings in variants]


class Exported:
    """A tiny untrained model, and the file made of it."""

    def __init__(self, folder: Path, name: str, settings: tuple[str, ...], quantization: str = "none") -> None:
        short = () if name == "char-lm" else ("data.max_length=64",)
        self.task: Task[Any]
        self.vocabulary: Vocabulary
        keras.utils.set_random_seed(3)
        self.task, self.vocabulary = tiny_task(folder, name, *short, *settings)
        self.model = self.task.build_model(self.vocabulary)
        if name != "char-lm":
            for variable in self.model.trainable_variables:  # far from even answers
                variable.assign(2 * variable.numpy())
        if name == "char-lm":  # bytes that make no character are written one for one, or not at all
            self.model.output_layer.bias.assign(np.where(np.arange(self.model.output_layer.units) < 260, -60.0, 0.0))
        self.program: Program = self.task.program(self.model, self.vocabulary)
        self.content = tflite.convert(self.program, quantization)
        facts = {
            "task": name,
            "unit": getattr(self.task.config.data, "unit", "text"),
            "labels": list(self.vocabulary.labels),
            "signatures": {signature.name: signature.sizes for signature in self.program.signatures},
            "pieces": list(self.program.pieces),
            "target_pieces": list(self.program.target_pieces),
        }
        path = folder / "model.tflite"
        path.write_bytes(attach(self.content, facts))
        self.file = models.load(str(path))
        self.keras = self.task.predictor(self.model, self.vocabulary)


@pytest.fixture(scope="module", params=CASES, ids=lambda case: "-".join((case[0], *case[1])))
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    return Exported(tmp_path_factory.mktemp("model"), *request.param)


def test_every_runtime_can_run_it(exported: Exported) -> None:
    inspection.check(exported.content)


def test_the_file_answers_as_the_keras_model_does(exported: Exported) -> None:
    {"translation": _same_translations, "sentiment": _same_classes, "char-lm": _same_text}[exported.task.name](exported)


def _same_translations(exported: Exported) -> None:
    for text in TEXTS:
        found, expected = exported.file.translate(text), exported.keras.translate(text, beam=4)
        if not text.strip():
            assert found.text == ""
            continue
        assert found.text == expected.text
        assert found.score == pytest.approx(expected.score, abs=1e-4)
        if "\n" not in text and "? " not in text and text != TEXTS[3]:  # those go in part by part
            assert found.pieces == expected.pieces
            assert found.source_pieces == expected.source_pieces
            np.testing.assert_allclose(found.alignment, expected.alignment, atol=1e-4)
            several = [(each.text, each.score) for each in exported.keras.n_best(text, beam=4, n_best=4)]
            others = [(each.text, each.score) for each in exported.file.n_best(text, 4)]
            assert [each[0] for each in others] == [each[0] for each in several]
            np.testing.assert_allclose([each[1] for each in others], [each[1] for each in several], atol=1e-4)
        assert exported.file.translate(text, greedy=True).text == exported.keras.translate(text, beam=1).text


def _same_classes(exported: Exported) -> None:
    for text in TEXTS:
        found, expected = exported.file.classify(text), exported.keras.classify(text)
        assert found.label == expected.label
        assert found.pieces == expected.pieces
        np.testing.assert_allclose(list(found.probabilities.values()), list(expected.probabilities.values()), atol=1e-5)
        np.testing.assert_allclose(found.relevance, expected.relevance, rtol=1e-3, atol=1e-3)


def _same_text(exported: Exported) -> None:
    for seed, text in enumerate(TEXTS):
        for options in ({}, {"temperature": 0.0}, {"top_k": 5, "top_p": 0.8, "temperature": 1.5}):
            found = exported.file.generate(text, length=30, seed=seed, **options)
            assert found.text == exported.keras.generate(text, length=30, seed=seed, **options).text
    questions = [("", "the cat"), ("The ", "old dög"), ("x", "y\nz")]
    expected = exported.task.answers(exported.model, exported.vocabulary, questions)
    found = [exported.task.file_answer(exported.file, question) for question in questions]
    np.testing.assert_allclose(np.array(found), np.array(expected), rtol=1e-5)


@pytest.mark.parametrize("name", sorted(VARIANTS))
def test_weights_of_8_bits_change_little(name: str, tmp_path: Path) -> None:
    exported = Exported(tmp_path, name, ("model.units=32", "model.embedding=32"), "int8")
    inspection.check(exported.content)
    examples = list(exported.task.examples("valid"))
    questions = exported.task.questions(examples)
    answers = [exported.task.file_answer(exported.file, question) for question in questions]
    expected = exported.task.answers(exported.model, exported.vocabulary, questions)
    of_model, of_file = (np.array([_number(answer) for answer in each]) for each in (expected, answers))
    assert (
        0 < np.abs(of_model - of_file).mean() < 0.1 * max(np.abs(of_model).mean(), 1)
    )  # not 0: they are other weights


def _number(answer: Any) -> float:
    """The score of a translation, the first probability, or the nats."""
    return answer[1] if isinstance(answer[0], str) else float(answer[0])


def test_the_relevance_of_two_classes_sums_to_the_log_odds(tmp_path: Path) -> None:
    for settings in VARIANTS["sentiment"]:
        keras.utils.set_random_seed(5)
        task, vocabulary = tiny_task(tmp_path, "sentiment", *settings)
        model = task.build_model(vocabulary)
        model.output_layer.bias.assign([0.7, -0.4])
        ids = np.array([vocabulary.tokenizers["text"].encode("a lovely game and a boring room")], np.int32)
        padded = np.pad(ids, [[0, 0], [0, 3]])
        for given in (ids, padded):
            probabilities, relevance = (tensor.numpy()[0] for tensor in model.explain(given))
            best = int(probabilities.argmax())
            log_odds = np.log(probabilities[best] / probabilities[1 - best])
            bias = model.output_layer.bias.numpy()
            assert relevance.sum() == pytest.approx(log_odds - (bias[best] - bias[1 - best]), abs=1e-5)
            assert not relevance[ids.shape[1] :].any()


def test_a_language_model_over_pieces_is_not_exported(tmp_path: Path) -> None:
    task, vocabulary = tiny_task(tmp_path, "char-lm", "tokenizer.kind=sentencepiece")
    with pytest.raises(UserError, match="--init-from"):
        task.program(task.build_model(vocabulary), vocabulary)
