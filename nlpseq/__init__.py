"""Train small LSTM and GRU text models on your own data, and use them: text in, text out."""

from __future__ import annotations

from typing import Any

from nlpseq.version import __version__

__all__ = ["__version__", "load"]


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
