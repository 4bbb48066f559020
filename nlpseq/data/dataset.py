"""The examples of a task, by part: where each part comes from, and what has to be said about it."""

from __future__ import annotations

import dataclasses
import heapq
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from nlpseq.data import reader, sources
from nlpseq.data.collector import paused_collector
from nlpseq.data.findings import Findings
from nlpseq.data.lessons import lessons_digest, read_lessons
from nlpseq.data.meter import Meter, Watch
from nlpseq.data.reader import Reader
from nlpseq.data.sources import Part, Record, Rows, printable
from nlpseq.data.summary import Summary
from nlpseq.data.survey import Survey, side_hash, text_hash
from nlpseq.errors import UserError

if TYPE_CHECKING:
    from nlpseq.config import DataConfig

_LARGE_BYTES = 4_000_000  # some seconds
_READING = ("train", "valid", "test", "columns", "labels", "valid_fraction")  # settings that say what is read, and how
# These settings change nothing in the ids of a part: its content is in the key instead of its name.
_NOT_IN_KEY = frozenset(("train", "valid", "test", "licence", "credit"))


@dataclasses.dataclass(frozen=True)
class _Origin:
    """Where a part comes from.

    Attributes:
        spec: the data.
        split: which split of it, where it has splits.
        divided: whether the held-out share of the data is told from the rest, and the part is one of the two.
        held_out: which of the two.
    """

    spec: str
    split: Part = "train"
    divided: bool = False
    held_out: bool = False


class Dataset:
    """The examples of a task, by part: train, valid and test.

    A part is read from its own SPEC, or from the split of the training corpus, or it is split off the training data by
    a hash of the first column. So a duplicate never stands on both sides. The texts of a label stay in training where
    all of them would be held out.

    Args:
        config: the section ``data`` of a configuration.
        columns: what an example is made of: ("text", "label"), ("source", "target") or ("text",).
        sample: yields the rows of the bundled sample.
        clean: turns a record as it stands in the data into the one that the task uses.

    Attributes:
        lessons: a file of further training examples, which teachers made; None where there are none.
    """

    _held_out_of = "split off {} by a hash"

    def __init__(
        self,
        config: DataConfig,
        columns: tuple[str, ...],
        *,
        sample: Callable[[], Rows] | None = None,
        clean: Callable[[Record], Record] | None = None,
    ) -> None:
        self.config, self.columns = config, columns
        self._sample, self._clean = sample, clean
        self._reader = Reader(columns, config.columns, sample)
        self._fingerprints: dict[tuple[str, Part], str] = {}
        self._splits: dict[tuple[str, Part], bool] = {}
        self._surveys: dict[_Origin, Survey] = {}
        self._lines: Summary | None = None  # of a running text
        self.lessons: Path | None = None

    def take_over(self, other: Dataset) -> None:
        """Takes over what another one has found out, if it reads the same: each is a pass over all of the data."""
        mine, theirs = ([getattr(each.config, name, None) for name in _READING] for each in (self, other))
        if mine == theirs:
            self._fingerprints, self._splits, self._surveys = other._fingerprints, other._splits, other._surveys
            self._lines = other._lines
        self.lessons = other.lessons

    def examples(self, part: Part, watch: Watch | None = None) -> Iterator[Record]:
        """Yields the examples of a part lazily; none where there is no such part.

        Args:
            part: which.
            watch: shows how far the pass is.

        Raises:
            UserError: the data cannot be had, or lacks the part that it was named for.
            DataError: a line that cannot be used, with its file and number.
        """
        origin = self._origin(part)
        if origin is None:
            return iter(())
        read = self._training if part == "train" else self._examples
        return _watched(watch, lambda meter: read(origin, meter))

    def summary(self, watch: Watch | None = None) -> Summary:
        """What the training data is, before a part is split off; read once, kept after that.

        Raises:
            UserError, DataError: as :meth:`examples`.
        """
        origin = self._origin("train")
        assert origin is not None
        return self._survey(origin, watch).summary

    def has_part(self, part: Part) -> bool:
        """Whether there is such a part. A test part is a SPEC of its own or the corpus' own split."""
        return self._origin(part) is not None

    def even_sample(self, part: Part, count: int) -> list[Record]:
        """At most ``count`` examples of a part, each as probable as any other, in the order of the data.

        They are those of the smallest hashes, so that they are the same ones every time. The hash is of the first
        column: all translations of a source are chosen together.
        """
        numbered = enumerate(self.examples(part))
        hashed = ((text_hash(f"sample {record.fields[0]}"), number, record) for number, record in numbered)
        chosen = heapq.nsmallest(count, hashed)
        return [record for _, _, record in sorted(chosen, key=lambda entry: entry[1])]

    def content_key(self, part: Part) -> tuple[object, ...]:
        """Everything besides the vocabulary that the ids of a part depend on: its content, and the settings.

        Raises:
            UserError: the data cannot be had.
        """
        origin = self._origin(part)
        if origin is None:
            return (part,)
        settings = sorted(item for item in dataclasses.asdict(self.config).items() if item[0] not in _NOT_IN_KEY)
        lessons = () if part != "train" or self.lessons is None else (lessons_digest(self.lessons),)
        held_out = (origin.divided, origin.held_out)
        return (self.fingerprint(part), origin.split, *held_out, self.columns, tuple(settings), *lessons)

    def fingerprint(self, part: Part) -> str:
        """A name for the content that a part is read from; "" where there is no such part.

        Raises:
            UserError: the data cannot be had.
        """
        origin = self._origin(part)
        if origin is None:
            return ""
        at = (origin.spec, origin.split)
        if at not in self._fingerprints:  # all of the content must be read for it
            self._fingerprints[at] = sources.fingerprint(*at, self._sample)
        return self._fingerprints[at]

    def is_large(self, part: Part) -> bool:
        """Whether a pass over what a part is read from takes long enough to be shared."""
        origin = self._origin(part)
        return origin is not None and sources.file_bytes(origin.spec) >= _LARGE_BYTES

    def described(self, part: Part) -> str:
        """What the part is, in words: "reviews.csv", "a tenth split off reviews.csv by a hash", or "none"."""
        origin = self._origin(part)
        return "none" if origin is None else self._words(origin)

    def measured(self, spec: str) -> tuple[str, Iterator[Record]]:
        """What a model is measured on where a person names data for it: what it is in words, and its examples.

        Of a dataset with splits it is the test part, or else the validation part. Of the bundled sample, and of a
        dataset with a training part alone, it is what training on them would hold out. A file is measured whole.

        Raises:
            UserError: the data cannot be had.
            DataError: a line that cannot be used, with its file and number.
        """
        origins = [self._measured_origin(single) for single in sources.single_specs(spec)]
        return " + ".join(map(self._words, origins)), self._joined([self._examples(origin) for origin in origins], spec)

    def nothing_left(self, part: Part, notes: Mapping[str, int]) -> str:
        """The message where no example of a part is left; ``notes`` count what was left out."""
        origin = self._origin(part)
        left_out = "".join(f"; {count} {what}" for what, count in notes.items())
        name = printable(origin.spec) if origin else "the data"
        if origin and origin.held_out:
            return (
                f"{name}: too few examples to split off a validation part{left_out}: give more, "
                "or a validation file with --valid"
            )
        return f"{name}: no example is left for the {part} part{left_out}"

    def _origin(self, part: Part) -> _Origin | None:
        train, valid, test = self.config.train, self.config.valid, self.config.test
        if own := {"train": "", "valid": valid, "test": test}[part]:
            return _Origin(own, part)
        if part == "test":
            return _Origin(train, part) if self._has_split(train, part) else None
        if valid or self._has_split(train, "valid"):
            return _Origin(train, part)
        return _Origin(train, divided=True, held_out=part == "valid")

    def _measured_origin(self, spec: str) -> _Origin:
        """As :meth:`measured`, of a single SPEC."""
        for split in ("test", "valid"):
            if self._has_split(spec, split):
                return _Origin(spec, split)
        held_out = spec == "sample" or spec.startswith("tfds:")
        return _Origin(spec, divided=held_out, held_out=held_out)

    def _has_split(self, spec: str, split: Part) -> bool:
        if (spec, split) not in self._splits:  # a dataset must be opened for it
            self._splits[spec, split] = sources.has_part(spec, split, self.columns)
        return self._splits[spec, split]

    def _training(self, origin: _Origin, meter: Meter) -> Iterator[Record]:
        """The training part, each SPEC as often as its weight says, and what teachers said of it."""
        weighted = sources.weighted_specs(origin.spec)
        if all(weight == 1 for _, weight in weighted):
            own = self._examples(origin, meter)
        else:
            own = itertools.chain.from_iterable(
                _repeated(self._examples(origin, meter, single), weight) for single, weight in weighted
            )
        return own if self.lessons is None else itertools.chain(own, read_lessons(self.lessons))

    def _examples(self, origin: _Origin, meter: Meter | None = None, single: str = "") -> Iterator[Record]:
        """The examples of a part; of one of its SPECs alone, if that is given."""
        records = self._read(dataclasses.replace(origin, spec=single) if single else origin, meter)
        return self._side(origin, records) if origin.divided else records

    def _words(self, origin: _Origin) -> str:
        if origin.held_out:
            share = self.config.valid_fraction
            data = "the bundled sample" if origin.spec == "sample" else printable(origin.spec)
            return f"{'a tenth' if share == 0.1 else f'{100 * share:.4g} %'} {self._held_out_of.format(data)}"
        return sources.described(origin.spec, origin.split)

    def _read(self, origin: _Origin, meter: Meter | None = None, findings: Findings | None = None) -> Iterator[Record]:
        """The whole split."""
        records = self._records(origin, meter, findings)
        return records if self._clean is None else map(self._clean, records)

    def _records(self, origin: _Origin, meter: Meter | None, findings: Findings | None) -> Iterator[Record]:
        return self._reader.records(origin.spec, origin.split, findings, meter)

    def _side(self, origin: _Origin, records: Iterator[Record]) -> Iterator[Record]:
        """Those of the records that are held out, or the others."""
        # Of a large file without labels, the hashes alone are sure to divide it; a pass is spared.
        knows = "label" in self.columns or sources.file_bytes(origin.spec) < _LARGE_BYTES
        survey = self._survey(origin) if knows else None
        for record in records:
            is_held_out = survey.is_held_out(record) if survey else side_hash(record) < self.config.valid_fraction
            if is_held_out == origin.held_out:
                yield record

    def _survey(self, origin: _Origin, watch: Watch | None = None) -> Survey:
        """A pass over all of the data that a part is split off from, or that is the training part."""
        key = dataclasses.replace(origin, held_out=False)
        if key not in self._surveys:
            findings = Findings()
            summary = Summary(self.columns, self._reader.look(origin.spec, origin.split), findings)
            survey = Survey(summary, self.config.valid_fraction if origin.divided else 0.0)
            with paused_collector():
                for record in _watched(watch, lambda meter: self._read(origin, meter, findings)):
                    survey.add(record)
            survey.end(divided=origin.divided)
            self._surveys[key] = survey
        return self._surveys[key]

    def _joined(self, several: list[Iterator[Record]], spec: str) -> Iterator[Record]:
        return itertools.chain.from_iterable(several)


class RunningText(Dataset):
    """One long text instead of examples: each record is a chunk of at most 64k characters that ends at a line end.

    The last part of the text is held out. A sample consists of whole chunks from all over the text, since the first
    ones may be of one author or topic. A language model carries its state across the gap between two of them, which
    costs it a few characters in 64k.
    """

    _held_out_of = "split off the end of {}"

    def _records(self, origin: _Origin, meter: Meter | None, findings: Findings | None) -> Iterator[Record]:
        return _numbered(self._reader.text(origin.spec, origin.split, meter), origin.spec)

    def summary(self, watch: Watch | None = None) -> Summary:
        """What the text is: its lines are the records."""
        if self._lines is not None:
            return self._lines
        origin = self._origin("train")
        assert origin is not None
        summary = Summary(self.columns, self._reader.look(origin.spec, origin.split))
        for chunk in _watched(watch, lambda meter: self._read(origin, meter)):
            for number, line in enumerate(chunk.fields[0].split("\n"), start=1):
                if line.strip():
                    summary.add(dataclasses.replace(chunk, fields=(line,), line=number))
        self._lines = summary
        return summary

    def _training(self, origin: _Origin, meter: Meter) -> Iterator[Record]:
        if any(weight != 1 for _, weight in sources.weighted_specs(origin.spec)):
            raise UserError(f"{printable(origin.spec)}: a running text is read once: leave the weight out")
        return self._examples(origin, meter)

    def _side(self, origin: _Origin, records: Iterator[Record]) -> Iterator[Record]:
        total = sum(len(record.fields[0]) for record in self._read(origin))
        cut = total - int(total * self.config.valid_fraction)
        start, stop = (cut, total) if origin.held_out else (0, cut)
        position = 0
        for record in records:
            text = record.fields[0]
            side = text[max(0, start - position) : max(0, stop - position)]
            position += len(text)
            if side:
                yield dataclasses.replace(record, fields=(side,))
            if position >= stop:
                return

    def _joined(self, several: list[Iterator[Record]], spec: str) -> Iterator[Record]:
        texts = [(record.fields[0] for record in records) for records in several]
        return _numbered(reader.chunks(texts), spec)


def _watched(watch: Watch | None, read: Callable[[Meter], Iterator[Record]]) -> Iterator[Record]:
    """The records that `read` yields, watched."""
    meter = Meter()
    return read(meter) if watch is None else watch(read(meter), meter)


def _repeated(records: Iterable[Record], weight: float) -> Iterator[Record]:
    """Each record as often as the weight says; for a part of a time, a hash of all fields decides."""
    whole, part = divmod(weight, 1)
    for record in records:
        further = part > 0 and text_hash(f"weight {' '.join(record.fields)}") < part
        yield from itertools.repeat(record, int(whole) + further)


def _numbered(texts: Iterable[str], spec: str) -> Iterator[Record]:
    """The chunks of a text as records; the line of a chunk is its number."""
    return (Record((text,), printable(spec), number) for number, text in enumerate(texts, start=1))
