"""What exported models are asked when calls are timed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nlpseq.errors import UserError
from nlpseq.model_folder import FoundModel
from nlpseq.pipeline.loading import load
from nlpseq.runtime.translator import Translator

_SENTENCES = 8  # of the wanted length that are translated
_LENGTHS = (200, 1000)  # characters of texts that are classified
_WRITTEN = 200  # characters, after a short prompt
_SHORT, _LONG = 100, 400  # characters, between which one more is counted
_SCORED = 1000  # characters
_FILTERED = {"top_k": 20, "top_p": 0.9}


@dataclass(frozen=True)
class Call:
    """What a contender is asked.

    Attributes:
        do: translate, classify, generate or score.
        options: of the predictor's method of that name.
    """

    do: str
    text: str
    options: dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A line of the table for each contender.

    Attributes:
        calls: each is timed by itself; the median is over all of them.
        shorter: one for each call, whose time is taken off; empty where none is.
        characters: that a call makes, or makes more than the shorter one; its time is shown for one of them. 0: the
            time of a call.
    """

    name: str
    calls: tuple[Call, ...]
    shorter: tuple[Call, ...] = ()
    characters: int = 0

    @property
    def unit(self) -> str:
        return "µs a character" if self.characters else "ms"

    def shown(self, seconds: float) -> float:
        """Seconds of a call in the unit."""
        return 1e6 * seconds / self.characters if self.characters else 1e3 * seconds


def cases(model: FoundModel, texts: Sequence[str], pieces: int) -> list[Case]:
    """What a model of this task is asked.

    Args:
        texts: everyday sentences of the model's language.
        pieces: of a source that is translated, the end mark counted.

    Raises:
        UserError: no text has so many pieces, or the task is not known.
    """
    if model.task == "translation":
        return _translations(model, texts, pieces)
    if model.task == "sentiment":
        buffer = load(model).backend.size("classify", "N")
        return [
            Case(f"classify {length:,} characters{what}", tuple(_of_length(texts, length, count)))
            for length, what, count in [*((length, "", 4) for length in _LENGTHS), (buffer, ", all that it reads", 1)]
            if length <= buffer
        ]
    if model.task == "char-lm":
        return _writings(texts)
    raise UserError(f"'{model.name}': its task {model.task} has no calls to measure")


def _translations(model: FoundModel, texts: Sequence[str], pieces: int) -> list[Case]:
    translator = load(model)
    assert isinstance(translator, Translator)
    counted = {text: len(translator.translate(text, greedy=True).source_pieces) for text in dict.fromkeys(texts)}
    fitting = [text for text, count in counted.items() if count == pieces][:_SENTENCES]
    if not fitting:
        found = ", ".join(map(str, sorted(set(counted.values()))))
        raise UserError(f"no text has {pieces} pieces in '{model.name}', only {found}: give others with --texts")

    def case(name: str, **options: Any) -> Case:
        return Case(f"{name}, {pieces} pieces", tuple(Call("translate", text, options) for text in fitting))

    return [case(f"translate, beam {translator.beam}", greedy=False), case("translate, greedy", greedy=True)]


def _of_length(texts: Sequence[str], length: int, count: int) -> list[Call]:
    """Different texts of so many characters, made of sentences."""
    joined = _repeated(texts, 2 * length)
    starts = [sum(len(text) + 1 for text in texts[:index]) for index in range(min(count, len(texts)))]
    return [Call("classify", joined[start : start + length], {}) for start in starts]


def _writings(texts: Sequence[str]) -> list[Case]:
    prompts = [text.split()[0] + " " for text in texts[:4]]

    def writing(length: int, **options: Any) -> tuple[Call, ...]:
        drawn = {"temperature": 0.8, **options}
        return tuple(Call("generate", prompt, {"length": length, **drawn}) for prompt in prompts)

    between = f"one more, between {_SHORT} and {_LONG}"
    scored = _repeated(texts, _SCORED)[:_SCORED]
    return [
        Case(f"generate {_WRITTEN} characters", writing(_WRITTEN), characters=_WRITTEN),
        Case(f"generate: {between}", writing(_LONG), writing(_SHORT), _LONG - _SHORT),
        Case(f"sample {_WRITTEN} characters", writing(_WRITTEN, **_FILTERED), characters=_WRITTEN),
        Case(f"sample: {between}", writing(_LONG, **_FILTERED), writing(_SHORT, **_FILTERED), _LONG - _SHORT),
        Case(f"score {_SCORED:,} characters", (Call("score", scored, {}),), characters=_SCORED),
    ]


def _repeated(texts: Sequence[str], length: int) -> str:
    """The texts, with spaces between them, as often as it takes to have so many characters."""
    once = " ".join(texts)
    return " ".join([once] * (1 + length // (len(once) + 1)))
