"""Tiny untrained models of all that a model can be built of, and their programs as files."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace
from pathlib import Path

import keras

from nlpseq.export import inspection, tflite
from nlpseq.export.attachment import attach
from nlpseq.tasks.base import Trained
from tests.tasks.tiny import tiny_task

LARGER = ("model.units=32", "model.embedding=32")  # weights of fewer than 1,024 values keep their 32 bits
# Normalization by a table makes a graph that takes long to convert: one variant has it.
VARIANTS = {
    "translation": [
        ("data.unit=sentence", *LARGER),
        (
            "model.cell=gru", "model.attention=additive", "model.decoder_layers=1", "model.encoder_layers=2",
            "model.bidirectional=false", "model.tie_embeddings=false", "tokenizer.shared=false",
            "tokenizer.kind=characters",
            "model.layer_norm=true", "decoding.beam=3", "decoding.length_penalty=0.5", "decoding.longest_factor=1.5",
            "decoding.characters_factor=0.5",
        ),
    ],
    "sentiment": [
        ("model.cell=gru", "model.pooling=attention", "model.language_model_weight=0.5", "model.weight_norm=true",
         *LARGER),
        ("tokenizer.normalization=nmt_nfkc_cf", "model.zoneout=0.1", "model.zoneout_cell=0.1", "model.layers=2"),
        ("model.cell=rnn", "model.pooling=last", "model.bidirectional=false", "tokenizer.kind=characters"),
    ],
    "char-lm": [
        ("model.weight_drop=0.3", *LARGER),
        ("model.cell=gru", "model.layers=1", "tokenizer.vocabulary_size=5"),
    ],
}  # fmt: skip
# What `ask` is held against is in each file; the same with another search or another draw is in the first of a task.
ANSWERING, OTHERS = ("translate", "classify", "generate", "score"), ("translate_greedy", "sample")


def untrained(folder: Path, name: str, place: int) -> Trained:
    """The model of a variant, always with the same weights; its data goes into the folder."""
    keras.utils.set_random_seed(3)
    short = () if name == "char-lm" else ("data.max_length=64",)
    task, vocabulary = tiny_task(folder, name, *short, *VARIANTS[name][place])
    trained = Trained("tiny", task, task.network(vocabulary), vocabulary)
    for variable in trained.model.trainable_variables if name != "char-lm" else ():
        variable.assign(2 * variable.numpy())  # far from even answers
    return trained


def converted(trained: Trained, quantization: str, folder: Path, signatures: Container[str]) -> Path:
    """Some of what the model can do as a file, which every runtime can run."""
    program = trained.program()
    program = replace(program, signatures=tuple(each for each in program.signatures if each.name in signatures))
    content = tflite.convert(program, quantization)
    inspection.check(content)
    path = folder / f"{quantization}.tflite"
    path.write_bytes(attach(content, {"task": trained.task.facts.name, **program.facts()}))
    return path


def write_program(name: str, folder: Path) -> None:
    """All that the first variant can do, as a file of 32-bit weights in a new folder."""
    folder.mkdir()
    converted(untrained(folder, name, 0), "none", folder, (*ANSWERING, *OTHERS))
