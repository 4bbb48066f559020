"""What uses a program for what it can do: the base of all predictors, and which predictor serves which signature."""

from __future__ import annotations

import abc
import importlib
from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from nlpseq.errors import UserError
from nlpseq.runtime.backend import Backend
from nlpseq.runtime.questions import Answer, Question

_GROUP = "nlpseq.predictors"  # entry points: name of a signature = "module:class"
_BUILT_IN = {
    "translate": "nlpseq.runtime.translator:Translator",
    "classify": "nlpseq.runtime.classifier:Classifier",
    "generate": "nlpseq.runtime.generator:Generator",
}


class Result(Protocol):
    """What a predictor makes of a text."""

    @property
    def line(self) -> str:
        """One line for a terminal."""
        ...

    def to_json(self) -> dict[str, Any]:
        """All of it, as plain values."""
        ...


class Predictor(abc.ABC):
    """Uses a program; threads may share it.

    A package of one's own registers a predictor as an entry point of the group ``nlpseq.predictors``, under the name of
    its signature. That name then is a command, too.

    Args:
        backend: an exported file, or a program in this process.
    """

    signature: ClassVar[str]  # what the program must be able to do

    def __init__(self, backend: Backend) -> None:
        self.backend = backend

    @abc.abstractmethod
    def respond(self, text: str) -> Result:
        """What the model makes of a text; nothing of a blank one."""

    @abc.abstractmethod
    def answer(self, question: Question) -> Answer:
        """The answer that evaluation counts."""


def signatures() -> list[str]:
    """The signatures that a predictor serves."""
    return sorted({*_BUILT_IN, *_registered()})


def predictor_class(signature: str) -> type[Predictor] | None:
    """The predictor for a signature; None where there is none."""
    target = _BUILT_IN.get(signature)
    if target is None:
        target = _registered().get(signature)
    if target is None:
        return None
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)


def _registered() -> dict[str, str]:
    """Predictors of other packages: "module:class" by signature."""
    from importlib.metadata import entry_points  # takes 20 ms, a tenth of a translation from a cold start

    return {point.name: point.value for point in entry_points(group=_GROUP)}


def predictor_for(backend: Backend) -> Predictor:
    """The predictor that fits a program: the one for its main signature, if that has one.

    Raises:
        UserError: no predictor serves any of its signatures.
    """
    for signature in backend.metadata.signatures:
        if found := predictor_class(signature):
            return found(backend)
    raise UserError(
        f"{backend.name}: can do {', '.join(backend.metadata.signatures) or 'nothing'}, which this version of nlpseq "
        "does not know: pip install --upgrade nlpseq, or install the package that its task comes from"
    )


def without_padding(ids: NDArray[np.int32]) -> NDArray[np.int32]:
    """The ids before the zeros at the end."""
    return ids[: np.count_nonzero(ids)]


def named(ids: NDArray[np.int32], pieces: Sequence[str]) -> tuple[str, ...]:
    """Pieces as people read them; an id that the file has no name for is shown as a number."""
    return tuple(pieces[index] if index < len(pieces) else f"<{index}>" for index in ids.tolist())
