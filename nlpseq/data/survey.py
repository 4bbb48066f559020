"""A pass over data that a validation part is split off from: what is there, and what stays in training."""

from __future__ import annotations

import hashlib
import math
from collections import Counter

from nlpseq.data.sources import Record
from nlpseq.data.summary import Summary
from nlpseq.errors import DataError

_HASH_BYTES = 4
_MOST_LABELS = 1000
_FEW = 50  # examples of a validation part


class Survey:
    """A summary of data, and which of its texts stay in training though their hashes say otherwise.

    Those are the texts of a label that training would not see at all.
    """

    def __init__(self, summary: Summary, share: float) -> None:
        self.summary = summary
        self._share = share  # hashes below it are held out
        self._lowest = 1.0  # hash of all
        self._at_lowest: Counter[str] = Counter()  # examples of each label that have it
        self._in_training: Counter[str] = Counter()  # examples of each label
        self._held_out: Counter[str] = Counter()
        self._only_held_out: dict[str, list[str]] = {}  # the texts of labels that are not in training so far
        self._kept: frozenset[str] = frozenset()

    def add(self, record: Record) -> None:
        """Counts a record."""
        self.summary.add(record)
        hashed = side_hash(record)
        is_held_out = hashed < self._share
        text, label = record.fields[0], record.fields[1] if "label" in self.summary.columns else ""
        if len(self.summary.labels) > _MOST_LABELS:
            raise DataError(
                f"the {_MOST_LABELS + 1}th different label, '{label[:40]}': is this the label's column? Name the "
                "columns with --columns",
                file=record.file,
                line=record.line,
            )
        if hashed < self._lowest:
            self._lowest, self._at_lowest = hashed, Counter()
        if hashed == self._lowest:
            self._at_lowest[label] += 1
        (self._held_out if is_held_out else self._in_training)[label] += 1
        if not is_held_out:
            self._only_held_out.pop(label, None)
        elif label not in self._in_training:
            self._only_held_out.setdefault(label, []).append(text)

    def is_held_out(self, record: Record) -> bool:
        """Whether a record falls to the validation part."""
        return side_hash(record) < self._share and record.fields[0] not in self._kept

    def end(self, *, divided: bool) -> None:
        """Settles what stays in training, and notes what a person should hear of the parts."""
        summary = self.summary
        single = sorted(label for label, count in summary.labels.items() if count == 1)
        if len(single) > max(2, 0.1 * len(summary.labels)):
            summary.notes.append(f"{len(single)} labels occur once: {_listed(single)}: is this the label's column?")
        elif "label" in summary.columns and summary.first and (first := summary.first[0].fields[1]) in single:
            summary.notes.append(
                f"the label {first!r} of line {summary.first[0].line} stands nowhere else: if that line is a header, "
                "name the columns by it, such as --columns text=NAME,label=NAME"
            )
        if not divided:
            return
        if not self._held_out and all(self._in_training[label] > count for label, count in self._at_lowest.items()):
            self._share = math.nextafter(self._lowest, 1.0)  # of few texts at least one
            self._held_out, self._in_training = self._at_lowest, self._in_training - self._at_lowest
        moved = self._only_held_out if "label" in summary.columns else {}
        self._kept = frozenset(text for texts in moved.values() for text in texts)
        for label in moved:
            self._in_training[label] += self._held_out.pop(label)
        held_out = self._held_out.total()
        summary.parts = {"train": self._in_training.total(), "valid": held_out}
        if moved:
            names = _listed(sorted(moved))
            summary.notes.append(f"all examples of {names} stay in training, which would not see the label otherwise")
        absent = sorted(summary.labels.keys() - self._held_out.keys())
        if absent and held_out:
            summary.notes.append(
                f"no example of {_listed(absent)} is in the validation part: nothing is measured of it"
            )
        if note := few_validation_examples(held_out):
            summary.notes.append(note)


def few_validation_examples(count: int) -> str:
    """What it means that a validation part has so many examples; "" where they are enough."""
    if not 0 < count < _FEW:
        return ""
    return (
        f"the validation part has {count} example{'s' * (count > 1)}: each is {100 / count:.0f} % of what is measured, "
        "so that its figures say little, and early stopping follows chance; give more data, or a file with --valid"
    )


def _listed(labels: list[str], most: int = 10) -> str:
    shown = ", ".join(map(repr, labels[:most]))
    return f"{shown} and {len(labels) - most} more labels" if len(labels) > most else shown


def side_hash(record: Record) -> float:
    """What decides on the side of a record: at least 0 and below 1."""
    return text_hash(record.fields[0].strip())


def text_hash(text: str) -> float:
    """Returns a hash that is at least 0 and below 1."""
    digest = hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=_HASH_BYTES).digest()
    return int.from_bytes(digest, "big") / (1 << 8 * _HASH_BYTES)
