"""A program that TensorFlow runs in this process."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from nlpseq.errors import UserError
from nlpseq.programs.program import Program
from nlpseq.runtime.backend import Backend, Outputs
from nlpseq.runtime.metadata import Metadata


class RunningProgram(Backend):
    """A program that TensorFlow runs in this process.

    Args:
        program: of a trained model.
        task: what it was trained for.
        name: what messages call it.
        calibration: of a translation model, as the metadata of an exported file have it.
    """

    def __init__(self, program: Program, task: str, name: str, calibration: Mapping[str, Any]) -> None:
        super().__init__(name, Metadata(task=task, name=name, calibration=dict(calibration), **program.facts()))
        self._signatures = {signature.name: signature for signature in program.signatures}
        self._traced: dict[str, Any] = {}
        self._tracing = threading.Lock()

    def _run(self, signature: str, text: NDArray[np.uint8], numbers: dict[str, float]) -> Outputs:
        if signature not in self._signatures:
            raise UserError(f"{self.name}: has no signature '{signature}'")
        with self._tracing:  # which takes seconds: once is enough
            if signature not in self._traced:
                self._traced[signature] = self._signatures[signature].for_one_text()
        kinds = {name: type(value) for name, value in self._signatures[signature].numbers.items()}
        given = {name: tf.constant([kinds[name](value)]) for name, value in numbers.items()}
        return {name: value.numpy() for name, value in self._traced[signature](text=tf.constant(text), **given).items()}
