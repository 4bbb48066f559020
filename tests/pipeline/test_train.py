"""Training from a SPEC to a model folder, and going on after it was stopped."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nlpseq import config as configuration
from nlpseq import model_folder
from nlpseq.errors import MachineError, UserError
from nlpseq.folder_lock import held
from nlpseq.pipeline import train as pipeline
from nlpseq.pipeline.loading import can, load, load_trained
from nlpseq.pipeline.train import Request, train
from nlpseq.tasks import task_class
from nlpseq.training import checkpoints, trainer
from nlpseq.training.trainer import DivergedError, Interrupted
from tests.pipeline.runs import (
    Silent,
    assert_same_run,
    final_weights,
    history,
    request,
    resume,
    run,
    stopping_after,
    train_without_card,
)
from tests.tasks.tiny import TINY

ROOT = Path(__file__).parent.parent.parent
Corpora = Callable[[str], Path]
Folders = Callable[[str], Path]

STOPS = ((3, "signal", Interrupted), (11, "kill", MemoryError))  # after so many steps


@pytest.mark.parametrize("task", sorted(TINY))
def test_a_run_leaves_a_complete_folder(finished_folder: Folders, task: str) -> None:
    folder = finished_folder(task)
    names = {path.name for path in folder.iterdir()}
    assert {"config.toml", "model.keras", "history.jsonl", "metrics.json", "curves.png", "MODEL_CARD.md"} <= names
    assert {"model.tflite", "saved_model"} <= names
    assert not [name for name in names if name.startswith(".")]
    assert [line["epoch"] for line in history(folder)] == [1, 2]
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    assert task_class(task).facts.signature in metrics["signatures"]

    found = model_folder.find(str(folder))
    assert found.task == task
    assert load(found).signature == task_class(task).facts.signature
    # The saved model is the one that was measured.
    trained = load_trained(found)
    again = trained.task.evaluate(trained, trained.task.dataset.examples("valid"))
    watched = trained.task.metrics[0].key
    assert again[watched] == pytest.approx(metrics["valid"][watched], rel=1e-4)


@pytest.mark.parametrize(
    ("task", "stops"),
    [("char-lm", STOPS), ("sentiment", STOPS), ("translation", STOPS[1:])],  # which takes long to trace
)
def test_a_run_that_is_stopped_and_killed_reaches_the_same_weights(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    corpus_file: Corpora,
    whole_run: Folders,
    task: str,
    stops: tuple[tuple[int, str, type[BaseException]], ...],
) -> None:
    stopped, data = tmp_path / "stopped", corpus_file(task)
    for steps, how, error in stops:
        asked = Request(task, None, stopped, resume=True) if stopped.exists() else request(stopped, task, data)
        with stopping_after(steps, how, monkeypatch), pytest.raises(error):
            train_without_card(asked)
    assert not (stopped / "model.keras").exists()
    resume(stopped, task)
    assert_same_run(stopped, whole_run(task))


def test_resuming_a_finished_run_changes_nothing(tmp_path: Path, whole_run: Folders) -> None:
    folder = tmp_path / "model"
    shutil.copytree(whole_run("sentiment"), folder)
    resume(folder, "sentiment")
    assert_same_run(folder, whole_run("sentiment"))


def test_another_seed_gives_other_weights(tmp_path: Path, corpus_file: Corpora, whole_run: Folders) -> None:
    """The tests above show that the same seed gives the same ones."""
    run(tmp_path / "other", "sentiment", corpus_file("sentiment"), "training.seed=2")
    assert not np.array_equal(final_weights(tmp_path / "other")[0], final_weights(whole_run("sentiment"))[0])


# Folders that are taken


def test_a_taken_folder_is_left_alone(tmp_path: Path, corpus_file: Corpora, whole_run: Folders) -> None:
    data, folder = corpus_file("sentiment"), tmp_path / "model"
    shutil.copytree(whole_run("sentiment"), folder)
    (folder / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(UserError, match="a finished model here: --overwrite"):
        run(folder, "sentiment", data)
    run(folder, "sentiment", data, "training.epochs=1", overwrite=True)
    assert (folder / "notes.txt").read_text(encoding="utf-8") == "mine"
    assert len(history(folder)) == 1

    somewhere = tmp_path / "photos"
    somewhere.mkdir()
    (somewhere / "a.jpg").write_bytes(b"x")
    with pytest.raises(UserError, match="holds something else"):
        run(somewhere, "sentiment", data, overwrite=True)


def broken_line(folder: Path) -> Path:
    bad = folder / "bad.tsv"
    bad.write_bytes(b"text\tlabel\ngood\t1\nbad \xff\t0\n")
    return bad


@pytest.mark.parametrize("failure", ["a line that is not UTF-8", "a name that is not UTF-8", "weights that do not fit"])
def test_what_fails_before_the_first_step_leaves_the_old_model_whole(
    tmp_path: Path, corpus_file: Corpora, whole_run: Folders, failure: str
) -> None:
    """Once the old model was gone when the file's name turned out not to be UTF-8 (fault 1)."""
    folder, data = tmp_path / "model", corpus_file("sentiment")
    shutil.copytree(whole_run("sentiment"), folder)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    settings: list[str] = []
    if failure == "a line that is not UTF-8":
        data = broken_line(tmp_path)
    elif failure == "a name that is not UTF-8":
        named = tmp_path / "caf\udce9.tsv"
        shutil.copy(data, named)
        data = named
    else:
        settings = [f"training.init_from={whole_run('char-lm')}", "model.units=5", "model.embedding=6"]
    with pytest.raises(UserError):
        run(folder, "sentiment", data, *settings, overwrite=True)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_resume_says_what_is_not_there(tmp_path: Path, whole_run: Folders) -> None:
    with pytest.raises(UserError, match="nothing to resume"):
        resume(tmp_path / "none", "sentiment")
    folder = tmp_path / "model"
    shutil.copytree(whole_run("sentiment"), folder)
    with pytest.raises(UserError, match="this is a sentiment model"):
        resume(folder, "char-lm")
    (folder / "checkpoints" / "last.npz").write_bytes(b"PK")
    with pytest.raises(UserError, match="checkpoint is damaged"):
        resume(folder, "sentiment")
    shutil.copy(whole_run("char-lm") / "checkpoints" / "last.npz", folder / "checkpoints" / "last.npz")
    with pytest.raises(UserError, match="checkpoint is of another model"):
        resume(folder, "sentiment")
    (folder / "config.toml").write_text('task = "senti', encoding="utf-8")
    with pytest.raises(UserError, match=r"config.toml: cut off"):
        resume(folder, "sentiment")


def test_a_full_disk_is_said_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, corpus_file: Corpora, whole_run: Folders
) -> None:
    folder, original = tmp_path / "model", checkpoints.save

    def full(path: Path, *arguments: Any) -> None:
        if path.name == "last.npz" and path.exists():
            raise OSError(28, "No space left on device", str(path))
        original(path, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(trainer.checkpoints, "save", full)
        with pytest.raises(MachineError, match=r"disk is full.*--resume"):
            run(folder, "sentiment", corpus_file("sentiment"))
    resume(folder, "sentiment")
    assert_same_run(folder, whole_run("sentiment"))


# What a run leaves at every moment


@pytest.mark.parametrize("request_options", [{}, {"overwrite": True}, {"resume": True}])
def test_a_folder_belongs_to_one_run(
    tmp_path: Path, corpus_file: Corpora, whole_run: Folders, request_options: dict[str, bool]
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(whole_run("sentiment"), folder)
    asked = request(folder, "sentiment", corpus_file("sentiment"), **request_options)
    with held(folder, "nlpseq another"), pytest.raises(UserError, match=r"process \d+ works in .*\(nlpseq another\)"):
        train_without_card(asked)
    assert not (folder / "run.lock").exists()
    assert_same_run(folder, whole_run("sentiment"))


def test_an_interrupt_before_the_first_step_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, corpus_file: Corpora
) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(task_class("sentiment"), "prepare", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "models" / "mine", "sentiment", corpus_file("sentiment"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("phase", ["_abilities", "write_card"])
def test_a_run_has_finished_when_its_card_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole_run: Folders, phase: str
) -> None:
    """A run that was stopped while it was measured or exported goes on there, and trains no step again."""
    folder = tmp_path / "it's mine"
    shutil.copytree(whole_run("sentiment"), folder)

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(pipeline, phase, interrupted)
        with pytest.raises(Interrupted):
            train(Request("sentiment", None, folder, resume=True), Silent())
    assert not (folder / "MODEL_CARD.md").exists()
    line = f"go on with: {model_folder.resume_command('sentiment', folder)}"
    with pytest.raises(UserError, match=re.escape(line)):
        model_folder.find(str(folder))
    with pytest.raises(UserError, match=f"has not finished here.*{re.escape(line)}"):
        train(request(folder, "sentiment", tmp_path), Silent())
    (folder / ".0123abcd.model.keras").touch()
    (folder / "checkpoints" / ".0123abcd.last.npz").touch()
    monkeypatch.setattr(trainer.Trainer, "_epoch", interrupted)
    resume(folder, "sentiment")
    assert_same_run(folder, whole_run("sentiment"))
    assert not list(folder.rglob(".*"))


@pytest.mark.parametrize(
    ("at", "name", "goes_on"),
    [
        ("unlink", "MODEL_CARD.md", "old"),
        ("unlink", "vocabulary.json", "old"),
        ("remove", "checkpoints", "new"),
        ("replace", "vocabulary.json", "new"),
    ],
)
def test_a_kill_while_a_run_takes_the_place_of_another(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    corpus_file: Corpora,
    whole_run: Folders,
    at: str,
    name: str,
    goes_on: str,
) -> None:
    """What goes on is the old run, which is whole, or the new one from its beginning."""
    folder = tmp_path / "model"
    shutil.copytree(whole_run("sentiment"), folder)
    place = pipeline if at == "remove" else Path
    original = getattr(place, at)

    def killed(*paths: Any, **options: Any) -> Any:
        if paths[-1] == folder / name:
            raise MemoryError("killed")
        return original(*paths, **options)

    with monkeypatch.context() as patch:
        patch.setattr(place, at, killed)
        with pytest.raises(MemoryError):
            run(folder, "sentiment", corpus_file("sentiment"), "training.epochs=1", overwrite=True)
    resume(folder, "sentiment")
    assert len(history(folder)) == {"old": 2, "new": 1}[goes_on]
    assert len(json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["valid"]) > 1
    if goes_on == "old":
        assert_same_run(folder, whole_run("sentiment"))


# Transfer


def test_transfer_from_a_language_model(tmp_path: Path, corpus_file: Corpora) -> None:
    """Embedding and recurrent weights of the language model are where the classifier starts."""
    pretrained = tmp_path / "pretrained"
    settings = ("tokenizer.kind=sentencepiece", "model.units=8", "model.layers=1", "training.epochs=1")
    run(pretrained, "char-lm", corpus_file("char-lm"), *settings)
    found = model_folder.find(str(pretrained))
    assert not can(found, "generate")  # it pre-trains only
    language_model = load_trained(found).model
    wanted = {variable.path.partition("/")[2]: variable.numpy() for variable in language_model.trainable_variables}

    display = Silent()
    seen: dict[str, np.ndarray] = {}
    original = pipeline._transfer

    def watched(task: Any, network: Any, display: Any) -> None:
        original(task, network, display)
        seen.update({variable.path.partition("/")[2]: variable.numpy() for variable in network.trainable_variables})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "_transfer", watched)
        asked = request(
            tmp_path / "model", "sentiment", corpus_file("sentiment"), f"training.init_from={pretrained}",
            "training.epochs=1",
        )  # fmt: skip
        train_without_card(asked, display)
    np.testing.assert_array_equal(seen["embedding/embeddings"], wanted["embedding/embeddings"])
    for name in ("kernel", "recurrent_kernel", "bias"):
        forward = seen[f"encoder/layer_0/forward/{name}"]
        np.testing.assert_array_equal(forward, wanted[f"encoder/layer_0/{name}"])
    assert any("taken over" in line for line in display.lines)


def test_a_run_goes_on_without_the_model_that_it_started_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, corpus_file: Corpora, whole_run: Folders
) -> None:
    data, pretrained = corpus_file("sentiment"), tmp_path / "pretrained"
    shutil.copytree(whole_run("sentiment"), pretrained)
    stopped = tmp_path / "stopped"
    with stopping_after(11, "signal", monkeypatch), pytest.raises(Interrupted):
        run(stopped, "sentiment", data, f"training.init_from={pretrained}")
    shutil.rmtree(pretrained)
    resume(stopped, "sentiment")
    assert [line["epoch"] for line in history(stopped)] == [1, 2]
    with pytest.raises(UserError, match=r"--init-from .*: this is the folder to be overwritten"):
        run(stopped, "sentiment", data, f"training.init_from={stopped}", overwrite=True)


# How it trains


TWO_REPLICAS = """
import sys
from pathlib import Path
from tests.pipeline.runs import run
folder, data = Path(sys.argv[1]), Path(sys.argv[2])
settings = (
    "model.dropout=0.0", "model.word_dropout=0.0", "training.optimizer=sgd", "training.learning_rate=0.5",
    "training.epochs=1",
    "training.batch_tokens=96",  # an even number of rows at every length: the same batches for one and for two
)
for replicas in (2, 1):
    run(folder / str(replicas), "sentiment", data, *settings, f"training.replicas={replicas}")
import tensorflow as tf
assert len(tf.config.list_logical_devices("CPU")) == 2
"""


def test_two_replicas_train_as_one(tmp_path: Path, corpus_file: Corpora) -> None:
    """Halves of a batch, each on a device of its own, give the gradient of the whole."""
    # Devices are set up before TensorFlow starts, so this needs a process of its own.
    command = [sys.executable, "-c", TWO_REPLICAS, str(tmp_path), str(corpus_file("sentiment"))]
    subprocess.run(command, check=True, cwd=ROOT)
    two, one = (checkpoints.load(tmp_path / name / "checkpoints" / "last.npz")[0]["model"] for name in "21")
    seen = 0.0
    for of_two, of_one in zip(two, one, strict=True):
        np.testing.assert_allclose(of_two, of_one, atol=2e-5)
        seen += float(np.abs(of_one).sum())
    assert seen > 0


def test_early_stopping_and_the_best_weights(tmp_path: Path, corpus_file: Corpora) -> None:
    display = Silent()
    settings = ("training.patience=2", "training.epochs=9")
    asked = request(tmp_path / "model", "sentiment", corpus_file("sentiment"), *settings)
    with watched_values([0.2, 0.9, 0.4, 0.4, 1.0]):
        metrics = train_without_card(asked, display)
    assert metrics["training"]["epochs"] == 4
    assert metrics["training"]["best_epoch"] == 2
    assert any("no better accuracy in 2 epochs" in line for line in display.lines)


def test_of_equal_values_the_lower_loss_is_better(tmp_path: Path, corpus_file: Corpora) -> None:
    with watched_values([0.2, 0.9, 0.9, 0.9, 0.9]):
        metrics = run(tmp_path / "model", "sentiment", corpus_file("sentiment"), "training.epochs=5")
    losses = [line["valid_loss"] for line in history(tmp_path / "model")]
    assert metrics["training"]["best_epoch"] == 2 + int(np.argmin(losses[1:]))
    assert losses[-1] < losses[0]


def test_a_metric_that_never_moves_ends_no_run(tmp_path: Path, corpus_file: Corpora) -> None:
    """Once such a run ended with the weights of its first epoch (BLEU by words is 0 for Chinese)."""
    display = Silent()
    settings = ("training.patience=1", "training.epochs=4")
    with watched_values([0.0] * 4):
        metrics = train_without_card(
            request(tmp_path / "model", "sentiment", corpus_file("sentiment"), *settings), display
        )
    losses = [line["valid_loss"] for line in history(tmp_path / "model")]
    assert metrics["training"]["epochs"] == 4
    assert metrics["training"]["best_epoch"] == 1 + int(np.argmin(losses))
    assert any("accuracy was 0.0 % in every epoch, which says nothing" in line for line in display.lines)


@contextmanager
def watched_values(values: list[float]) -> Iterator[None]:
    """The quick evaluations after the epochs give these."""
    task_type, in_order = task_class("sentiment"), iter(values)
    original = task_type.evaluate

    def evaluate(self: Any, *arguments: Any, quick: bool = False, **options: Any) -> dict[str, Any]:
        return {"accuracy": next(in_order)} if quick else original(self, *arguments, quick=quick, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(task_type, "evaluate", evaluate)
        yield


def test_average_of_weights_follows_and_is_saved(
    tmp_path: Path, corpus_file: Corpora, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a few steps it has left the start and not reached the weights; it is what the best checkpoint holds."""
    started: list[np.ndarray] = []
    original = trainer.Trainer.run

    def recorded(self: trainer.Trainer) -> Any:
        started.extend(variable.numpy() for variable in self.average)
        return original(self)

    monkeypatch.setattr(trainer.Trainer, "run", recorded)
    settings = ("training.epochs=1", "training.batch_tokens=100000", "training.learning_rate=0.01")
    assert run(tmp_path / "model", "sentiment", corpus_file("sentiment"), *settings)["training"]["steps"] < 8
    checkpoint = tmp_path / "model" / "checkpoints"
    last, best = (checkpoints.load(checkpoint / name)[0] for name in ("last.npz", "best.npz"))
    own, kept = ([array for array in each["model"] if array.dtype == np.float32] for each in (last, best))  # no seeds
    for start, average, saved, weights in zip(started, last["average"], kept, own, strict=True):
        assert not np.array_equal(start, average)
        np.testing.assert_array_equal(saved, average)
        assert not np.array_equal(saved, weights)


def test_the_loss_that_is_shown_is_the_one_that_is_minimized(tmp_path: Path, corpus_file: Corpora) -> None:
    """Once the weights of its parts were left out (fault 6)."""
    settings = ("model.language_model_weight=0.1", "training.epochs=1")
    run(tmp_path / "model", "sentiment", corpus_file("sentiment"), *settings)
    (line,) = history(tmp_path / "model")
    assert line["loss"] == pytest.approx(line["cross_entropy"] + 0.1 * line["language_model"], abs=2e-4)


def test_tokens_per_second_are_those_of_training(whole_run: Folders) -> None:
    """Once they were divided by a time that included validation (fault 7)."""
    _, progress = checkpoints.load(whole_run("sentiment") / "checkpoints" / "last.npz")
    metrics = json.loads((whole_run("sentiment") / "metrics.json").read_text(encoding="utf-8"))
    assert 0 < progress.training_seconds < progress.seconds
    assert metrics["training"]["tokens_per_second"] == round(progress.tokens / progress.training_seconds)


def test_what_was_cut_and_where_parts_come_from_reach_the_card(tmp_path: Path, corpus_file: Corpora) -> None:
    """Once a corpus with its own parts was said to be split, and notes were lost (fault 5)."""
    own = tmp_path / "own.tsv"
    own.write_text(f"text\tlabel\na good film\t+\n{'bad ' * 20}\t-\n", encoding="utf-8")
    folder = tmp_path / "model"
    settings = (f"data.valid={own}", f"data.test={own}", "data.max_length=16", "training.epochs=1")
    metrics = train(request(folder, "sentiment", corpus_file("sentiment"), *settings), Silent())
    assert metrics["notes"]["valid"] == {
        "texts longer than 16 pieces (data.max_length): only the beginning and the end were read": 1
    }
    card = (folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert card.count("own.tsv |") == 2
    assert "split off" not in card
    assert "only the beginning and the end were read" in card


def test_mixed_precision_is_measured_and_saved_in_float32(tmp_path: Path, corpus_file: Corpora) -> None:
    """It computes in bfloat16 and keeps its weights in float32. Once the export of such a model failed (fault 16)."""
    computed_in: list[str] = []

    class Recording(trainer.Trainer):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            computed_in.append(self.model.encoder.compute_dtype)

    folder = tmp_path / "model"
    settings = ("training.precision=bfloat16", "training.export=true", "training.epochs=1")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "Trainer", Recording)
        metrics = train(request(folder, "sentiment", corpus_file("sentiment"), *settings), Silent())
    assert computed_in == ["bfloat16"]
    assert set(metrics["export"]["quality"]) == {"keras", "int8"}
    assert (folder / "MODEL_CARD.md").exists()
    network = load_trained(model_folder.find(str(folder))).model
    assert network.encoder.compute_dtype == "float32"
    assert {variable.dtype for variable in network.trainable_variables} == {"float32"}


def test_a_loss_that_is_no_number_ends_the_run(tmp_path: Path, corpus_file: Corpora) -> None:
    settings = (
        "training.optimizer=sgd",
        "training.learning_rate=3e38",
        "training.clip_norm=0.0",
        "training.decay=none",
    )
    with pytest.raises(DivergedError, match=r"no longer a number at step \d+: lower training.learning_rate"):
        run(tmp_path / "model", "sentiment", corpus_file("sentiment"), *settings, "training.warmup_steps=0")
    assert not (tmp_path / "model" / "model.keras").exists()


def test_clipping_bounds_the_step(tmp_path: Path, corpus_file: Corpora) -> None:
    """Plain gradient descent at rate 1 moves the weights by the clipped norm, whatever the gradient."""
    settings = (
        "training.optimizer=sgd", "training.learning_rate=1.0", "training.warmup_steps=0", "training.decay=none",
        "training.clip_norm=0.001", "training.ema=0.0", "training.epochs=1", "training.checkpoint_minutes=0.0",
    )  # fmt: skip
    weights: list[Any] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            trainer.Trainer, "_save", lambda self: weights.append([v.numpy() for v in self.model.trainable_variables])
        )
        run(tmp_path / "model", "sentiment", corpus_file("sentiment"), *settings)
    moves = [
        np.sqrt(sum(np.sum((after - before) ** 2) for before, after in zip(one, other, strict=True)))
        for one, other in itertools.pairwise(weights)
    ]
    assert len(moves) >= 5
    assert max(moves) <= 0.001 * 1.01
    assert sorted(moves)[len(moves) // 2] == pytest.approx(0.001, rel=0.02)


def test_a_run_says_what_auto_came_to(whole_run: Folders) -> None:
    config = configuration.from_toml(
        task_class("translation").facts.config_type, whole_run("translation") / "config.toml"
    )
    assert config.data.unit == "sentence"
    assert config.training.replicas == 1


@pytest.mark.parametrize(
    ("spec", "name"),
    [("sample", "char-lm-sample"), ("tfds:glue/sst2:2.0", "char-lm-glue-sst2-2.0"), ("a/b.txt.gz", "char-lm-b")],
)
def test_the_default_folder_is_named_after_task_and_data(spec: str, name: str) -> None:
    assert pipeline.default_folder("char-lm", spec) == Path("saved_models") / name


@pytest.mark.parametrize(
    ("units", "has_it", "wanted"), [(256, True, "bfloat16"), (256, False, "float32"), (64, True, "float32")]
)
def test_wide_translators_are_trained_in_bfloat16_where_the_processor_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, corpus_file: Corpora, units: int, has_it: bool, wanted: str
) -> None:
    monkeypatch.setattr(pipeline, "multiply_bfloat16", lambda: has_it)
    asked = request(tmp_path, "translation", corpus_file("translation"), f"model.units={units}")
    assert pipeline._fresh_task(asked).config.training.precision == wanted


def test_a_task_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no task 'tag'"):
        train(Request("tag", None, tmp_path / "model"), Silent())
