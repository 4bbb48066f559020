"""Training from a SPEC to a model folder, and going on after it was stopped."""

from __future__ import annotations

import itertools
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nlpseq.tasks import task_class

from nlpseq import config as configuration
from nlpseq.errors import MachineError, UserError
from nlpseq.runtime import models
from nlpseq.training import checkpoints, run, trainer
from nlpseq.training.run import Request, train
from nlpseq.training.trainer import Interrupted
from tests.tasks.test_tasks import TINY, write_data

ROOT = Path(__file__).parent.parent.parent


class Silent:
    """A display that remembers what it was told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def begin(self, *_: Any) -> None: ...
    def advance(self, *_: Any) -> None: ...
    def end(self, line: str) -> None:
        self.lines.append(line)

    def say(self, line: str) -> None:
        self.lines.append(line)


def request(folder: Path, task: str, data: Path, *settings: str, **options: Any) -> Request:
    task_type = task_class(task)
    fraction = [] if task == "char-lm" else ["data.valid_fraction=0.2", "training.batch_tokens=64"]
    config = configuration.from_toml(
        task_type.config_type,
        None,
        [*TINY[task], *fraction, "training.epochs=2", "training.replicas=1", "training.export=false", *settings],
    )
    config.data.train = str(data)
    return Request(task, config, folder, **options)


def final_weights(folder: Path) -> list[np.ndarray]:
    groups, _ = checkpoints.load(folder / "checkpoints" / "last.npz")
    return [*groups["model"], *groups["average"], *groups["optimizer"]]


@pytest.mark.parametrize("task", sorted(TINY))
def test_a_run_leaves_a_complete_folder(tmp_path: Path, task: str) -> None:
    folder = tmp_path / "model"
    metrics = train(request(folder, task, write_data(tmp_path, task)), Silent())
    names = {path.name for path in folder.iterdir()}
    assert {"config.toml", "model.keras", "history.jsonl", "metrics.json", "curves.png", "MODEL_CARD.md"} <= names
    assert not [name for name in names if name.startswith(".")]
    assert json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["valid"].keys() == metrics["valid"].keys()
    history = [json.loads(line) for line in (folder / "history.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["epoch"] for line in history] == [1, 2]

    found = models.find(str(folder))
    assert found.task == task
    predictor = models.load_keras(found)
    assert hasattr(predictor, {"char-lm": "generate", "sentiment": "classify", "translation": "translate"}[task])
    # The saved model is the one that was measured.
    loaded_task, model, vocabulary = models.load_parts(found)
    again = loaded_task.evaluate(model, vocabulary, loaded_task.examples("valid"), final=True)
    name = loaded_task.metric.name
    assert again[name] == pytest.approx(metrics["valid"][name], rel=1e-4)


@contextmanager
def stopping_after(steps: int, how: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Stops the run after so many steps: by a signal, or as a kill does, with nothing written at the end."""
    original = trainer.learning_rate
    with monkeypatch.context() as patch:

        def counted(config: Any, step: int, progress: float) -> float:
            if step == steps:
                if how == "kill":
                    raise MemoryError("killed")
                signal.raise_signal(signal.SIGINT)
            return original(config, step, progress)

        patch.setattr(trainer, "learning_rate", counted)
        yield


@pytest.mark.parametrize("task", sorted(TINY))
@pytest.mark.parametrize("how", ["signal", "kill"])
@pytest.mark.parametrize("steps", [3, 11])
def test_a_stopped_run_reaches_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str, how: str, steps: int
) -> None:
    data = write_data(tmp_path, task)
    # A checkpoint at every step would hide what is missing in it; 0.0003 minutes leave some steps between.
    settings = ("training.checkpoint_minutes=0.0003",)
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    train(request(whole, task, data, *settings), Silent())
    with stopping_after(steps, how, monkeypatch), pytest.raises((Interrupted, MemoryError)):
        train(request(stopped, task, data, *settings), Silent())
    assert not (stopped / "model.keras").exists()
    train(Request(task, None, stopped, resume=True), Silent())
    for expected, found in zip(final_weights(whole), final_weights(stopped), strict=True):
        np.testing.assert_array_equal(found, expected)

    def losses(folder: Path) -> list[tuple[int, float]]:
        lines = (folder / "history.jsonl").read_text(encoding="utf-8").splitlines()
        return [(json.loads(line)["step"], json.loads(line)["loss"]) for line in lines]

    assert losses(stopped) == losses(whole)


def test_resuming_a_finished_run_changes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    train(request(folder, "sentiment", write_data(tmp_path, "sentiment")), Silent())
    before = final_weights(folder)
    train(Request("sentiment", None, folder, resume=True), Silent())
    for expected, found in zip(before, final_weights(folder), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_seeds_decide(tmp_path: Path) -> None:
    data = write_data(tmp_path, "sentiment")
    for name, seed in (("one", 1), ("again", 1), ("other", 2)):
        train(request(tmp_path / name, "sentiment", data, f"training.seed={seed}", "training.epochs=1"), Silent())
    one, again, other = (final_weights(tmp_path / name)[0] for name in ("one", "again", "other"))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)


def test_a_taken_folder_is_left_alone(tmp_path: Path) -> None:
    data = write_data(tmp_path, "sentiment")
    folder = tmp_path / "model"
    train(request(folder, "sentiment", data, "training.epochs=1"), Silent())
    (folder / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(UserError, match="a finished model here: --overwrite"):
        train(request(folder, "sentiment", data), Silent())
    before = (folder / "model.keras").read_bytes()
    bad = tmp_path / "bad.tsv"
    bad.write_bytes(b"text\tlabel\ngood\t1\nbad \xff\t0\n")
    with pytest.raises(UserError, match=r"bad.tsv, line 3"):
        train(request(folder, "sentiment", bad, overwrite=True), Silent())
    assert (folder / "model.keras").read_bytes() == before  # bad data is found before the old model goes
    train(request(folder, "sentiment", data, "training.epochs=1", overwrite=True), Silent())
    assert (folder / "notes.txt").read_text(encoding="utf-8") == "mine"

    somewhere = tmp_path / "photos"
    somewhere.mkdir()
    (somewhere / "a.jpg").write_bytes(b"x")
    with pytest.raises(UserError, match="holds something else"):
        train(request(somewhere, "sentiment", data, overwrite=True), Silent())


def test_resume_says_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nothing to resume"):
        train(Request("sentiment", None, tmp_path / "none", resume=True), Silent())
    folder = tmp_path / "model"
    train(request(folder, "sentiment", write_data(tmp_path, "sentiment"), "training.epochs=1"), Silent())
    with pytest.raises(UserError, match="this is a sentiment model"):
        train(Request("char-lm", None, folder, resume=True), Silent())
    (folder / "checkpoints" / "last.npz").write_bytes(b"PK")
    with pytest.raises(UserError, match="checkpoint is damaged"):
        train(Request("sentiment", None, folder, resume=True), Silent())
    (folder / "config.toml").write_text('task = "senti', encoding="utf-8")
    with pytest.raises(UserError, match=r"config.toml: cut off"):
        train(Request("sentiment", None, folder, resume=True), Silent())


def test_a_full_disk_is_said_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, folder = write_data(tmp_path, "sentiment"), tmp_path / "model"
    original = checkpoints.save

    def full(path: Path, *arguments: Any) -> None:
        if path.name == "last.npz" and path.exists():
            raise OSError(28, "No space left on device", str(path))
        original(path, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(trainer.checkpoints, "save", full)
        with pytest.raises(MachineError, match=r"disk is full.*--resume"):
            train(request(folder, "sentiment", data), Silent())
    train(Request("sentiment", None, folder, resume=True), Silent())
    assert (folder / "model.keras").exists()


def test_transfer_from_a_language_model(tmp_path: Path) -> None:
    """Embedding and recurrent weights of the language model are where the classifier starts."""
    pretrained = tmp_path / "pretrained"
    settings = ("tokenizer.kind=sentencepiece", "model.units=8", "model.layers=1", "training.epochs=1")
    train(request(pretrained, "char-lm", write_data(tmp_path, "char-lm"), *settings), Silent())
    _, language_model, _ = models.load_parts(models.find(str(pretrained)))
    wanted = {variable.path.partition("/")[2]: variable.numpy() for variable in language_model.trainable_variables}

    folder, display = tmp_path / "model", Silent()
    seen: dict[str, np.ndarray] = {}
    original = run._transfer

    def watched(task: Any, model: Any, display: Any) -> None:
        original(task, model, display)
        seen.update({variable.path.partition("/")[2]: variable.numpy() for variable in model.trainable_variables})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "_transfer", watched)
        data = write_data(tmp_path, "sentiment")
        train(request(folder, "sentiment", data, f"training.init_from={pretrained}"), display)
    np.testing.assert_array_equal(seen["embedding/embeddings"], wanted["embedding/embeddings"])
    for name in ("kernel", "recurrent_kernel", "bias"):
        forward = seen[f"encoder/layer_0/forward/{name}"]
        np.testing.assert_array_equal(forward, wanted[f"encoder/layer_0/{name}"])
    assert any("taken over" in line for line in display.lines)
    with pytest.raises(UserError, match="no weight fits"):
        train(
            request(
                tmp_path / "x", "sentiment", data, f"training.init_from={pretrained}", "model.units=5",
                "model.embedding=6",
            ),
            Silent(),
        )  # fmt: skip


def test_a_run_goes_on_without_the_model_that_it_started_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, pretrained = write_data(tmp_path, "sentiment"), tmp_path / "pretrained"
    train(request(pretrained, "sentiment", data, "training.epochs=1"), Silent())
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    train(request(whole, "sentiment", data, f"training.init_from={pretrained}"), Silent())
    with stopping_after(11, "signal", monkeypatch), pytest.raises(Interrupted):
        train(request(stopped, "sentiment", data, f"training.init_from={pretrained}"), Silent())
    shutil.rmtree(pretrained)
    train(Request("sentiment", None, stopped, resume=True), Silent())
    for expected, found in zip(final_weights(whole), final_weights(stopped), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_model_is_not_overwritten_from_itself(tmp_path: Path) -> None:
    data, folder = write_data(tmp_path, "sentiment"), tmp_path / "model"
    train(request(folder, "sentiment", data, "training.epochs=1"), Silent())
    with pytest.raises(UserError, match=r"--init-from .*model: this is the folder to be overwritten"):
        train(request(folder, "sentiment", data, f"training.init_from={folder}", overwrite=True), Silent())
    assert models.find(str(folder)).task == "sentiment"


TWO_REPLICAS = """
import sys
from pathlib import Path
from tests.training.test_run import Silent, request, train
folder, data = Path(sys.argv[1]), Path(sys.argv[2])
settings = (
    "model.dropout=0.0", "model.word_dropout=0.0", "training.optimizer=sgd", "training.learning_rate=0.5",
    "training.batch_tokens=96",  # an even number of rows at every length: the same batches for one and for two
)
for replicas in (2, 1):
    train(request(folder / str(replicas), "sentiment", data, *settings, f"training.replicas={replicas}"), Silent())
import tensorflow as tf
assert len(tf.config.list_logical_devices("CPU")) == 2
"""


def test_two_replicas_train_as_one(tmp_path: Path) -> None:
    """Halves of a batch, each on a device of its own, give the gradient of the whole."""
    data = write_data(tmp_path, "sentiment")
    # Devices are set up before TensorFlow starts, so this needs a process of its own.
    subprocess.run([sys.executable, "-c", TWO_REPLICAS, str(tmp_path), str(data)], check=True, cwd=ROOT)
    two, one = (checkpoints.load(tmp_path / name / "checkpoints" / "last.npz")[0]["model"] for name in "21")
    seen = 0.0
    for of_two, of_one in zip(two, one, strict=True):
        np.testing.assert_allclose(of_two, of_one, atol=2e-5)
        seen += float(np.abs(of_one).sum())
    assert seen > 0


def test_early_stopping_and_the_best_weights(tmp_path: Path) -> None:
    """With a rate of 0 no epoch is better than the first: the run ends by its patience, and the first is saved."""
    folder, display = tmp_path / "model", Silent()
    settings = ("training.learning_rate=0.0", "training.patience=2", "training.epochs=9")
    metrics = train(request(folder, "sentiment", write_data(tmp_path, "sentiment"), *settings), display)
    assert metrics["training"]["epochs"] == 3
    assert metrics["training"]["best_epoch"] == 1
    assert any("no better accuracy in 2 epochs" in line for line in display.lines)


def test_average_of_weights_follows_a_single_step(tmp_path: Path) -> None:
    data, averages = write_data(tmp_path, "sentiment"), []
    for rate in ("0.0", "0.01"):
        folder = tmp_path / rate
        settings = ("training.epochs=1", "training.batch_tokens=100000", f"training.learning_rate={rate}")
        assert train(request(folder, "sentiment", data, *settings), Silent())["training"]["steps"] < 8
        averages.append(checkpoints.load(folder / "checkpoints" / "last.npz")[0]["average"])
    assert all(not np.array_equal(start, after) for start, after in zip(*averages, strict=True))


def test_average_of_weights_is_what_is_saved(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    train(request(folder, "sentiment", write_data(tmp_path, "sentiment"), "training.epochs=1"), Silent())
    groups, _ = checkpoints.load(folder / "checkpoints" / "last.npz")
    best, _ = checkpoints.load(folder / "checkpoints" / "best.npz")
    np.testing.assert_array_equal(best["model"][0], groups["average"][0])
    assert not np.array_equal(best["model"][0], groups["model"][0])


@pytest.mark.parametrize("task", sorted(TINY))
def test_mixed_precision_trains_and_is_saved(tmp_path: Path, task: str) -> None:
    """It computes in bfloat16, keeps its weights in float32, and ends about where float32 does."""
    data, folder = write_data(tmp_path, task), tmp_path / "model"
    computed_in: list[str] = []

    class Recording(trainer.Trainer):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            computed_in.append(self.model.encoder.compute_dtype)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "Trainer", Recording)
        metrics = train(request(folder, task, data, "training.precision=bfloat16"), Silent())
    assert computed_in == ["bfloat16"]
    plain = train(request(tmp_path / "plain", task, data), Silent())
    _, model, _ = models.load_parts(models.find(str(folder)))
    assert {variable.dtype for variable in model.trainable_variables} == {"float32"}
    name = task_class(task).metric.name
    assert metrics["valid"][name] == pytest.approx(plain["valid"][name], rel=0.2, abs=0.2)


def test_clipping_bounds_the_step(tmp_path: Path) -> None:
    """Plain gradient descent at rate 1 moves the weights by the clipped norm, whatever the gradient."""
    data = write_data(tmp_path, "sentiment")
    settings = (
        "training.optimizer=sgd", "training.learning_rate=1.0", "training.warmup_steps=0", "training.decay=none",
        "training.clip_norm=0.001", "training.ema=0.0", "training.epochs=1",
    )  # fmt: skip
    weights: list[Any] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            trainer.Trainer, "_save", lambda self: weights.append([v.numpy() for v in self.model.trainable_variables])
        )
        asked = request(tmp_path / "model", "sentiment", data, *settings, "training.checkpoint_minutes=0.0")
        train(asked, Silent())
    moves = [
        np.sqrt(sum(np.sum((after - before) ** 2) for before, after in zip(one, other, strict=True)))
        for one, other in itertools.pairwise(weights)
    ]
    assert len(moves) >= 5
    assert max(moves) <= 0.001 * 1.01
    assert sorted(moves)[len(moves) // 2] == pytest.approx(0.001, rel=0.02)
