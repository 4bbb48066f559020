"""What must hold of every answer of an exported file, whatever it was asked (docs/exported-files.md).

No number that comes out is ever NaN, not even where one that goes in is: a temperature or top_p of NaN may give any
text, but a text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.fuzz_inputs import Input
from nlpseq.runtime.backend import decoded
from nlpseq.text.unicode import without_surrogates

_END = 3
_RESERVED = 4  # ids below are no text
_SUM = 1e-3  # that probabilities may be off
_UNUSED = -1e9
_ROUNDING = 1e-3  # nats that a sum of logarithms may be above 0

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Sizes:
    """Of a signature.

    Attributes:
        buffers: by the letters of the contract.
        source_pieces, target_pieces: how many ids there are.
    """

    buffers: Mapping[str, int]
    source_pieces: int = 0
    target_pieces: int = 0


def problems(given: Input, outputs: Arrays, sizes: Sizes) -> list[str]:
    """What is wrong with the outputs of a signature; empty where all is well."""
    found = [
        f"{name} holds NaN" for name, value in outputs.items() if value.dtype.kind == "f" and np.isnan(value).any()
    ]
    found += [
        f"{name} holds infinity" for name, value in outputs.items() if value.dtype.kind == "f" and np.isinf(value).any()
    ]
    for name, value in outputs.items():
        if value.dtype == np.uint8:
            rows = value if value.ndim == 2 else value[None]
            found += [
                f"{name} is no UTF-8: {row.tobytes().rstrip(bytes(1)).hex()}" for row in rows if not _is_utf8(row)
            ]
    left_out = int(outputs["left_out"][0])
    if not 0 <= left_out <= 18 * sizes.buffers["N"]:  # a character may become 18
        found.append(f"left_out is {left_out}")
    return found + list(_CHECKS[given.target](given, outputs, sizes))


def _translation(given: Input, outputs: Arrays, sizes: Sizes) -> Iterator[str]:
    ids, source_ids = outputs["ids"], outputs["source_ids"]
    yield from _ids("ids", ids, sizes.target_pieces)
    yield from _ids("source_ids", source_ids, sizes.source_pieces)
    target, source = int(np.count_nonzero(ids)), int(np.count_nonzero(source_ids))
    if source and source_ids[source - 1] != _END:
        yield "source_ids do not end with the end mark"
    if source and ids[target - 1] != _END and target < min(len(ids), 2 * source + 10):
        yield f"ids neither end with the end mark nor reach their limit: {ids[:target].tolist()}"
    if bool(source) != bool(target):
        yield f"{source} source ids give {target} ids"
    if float(outputs["score"][0]) > _ROUNDING:
        yield f"score is {outputs['score'][0]}"
    alignment = outputs["alignment"]
    if (alignment < 0).any() or alignment[target:].any() or alignment[:, source:].any():
        yield "alignment has weights where there is no piece, or negative ones"
    if target and np.abs(alignment[:target].sum(axis=1) - 1).max() > _SUM:
        yield "the rows of alignment do not sum to 1"
    if not source and outputs["text"].any():
        yield "nothing is translated to something"
    if "n_best_text" in outputs:
        yield from _n_best(outputs)


def _n_best(outputs: Arrays) -> Iterator[str]:
    texts, scores = outputs["n_best_text"], outputs["n_best_score"]
    if not np.array_equal(texts[0], outputs["text"]):
        yield "n_best_text[0] is not text"
    # Those that have no end, since they reached the limit, come after all that have one.
    if np.count_nonzero(np.diff(scores) > 0) > 1:
        yield f"n_best_score is not in order: {scores.tolist()}"
    for text, score in zip(texts, scores.tolist(), strict=True):
        if score <= _UNUSED / 2 and text.any():
            yield f"an unused place of the n best has a text, at score {score}"


def _classification(given: Input, outputs: Arrays, sizes: Sizes) -> Iterator[str]:
    probabilities = outputs["probabilities"]
    yield from _ids("ids", outputs["ids"], sizes.source_pieces)
    if (probabilities < 0).any() or abs(probabilities.sum() - 1) > _SUM:
        yield f"probabilities are {probabilities.tolist()}"
    count = np.count_nonzero(outputs["ids"])
    if not count:
        yield "no piece was read, not even the one that stands for nothing"
    if outputs["relevance"][count:].any():
        yield "relevance where there is no piece"


def _generation(given: Input, outputs: Arrays, sizes: Sizes) -> Iterator[str]:
    assert isinstance(given.text, bytes)
    text, prompt = decoded(outputs["text"]), characters(given.text, sizes.buffers["N"])
    length = max(given.numbers["length"], 0)
    if outputs["left_out"][0] == 0 and not text.ljust(len(prompt), "\0").startswith(prompt):
        yield f"the prompt {prompt!r} is not what the text begins with: {text[: len(prompt)]!r}"
    if len(text) > len(prompt) + length:
        yield f"{len(prompt)} characters and {length} more give {len(text)}"
    if length == 0 and outputs["left_out"][0] == 0 and text != prompt.rstrip("\0"):
        yield f"0 characters after {prompt!r} give {text!r}"


def _score(given: Input, outputs: Arrays, sizes: Sizes) -> Iterator[str]:
    assert isinstance(given.text, bytes)
    nats, count = float(outputs["nats"][0]), int(outputs["characters"][0])
    text = characters(given.text, sizes.buffers["N"])
    expected = max(0, len(text) - max(0, given.numbers["context"]))
    if count > expected or (outputs["left_out"][0] == 0 and count != expected):
        yield f"{count} characters were scored, not {expected}"
    if nats < -_ROUNDING or (count == 0 and nats):
        yield f"{count} characters cost {nats} nats"


_CHECKS: dict[str, Callable[[Input, Arrays, Sizes], Iterator[str]]] = {
    "translate": _translation,
    "translate_greedy": _translation,
    "classify": _classification,
    "generate": _generation,
    "sample": _generation,
    "score": _score,
}


def said_problems(given: Input, answer: Any) -> list[str]:
    """What is wrong with the answer of a predictor; empty where all is well."""
    return list(_SAID[given.target](given, answer))


def _said_translation(given: Input, answer: Any) -> Iterator[str]:
    if any("\ud800" <= letter <= "\udfff" for letter in answer.text):
        yield "text holds a surrogate"
    if not np.isfinite(answer.score):
        yield f"score is {answer.score}"
    if len(answer.alignment) != len(answer.pieces):
        yield f"{len(answer.pieces)} pieces and {len(answer.alignment)} rows of alignment"
    rows = [answer.alignment[0], answer.alignment[len(answer.pieces) - 1]] if answer.pieces else []
    if any(len(row) != len(answer.source_pieces) for row in rows):
        yield f"{len(answer.source_pieces)} source pieces and {[len(row) for row in rows]} columns of alignment"


def _said_class(given: Input, answer: Any) -> Iterator[str]:
    if answer.label != max(answer.probabilities, key=answer.probabilities.__getitem__):
        yield f"the label {answer.label} is not the most probable one of {answer.probabilities}"
    if abs(sum(answer.probabilities.values()) - 1) > _SUM:
        yield f"probabilities are {answer.probabilities}"
    if len(answer.pieces) != len(answer.relevance):
        yield f"{len(answer.pieces)} pieces and {len(answer.relevance)} of relevance"


def _said_text(given: Input, answer: Any) -> Iterator[str]:
    prompt = without_surrogates(str(given.text))
    if not answer.text.startswith(prompt):
        yield f"the text begins with {answer.text[: len(prompt)]!r}"
    if len(answer.text) > len(prompt) + given.numbers["length"]:
        yield f"{len(prompt)} characters and {given.numbers['length']} more give {len(answer.text)}"


def _said_score(given: Input, answer: Any) -> Iterator[str]:
    if not all(np.isfinite(value) and value >= -_ROUNDING for value in answer.values()):
        yield f"scores are {answer}"


_SAID: dict[str, Callable[[Input, Any], Iterator[str]]] = {
    "Translator.translate": _said_translation,
    "Classifier.classify": _said_class,
    "Generator.generate": _said_text,
    "Generator.score": _said_score,
}


def characters(content: bytes, size: int) -> str:
    """The text in a buffer of so many bytes, without a character that its end cuts."""
    if len(content) < size:
        return content.rstrip(b"\0").decode("utf-8", "replace")
    for cut in range(1, 4):  # bytes of it that are there
        if cut <= len(content) and _is_begun(content[-cut:]):
            return content[:-cut].decode("utf-8", "replace")
    return content.rstrip(b"\0").decode("utf-8", "replace")


def _is_begun(content: bytes) -> bool:
    """Whether it is a character up to where it is cut."""
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start == 0 and error.reason == "unexpected end of data"
    return False


def _ids(name: str, ids: np.ndarray, pieces: int) -> Iterator[str]:
    count = int(np.count_nonzero(ids))
    if (ids < 0).any() or (ids >= pieces).any():
        yield f"{name} are from {ids.min()} to {ids.max()}: there are {pieces}"
    if ids[count:].any():
        yield f"{name} have zeros before their end: {ids.tolist()}"
    if (ids[: max(count - 1, 0)] == _END).any():
        yield f"{name} have an end mark before their end: {ids[:count].tolist()}"


def _is_utf8(text: np.ndarray) -> bool:
    try:
        text.tobytes().rstrip(b"\0").decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
