"""What a pass over training data saw: counts, lengths, labels, and what a person should hear of before training."""

from __future__ import annotations

import contextlib
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from nlpseq.data.findings import Findings
from nlpseq.data.reader import Look
from nlpseq.data.sources import Record

_SHOWN_EXAMPLES = 3
_SHOWN_LABELS = 12
_SHOWN_CHARACTERS = 60
_REMEMBERED = 1 << 18  # texts among which duplicates are looked for


class Duplicates:
    """Counts records that came before. Of many records, those of small hashes stand for all."""

    def __init__(self) -> None:
        self._seen: dict[int, int] = {}  # a hash of each text, and of what stands beside it
        self._limit, self._scale = 1 << 64, 1
        self._equal = self._contradicting = 0

    def add(self, record: Record) -> None:
        """Counts a record."""
        text, beside = _hash(record.fields[0]), hash_of_others(record)
        if text >= self._limit:
            return
        if text in self._seen:
            if self._seen[text] == beside:
                self._equal += 1
            else:
                self._contradicting += 1
            return
        self._seen[text] = beside
        if len(self._seen) > _REMEMBERED:
            self._limit, self._scale = self._limit // 2, self._scale * 2
            self._seen = {text: beside for text, beside in self._seen.items() if text < self._limit}
            self._equal, self._contradicting = self._equal // 2, self._contradicting // 2

    @property
    def equal(self) -> int:
        """Records that are equal to one before; an estimate where there are more than are remembered."""
        return self._equal * self._scale

    @property
    def contradicting(self) -> int:
        """Records whose text came before with something else beside it."""
        return self._contradicting * self._scale


@dataclass(repr=False)
class Summary:
    """Grows with each record of a pass.

    Attributes:
        columns: of a record.
        looks: how each file is read.
        findings: what the reader left out and mended.
        records: how many there are.
        labels: how often each occurs.
        duplicates: records that came before.
        first: the first records.
        parts: how many examples fall to each part, where the data is divided.
        notes: sentences that a person should read.
    """

    columns: tuple[str, ...]
    looks: Sequence[Look] = ()
    findings: Findings = field(default_factory=Findings)
    records: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    duplicates: Duplicates = field(default_factory=Duplicates)
    first: list[Record] = field(default_factory=list)
    parts: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    _lengths: dict[str, Counter[int]] = field(default_factory=dict)

    def add(self, record: Record) -> None:
        """Counts a record."""
        self.records += 1
        if len(self.first) < _SHOWN_EXAMPLES:
            self.first.append(record)
        for column, text in zip(self.columns, record.fields, strict=True):
            if column == "label":
                self.labels[text] += 1
            else:
                self._lengths.setdefault(column, Counter())[len(text)] += 1
        self.duplicates.add(record)

    def lengths(self) -> dict[str, dict[str, int]]:
        """For each column of texts the median, the length that 95 % do not exceed, and the longest, in characters."""
        shares = {"median": 0.5, "95 %": 0.95, "longest": 1.0}
        return {
            column: {words: _quantile(counts, share) for words, share in shares.items()}
            for column, counts in self._lengths.items()
        }

    def near_equal_labels(self) -> list[list[str]]:
        """Labels that differ in case, in punctuation or in forms of one letter only."""
        groups: dict[str, list[str]] = {}
        for label in sorted(self.labels):
            groups.setdefault(_core(label), []).append(label)
        return [labels for labels in groups.values() if len(labels) > 1]

    def as_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        left_out = self.findings.left_out
        return {
            "files": [
                {
                    "name": look.name,
                    "form": look.form,
                    "header": look.has_header,
                    "columns": look.columns,
                    "unused": look.unused,
                }
                for look in self.looks
            ],
            "records": self.records,
            "columns": self.looks[0].columns if self.looks else {},
            "labels": dict(self.labels.most_common()),
            "lengths": self.lengths(),
            "left_out": {reason: found.count for reason, found in left_out.items()},
            "first_left_out": {reason: found.first for reason, found in left_out.items()},
            "mended": {what: found.count for what, found in self.findings.mended.items()},
            "duplicates": self.duplicates.equal,
            "contradictions": self.duplicates.contradicting,
            "near_equal_labels": self.near_equal_labels(),
            "parts": self.parts,
            "notes": self.notes,
            "first": [dict(zip(self.columns, record.fields, strict=True)) for record in self.first],
        }

    def form_words(self) -> str:
        """How the files are read: "a.csv: CSV, comma, UTF-8; text is 'review', label is 'stars'"."""
        words = []
        for look in self.looks:
            named = ", ".join(f"{column} is {name!r}" for column, name in look.columns.items())
            header = {True: "; the first row is a header", False: "; no header", None: ""}[look.has_header]
            unused = f"; not used: {', '.join(map(repr, look.unused))}" if look.unused else ""
            words.append(f"{look.name}: {look.form}{header}; {named}{unused}")
        return " + ".join(words)

    def count_words(self) -> str:
        """How much there is: "200 records; labels neg 100, pos 100; text of 20 characters, 95 % up to 31, …"."""
        words = [f"{self.records:,} {'record' if self.records == 1 else 'records'}"]
        if self.labels:
            shown = ", ".join(f"{label} {count:,}" for label, count in self.labels.most_common(_SHOWN_LABELS))
            more = f", … ({len(self.labels)} labels)" if len(self.labels) > _SHOWN_LABELS else ""
            words.append(f"labels {shown}{more}")
        for column, found in self.lengths().items():
            median, most, longest = found.values()
            words.append(f"{column} of {median:,} characters, 95 % up to {most:,}, the longest {longest:,}")
        return "; ".join(words)

    def finding_words(self) -> str:
        """What is left out, mended, there twice, or suspicious."""
        words = [
            f"left out: {found.count:,} with {reason} (first: {found.first})"
            for reason, found in self.findings.left_out.items()
        ]
        words += [f"{found.count:,} {what} (first: {found.first})" for what, found in self.findings.mended.items()]
        if equal := self.duplicates.equal:
            words.append(f"{equal:,} duplicates")
        if self.labels and (contradicting := self.duplicates.contradicting):
            words.append(f"{contradicting:,} texts again with another label")
        words += [f"nearly equal labels: {', '.join(map(repr, labels))}" for labels in self.near_equal_labels()]
        return "; ".join(words) or "nothing left out, no duplicates"

    def first_words(self) -> list[str]:
        """The first examples: "'a good film' → 'pos'"."""
        return [" → ".join(_short(text) for text in record.fields) for record in self.first]

    def lines(self) -> list[str]:
        """All of it in four lines, and one for each note."""
        return [self.form_words(), self.count_words(), self.finding_words(), *self.first_words()[:1], *self.notes]

    def __str__(self) -> str:
        return self.page()

    __repr__ = __str__  # what a notebook shows

    def page(self) -> str:
        """All of it for a person who looks at it before training."""
        parts = ", ".join(f"{part} {count:,}" for part, count in self.parts.items())
        rows = [
            ("read", self.form_words()),
            ("counts", self.count_words()),
            ("parts", parts),
            ("found", self.finding_words()),
            *(("example", words) for words in self.first_words()),
            *(("note", note) for note in self.notes),
        ]
        return "\n".join(f"{name:8}{words}" for name, words in rows if words)


def hash_of_others(record: Record) -> int:
    """A hash of what stands beside a record's text."""
    return _hash("\0".join(record.fields[1:]))


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode("utf-8", "replace"), digest_size=8).digest(), "big")


def _quantile(counts: Counter[int], share: float) -> int:
    """The smallest length that so many texts do not exceed."""
    wanted, so_far = share * sum(counts.values()), 0
    for length in sorted(counts):
        so_far += counts[length]
        if so_far >= wanted:
            return length
    return 0


def _core(label: str) -> str:
    """A label without what people vary when they mean the same; a number is its value."""
    with contextlib.suppress(ValueError):
        return str(float(label))
    plain = re.sub(r"[\s_\-.,;:!?'\"]+", "", unicodedata.normalize("NFKC", label).casefold())
    return plain or label


def _short(text: str) -> str:
    return repr(text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…")
