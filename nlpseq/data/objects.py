"""Records that name their values: JSON lines, and Parquet where pyarrow is installed."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from nlpseq.data.columns import ColumnOption, complete, example, listing, match_names
from nlpseq.data.meter import Meter
from nlpseq.data.tables import shown
from nlpseq.data.text_files import read_lines
from nlpseq.errors import DataError, MissingExtraError, UserError

Object = tuple[int, Mapping[str, object]]  # its line, or its number, and its values


def read_jsonl(path: Path, name: str, max_characters: int | None, meter: Meter | None = None) -> Iterator[Object]:
    """Yields (line, object) of the lines that are not blank.

    Raises:
        DataError: a line is not one JSON object, or holds half of a surrogate pair, which is no text.
    """
    for line, text in read_lines(path, name, max_characters, meter):
        if not text.strip():
            continue
        try:
            item = json.loads(text)
            if "\\u" in text:
                json.dumps(item, ensure_ascii=False).encode()
        except json.JSONDecodeError as error:
            message = f"not valid JSON at column {error.colno} ({error.msg}): write one object a line"
            if line == 1 and text.lstrip().startswith("["):
                message = f"one JSON array over several lines: {_unpacking(name)}"
            raise DataError(message, file=name, line=line) from None
        except (ValueError, RecursionError) as error:
            raise DataError(f"JSON that cannot be used ({error})", file=name, line=line) from None
        if not isinstance(item, dict):
            advice = f"; {_unpacking(name)}" if isinstance(item, list) else ""
            raise DataError(f"write one JSON object a line, not a {type(item).__name__}{advice}", file=name, line=line)
        yield line, item


def read_parquet(path: Path, name: str, meter: Meter | None = None) -> Iterator[Object]:
    """Yields (number, values) of the rows.

    Raises:
        MissingExtraError: pyarrow is not installed.
        DataError: it is no Parquet file.
    """
    try:
        import pyarrow as arrow
        import pyarrow.parquet as parquet
    except ImportError:
        raise MissingExtraError("pyarrow", "parquet") from None
    try:
        with parquet.ParquetFile(path) as file:
            number, size = 0, path.stat().st_size
            for batch in file.iter_batches(batch_size=1024):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
                if meter is not None:
                    meter.advance(size * batch.num_rows // max(file.metadata.num_rows, 1))
    except arrow.ArrowException as error:
        raise DataError(f"this is no whole Parquet file ({str(error).splitlines()[0]})", file=name) from None


def named_keys(
    item: Mapping[str, object], wanted: Sequence[str], option: ColumnOption, file: str, line: int
) -> list[str]:
    """The keys that stand for the wanted columns, from the first object: "text", or "translation.en" inside of another.

    Raises:
        UserError: `--columns` gives names in order.
        DataError: no key stands for a column.
    """
    if option.in_order:
        raise UserError(f"{file}: JSON objects have names: use --columns {example(wanted)} instead of names in order")
    names = list(flat_keys(item))
    found = match_names(names, wanted, option.by_name)
    if None in found and not option.by_name:
        last = [name.rpartition(".")[2] for name in names]
        if len(set(last)) == len(last):
            found = match_names(last, wanted)
    positions = complete(found)
    if positions is None:
        missing = listing([column for column, at in zip(wanted, found, strict=True) if at is None])
        message = f"no key stands for {missing}; use --columns {example(wanted)}. The keys are {shown(names)}"
        raise DataError(message, file=file, line=line)
    return [names[at] for at in positions]


def flat_keys(item: Mapping[str, object], prefix: str = "") -> Iterator[str]:
    """Yields the names of the values, those inside of other objects with a dot."""
    for key, value in item.items():
        if isinstance(value, dict) and value:
            yield from flat_keys(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def select_keys(
    objects: Iterator[Object], wanted: Sequence[str], option: ColumnOption, file: str
) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yields the line and the wanted values of every object, as text. The first object decides the keys.

    Raises:
        UserError: `--columns` gives names in order.
        DataError: a key is missing, or its value is neither text nor a number.
    """
    keys: list[str] = []
    for line, item in objects:
        keys = keys or named_keys(item, wanted, option, file, line)
        yield line, tuple(_text(_value(item, key, file, line), key, file, line) for key in keys)


def _unpacking(name: str) -> str:
    """How an array becomes lines."""
    return f"jq -c '.[]' {shlex.quote(name)} > NEW.jsonl writes its objects one a line"


def _value(item: Mapping[str, object], key: str, file: str, line: int) -> object:
    """The value of a key, which may have dots of its own or stand for keys inside of each other."""
    if key in item:
        return item[key]
    outer, dot, inner = key.partition(".")
    while dot:
        inside = item.get(outer)
        if isinstance(inside, dict):
            return _value(inside, inner, file, line)
        if outer in item and inside is None:
            return None
        more, dot, inner = inner.partition(".")
        outer = f"{outer}.{more}"
    raise DataError(f"no key '{key}'; the keys are {shown(list(flat_keys(item)))}", file=file, line=line)


def _text(value: object, key: str, file: str, line: int) -> str:
    match value:
        case None:
            return ""
        case str():
            if "\0" in value:
                raise DataError(f"'{key}' holds a NUL character, which is no text: remove it", file=file, line=line)
            return value
        case bool():
            return str(value).lower()
        case float() if math.isnan(value):
            return ""
        case int() | float():
            return str(value)
    raise DataError(f"'{key}' must be text or a number, not {type(value).__name__}", file=file, line=line)
