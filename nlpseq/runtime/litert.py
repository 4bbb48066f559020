"""An exported ``.tflite`` file, run by LiteRT (docs/exported-files.md)."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nlpseq.errors import UserError
from nlpseq.quiet import silenced_stderr
from nlpseq.runtime import metadata
from nlpseq.runtime.backend import Backend, Outputs


class ExportedFile(Backend):
    """An exported file, whole and undamaged.

    Threads may share it: each gets an interpreter of its own, over the same weights.

    Args:
        file: the path.

    Raises:
        UserError: there is no such file, or it is not an exported model, or not all of it.
    """

    def __init__(self, file: Path) -> None:
        try:
            # Read, not mapped: what was checked is what runs, whatever becomes of the file.
            self._content = file.read_bytes()
        except FileNotFoundError:
            raise UserError(f"{file}: no such file") from None
        except OSError as error:
            raise UserError(f"{file}: cannot be read: {error.strerror}") from None
        super().__init__(str(file), metadata.read(self._content, str(file)))
        self._of_thread = threading.local()

    def _run(self, signature: str, text: NDArray[np.uint8], numbers: dict[str, float]) -> Outputs:
        run, kinds = self._runner(signature)
        inputs = {name: np.array([value], kinds[name]) for name, value in numbers.items()}
        try:
            return run(text=text, **inputs)
        except (RuntimeError, ValueError, TypeError) as error:
            raise self._cannot_run(error) from error

    def _runner(self, signature: str) -> tuple[Any, dict[str, Any]]:
        """This thread's function for a signature, and the types of its inputs."""
        runners: dict[str, tuple[Any, dict[str, Any]]] = self._of_thread.__dict__.setdefault("runners", {})
        if signature not in runners:
            if "interpreter" not in self._of_thread.__dict__:
                self._of_thread.interpreter = self._interpreter()
            try:
                run = self._of_thread.interpreter.get_signature_runner(signature)
            except ValueError:
                raise UserError(f"{self.name}: has no signature '{signature}': export the model again") from None
            runners[signature] = run, {name: tensor["dtype"] for name, tensor in run.get_input_details().items()}
        return runners[signature]

    def _interpreter(self) -> Any:
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError:
            raise UserError("this needs the package 'ai-edge-litert': pip install --upgrade nlpseq") from None
        try:
            with silenced_stderr():  # it tells of the delegate for CPUs that it creates
                interpreter = Interpreter(model_content=self._content, num_threads=1)
                interpreter.allocate_tensors()
            return interpreter
        except (ValueError, RuntimeError) as error:
            raise self._cannot_run(error) from error

    def _cannot_run(self, error: Exception) -> UserError:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        return UserError(
            f"{self.name}: the installed LiteRT cannot run it: pip install --upgrade ai-edge-litert ({reason})"
        )
