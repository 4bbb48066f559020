"""Which column of a table is which: by the names in a header, by `--columns`, or because nothing else is possible.

`wanted` are the columns that a task reads: text and label, source and target, or text alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from statistics import StatisticsError, correlation, median

from nlpseq.data.findings import Findings
from nlpseq.data.tables import NAMES, Table, folded, shown
from nlpseq.errors import DataError, UserError

# The header names that stand for a wanted column, the surest first. Case, blanks, "_" and "-" do not count.
_ALIASES = {
    "text": "text sentence content review reviewtext reviewbody tweet tweettext document body comment commenttext "
    "phrase message utterance post sms",
    "label": "label labels sentiment class category polarity target rating stars score",
    "source": "source src sourcetext input inputtext question prompt original article",
    "target": "target tgt targettext output outputtext translation answer response summary corrected",
}
ALIASES = {column: tuple(names.split()) for column, names in _ALIASES.items()}
_KNOWN_NAMES = frozenset(name for names in ALIASES.values() for name in names)

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

LABEL_CHARACTERS = 80  # a longer value is no label
_NAME = re.compile(r"[^\W\d][\w .-]{0,30}")  # what a header's cell looks like


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
                f"--columns '{option}' must have {listing(wanted)} once each: name the columns in the file's order, "
                f"for example {','.join((*wanted, '-'))} (other names are ignored), or {example(wanted)}"
            )
        return ColumnOption(in_order=tuple(parts))
    pairs = [tuple(map(str.strip, part.partition("=")[::2])) for part in parts]
    by_name = {column: name for column, name in pairs if name}
    if len(by_name) != len(pairs) or not by_name.keys() <= set(wanted):
        raise UserError(
            f"--columns '{option}' is not understood: write {example(wanted)} (this task reads {listing(wanted)})"
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


@dataclass(frozen=True)
class Places:
    """Where the wanted columns stand in a table.

    Attributes:
        positions: of the wanted columns, in their order.
        width: cells of a row; those after them are empty in every row.
        header: the first row, if it is one; else empty.
    """

    positions: tuple[int, ...]
    width: int
    header: tuple[str, ...] = ()

    def named(self, wanted: Sequence[str]) -> dict[str, str]:
        """The name that each wanted column has in the file, or its number."""
        names = self.header or tuple(f"column {number}" for number in range(1, self.width + 1))
        return {column: names[at] for column, at in zip(wanted, self.positions, strict=True)}


def locate(table: Table, wanted: Sequence[str], option: ColumnOption, file: str) -> Places:
    """Finds the wanted columns of a table that has a row.

    Raises:
        UserError: nothing tells which column is which, or `--columns` names a column that is not there.
    """
    rows = [cells for _, cells in table.head]
    first = [cell.strip().strip("\ufeff") for cell in rows[0]]
    while len(first) > 1 and not first[-1]:
        first.pop()
    named = complete(match_names(first, wanted, option.by_name))
    if option.in_order:
        is_header = named is not None or [folded(cell) for cell in first] == [folded(name) for name in option.in_order]
        width = len(first) if is_header else _usual_width(rows)
        if len(option.in_order) != width:
            raise UserError(
                f"{file}: --columns names {len(option.in_order)} columns, and the file has {width}: name each of them, "
                f"'-' = ignored, for example --columns {_proposed(rows, wanted)}. Its first row is {shown(first)}"
            )
        positions = tuple(option.in_order.index(column) for column in wanted)
        return Places(positions, width, tuple(first) if is_header else ())
    if named:
        for at in named:
            if [folded(cell) for cell in first].count(folded(first[at])) > 1 and not option.by_name:
                raise UserError(
                    f"{file}: two columns are named '{first[at]}': name the columns in their order, '-' = ignored, for "
                    f"example --columns {_proposed(rows[1:] or rows, wanted)}. The header is {shown(first)}"
                )
        return Places(named, len(first), tuple(first))
    if len(first) != (usual := _usual_width(rows)):
        places = Places((), usual)
        raise DataError(_misfit(rows[0], places, (), table), file=file, line=table.head[0][0])
    if option.by_name:
        raise UserError(f"{file}: --columns names a column that is not in the first row: {shown(first)}")
    if found := _guess(rows, wanted):
        return found
    raise UserError(_unknown_columns(rows, wanted, table, file))


def select_columns(
    table: Table, places: Places, wanted: Sequence[str], file: str, findings: Findings
) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yields the line and the wanted cells of every row after the header, each of which must have as many cells.

    Raises:
        DataError: a row has more cells than the others, or fewer.
    """
    rows, width, positions = table.rows, places.width, places.positions
    full = max(len(table.head[0][1]), width)  # with the cells at the end that are empty in every row
    header = [folded(cell) for cell in places.header]
    longest = 2 * max(map(len, places.header), default=-1)
    if header:
        next(rows)
    for line, cells in rows:
        if len(cells) != width and (len(cells) != full or any(map(str.strip, cells[width:]))):
            raise DataError(_misfit(cells, places, wanted, table), file=file, line=line)
        if len(cells[positions[0]]) <= longest and folded(cells[positions[0]]) in header:
            here = [folded(cell) for cell in cells[:width]]
            if here == header:
                findings.leave_out("the header again", file, line)
                continue
            if width > 1 and sorted(here) == sorted(header):
                message = "a header with the columns in another order: make each part a file of its own. It is"
                raise DataError(f"{message} {shown(cells)}", file=file, line=line)
        yield line, tuple(cells[at] for at in positions)


def _misfit(cells: Sequence[str], places: Places, wanted: Sequence[str], table: Table) -> str:
    """What is wrong with a row of another width."""
    delimiter = NAMES.get(table.form.delimiter, table.form.delimiter)
    others = "the header has" if places.header else "the other rows have"
    named = ", ".join(f"{column} is '{name}'" for column, name in places.named(wanted).items())
    named = f" ({named})" if named else ""
    if len(cells) > places.width:
        advice = f"is there a {delimiter} inside of a text? "
        advice += "Write a space for it" if delimiter == "TAB" else "Put that text in double quotes"
    else:
        advice = "is a cell missing, or a line broken in two? Complete the row or remove it"
    found = "1 cell" if len(cells) == 1 else f"{len(cells)} cells"
    return f"{found}, and {others} {places.width}{named}: {shown(cells)}; {advice}"


def _usual_width(rows: Sequence[Sequence[str]]) -> int:
    """The cells that most rows have, without those at the end that are empty in every row."""
    widths = [len(cells) for cells in rows]
    width = max(set(widths), key=lambda each: (widths.count(each), -each))
    while width > 1 and not any(cells[width - 1].strip() for cells in rows if len(cells) >= width):
        width -= 1
    return width


def _guess(rows: list[list[str]], wanted: Sequence[str]) -> Places | None:
    """The wanted columns where only one reading is possible, None where any would be a gamble."""
    width = _usual_width(rows)
    if width != len(wanted):
        return None
    fitting = [cells[:width] for cells in rows if len(cells) >= width]
    match tuple(wanted):
        case ("text",):
            return Places((0,), width)
        case ("source", "target"):
            return _guess_pair(fitting)
        case ("text", "label"):
            return _guess_text_and_label(fitting)
    return None


def _guess_pair(rows: list[list[str]]) -> Places | None:
    """Two columns of texts. A first row with one name that is known is a header, if what follows are sentences."""
    first, others = [cell.strip() for cell in rows[0]], rows[1:]
    source, target = match_names(first, ("source", "target"))
    if source is not None or target is not None or any(map(is_language, first)):
        if not _are_sentences(others):
            return None  # in a list of words it may be one of them
        if all(map(_NAME.fullmatch, first)):
            at = 1 - target if target is not None else source or 0
            return Places((at, 1 - at), 2, tuple(first))
    if all(folded(name) in _KNOWN_NAMES for name in first):
        return None  # a header, of other columns
    if any(all(_is_number(cells[at]) for cells in rows) for at in (0, 1)):
        return None  # numbers of lines, or marks
    return Places((0, 1), 2)


def _are_sentences(rows: list[list[str]]) -> bool:
    return bool(rows) and all(median(len(cells[at].split()) for cells in rows) >= 3 for at in (0, 1))


def _guess_text_and_label(rows: list[list[str]]) -> Places | None:
    first = [cell.strip() for cell in rows[0]]
    found = match_names(first, ("text", "label"))
    known = {column: at for column, at in zip(("text", "label"), found, strict=True) if at is not None}
    if len(known) == 1:  # of two columns the other has the other role, if what stands under it agrees
        at = known.get("label", 1 - known.get("text", 0))
        values = [cells[at].strip() for cells in rows]
        if first[at] not in values[1:] and len(set(values[1:])) < max(2, len(values) - 1):
            return Places((1 - at, at), 2, tuple(first))
        return None
    label = _guess_label(rows)
    return None if label is None else Places((1 - label, label), 2)


def _guess_label(rows: list[list[str]]) -> int | None:
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
    counts = {label: labels.count(label) for label in set(labels)}
    return len(labels) >= 5 and [label for label in dict.fromkeys(labels) if counts[label] == 1] == labels[:1]


def _is_number(cell: str) -> bool:
    return re.fullmatch(r"\s*[-+]?\d+([.,]\d+)?\s*", cell) is not None


def _proposed(rows: list[list[str]], wanted: Sequence[str]) -> str:
    """Names for `--columns` as they may be right, from what stands in the columns."""
    width = _usual_width(rows)
    columns = [[cells[at].strip() for cells in rows if len(cells) > at] for at in range(width)]
    texts = [at for at in range(width) if not all(map(_is_number, columns[at]))] or list(range(width))
    longest = max(texts, key=lambda at: median(map(len, columns[at])))
    if tuple(wanted) == ("text", "label"):
        others = [at for at in range(width) if at != longest] or [longest]
        chosen = [longest, min(others, key=lambda at: (len(set(columns[at])) == 1, len(set(columns[at]))))]
    elif tuple(wanted) == ("source", "target") and len(texts) > 1:
        pairs = [(one, other) for one, other in combinations(texts, 2)]
        likeness = [_likeness(columns[one], columns[other]) for one, other in pairs]
        chosen = list(pairs[likeness.index(max(likeness))])
    else:
        chosen = [longest]
    names = ["-"] * width
    for column, at in zip(wanted, chosen, strict=False):
        names[at] = column
    return ",".join(names)


def _likeness(one: Sequence[str], other: Sequence[str]) -> float:
    """How much the lengths of two columns go together: those of translations do."""
    rows = min(len(one), len(other))
    try:
        return correlation([len(text) for text in one[:rows]], [len(text) for text in other[:rows]])
    except StatisticsError:  # too few rows, or all of one length
        return -1.0


def complete(found: tuple[int | None, ...]) -> tuple[int, ...] | None:
    """`found` if every wanted column has its position, else None."""
    positions = tuple(at for at in found if at is not None)
    return positions if len(positions) == len(found) else None


def _find_name(names: Sequence[str], name: str) -> int | None:
    exact = [cell.strip() for cell in names]
    lowered = [cell.casefold() for cell in exact]
    if name in exact:
        return exact.index(name)
    return lowered.index(name.casefold()) if name.casefold() in lowered else None


def _find_alias(names: Sequence[str], aliases: Sequence[str]) -> int | None:
    short = [folded(name) for name in names]
    return next((short.index(alias) for alias in aliases if alias in short), None)


def _language_columns(names: Sequence[str]) -> tuple[int, ...] | None:
    """The two columns that are named after a language; None where there are more, or fewer."""
    found = [at for at, name in enumerate(names) if is_language(name)]
    if len(found) > 2:
        found = [at for at in found if names[at].strip().casefold() not in NUMBERING]
    return tuple(found) if len({names[at].strip().casefold() for at in found}) == len(found) == 2 else None


def is_language(name: str) -> bool:
    """Whether a header names a language: "en", "EN", "pt-BR", "fra", "French"; not "So", which a sentence may be."""
    name = name.strip()
    code = re.sub(r"[-_][A-Za-z]{2,4}$", "", name)
    is_code = code.casefold() in LANGUAGE_CODES and (code.islower() or code.isupper())
    return is_code or name.casefold() in LANGUAGE_NAMES


def _unknown_columns(rows: list[list[str]], wanted: Sequence[str], table: Table, file: str) -> str:
    """Asks for the columns, and shows them."""
    first, width = rows[0], _usual_width(rows)
    if width < len(wanted):
        delimiter = NAMES.get(table.form.delimiter, table.form.delimiter)
        return (
            f"{file}: needs a column each for {listing(wanted)}, but its rows have {width}, the first is "
            f"{shown(first)}: is something else than a {delimiter} between the columns? A first line 'sep=;' "
            "says so in a .csv"
        )
    by_name = example(wanted)
    if len(set(first)) == len(first) and all(re.fullmatch(r"[^\W\d]\w*", cell.strip()) for cell in first):
        proposed = dict(zip(_proposed(rows[1:] or rows, wanted).split(","), first, strict=False))
        by_name = ",".join(f"{column}={proposed.get(column, 'NAME')}" for column in wanted)
    second = f", its second {shown(rows[1])}" if len(rows) > 1 else ""
    return (
        f"{file}: cannot tell which column is {listing(wanted)}; its first row is {shown(first)}{second}. Name the "
        f"columns in their order, for example --columns {_proposed(rows, wanted)} ('-' = ignored), or, if the first "
        f"row is a header, --columns {by_name}"
    )


def example(wanted: Sequence[str]) -> str:
    """`--columns` by names, with NAME for each."""
    return ",".join(f"{column}=NAME" for column in wanted)


def listing(wanted: Sequence[str]) -> str:
    """The wanted columns in words."""
    return " and ".join(f"'{column}'" for column in wanted)
