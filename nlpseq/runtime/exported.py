"""An exported ``.tflite`` file, opened to be used (docs/exported-files.md)."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nlpseq.errors import UserError
from nlpseq.quiet import silenced_stderr
from nlpseq.runtime import metadata

_SURROGATE = re.compile("[\ud800-\udfff]")

Bytes = NDArray[np.uint8]


class ExportedModel:
    """A file's metadata, and its signatures to be called.

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
        self.file = file
        self._closed = False
        self.metadata = metadata.read(self._content, str(file))
        self._of_thread = threading.local()

    def has(self, signature: str) -> bool:
        """Whether the file can do this."""
        return signature in self.metadata.signatures

    def size(self, signature: str, letter: str) -> int:
        """The size of a signature's buffers, by the letter of docs/exported-files.md.

        Raises:
            UserError: the file has no such signature, or does not say its size.
        """
        try:
            return self.metadata.signatures[signature][letter]
        except KeyError:
            raise UserError(
                f"{self.file}: does not say {letter}, a size of its signature '{signature}': export the model again"
            ) from None

    def call(self, signature: str, text: bytes, **numbers: float) -> dict[str, NDArray[Any]]:
        """Calls a signature.

        Args:
            signature: such as ``translate``.
            text: UTF-8, at most N bytes.
            numbers: the other inputs.

        Returns:
            The outputs by name, as the contract describes them.

        Raises:
            UserError: the installed LiteRT cannot run the file.
            RuntimeError: the model has been closed.
        """
        if self._closed:
            raise RuntimeError(f"{self.file} has been closed")
        run, kinds = self._runner(signature)
        padded = np.zeros(self.size(signature, "N"), np.uint8)
        padded[: len(text)] = np.frombuffer(text, np.uint8)
        return run(text=padded, **{name: np.array([value], kinds[name]) for name, value in numbers.items()})

    def close(self) -> None:
        """Refuses all calls from now on, so that threads come to an end that are in the midst of a long text."""
        self._closed = True

    def _runner(self, signature: str) -> tuple[Any, dict[str, Any]]:
        """This thread's function for a signature, and the types of its inputs."""
        runners: dict[str, tuple[Any, dict[str, Any]]] = self._of_thread.__dict__.setdefault("runners", {})
        if signature not in runners:
            if "interpreter" not in self._of_thread.__dict__:
                self._of_thread.interpreter = self._interpreter()
            try:
                run = self._of_thread.interpreter.get_signature_runner(signature)
            except ValueError:
                raise UserError(f"{self.file}: has no signature '{signature}': export the model again") from None
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
            raise UserError(
                f"{self.file}: the installed LiteRT cannot run it: pip install --upgrade ai-edge-litert ({error})"
            ) from error


class Predictor:
    """What uses an exported file for its task; threads may share it.

    Args:
        model: the file.
    """

    def __init__(self, model: ExportedModel) -> None:
        self.model = model


def encoded(text: str) -> bytes:
    """UTF-8 of any Python string; a lone surrogate, which is no character, becomes U+FFFD."""
    return without_surrogates(text).encode("utf-8")


def without_surrogates(text: str) -> str:
    """U+FFFD in place of each lone surrogate, such as Python has for bytes of a command line that are no UTF-8."""
    return _SURROGATE.sub("\ufffd", text)


def decoded(text: Bytes) -> str:
    """The text in a buffer: zeros at its end are padding, and those within it characters."""
    return text.tobytes().rstrip(b"\0").decode("utf-8", "replace")


def is_blank(text: str) -> bool:
    """Whether a text says nothing: a buffer that ends with zeros has lost them."""
    return not text.replace("\0", " ").strip()


def without_padding(ids: NDArray[np.int32]) -> NDArray[np.int32]:
    """The ids before the zeros at the end."""
    return ids[: np.count_nonzero(ids)]


def named(ids: NDArray[np.int32], pieces: Sequence[str]) -> tuple[str, ...]:
    """Pieces as people read them; an id that the file has no name for is shown as a number."""
    return tuple(pieces[index] if index < len(pieces) else f"<{index}>" for index in ids.tolist())
