"""Small networks of each kind, with something to put in."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from nlpseq.networks.encoder_decoder import EncoderDecoder, EncoderDecoderConfig
from nlpseq.networks.language_model import LanguageModel, LanguageModelConfig
from nlpseq.networks.network import Network
from nlpseq.networks.recurrent_classifier import ClassifierConfig, RecurrentClassifier

CELLS = ("rnn", "lstm", "gru")
KINDS = ("language model", "classifier", "encoder-decoder")
VOCABULARY, CLASSES = 23, 3
SMALL = {"units": 6, "embedding": 5}

_PARTS: dict[str, tuple[type, type, dict[str, Any]]] = {
    "language model": (LanguageModel, LanguageModelConfig, {"vocabulary": VOCABULARY}),
    "classifier": (RecurrentClassifier, ClassifierConfig, {"vocabulary": VOCABULARY, "classes": CLASSES}),
    "encoder-decoder": (
        EncoderDecoder,
        EncoderDecoderConfig,
        {"source_vocabulary": VOCABULARY, "target_vocabulary": VOCABULARY, "shared_vocabulary": True},
    ),
}


def network(kind: str, *, sizes: dict[str, Any] | None = None, seed: int = 1, **settings: Any) -> Any:
    """A small network, built. The seed is that of its weights and masks. Its vectors are large, so that ids count."""
    network_type, config_type, usual = _PARTS[kind]
    keras.utils.set_random_seed(seed)
    built: Network = network_type(config_type(**{**SMALL, **settings}), **{**usual, **(sizes or {})})
    built.build()
    for variable in built.trainable_variables:
        if variable.path.endswith("/embeddings"):
            variable.assign(np.random.default_rng(seed).normal(size=variable.shape))
    return built


def without_dropout(kind: str, **settings: Any) -> Any:
    """A small network whose only randomness is what the settings say."""
    off = {"dropout": 0.0, **({"word_dropout": 0.0} if kind == "classifier" else {})}
    return network(kind, **{**off, **settings})


def inputs(kind: str) -> Any:
    """Ids of three texts of different lengths, as the network takes them."""
    random = np.random.default_rng(3)
    ids = random.integers(4, VOCABULARY, (3, 5), dtype=np.int32)
    if kind == "language model":
        return ids
    ids[1, 3:] = ids[2, 4:] = 0
    return (ids, random.integers(4, VOCABULARY, (3, 3), dtype=np.int32)) if kind == "encoder-decoder" else ids


def targets(kind: str) -> np.ndarray:
    """What the network should say of :func:`inputs`."""
    given = inputs(kind)
    return np.array([0, 1, 2]) if kind == "classifier" else (given[1] if isinstance(given, tuple) else given)
