"""Writing text, and scoring it, with an exported language model."""

from __future__ import annotations

import itertools
import zlib

from nlpseq.errors import UserError
from nlpseq.evaluation import language_model_scores
from nlpseq.runtime.exported import Predictor, decoded, encoded, without_surrogates
from nlpseq.runtime.results import Generation

_GENERATE, _SAMPLE, _SCORE = "generate", "sample", "score"
_LARGEST = 2**31 - 1  # of int32


class Generator(Predictor):
    """A language model in an exported file; threads may share it."""

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
        if length < 0 or temperature < 0 or not 0 < top_p <= 1 or top_k < 0 or not 0 <= seed <= _LARGEST:
            raise UserError(
                f"length {length}, temperature {temperature}, top-k {top_k}, top-p {top_p}, seed {seed}: they must be "
                f"at least 0, top-p above 0 and at most 1, the seed at most {_LARGEST:,}"
            )
        signature, numbers = _GENERATE, {"temperature": temperature}
        if top_k > 0 or top_p < 1:
            signature = _SAMPLE
            numbers |= {"top_k": min(top_k, _LARGEST), "top_p": top_p}
        read = self.model.size(signature, "N")
        held = self.model.size(signature, "M")
        text = begin = without_surrogates(prompt)
        for call in itertools.count():
            missing = len(begin) + length - len(text)
            if missing <= 0:
                break
            given = _end(text, min(read, held // 2))  # half a buffer at least is for what is new
            outputs = self.model.call(
                signature, encoded(given), length=min(missing, held), seed=_seed(seed, call), **numbers
            )
            new = decoded(outputs["text"])[len(given) :]
            if not new:
                break
            text += new
        return Generation(text[: len(begin) + length], prompt, seed)

    def score(self, text: str) -> dict[str, float]:
        """Nats and bits per character of a text, which begins a line.

        A text too long for one call is read in windows, each after the end of the one before.

        Raises:
            UserError: the text is empty.
        """
        text = without_surrogates(text)
        size = self.model.size(_SCORE, "N")
        nats, characters, position, count = 0.0, 0, 0, size
        while position < len(text):
            context = _end(text[max(0, position - size) : position], size // 2)
            new = _begin(text[position : position + count], size - len(encoded(context)))
            outputs = self.model.call(_SCORE, encoded(context + new), context=len(context))
            if outputs["left_out"].item() and len(new) > 1:
                count = len(new) // 2
                continue
            nats += outputs["nats"].item()
            characters += outputs["characters"].item()
            position += len(new)
        if not characters:
            raise UserError("a text to score needs at least one character")
        return language_model_scores(nats, characters)


def _seed(seed: int, call: int) -> int:
    """Of a call; the first has the seed itself."""
    return seed if call == 0 else zlib.crc32(f"{seed} {call}".encode()) & _LARGEST


def _end(text: str, size: int) -> str:
    """The last whole characters that are at most ``size`` bytes."""
    content = encoded(text[-size:])
    return content[max(0, len(content) - size) :].decode("utf-8", "ignore")


def _begin(text: str, size: int) -> str:
    """The first whole characters that are at most ``size`` bytes."""
    return encoded(text[:size])[:size].decode("utf-8", "ignore")
