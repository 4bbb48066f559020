"""What a predictor works over: something that answers a program's signatures."""

from __future__ import annotations

import abc
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nlpseq.errors import UserError
from nlpseq.runtime.metadata import Metadata
from nlpseq.text.unicode import without_surrogates

Outputs = dict[str, NDArray[Any]]


class Backend(abc.ABC):
    """A program that can be called: an exported file, or the program itself in this process.

    Threads may share it.

    Args:
        name: what messages call it, such as a file's path.
        metadata: what is known of the program.
    """

    def __init__(self, name: str, metadata: Metadata) -> None:
        self.name, self.metadata = name, metadata
        self._closed = False

    def has(self, signature: str) -> bool:
        """Whether the program can do this."""
        return signature in self.metadata.signatures

    def size(self, signature: str, letter: str) -> int:
        """The size of a signature's buffers, by the letter of docs/exported-files.md.

        Raises:
            UserError: the program has no such signature, or does not say its size.
        """
        try:
            return self.metadata.signatures[signature][letter]
        except KeyError:
            raise UserError(
                f"{self.name}: does not say {letter}, a size of its signature '{signature}': export the model again"
            ) from None

    def call(self, signature: str, text: bytes, **numbers: float) -> Outputs:
        """Calls a signature.

        Args:
            signature: such as ``translate``.
            text: UTF-8, at most N bytes.
            numbers: the other inputs.

        Returns:
            The outputs by name, as docs/exported-files.md describes them.

        Raises:
            UserError: the program has no such signature, or cannot be run here.
            RuntimeError: the program has been closed.
        """
        if self._closed:
            raise RuntimeError(f"{self.name} has been closed")
        padded = np.zeros(self.size(signature, "N"), np.uint8)
        padded[: len(text)] = np.frombuffer(text, np.uint8)
        return self._run(signature, padded, numbers)

    def close(self) -> None:
        """Refuses all calls from now on. So threads come to an end that are in the middle of a long text."""
        self._closed = True

    @abc.abstractmethod
    def _run(self, signature: str, text: NDArray[np.uint8], numbers: dict[str, float]) -> Outputs:
        """The outputs for a whole buffer."""


def encoded(text: str) -> bytes:
    """UTF-8 of any Python string; a lone surrogate becomes U+FFFD."""
    return without_surrogates(text).encode("utf-8")


def decoded(buffer: NDArray[np.uint8]) -> str:
    """The text in a buffer: zeros at its end are padding, and those within it are characters."""
    return buffer.tobytes().rstrip(b"\0").decode("utf-8", "replace")


def is_blank(text: str) -> bool:
    """Whether a text says nothing: a buffer that ends with zeros has lost them."""
    return not text.replace("\0", " ").strip()
