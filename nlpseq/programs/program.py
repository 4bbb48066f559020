"""What a model does with text, from bytes to bytes: the one definition that is exported, or run in this process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import tensorflow as tf


@dataclass(frozen=True)
class Signature:
    """One function of a program.

    Attributes:
        name: what it does: translate, classify, generate, ...
        function: takes ``text``, uint8 [batch, N] padded with zeros, and ``numbers`` by name, each [batch]; returns
            tensors by name, each [batch, ...], texts as uint8. One of them is ``left_out``, int32 [batch]: how much of
            the text was not read. The batch's size is static where it is 1.
        sizes: of the buffers, by the letters of ``docs/exported-files.md``.
        numbers: further inputs, with a value to try them with; an int stands for int32, a float for float32.
    """

    name: str
    function: Callable[..., dict[str, tf.Tensor]]
    sizes: dict[str, int]
    numbers: dict[str, int | float] = field(default_factory=dict)

    def specs_for_one_text(self) -> dict[str, tf.TensorSpec]:
        """The inputs by name: text is uint8 [N], each number [1]."""
        return {"text": tf.TensorSpec([self.sizes["N"]], tf.uint8, "text"), **self.specs_of_numbers([1])}

    def specs_of_numbers(self, shape: list[int | None]) -> dict[str, tf.TensorSpec]:
        """The numbers by name, each of this shape."""
        return {
            name: tf.TensorSpec(shape, tf.float32 if isinstance(value, float) else tf.int32, name)
            for name, value in self.numbers.items()
        }

    def for_one_text(self) -> Any:
        """The function for one text, traced: uint8 [N] in, outputs without the batch; numbers stay [1]."""

        def one(text: tf.Tensor, **numbers: tf.Tensor) -> dict[str, tf.Tensor]:
            outputs = self.function(text[None], **numbers)
            return {name: value if value.shape.rank == 1 else value[0] for name, value in outputs.items()}

        return tf.function(one, autograph=False).get_concrete_function(**self.specs_for_one_text())


@dataclass(frozen=True)
class Program:
    """All that a model can do, and what must be known in order to use it.

    Attributes:
        signatures: the main one first.
        pieces: for each id, the piece as people read it; of the source, where there are two vocabularies. Empty where
            no signature returns ids.
        target_pieces: of the target, where it has a vocabulary of its own.
        labels: of a classifier, in the order of the probabilities.
        label_names: what the labels are called in the data, where that is something else.
        languages: of source and target.
        unit: what goes in at once: a sentence, a line, or text of any kind.
        together: where that is a sentence, bytes of several sentences that go in together.
        copies_figures: whether a text without any letter is its own translation.
    """

    signatures: tuple[Signature, ...]
    pieces: tuple[str, ...] = ()
    target_pieces: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    label_names: dict[str, str] = field(default_factory=dict)
    languages: tuple[str, ...] = ()
    unit: str = "text"
    together: int = 0
    copies_figures: bool = False

    def facts(self) -> dict[str, Any]:
        """What the metadata say of it, by their keys."""
        stated = {name: value for name, value in vars(self).items() if name != "signatures"}
        return {"signatures": {signature.name: signature.sizes for signature in self.signatures}, **stated}
