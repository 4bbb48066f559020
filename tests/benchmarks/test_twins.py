"""Twins for using a model are the same network: logits, texts and labels of the Keras model, with any weights."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import latency, tensorflow_contenders, twins
from nlpseq import model_folder
from nlpseq.config import from_toml
from nlpseq.data.samples import phrasebook
from nlpseq.runtime.questions import Question
from nlpseq.tasks import task_class
from nlpseq.tasks.base import Trained
from nlpseq.text.tokenizers import Characters, SentencePiece
from nlpseq.text.vocabulary import Vocabulary

pytest.importorskip("torch")

from benchmarks import pytorch_inference
from benchmarks.pytorch_inference import FLOAT32, INT8

TEXTS = ("Where is the station?", "I would like two tickets, please.", "Zoë")
SIZES: dict[str, list[str]] = {
    "translation": ["units=8", "embedding=6", "encoder_layers=2", "decoder_layers=3"],
    "translation-plain": ["units=8", "embedding=6", "bidirectional=false", "tie_embeddings=false", "decoder_layers=1"],
    "sentiment": ["units=8", "embedding=6"],
    "sentiment-plain": ["units=8", "embedding=6", "bidirectional=false", "layers=2"],
    "char-lm": ["units=8", "embedding=6", "layers=3"],
}


@pytest.fixture(scope="module")
def pieces() -> SentencePiece:
    return SentencePiece.train([source for source, _ in phrasebook.pairs()][:2000], 400)


def trained(kind: str, pieces: SentencePiece) -> Trained:
    """A model with weights that no initializer gives."""
    name = kind.removesuffix("-plain")
    task_type = task_class(name)
    settings = [f"model.{setting}" for setting in SIZES[kind]]
    settings += ["decoding.beam=3"] if name == "translation" else []
    task = task_type(from_toml(task_type.facts.config_type, None, settings))
    tokenizers: dict[str, Any] = {"text": Characters(sorted(set("".join(TEXTS[:2]) + "\n")))}
    if name != "char-lm":
        tokenizers = dict.fromkeys(task.facts.columns if name == "translation" else ("text",), pieces)
    vocabulary = Vocabulary(tokenizers, ("bad", "good", "neither") if name == "sentiment" else ())
    network = task.network(vocabulary)
    tensorflow_contenders.load(network, weights)
    return Trained("random", task, network, vocabulary)


def weights(path: str, shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(zlib.crc32(path.encode())).normal(0, 0.5, shape).astype(np.float32)


def twin_of(model: Trained, kind: str, folder: Path, **changed: np.ndarray) -> pytorch_inference.Twin:
    """Its twin; loading it compares logits."""
    arrays: dict[str, Any] = {**twins.parts(model, beam=3), **changed}
    np.savez(folder / "parts.npz", **arrays)
    return pytorch_inference.load(str(folder / "parts.npz"), kind)


@pytest.mark.parametrize("kind", SIZES)
def test_a_twin_says_what_the_keras_model_says(kind: str, pieces: SentencePiece, tmp_path: Path) -> None:
    model = trained(kind, pieces)
    twin, task = twin_of(model, FLOAT32, tmp_path), model.task
    if task.facts.name == "translation":
        for greedy in (True, False):
            expected = [answer.text for answer in task.ask(model, [Question(text) for text in TEXTS], quick=greedy)]
            assert [twin.answer("translate", text, greedy=greedy) for text in TEXTS] == expected
    elif task.facts.name == "sentiment":
        expected = [answer.text for answer in task.ask(model, [Question(text, ("good",)) for text in TEXTS])]
        assert [twin.answer("classify", text) for text in TEXTS] == expected
    else:
        predictor: Any = model.predictor()
        for text in TEXTS:
            twin.answer("generate", text, length=20, temperature=0.8, top_k=1, top_p=0.5)
            assert twin.written == predictor.generate(text, length=20, temperature=0).text
            assert float(twin.answer("score", text)) == pytest.approx(
                predictor.score(text)["nats_per_character"], abs=0.006
            )


@pytest.mark.parametrize("kind", ["translation", "sentiment", "char-lm"])
def test_a_quantized_twin_is_near(kind: str, pieces: SentencePiece, tmp_path: Path) -> None:
    model = trained(kind, pieces)
    twin = twin_of(model, INT8, tmp_path)
    apart = float(twin.facts["note"].rpartition(" ")[2].rstrip("."))
    assert 0 < apart < 0.5
    tokenizer = next(iter(model.vocabulary.tokenizers.values()))
    assert twin.facts["file_bytes"] > len(tokenizer.to_bytes())


def test_a_twin_with_other_weights_is_refused(pieces: SentencePiece, tmp_path: Path) -> None:
    model = trained("sentiment", pieces)
    other = model.model.output_layer.bias.numpy() + np.float32([0, 0.01, 0])
    with pytest.raises(ValueError, match=r"logits differ from those of the Keras model by 0\.01"):
        twin_of(model, FLOAT32, tmp_path, **{"weight classes/bias": other})


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"cell": "gru"}, "cells are gru"),
        ({"cell": "lstm", "layer_norm": True}, "layer_norm is on"),
        ({"cell": "lstm", "attention": "additive"}, "attention is additive"),
        ({"cell": "lstm", "pooling": "last"}, "pooling is last"),
    ],
)
def test_a_network_without_a_twin_is_told(settings: dict[str, Any], problem: str) -> None:
    class Network:
        def get_config(self) -> dict[str, Any]:
            return {"settings": settings}

    with pytest.raises(ValueError, match=problem):
        twins.settings_of(Network())


def test_a_file_alone_has_no_twin(toy_files: dict[str, Path], tmp_path: Path) -> None:
    found = {"toy": model_folder.find(str(toy_files["sentiment"]))}
    contenders, missing = latency.twin_contenders(found, None, ["float32"], tmp_path)
    assert contenders == []
    assert missing == ["no folder has model.keras, whose weights they take: give one with --trained"]
