"""Contenders are the same model: as many weights, and the same loss from the same weights."""

from __future__ import annotations

import importlib.util
import zlib
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from benchmarks import first_step, tensorflow_contenders
from benchmarks.tensorflow_contenders import KerasLanguageModelling, task_of, vocabulary_of
from benchmarks.workload import CharLM, Translation
from nlpseq.config import assign, from_toml, named_task
from nlpseq.tasks import task_class

CHARACTERS = [
    CharLM(cell=cell, units=8, batch=4, length=6, embedding=5, vocabulary=20, precision="float32")
    for cell in ("lstm", "gru")
]
PAIRS = Translation(units=8, embedding=6, sentences=4, vocabulary=40, dropout=0.0)

RECIPES = sorted(tensorflow_contenders.RECIPES.glob("*.toml"))


def weights(path: str, shape: tuple[int, ...]) -> np.ndarray:
    """Biases too, so that a gate in the wrong place shows."""
    return np.random.default_rng(zlib.crc32(path.encode())).normal(0, 0.3, shape).astype(np.float32)


def loaded(sizes: Any, *task_class: type) -> tuple[Any, Any]:
    """The task, and its model with those weights."""
    task = task_of(sizes, *task_class)
    model = task.network(vocabulary_of(sizes))
    tensorflow_contenders.load(model, weights)
    return task, model


def losses(task: Any, model: Any, sizes: Any, steps: int) -> list[float]:
    """Mean losses of the first batches; streams go on from one to the next."""
    state = task.initial_state(model, len(sizes.fields(0)[0]))
    result = []
    for step in range(steps):
        found, state = task.losses(model, tuple(map(tf.constant, sizes.fields(step))), state)
        result.append(float(found["cross_entropy"].total) / float(found["cross_entropy"].count))
    return result


@pytest.mark.parametrize("sizes", CHARACTERS, ids=["lstm", "gru"])
def test_keras_contender_is_our_model(sizes: CharLM) -> None:
    task, model = loaded(sizes)
    keras_task, keras_model = loaded(sizes, KerasLanguageModelling)
    assert keras_model.count_params() == model.count_params()
    assert losses(keras_task, keras_model, sizes, 2) == pytest.approx(losses(task, model, sizes, 2), abs=1e-5)


@pytest.mark.parametrize("sizes", [*CHARACTERS, PAIRS], ids=["lstm", "gru", "translation"])
def test_pytorch_twin_is_our_model(sizes: Any) -> None:
    pytest.importorskip("torch")
    from benchmarks import pytorch_contenders

    task, model = loaded(sizes)
    twin = pytorch_contenders.twin(sizes, weights)
    assert sum(parameter.numel() for parameter in pytorch_contenders.trained(twin)) == model.count_params()
    loss_of = pytorch_contenders.loss_function(twin, sizes)
    found = [float(loss_of(step).detach()) for step in range(2)]
    assert found == pytest.approx(losses(task, model, sizes, 2), abs=1e-4)


def test_all_learn_the_same() -> None:
    sizes = CHARACTERS[0]
    contenders = [tensorflow_contenders.nlpseq(sizes), tensorflow_contenders.keras_threads(sizes)]
    if importlib.util.find_spec("torch"):
        from benchmarks import pytorch_contenders

        contenders.append(pytorch_contenders.pytorch(sizes))
    learnt = [[step(number) for number in range(4)] for step in contenders]
    for others in learnt[1:]:
        assert others == pytest.approx(learnt[0], abs=1e-5)


def test_translation_is_the_recipe() -> None:
    """But for the average of the weights, which only nlpseq keeps, and the precision, which the command line says."""
    recipe = from_toml(
        task_class("translation").facts.config_type, tensorflow_contenders.RECIPES / "multi30k-en-de.toml"
    )
    ours = task_of(Translation()).config
    for setting in ("training.ema", "training.precision"):
        recipe = assign(recipe, setting, attrgetter(setting)(ours))
    assert ours == recipe
    assert Translation().vocabulary == recipe.tokenizer.vocabulary_size


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_shapes_of_a_recipe_differ(recipe: Path) -> None:
    kind = task_class(named_task(recipe) or "")
    task = kind(from_toml(kind.facts.config_type, recipe))
    vocabulary = first_step.vocabulary_of(task)
    batches = first_step.different_shapes(task, vocabulary, 2)
    shapes = [tuple(field.shape for field in fields) for fields in batches]
    assert len(set(shapes)) == len(shapes)
    assert len(shapes) > 1 or task.facts.name == "char-lm"
    assert all(fields[0].shape[0] % 2 == 0 for fields in batches)
