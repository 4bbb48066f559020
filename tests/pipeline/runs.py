"""Runs of a few steps, and what they leave."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nlpseq.data.meter import Watch
from nlpseq.model_folder import CARD
from nlpseq.pipeline import train as pipeline
from nlpseq.pipeline.train import Request
from nlpseq.training import checkpoints, trainer
from nlpseq.training.display import Display
from tests.tasks.tiny import tiny_config

# A checkpoint at every step would hide what is missing in it; 0.0003 minutes leave some steps between.
_RUN = ("training.epochs=2", "training.replicas=1", "training.export=false", "training.checkpoint_minutes=0.0003")


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

    def reading(self, label: str, after: str = "") -> Watch:
        return lambda items, meter: items

    def track(self, items: Sequence[Any], label: str) -> Iterable[Any]:
        return items


def request(folder: Path, task: str, data: Path, *settings: str, **options: Any) -> Request:
    """A run on a file into a folder; nothing is exported unless the settings say so."""
    batches = [] if task == "char-lm" else ["training.batch_tokens=64"]
    return Request(task, tiny_config(task, data, *batches, *_RUN, *settings), folder, **options)


def run(
    folder: Path, task: str, data: Path, *settings: str, with_robustness: bool = False, **options: Any
) -> dict[str, Any]:
    """Trains in silence and with an empty card; returns the metrics."""
    return train_without_card(request(folder, task, data, *settings, **options), with_robustness=with_robustness)


def resume(folder: Path, task: str) -> dict[str, Any]:
    """Goes on in silence and with an empty card; returns the metrics."""
    return train_without_card(Request(task, None, folder, resume=True))


def train_without_card(
    asked: Request, display: Display | None = None, *, with_robustness: bool = False
) -> dict[str, Any]:
    """Trains; the examples and pictures of a card would take as long as all the rest of a tiny run.

    So would the hundreds of noisy texts, if robustness were measured.
    """
    with pytest.MonkeyPatch.context() as patch:
        if not with_robustness:
            patch.setattr(pipeline.robustness, "can_be_measured", lambda _: False)
        patch.setattr(pipeline, "write_card", lambda _, folder: (folder / CARD).touch())
        return pipeline.train(asked, display or Silent())


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


def final_weights(folder: Path) -> list[np.ndarray]:
    """What the last checkpoint holds."""
    groups, _ = checkpoints.load(folder / "checkpoints" / "last.npz")
    return [*groups["model"], *groups["average"], *groups["optimizer"]]


def history(folder: Path) -> list[dict[str, Any]]:
    """What each epoch came to, but for the time it took."""
    lines = (folder / "history.jsonl").read_text(encoding="utf-8").splitlines()
    return [{key: value for key, value in json.loads(line).items() if key != "seconds"} for line in lines]


def assert_same_run(one: Path, other: Path) -> None:
    """Both runs came to the same weights, bit by bit, by the same losses."""
    assert history(one) == history(other)
    for expected, found in zip(final_weights(one), final_weights(other), strict=True):
        np.testing.assert_array_equal(found, expected)
