"""Replaying the examples that an exported file holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nlpseq.errors import UserError
from nlpseq.runtime.backend import Backend, decoded, encoded

TOLERANCE = 1e-3  # of numbers; texts and ids must be equal


@dataclass(frozen=True)
class Replayed:
    """An example as it came out.

    Attributes:
        example: what was called with what.
        differences: one for each output that is not as stored.
    """

    example: str
    differences: tuple[str, ...]


def replay(model: Backend) -> Iterator[Replayed]:
    """Calls the model with each of its examples.

    Raises:
        UserError: the file holds no examples, or one that is not understood.
    """
    if not model.metadata.golden:
        raise UserError(f"{model.name}: holds no examples to replay: export the model again")
    for number, example in enumerate(model.metadata.golden, start=1):
        try:
            signature, inputs, expected = example["signature"], dict(example["inputs"]), example["outputs"]
            text = encoded(inputs.pop("text"))
            numbers = {name: np.ravel(value)[0] for name, value in inputs.items()}
            given = f"{signature} {example['inputs']}"
            outputs = model.call(signature, text, **numbers)
            differences = [_difference(name, outputs[name], value) for name, value in expected.items()]
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise UserError(
                f"{model.name}: its example {number} is not understood: export it again ({error})"
            ) from None
        yield Replayed(given, tuple(difference for difference in differences if difference))


def _difference(name: str, output: NDArray[Any], expected: Any) -> str:
    """What is not as expected; "" where all is."""
    if output.dtype == np.uint8:
        texts = decoded(output) if output.ndim == 1 else [decoded(row) for row in output]
        if output.ndim > 1:
            expected = [*expected, *[""] * (len(texts) - len(expected))]
        return "" if texts == expected else f"{name} is {texts!r}, stored is {expected!r}"
    stored = np.zeros(output.shape, np.float64)
    values = np.array(expected, np.float64).reshape(-1, *np.shape(expected)[1:])
    stored[tuple(slice(size) for size in values.shape)] = values  # padding may have been left out
    distance = np.abs(output.astype(np.float64) - stored)
    if np.issubdtype(output.dtype, np.integer):
        wrong = np.count_nonzero(distance)
        return f"{name}: {wrong} of {output.size} are other numbers" if wrong else ""
    largest = distance.max(initial=0.0)
    return "" if largest <= TOLERANCE else f"{name} differs by up to {largest:.2g}"
