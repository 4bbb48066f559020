"""Using a model that tags words. Nothing here needs TensorFlow."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from nlpseq.runtime.backend import encoded
from nlpseq.runtime.predictor import Predictor
from nlpseq.runtime.questions import Answer, Question
from nlpseq.text.segmentation import segments


@dataclass(frozen=True)
class Tagging:
    """The words of a text, the tag of each, and how probable the tags are on average."""

    words: list[str]
    tags: list[str]
    confidence: float

    @property
    def line(self) -> str:
        """One line for a terminal."""
        return " ".join(f"{word}/{tag}" for word, tag in zip(self.words, self.tags, strict=True))

    def to_json(self) -> dict[str, Any]:
        """All of it, as plain values."""
        return asdict(self)


class Tagger(Predictor):
    """A program that tags words."""

    signature = "tag"

    def tag(self, text: str) -> Tagging:
        """The tags of a text of any length: words are tagged in runs that fit the program."""
        size, labels = self.backend.size("tag", "N"), self.backend.metadata.labels
        words: list[str] = []
        tags: list[str] = []
        confidence = 0.0
        for part in segments(spaced(text), lambda part: len(encoded(part)) <= size):
            outputs = self.backend.call("tag", encoded(part.text))
            for word, place in word_places(part.text):
                words.append(word)
                tags.append(labels[outputs["tags"][place] - 1])
                confidence += outputs["probabilities"][place].item()
        return Tagging(words, tags, confidence / max(len(words), 1))

    def respond(self, text: str) -> Tagging:
        return self.tag(text)

    def answer(self, question: Question) -> Answer:
        result = self.tag(question.text)
        return Answer(" ".join(result.tags), {"confidence": result.confidence})


def spaced(text: str) -> str:
    """The words of a text with one space between two."""
    return " ".join(text.split())


def word_places(text: str) -> list[tuple[str, int]]:
    """Each word with the place of its last byte, where its tag is read."""
    places, place = [], -1
    for word in text.split(" "):
        place += len(encoded(word)) + 1
        places.append((word, place - 1))
    return places
