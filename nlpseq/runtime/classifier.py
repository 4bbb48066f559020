"""Classifying with an exported file."""

from __future__ import annotations

import numpy as np

from nlpseq.runtime.exported import Predictor, encoded, named, without_padding
from nlpseq.runtime.results import Classification

_SIGNATURE = "classify"
_BEGIN = 4  # a fourth of what is read is the text's begin, the rest its end, where a verdict stands


class Classifier(Predictor):
    """A classifier in an exported file; threads may share it."""

    def classify(self, text: str) -> Classification:
        """The class of a text, and what each piece had to do with it.

        Of a text too long for the model the first quarter of what fits and the end are read.
        """
        content = encoded(text)
        fitting = begin_and_end(content, self.model.size(_SIGNATURE, "N"))
        outputs = self.model.call(_SIGNATURE, fitting)
        labels, probabilities = self.model.metadata.labels, outputs["probabilities"].tolist()
        ids = without_padding(outputs["ids"])
        return Classification(
            label=labels[int(np.argmax(outputs["probabilities"]))],
            probabilities=dict(zip(labels, probabilities, strict=True)),
            pieces=named(ids, self.model.metadata.pieces),
            relevance=tuple(outputs["relevance"][: len(ids)].tolist()),
            source=text,
            cut=len(fitting) < len(content) or outputs["left_out"].item() > 0,
        )


def begin_and_end(content: bytes, size: int) -> bytes:
    """At most ``size`` bytes of a text: a quarter of them its begin, the rest its end, between words if it can be."""
    if len(content) <= size:
        return content
    head = content[: size // _BEGIN].decode("utf-8", "ignore")
    tail = content[len(content) - (size - size // _BEGIN - 1) :].decode("utf-8", "ignore")
    if len(words := head.rsplit(maxsplit=1)) > 1:
        head = words[0]
    if len(words := tail.split(maxsplit=1)) > 1:
        tail = words[1]
    return f"{head} {tail}".encode()
