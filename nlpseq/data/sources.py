"""Where examples come from: files, parallel files, TensorFlow Datasets and a task's bundled sample.

A SPEC is `sample`, `tfds:NAME[/CONFIG][:VERSION]`, a path (.txt, .tsv, .csv, .jsonl, .parquet, the first ones also
.gz) or `SRC,TGT`; or several of these, one after the other: `A + B`. A number behind a SPEC says how often training
reads it: `A + B@0.5` takes half of the examples of B, `A@2 + B` reads those of A twice.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nlpseq.data import text_files
from nlpseq.data.columns import is_language
from nlpseq.errors import UserError

Part = Literal["train", "valid", "test"]
Rows = Iterable[tuple[str, ...]]  # the fields of each example
Kind = Literal["sample", "tfds", "pair", ".txt", ".tsv", ".csv", ".jsonl", ".parquet"]

EXTENSIONS: dict[str, Kind] = {
    **{kind: kind for kind in (".txt", ".tsv", ".csv", ".jsonl", ".parquet")},
    ".tab": ".tsv",
    ".json": ".jsonl",
    ".ndjson": ".jsonl",
}
WORKBOOKS = (".xls", ".xlsx", ".xlsm", ".ods", ".numbers")
FORMS = (
    "data is 'sample', 'tfds:NAME', a file that ends in .txt, .tsv, .csv, .jsonl or .parquet (or .gz after the first "
    "four), or two parallel files 'SOURCE,TARGET'; several of these are joined by ' + ', and '@2' behind one has it "
    "read twice"
)
_WEIGHT = re.compile(r"(.+)@([0-9]*\.?[0-9]+)")
_MOST_WEIGHT = 100


@dataclass(frozen=True, slots=True)
class Record:
    """One example as it stands in the data."""

    fields: tuple[str, ...]  # in the order of the columns asked for
    file: str  # printable: as the user named it, or "tfds:…", or "sample"
    line: int  # 1-based, where the record starts; for TFDS and the sample the number of the example


@dataclass(frozen=True, slots=True)
class Source:
    """A single SPEC after a look at the disk."""

    kind: Kind
    spec: str  # printable
    files: tuple[str, ...] = ()  # as the user named them

    @property
    def paths(self) -> tuple[Path, ...]:
        return tuple(Path(file).expanduser() for file in self.files)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the files in messages."""
        return tuple(map(printable, self.files))


def has_part(spec: str, part: Part, columns: tuple[str, ...]) -> bool:
    """Whether the data has a split for the part, with labels if they are read; of several SPECs each must have it.

    Files and the sample have none but "train", which is all of them.

    Raises:
        UserError: no such data, or a TFDS dataset that cannot be had.
    """
    sources = [resolve(single, any_text=True) for single in single_specs(spec)]
    if any(source.kind != "tfds" for source in sources):
        return part == "train"
    from nlpseq.data import tfds

    return all(tfds.has_part(source.spec, part, labelled="label" in columns) for source in sources)


def described(spec: str, part: Part) -> str:
    """What is read of the SPEC for the part, in words.

    Raises:
        UserError: no such data or split.
    """
    words = []
    for single, weight in weighted_specs(spec):
        source = resolve(single, any_text=True)
        if source.kind == "tfds":
            from nlpseq.data import tfds

            words.append(f"the split '{tfds.split_name(source.spec, part)}' of {source.spec}")
        else:
            words.append("the bundled sample" if source.kind == "sample" else source.spec)
        words[-1] += f" (each {weight:g} times)" if weight != 1 else ""
    return " + ".join(words)


def fingerprint(spec: str, part: Part = "train", sample: Callable[[], Rows] | None = None) -> str:
    """Returns a hex BLAKE2b that changes with the content.

    It covers the kind and the bytes of files, the name, version and sizes of a TFDS split, or the rows of the sample;
    not which columns are read.

    Raises:
        UserError: no such data or split.
    """
    singles = weighted_specs(spec)
    if singles != [(spec, 1.0)]:
        prints = [(fingerprint(single, part, sample), *([weight] if weight != 1 else [])) for single, weight in singles]
        return hashlib.blake2b(repr(prints).encode(), digest_size=16).hexdigest()
    source = resolve(spec, any_text=True)
    if source.kind == "sample":
        rows = [] if sample is None else list(sample())
        return hashlib.blake2b(repr(rows).encode(), digest_size=16).hexdigest()
    if source.kind == "tfds":
        from nlpseq.data import tfds

        return tfds.fingerprint(source.spec, part)
    return text_files.fingerprint(source.kind, source.paths, source.names)


def file_bytes(spec: str) -> int:
    """How many bytes the files of a SPEC have; 0 where it names none."""
    files = [path for single in single_specs(spec) for path in resolve(single, any_text=True).paths]
    return sum(path.stat().st_size for path in files if path.is_file())


def single_specs(spec: str) -> list[str]:
    """The SPECs that `A + B` is made of, without their weights."""
    return [single for single, _ in weighted_specs(spec)]


def weighted_specs(spec: str) -> list[tuple[str, float]]:
    """The SPECs that `A + B@0.5` is made of, each with how often training reads it.

    Raises:
        UserError: a weight that is 0, or too large.
    """
    return [_weighted(single.strip()) for single in ([spec] if _exists(spec) else spec.split(" + "))]


def _weighted(single: str) -> tuple[str, float]:
    match = None if _exists(single) else _WEIGHT.fullmatch(single)
    if match is None:
        return single, 1.0
    weight = float(match[2])
    if not 0 < weight <= _MOST_WEIGHT:
        raise UserError(
            f"'{printable(single)}': the weight {match[2]} is not above 0 and at most {_MOST_WEIGHT}: 0.5 takes half "
            "of the examples, 2 reads them twice"
        )
    return match[1], weight


def printable(name: str) -> str:
    """The name of a file as it can be printed and written, even where it is not UTF-8."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def resolve(spec: str, *, any_text: bool = False) -> Source:
    """What a single SPEC means; with `any_text`, a file of unknown extension is a .txt.

    Raises:
        UserError: there is no such file, or its extension does not say what is in it.
    """
    name = printable(spec)
    if spec == "sample":
        return Source("sample", name)
    if spec.startswith("tfds:"):
        return Source("tfds", name)
    if not _exists(spec):
        pairs = [(spec[:at], spec[at + 1 :]) for at, character in enumerate(spec) if character == ","]
        pair = next((pair for pair in pairs if all(map(_exists, pair))), pairs[0] if len(pairs) == 1 else None)
        if pair is None:
            raise UserError(_missing(spec))
        for file in pair:
            _check_file(file)
        return Source("pair", name, pair)
    _check_file(spec)
    extension = Path(spec.casefold().removesuffix(".gz")).suffix
    kind = EXTENSIONS.get(extension, ".txt" if any_text else None)
    if kind is None:
        if extension in WORKBOOKS:
            raise UserError(f"'{name}' is a workbook: save its sheet as 'CSV UTF-8', and give that file")
        side = f"; if it is one side of a parallel corpus, give both: '{name},…'" if is_language(extension[1:]) else ""
        raise UserError(
            f"'{name}' has the extension '{printable(extension)}', which does not say what is in it{side}: {FORMS}"
        )
    return Source(kind, name, (spec,))


def _exists(file: str) -> bool:
    return os.path.exists(os.path.expanduser(file))


def _check_file(file: str) -> None:
    if not _exists(file):
        raise UserError(_missing(file))
    if os.path.isdir(os.path.expanduser(file)):
        raise UserError(f"'{printable(file)}' is a folder: {FORMS}")


def _missing(file: str) -> str:
    """The message for a file that is not there, with the files whose names come near."""
    folder, name = Path(file).expanduser().parent, printable(file)
    if len(name) > 1000 or not folder.is_dir():
        return f"no such file: '{name[:1000]}' (there is no folder '{printable(str(folder))[:1000]}'); {FORMS}"
    close = difflib.get_close_matches(Path(file).name, sorted(os.listdir(folder)), n=3)
    hint = f" (similar names there: {', '.join(map(printable, close))})" if close else ""
    return f"no such file: '{name}'{hint}; {FORMS}"
