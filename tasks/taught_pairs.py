"""What teachers make of sentences, as pairs to learn from.

Source: Kim & Rush 2016, arXiv:1606.07947 (a small model learns what a larger one writes); Sennrich et al. 2016,
arXiv:1511.06709 (targets are translated back).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

from nlpseq.data.dataset import Dataset
from nlpseq.data.reader import Reader
from nlpseq.data.sources import Part, Record
from nlpseq.errors import UserError
from nlpseq.tasks.facts import Teacher


def taught_pairs(
    dataset: Dataset, teachers: Sequence[Teacher], languages: tuple[str, str], further: tuple[str, str]
) -> Iterator[Record]:
    """Yields each source with what a teacher makes of it, and each further target with what it is translated back to.

    Texts that are held out are not among the further ones.

    Args:
        dataset: of the pairs.
        teachers: those that translate from the second language to the first translate back.
        languages: of sources and of targets; empty where they are not known.
        further: a SPEC of further sources, and one of further targets; empty where there are none.

    Raises:
        UserError: a teacher translates between other languages, or further texts have no teacher.
    """
    back = [teacher for teacher in teachers if all(languages) and teacher.languages == languages[::-1]]
    forth = [teacher for teacher in teachers if teacher not in back]
    for teacher in forth:
        if all(languages) and teacher.languages and teacher.languages != languages:
            raise UserError(
                f"--teacher {teacher.name}: it translates from {' to '.join(teacher.languages)}, and this model from "
                f"{' to '.join(languages)}"
            )
    if further[0] and not forth:
        raise UserError(f"data.unlabelled: {further[0]} needs a teacher that translates it: --teacher MODEL")
    if further[1] and not back:
        raise UserError(
            f"data.unlabelled_targets: {further[1]} needs a teacher that translates it back: --teacher MODEL, and "
            "data.source_language and data.target_language, by which it is known"
        )
    if forth:
        sources = list(dict.fromkeys(chain(_side(dataset, "train", 0), _further(dataset, further[0], 0))))
        for teacher in forth:
            yield from _asked(teacher, sources, back=False)
    if back:
        targets = list(dict.fromkeys(_further(dataset, further[1], 1)))
        for teacher in back:
            yield from _asked(teacher, targets, back=True)


def _asked(teacher: Teacher, texts: Sequence[str], *, back: bool) -> Iterator[Record]:
    for number, (text, answer) in enumerate(zip(texts, teacher.ask(texts), strict=True), start=1):
        if answer.text:
            fields = (answer.text, text) if back else (text, answer.text)
            yield Record(fields, f"taught by {teacher.name}", number)


def _side(dataset: Dataset, part: Part, field: int) -> Iterator[str]:
    return (example.fields[field] for example in dataset.examples(part))


def _further(dataset: Dataset, spec: str, field: int) -> Iterator[str]:
    if spec:
        held_out = set(_side(dataset, "valid", field))
        texts = (record.fields[0] for record in Reader(("text",)).records(spec))
        yield from (text for text in texts if text not in held_out)
