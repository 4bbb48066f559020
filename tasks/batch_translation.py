"""Translates many texts with a Keras model: their parts in batches, on all cores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import numpy as np
import tensorflow as tf

from nlpseq.cores import available_cores
from nlpseq.data.batches import padded_batches
from nlpseq.decoding import Hypotheses
from nlpseq.runtime.questions import Answer
from nlpseq.text.segmentation import has_letters, rejoined, segments
from nlpseq.text.tokenizers import EOS, PAD
from nlpseq.text.vocabulary import Vocabulary

_DECODED_TOKENS = 2048  # source pieces translated in one call, padding included


class TextsLearnt(Protocol):
    """What a model has learnt to translate at once, as in the section ``data`` of its configuration."""

    @property
    def learnt_unit(self) -> str: ...
    @property
    def together(self) -> int: ...
    @property
    def figures(self) -> str: ...
    @property
    def max_length(self) -> int: ...


def translated(
    texts: Sequence[str],
    learnt: TextsLearnt,
    vocabulary: Vocabulary,
    as_read: Callable[[str], str],
    search: Callable[[tf.Tensor], Hypotheses],
) -> list[Answer]:
    """Returns a translation for each text; the score of a text in several parts is the mean of theirs.

    Args:
        texts: of any length; they are cut as :class:`~nlpseq.runtime.translator.Translator` does.
        learnt: what decides where.
        vocabulary: tokenizers "source" and "target".
        as_read: from a part to what is encoded of it.
        search: from source ids, int32 [batch, source], to the best hypotheses.
    """
    tokenizer, decode = vocabulary.tokenizers["source"], vocabulary.tokenizers["target"].decode

    def encode(text: str) -> list[int]:
        return tokenizer.encode(as_read(text))

    def is_copied(text: str) -> bool:
        return learnt.figures == "copied" and not has_letters(text)

    def fits(text: str) -> bool:
        return is_copied(text) or len(encode(text)) < learnt.max_length

    cut = [segments(text, fits, unit=learnt.learnt_unit, together=learnt.together) for text in texts]
    read = [part.text for parts in cut for part in parts if not is_copied(part.text)]
    batches = padded_batches([np.array([*encode(text), EOS], np.int32) for text in read], _DECODED_TOKENS)
    made: dict[int, tuple[str, float]] = {}
    with ThreadPoolExecutor(available_cores()) as pool:
        found = pool.map(lambda batch: search(tf.constant(batch[1])), batches)
        for (positions, _), hypotheses in zip(batches, found, strict=True):
            rows, scores = hypotheses.ids[:, 0].numpy(), hypotheses.scores[:, 0].numpy().tolist()
            for position, ids, score in zip(positions, rows, scores, strict=True):
                made[position] = decode(ids[ids != PAD].tolist()), score
    in_order = (made[position] for position in range(len(read)))
    answers = []
    for parts in cut:
        of_parts = [("", 0.0) if is_copied(part.text) else next(in_order) for part in parts]
        text = rejoined(parts, [text for text, _ in of_parts])
        answers.append(Answer(text, {"score": sum(score for _, score in of_parts) / max(len(of_parts), 1)}))
    return answers
