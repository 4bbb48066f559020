"""What a twin in PyTorch is made of: a trained model's weights, sizes and tokenizers, written where it can read them.

A twin must not share a process with TensorFlow: its memory is measured.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.tensorflow_contenders import weight_name
from nlpseq.model_folder import FoundModel
from nlpseq.pipeline.loading import load, load_trained
from nlpseq.tasks.base import Trained
from nlpseq.text.tokenizers import BOS, EOS

_LENGTH = 24  # ids that logits are compared on


def write(model: FoundModel, file: Path) -> None:
    """Writes a twin's parts.

    Args:
        model: of a training, and its exported file, whose width of beam the twin takes.

    Raises:
        UserError: the training's model is not there.
        ValueError: there is no twin of such a network.
    """
    trained = load_trained(model)
    beam = load(model).backend.size("translate", "B") if model.task == "translation" else 0
    arrays: dict[str, Any] = {**parts(trained, beam)}
    np.savez(file, **arrays)


def parts(trained: Trained, beam: int) -> dict[str, np.ndarray]:
    """Arrays by name: weights, inputs with the logits that they give, tokenizers, and as JSON what else it takes."""
    task, network, vocabulary = trained.task, trained.model, trained.vocabulary
    first: dict[str, str] = {}
    names = {name: first.setdefault(reader.digest(), name) for name, reader in vocabulary.tokenizers.items()}
    inputs = examples(task.facts.name, [vocabulary.tokenizers[name].vocabulary_size for name in names])
    found = network(tuple(row[None] for row in inputs) if len(inputs) > 1 else inputs[0][None])
    facts = {
        "task": task.facts.name,
        "settings": settings_of(network),
        "tokenizers": names,
        "labels": list(vocabulary.labels),
        "limit": getattr(task.config.data, "max_length", 0),
        "beam": beam,
        "inputs": len(inputs),
    }
    return {
        "facts": np.frombuffer(json.dumps(facts).encode(), np.uint8),
        "logits": np.asarray(found)[0],
        **{f"input {index}": row for index, row in enumerate(inputs)},
        **{f"weight {weight_name(variable)}": variable.numpy() for variable in network.trainable_variables},
        **{
            f"tokenizer {name}": np.frombuffer(vocabulary.tokenizers[name].to_bytes(), np.uint8)
            for name in first.values()
        },
    }


def examples(task: str, sizes: list[int]) -> list[np.ndarray]:
    """Ids int32 [time] for each input of the network: a source and what was written before, or a text."""
    random = np.random.default_rng(1)
    drawn = [random.integers(EOS + 1, size, _LENGTH).astype(np.int32) for size in sizes]
    if task == "translation":
        drawn[0][-1], drawn[1][0] = EOS, BOS
    return drawn


def settings_of(network: Any) -> dict[str, Any]:
    """What a twin of a Keras model is built of.

    Raises:
        ValueError: there is no twin of such a network.
    """
    config = network.get_config()
    settings = {**config, **config["settings"]}
    settings = {key: value for key, value in settings.items() if isinstance(value, (bool, int, str))}
    for normalization in ("layer_norm", "weight_norm"):
        if settings.get(normalization):
            raise ValueError(f"{normalization} is on: twins have plain LSTMs")
    if settings["cell"] != "lstm":
        raise ValueError(f"cells are {settings['cell']}: twins are of LSTMs")
    if settings.get("attention", "multiplicative") != "multiplicative":
        raise ValueError(f"attention is {settings['attention']}: twins have the multiplicative one")
    if settings.get("pooling", "max_mean") != "max_mean":
        raise ValueError(f"pooling is {settings['pooling']}: twins have max_mean")
    return settings
