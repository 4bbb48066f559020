"""Rows of a program, kept as a file of JSON lines, so that a model that was trained on them can be exported later."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nlpseq.data.cache import cache_folder
from nlpseq.errors import UserError


def kept_rows(data: Any, columns: Sequence[str]) -> Path:
    """Writes rows into the cache folder; the same rows are the same file.

    Args:
        data: tuples in the order of ``columns``, dictionaries, texts where there is one column, or a data frame.
        columns: what the task reads.

    Raises:
        UserError: a row is none of these, or holds what is no text and no number.
    """
    folder = cache_folder() / "rows"
    folder.mkdir(parents=True, exist_ok=True)
    content = hashlib.blake2b(digest_size=16)
    descriptor, name = tempfile.mkstemp(suffix=".part", dir=folder)
    try:
        with open(descriptor, "wb") as file:
            for number, row in enumerate(_rows(data), start=1):
                line = json.dumps(_named(row, columns, number)).encode() + b"\n"
                content.update(line)
                file.write(line)
        return Path(name).replace(folder / f"{content.hexdigest()}.jsonl")
    finally:
        Path(name).unlink(missing_ok=True)


def _rows(data: Any) -> Iterator[Any]:
    """The rows of a list or of a data frame."""
    if hasattr(data, "iter_rows"):  # of polars
        return iter(data.iter_rows(named=True))
    if hasattr(data, "itertuples"):  # of pandas
        names = [str(name) for name in data.columns]
        return (dict(zip(names, row, strict=True)) for row in data.itertuples(index=False, name=None))
    if isinstance(data, Mapping) or not isinstance(data, Iterable):
        raise UserError(f"data is of the type {type(data).__name__}: give a SPEC, a list of rows, or a data frame")
    return iter(data)


def _named(row: Any, columns: Sequence[str], number: int) -> dict[str, Any]:
    if isinstance(row, str) and len(columns) == 1:
        row = (row,)
    if isinstance(row, Mapping):
        return {str(key): _plain(value) for key, value in row.items()}
    if isinstance(row, Sequence) and not isinstance(row, str) and len(row) == len(columns):
        return {column: _plain(value) for column, value in zip(columns, row, strict=True)}
    raise UserError(f"row {number} is {str(row)[:60]!r}: give ({', '.join(columns)}), or a dictionary with these keys")


def _plain(value: Any) -> Any:
    """A value as JSON has it; what pandas and numpy have for no value is none."""
    if hasattr(value, "item"):
        value = value.item()
    if value is None or isinstance(value, str | bool | int | list | dict):
        return value
    if isinstance(value, float):
        return value if value == value else None
    return None if type(value).__name__ in ("NAType", "NaTType") else str(value)
