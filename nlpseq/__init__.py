"""Train small LSTM and GRU text models on your own data, and use them: text in, text out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nlpseq.version import __version__

__all__ = ["__version__", "heatmap", "load", "preview", "train"]


def load(model: str) -> Any:
    """A trained model, by its name, its folder or its exported file; with an exported file it needs no TensorFlow.

    Args:
        model: a name (``./saved_models/NAME``, then the shipped ones), a folder, or a ``.tflite`` file.

    Returns:
        An object with ``translate``, ``classify`` or ``generate``, as the model's task is.

    Raises:
        nlpseq.errors.UserError: there is no such model, or it is damaged.
    """
    from nlpseq import model_folder
    from nlpseq.pipeline import loading

    return loading.load(model_folder.find(model))


def heatmap(translation: Any, file: str | Path) -> None:
    """Draws which words of a text (across) each word of its translation (down) looked at.

    Args:
        translation: what ``translate`` of a model returned. Each of its sentences has a map of its own, up to 12.
        file: a PNG file, which appears when it is whole.

    Raises:
        nlpseq.errors.MissingExtraError: matplotlib is not installed.
        nlpseq.errors.UserError: the file's name does not end in .png.
    """
    from nlpseq.atomic_files import write_bytes
    from nlpseq.report import figures, pictures

    figures.check_name(file)
    write_bytes(Path(file), pictures.heatmap(translation))


def preview(task: str, data: Any = "sample", *, columns: str = "", settings: dict[str, Any] | None = None) -> Any:
    """Reads data as training would, and says what it found; ``print`` shows it.

    Args:
        task: ``char-lm``, ``sentiment``, ``translation``, or one of another package.
        data: a SPEC of the command line, or rows: a list of tuples in the order of the task's columns, a list of
            dictionaries, or a data frame of pandas or polars.
        columns: which is which where the names do not say, such as ``"text=review,label=stars"``.
        settings: of the configuration, such as ``{"data.valid_fraction": 0.2}``.

    Returns:
        A :class:`nlpseq.data.summary.Summary`: ``records``, ``labels``, ``findings``, ``first``; ``as_json()``.

    Raises:
        nlpseq.errors.UserError: the data cannot be used; the message says where and what to do.
    """
    from nlpseq.pipeline import from_python

    return from_python.preview(task, data, columns, settings or {})


def train(
    task: str,
    data: Any = "sample",
    output: str = "",
    *,
    valid: Any = "",
    test: Any = "",
    columns: str = "",
    settings: dict[str, Any] | None = None,
    resume: bool = False,
    overwrite: bool = False,
) -> Any:
    """Trains a model as ``nlpseq train-task`` does, with bars in a notebook; the model comes back ready to use.

    Args:
        task: ``char-lm``, ``sentiment``, ``translation``, or one of another package.
        data: a SPEC, or rows, as in :func:`preview`.
        output: the model's folder; empty: ``saved_models/TASK-DATA``.
        valid: validation data; empty: a part of the data is split off.
        test: data that is evaluated once at the end.
        columns: which is which where the names do not say.
        settings: of the configuration, such as ``{"model.units": 64, "training.max_minutes": 5}``.
        resume: go on with the run in the folder. Nothing else is given then but the task and the folder.
        overwrite: replace the model in the folder.

    Returns:
        What :func:`load` returns.

    Raises:
        nlpseq.errors.UserError: as on the command line.
        KeyboardInterrupt: it was stopped, after a checkpoint; ``resume=True`` goes on.
    """
    from nlpseq.pipeline import from_python

    return from_python.train(
        task,
        {"train": data, "valid": valid, "test": test},
        output,
        columns,
        settings or {},
        resume=resume,
        overwrite=overwrite,
    )
