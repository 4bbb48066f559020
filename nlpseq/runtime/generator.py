"""Writing text, and scoring it, with a language model."""

from __future__ import annotations

import itertools
import math
import zlib

from nlpseq.errors import UserError
from nlpseq.metrics import language_model_scores
from nlpseq.runtime.backend import decoded, encoded
from nlpseq.runtime.predictor import Predictor
from nlpseq.runtime.questions import Answer, Question
from nlpseq.runtime.results import Generation
from nlpseq.text.unicode import without_surrogates

_SAMPLE, _SCORE = "sample", "score"
_LARGEST = 2**31 - 1  # of int32


class Generator(Predictor):
    """A program that writes on; threads may share it."""

    signature = "generate"

    def generate(
        self,
        prompt: str = "",
        *,
        length: int = 200,
        temperature: float = 0.8,
        top_k: int = 0,
        top_p: float = 1.0,
        seed: int = 1,
    ) -> Generation:
        """Goes on from the prompt for ``length`` characters.

        A call writes as much as its buffer holds. The next one reads the end of what there is by then, and draws with a
        seed made of ``seed`` and its number.

        Args:
            prompt: text to go on from; "" begins a line. Of a long one the end is read.
            length: characters to write.
            temperature: 0 always takes the most probable; 1 draws as the model thinks; above, wilder.
            top_k: draws among so many; 0: all.
            top_p: draws among the most probable that add up to this; 1: all.
            seed: the same seed writes the same text; from 0 to 2,147,483,647.

        Raises:
            UserError: a number is out of its range.
        """
        _check_numbers(length, temperature, top_k, top_p, seed)
        signature, numbers = self.signature, {"temperature": temperature}
        if top_k > 0 or top_p < 1:
            signature = _SAMPLE
            numbers |= {"top_k": min(top_k, _LARGEST), "top_p": top_p}
        read = self.backend.size(signature, "N")
        held = self.backend.size(signature, "M")
        text = begin = without_surrogates(prompt)
        for call in itertools.count():
            missing = len(begin) + length - len(text)
            if missing <= 0:
                break
            given = _end(text, min(read, held // 2))  # half a buffer at least is for what is new
            outputs = self.backend.call(
                signature, encoded(given), length=min(missing, held), seed=_seed(seed, call), **numbers
            )
            new = decoded(outputs["text"])[len(given) :]
            if not new:
                break
            text += new
        return Generation(text[: len(begin) + length], prompt, seed)

    def respond(self, text: str) -> Generation:
        return self.generate(text)

    def answer(self, question: Question) -> Answer:
        """How probable the text is after its context, which begins a line."""
        outputs = self.backend.call(_SCORE, encoded(question.context + question.text), context=len(question.context))
        return Answer("", {"nats_per_character": outputs["nats"].item() / max(outputs["characters"].item(), 1)})

    def score(self, text: str) -> dict[str, float]:
        """Nats and bits per character of a text, which begins a line.

        A text too long for one call is read in windows, each after the end of the one before.

        Raises:
            UserError: the text is empty.
        """
        text = without_surrogates(text)
        size = self.backend.size(_SCORE, "N")
        nats, characters, position, count = 0.0, 0, 0, size
        while position < len(text):
            context = _end(text[max(0, position - size) : position], size // 2)
            new = _begin(text[position : position + count], size - len(encoded(context)))
            outputs = self.backend.call(_SCORE, encoded(context + new), context=len(context))
            if outputs["left_out"].item() and len(new) > 1:
                count = len(new) // 2
                continue
            nats += outputs["nats"].item()
            characters += outputs["characters"].item()
            position += len(new)
        if not characters:
            raise UserError("a text to score needs at least one character")
        return language_model_scores(nats, characters)


def _check_numbers(length: int, temperature: float, top_k: int, top_p: float, seed: int) -> None:
    allowed = {
        f"length is {length!r}": (length >= 0, "it must be at least 0"),
        f"temperature is {temperature!r}": (0 <= temperature < math.inf, "it must be a number of at least 0"),
        f"top-k is {top_k!r}": (top_k >= 0, "it must be at least 0"),
        f"top-p is {top_p!r}": (0 < top_p <= 1, "it must be above 0 and at most 1"),
        f"seed is {seed!r}": (0 <= seed <= _LARGEST, f"it must be from 0 to {_LARGEST:,}"),
    }
    if wrong := [f"{given}: {rule}" for given, (fine, rule) in allowed.items() if not fine]:
        raise UserError("; ".join(wrong))


def _seed(seed: int, call: int) -> int:
    """The seed of a call; the first has the seed itself."""
    return seed if call == 0 else zlib.crc32(f"{seed} {call}".encode()) & _LARGEST


def _end(text: str, size: int) -> str:
    """The last whole characters that are at most ``size`` bytes."""
    content = encoded(text[-size:])
    return content[max(0, len(content) - size) :].decode("utf-8", "ignore")


def _begin(text: str, size: int) -> str:
    """The first whole characters that are at most ``size`` bytes."""
    return encoded(text[:size])[:size].decode("utf-8", "ignore")
