"""Classifying texts."""

from __future__ import annotations

import numpy as np

from nlpseq.runtime.backend import encoded, is_blank
from nlpseq.runtime.predictor import Predictor, named, without_padding
from nlpseq.runtime.questions import Answer, Question
from nlpseq.runtime.results import Classification

_HEAD = 4  # a fourth of what is read is the text's beginning, the rest its end, where a verdict stands


class Classifier(Predictor):
    """A program that classifies; threads may share it."""

    signature = "classify"

    def classify(self, text: str) -> Classification:
        """The class of a text, and what each piece had to do with it.

        Of a text too long for the model, the first quarter of what fits and the end are read.
        """
        content = encoded(text)
        fitting = beginning_and_end(content, self.backend.size(self.signature, "N"))
        outputs = self.backend.call(self.signature, fitting)
        labels, probabilities = self.backend.metadata.labels, outputs["probabilities"].tolist()
        ids = without_padding(outputs["ids"])
        return Classification(
            label=labels[int(np.argmax(outputs["probabilities"]))],
            probabilities=dict(zip(labels, probabilities, strict=True)),
            pieces=named(ids, self.backend.metadata.pieces),
            relevance=tuple(outputs["relevance"][: len(ids)].tolist()),
            source=text,
            cut=len(fitting) < len(content) or outputs["left_out"].item() > 0,
        )

    def respond(self, text: str) -> Classification:
        if is_blank(text):
            labels = self.backend.metadata.labels
            return Classification("", dict.fromkeys(labels, 0.0), (), (), text)
        return self.classify(text)

    def answer(self, question: Question) -> Answer:
        result = self.classify(question.text)
        return Answer(result.label, result.probabilities)


def beginning_and_end(content: bytes, size: int) -> bytes:
    """At most ``size`` bytes of a text: a quarter of them from its beginning, the rest from its end.

    It is cut between words if it can be.
    """
    if len(content) <= size:
        return content
    head = content[: size // _HEAD].decode("utf-8", "ignore")
    tail = content[len(content) - (size - size // _HEAD - 1) :].decode("utf-8", "ignore")
    if len(words := head.rsplit(maxsplit=1)) > 1:
        head = words[0]
    if len(words := tail.split(maxsplit=1)) > 1:
        tail = words[1]
    return f"{head} {tail}".encode()
