"""Which column of a table is which: by the names in a header, by `--columns`, or by what the first rows look like.

`wanted` are the columns that a task reads: text and label, source and target, or text alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice

from nlpseq.errors import DataError, UserError

Row = tuple[int, Sequence[str]]  # the 1-based line where the row starts, and its cells

# The header names that stand for a wanted column, the surest first. Case, blanks, "_" and "-" do not count.
_ALIASES = {
    "text": "text sentence content review reviewtext reviewbody tweet tweettext document body comment commenttext "
    "phrase message utterance post sms",
    "label": "label labels sentiment class category polarity target rating stars score",
    "source": "source src sourcetext input inputtext question prompt original article",
    "target": "target tgt targettext output outputtext translation answer response summary corrected",
}
ALIASES = {column: tuple(names.split()) for column, names in _ALIASES.items()}

# Header names of parallel text: codes of ISO 639-1, then of 639-2 and 639-3, then English names.
_LANGUAGE_CODES = """
af am ar as ay az ba be bg bn br bs ca cs cy da de el en eo es et eu fa fi fo fr fy ga gd gl gn gu ha he hi hr ht hu
hy id ig is it ja jv ka kk km kn ko ku ky la lb ln lo lt lv mg mi mk ml mn mr ms mt my nb ne nl nn no ny oc or pa pl
ps pt qu ro ru rw sa sd si sk sl sm sn so sq sr st su sv sw ta te tg th ti tk tl tr tt ug uk ur uz vi wo xh yi yo zh
zu
afr alb amh ara arb arm aze bel ben bos bul cat ceb ces chi cmn cym cze dan deu dut ell eng epo est eus fas fin fra
fre ger gle glg gre guj hau heb hin hrv hun hye ind isl ita jpn kan kat kaz khm kor lat lav lit ltz mal mar mkd mlt
mon msa nep nld nno nob nor pan per pol por pus ron rum rus slk slo slv som spa sqi srp swa swe tam tel tgl tha tur
ukr urd uzb vie yid yor yue zho zul
"""
_LANGUAGE_NAMES = """
afrikaans albanian amharic arabic armenian azerbaijani basque belarusian bengali bosnian bulgarian cantonese catalan
chinese croatian czech danish dutch english esperanto estonian farsi finnish french galician georgian german greek
gujarati hausa hebrew hindi hungarian icelandic indonesian irish italian japanese kannada kazakh khmer korean latin
latvian lithuanian luxembourgish macedonian malay malayalam maltese mandarin marathi mongolian nepali norwegian pashto
persian polish portuguese punjabi romanian russian serbian slovak slovenian somali spanish swahili swedish tagalog
tamil telugu thai turkish ukrainian urdu uzbek vietnamese welsh yiddish yoruba zulu
"""
LANGUAGE_CODES = frozenset(_LANGUAGE_CODES.split())
LANGUAGE_NAMES = frozenset(_LANGUAGE_NAMES.split())
NUMBERING = frozenset(("id", "no"))  # Indonesian and Norwegian, but also what people call a column of row numbers

PREVIEW_ROWS = 200  # how many rows decide which of two unnamed columns is the label
LABEL_CHARACTERS = 40  # a longer value is no label


@dataclass(frozen=True, slots=True)
class ColumnOption:
    """What `--columns` said: names in order for a file without a header, or the file's own name of a wanted column."""

    in_order: tuple[str, ...] = ()
    by_name: Mapping[str, str] = field(default_factory=dict)


def parse_columns(option: str, wanted: Sequence[str]) -> ColumnOption:
    """Reads "label,id,rating,text" or "text=review_body,label=stars".

    Raises:
        UserError: a wanted column is missing from the names in order, named twice, or unknown.
    """
    if not option:
        return ColumnOption()
    parts = [part.strip() for part in option.split(",")]
    if "=" not in option:
        if any(parts.count(column) != 1 for column in wanted):
            raise UserError(
                f"--columns '{option}' must have {_listing(wanted)} once each: name the columns in the file's order, "
                f"for example {','.join((*wanted, '-'))} (other names are ignored), or {_example(wanted)}"
            )
        return ColumnOption(in_order=tuple(parts))
    pairs = [tuple(map(str.strip, part.partition("=")[::2])) for part in parts]
    by_name = {column: name for column, name in pairs if name}
    if len(by_name) != len(pairs) or not by_name.keys() <= set(wanted):
        raise UserError(
            f"--columns '{option}' is not understood: write {_example(wanted)} (this task reads {_listing(wanted)})"
        )
    return ColumnOption(by_name=by_name)


def match_names(
    names: Sequence[str],
    wanted: Sequence[str],
    by_name: Mapping[str, str] | None = None,
    *,
    languages: bool = True,
) -> tuple[int | None, ...]:
    """Returns for each wanted column its position among `names`, None where no name stands for it.

    Args:
        names: a header's cells, or the keys of an object.
        wanted: for ("source", "target"), two names of languages do as well, in their order.
        by_name: names that the user gave, instead of the aliases.
        languages: False where the order of the names means nothing.
    """
    by_name = by_name or {}
    found = tuple(
        _find_name(names, by_name[column]) if column in by_name else _find_alias(names, ALIASES.get(column, (column,)))
        for column in wanted
    )
    if tuple(wanted) == ("source", "target") and None in found and languages and not by_name:
        return _language_columns(names) or found
    return found


def select_columns(
    rows: Iterator[Row], wanted: Sequence[str], option: ColumnOption, file: str
) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yields the line and the wanted cells of every row after the header.

    Raises:
        UserError: nothing tells which column is which, or `--columns` names a column that is not there.
        DataError: a row has too few columns.
    """
    head = list(islice(rows, PREVIEW_ROWS))
    if not head:
        return
    positions, has_header = _locate([cells for _, cells in head], wanted, option, file)
    width = max(positions) + 1
    for line, cells in chain(head[has_header:], rows):
        if len(cells) < width:
            places = ", ".join(f"{column} in column {at + 1}" for column, at in zip(wanted, positions, strict=True))
            message = f"expected at least {width} columns ({places}), found {len(cells)}: {_row(cells)}"
            raise DataError(message, file=file, line=line)
        yield line, tuple(cells[at] for at in positions)


def select_keys(
    objects: Iterator[tuple[int, Mapping[str, object]]], wanted: Sequence[str], option: ColumnOption, file: str
) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yields the line and the wanted values of every JSON object, as text. The first object decides the keys.

    Raises:
        UserError: `--columns` gives names in order.
        DataError: a key is missing, or its value is neither text nor a number.
    """
    if option.in_order:
        raise UserError(f"{file}: JSON objects have names: use --columns {_example(wanted)} instead of names in order")
    keys: tuple[str, ...] = ()
    for line, item in objects:
        names = list(item)
        if not keys:
            found = match_names(names, wanted, option.by_name)
            positions = complete(found)
            if positions is None:
                missing = _listing([column for column, at in zip(wanted, found, strict=True) if at is None])
                message = f"no key stands for {missing}; use --columns {_example(wanted)}. The keys are {_row(names)}"
                raise DataError(message, file=file, line=line)
            keys = tuple(names[at] for at in positions)
        for key in keys:
            if key not in item:
                raise DataError(f"no key '{key}'; the keys are {_row(names)}", file=file, line=line)
        yield line, tuple(_json_text(item[key], key, file, line) for key in keys)


def _json_text(value: object, key: str, file: str, line: int) -> str:
    match value:
        case None:
            return ""
        case str():
            return value
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)
    raise DataError(f"'{key}' must be text or a number, not {type(value).__name__}", file=file, line=line)


def _locate(
    head: list[Sequence[str]], wanted: Sequence[str], option: ColumnOption, file: str
) -> tuple[tuple[int, ...], bool]:
    """The positions of the wanted columns, and whether the first row is a header."""
    first = head[0]
    named = complete(match_names(first, wanted, option.by_name))
    if option.in_order:
        is_header = named is not None or [cell.strip() for cell in first] == list(option.in_order)
        return tuple(option.in_order.index(column) for column in wanted), is_header
    if named:
        return named, True
    if option.by_name:
        raise UserError(f"{file}: --columns names a column that is not in the first row: {_row(first)}")
    guessed = _guess(head, wanted)
    if guessed is None:
        raise UserError(_unknown_columns(first, wanted, file))
    return guessed, False


def _guess(head: list[Sequence[str]], wanted: Sequence[str]) -> tuple[int, ...] | None:
    """The positions of the wanted columns in a file without a header, None where that would be a gamble."""
    match tuple(wanted):
        case ("source", "target") if len(head[0]) >= 2:
            return 0, 1
        case ("text",) if len(head[0]) == 1:
            return (0,)
        case ("text", "label") if len(head[0]) == 2:
            label = _guess_label([cells for cells in head if len(cells) >= 2])
            return None if label is None else (1 - label, label)
    return None


def _guess_label(rows: list[Sequence[str]]) -> int | None:
    """Which of two columns is the label: short values without spaces that come back."""
    columns = [[cells[at].strip() for cells in rows] for at in (0, 1)]
    short = [at for at in (0, 1) if all(len(v) <= LABEL_CHARACTERS and not re.search(r"\s", v) for v in columns[at])]
    if len(short) == 2 or len(rows) >= 20:  # among few rows, labels need not come back
        short = [at for at in short if 2 * len(set(columns[at])) <= len(rows)]
    if len(short) != 1 or _is_lone_header(columns[short[0]]):
        return None
    return short[0]


def _is_lone_header(labels: list[str]) -> bool:
    """Whether the first label stands there once and all the others come back: a header with names of its own."""
    counts = {label: labels.count(label) for label in labels}
    return len(labels) >= 20 and [label for label, count in counts.items() if count == 1] == labels[:1]


def complete(found: tuple[int | None, ...]) -> tuple[int, ...] | None:
    """`found` if every wanted column has its position, else None."""
    positions = tuple(at for at in found if at is not None)
    return positions if len(positions) == len(found) else None


def _find_name(names: Sequence[str], name: str) -> int | None:
    exact = [cell.strip() for cell in names]
    folded = [cell.casefold() for cell in exact]
    if name in exact:
        return exact.index(name)
    return folded.index(name.casefold()) if name.casefold() in folded else None


def _find_alias(names: Sequence[str], aliases: Sequence[str]) -> int | None:
    folded = [re.sub(r"[\s_-]", "", name).casefold() for name in names]
    return next((folded.index(alias) for alias in aliases if alias in folded), None)


def _language_columns(names: Sequence[str]) -> tuple[int, ...] | None:
    """The first two columns that are named after a language."""
    found = [at for at, name in enumerate(names) if is_language(name)]
    if len(found) > 2:
        found = [at for at in found if names[at].strip().casefold() not in NUMBERING]
    two = tuple(found[:2])
    return two if len({names[at].strip().casefold() for at in two}) == 2 else None


def is_language(name: str) -> bool:
    """Whether a header names a language: "en", "EN", "pt-BR", "fra", "French"; not "So", which a sentence may be."""
    name = name.strip()
    code = re.sub(r"[-_][A-Za-z]{2,4}$", "", name)
    is_code = code.casefold() in LANGUAGE_CODES and (code.islower() or code.isupper())
    return is_code or name.casefold() in LANGUAGE_NAMES


def _unknown_columns(first: Sequence[str], wanted: Sequence[str], file: str) -> str:
    if len(first) < len(wanted):
        return f"{file}: needs a column each for {_listing(wanted)}, but its first row has {len(first)}: {_row(first)}"
    in_order = ",".join((*wanted, *"-" * (len(first) - len(wanted))))
    return (
        f"{file}: cannot tell which column is {_listing(wanted)}; its first row is {_row(first)}. Name the columns in "
        f"their order, for example --columns {in_order} ('-' = ignored), or, if that row is a header, "
        f"--columns {_example(wanted)}"
    )


def _example(wanted: Sequence[str]) -> str:
    return ",".join(f"{column}=NAME" for column in wanted)


def _listing(wanted: Sequence[str]) -> str:
    return " and ".join(f"'{column}'" for column in wanted)


def _row(cells: Sequence[str], most: int = 60) -> str:
    """The cells for an error message, each cut short."""
    return " | ".join(repr(cell if len(cell) <= most else cell[:most] + "…") for cell in cells)
