"""Reading examples: literal files in, literal records out."""

import csv
import gzip
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nlpseq.data import reader
from nlpseq.data.reader import Reader
from nlpseq.data.sources import Record, described, fingerprint, has_part
from nlpseq.errors import DataError, UserError
from tests.data.reading import read_records, read_text

TEXT_LABEL = ("text", "label")
PAIR = ("source", "target")
Write = Callable[[str, str | bytes], str]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes a file into the current folder and returns its name; a name in .gz is compressed."""
    monkeypatch.chdir(tmp_path)

    def write(name: str, content: str | bytes) -> str:
        data = content.encode() if isinstance(content, str) else content
        Path(name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return name

    return write


def fields(spec: str, columns: tuple[str, ...] = TEXT_LABEL, **options: str) -> list[tuple[str, ...]]:
    return [record.fields for record in read_records(spec, columns, **options)]  # type: ignore[arg-type]


def pair_of(write: Write, source: tuple[str, str | bytes], target: tuple[str, str | bytes]) -> str:
    return f"{write(*source)},{write(*target)}"


def error_of(spec: str, columns: tuple[str, ...] = TEXT_LABEL, **options: str) -> str:
    with pytest.raises(UserError) as caught:
        fields(spec, columns, **options)
    return str(caught.value)


# --- rows and columns ---------------------------------------------------------------------------------------------


def test_tsv_with_a_header_in_another_order(write: Write) -> None:
    spec = write("a.tsv", 'Label\tid\tReview Text\n1\t7\tso "good"\n0\t8\tbad, \u2028 bad\n')
    assert list(read_records(spec, TEXT_LABEL)) == [
        Record(('so "good"', "1"), "a.tsv", 2),
        Record(("bad, \u2028 bad", "0"), "a.tsv", 3),
    ]


@pytest.mark.parametrize(
    ("header", "columns", "expected"),
    [
        ("a\tsentence\tsentiment", TEXT_LABEL, ("y", "z")),
        ("rating\tlabel\ttext", TEXT_LABEL, ("z", "y")),
        ("TARGET\tcontent\tid", TEXT_LABEL, ("y", "x")),
        ("id\ttgt\tsrc", PAIR, ("z", "y")),
        ("answer\tid\tquestion", PAIR, ("z", "x")),
        ("en\tfr\tnote", PAIR, ("x", "y")),
        ("id\tFrench\tEnglish", PAIR, ("y", "z")),
        ("id\tpt-BR\teng", PAIR, ("y", "z")),
        ("id\tbody\tx", ("text",), ("y",)),
    ],
)
def test_headers(write: Write, header: str, columns: tuple[str, ...], expected: tuple[str, ...]) -> None:
    assert fields(write("a.tsv", f"{header}\nx\ty\tz\n"), columns) == [expected]


def test_a_pair_of_short_words_is_not_a_header(write: Write) -> None:
    assert fields(write("a.tsv", "No\tSo\nYes\tJa\n"), PAIR) == [("No", "So"), ("Yes", "Ja")]


def test_two_columns_without_a_header_are_a_pair(write: Write) -> None:
    assert fields(write("a.tsv", "Hi.\tSalut !\nRun!\tCours !\n"), PAIR) == [("Hi.", "Salut !"), ("Run!", "Cours !")]


def test_text_and_label_without_a_header_are_told_apart(write: Write) -> None:
    texts = ["A good film .", "bad", "it was bad", "fine"]
    assert fields(write("a.txt", "".join(f"{text}  \t{i % 2}\n" for i, text in enumerate(texts)))) == [
        ("A good film .", "0"),
        ("bad", "1"),
        ("it was bad", "0"),
        ("fine", "1"),
    ]
    assert fields(write("b.tsv", "pos\tA good film .\nneg\tbad one\n")) == [
        ("A good film .", "pos"),
        ("bad one", "neg"),
    ]
    assert fields(write("c.tsv", "good\tp\nbad\tn\nfine\tp\nawful\tn\n"))[0] == ("good", "p")  # by what comes back


@pytest.mark.parametrize(
    "rows",
    [
        "very good\tclass one\nvery bad\tclass two\n",
        "good\tpos\nbad\tneg\n",
        "".join(f"id{i}\tA text of some words, number {i}\n" for i in range(30)),  # identifiers are no labels
        "tweet body\tmood\n" + "it is so\tgood\nit is not\tbad\n" * 10,  # a header of unknown names
    ],
)
def test_columns_that_cannot_be_told_apart(write: Write, rows: str) -> None:
    message = error_of(write("a.tsv", rows))
    assert re.search("--columns (text,label|label,text) ", message)
    assert repr(rows.split("\t")[0]) in message


def test_too_many_columns_without_a_header(write: Write) -> None:
    message = error_of(write("a.tsv", "1\tgood\tx\n0\tbad\ty\n"))
    assert message == (
        "a.tsv: cannot tell which column is 'text' and 'label'; its first row is '1' | 'good' | 'x', its second '0' | "
        "'bad' | 'y'. Name the columns in their order, for example --columns label,text,- ('-' = ignored), or, if the "
        "first row is a header, --columns text=NAME,label=NAME"
    )


def test_too_few_columns_in_the_first_row(write: Write) -> None:
    assert "needs a column each for 'text' and 'label', but its rows have 1, the first is 'good'" in error_of(
        write("a.txt", "good\nbad\n")
    )


def test_columns_by_order(write: Write) -> None:
    spec = write("a.tsv", "1\t7\t9\tgood\n0\t8\t2\tbad\n")
    assert fields(spec, option="label,id,rating,text") == [("good", "1"), ("bad", "0")]
    assert fields(spec, option="label, -, -, text") == [("good", "1"), ("bad", "0")]


@pytest.mark.parametrize("header", ["label\tx\ttext", "class\tx\tbody", "stars\tx\ttext"])
def test_columns_by_order_skip_a_header(write: Write, header: str) -> None:
    assert fields(write("a.tsv", f"{header}\n1\t7\tgood\n"), option="label,x,text") == [("good", "1")]


def test_columns_by_name(write: Write) -> None:
    spec = write("a.tsv", "id\tReview\tMy Mark\n1\tgood\tA\n")
    assert fields(spec, option="text=Review,label=my mark") == [("good", "A")]
    assert fields(spec, option="label=My Mark") == [("good", "A")]  # the text is found by itself
    assert fields(spec, PAIR, option="source=id,target=My Mark") == [("1", "A")]


@pytest.mark.parametrize("option", ["text,id", "text,label,label", "text=a,label", "text=a,mark=b", "text=,label=b"])
def test_columns_that_make_no_sense(write: Write, option: str) -> None:
    assert f"--columns '{option}'" in error_of(write("a.tsv", "x\ty\n"), option=option)


def test_a_named_column_that_is_not_there(write: Write) -> None:
    message = error_of(write("a.tsv", "id\treview\n1\tgood\n"), option="text=review,label=stars")
    assert message == "a.tsv: --columns names a column that is not in the first row: 'id' | 'review'"


def test_a_row_that_is_too_short(write: Write) -> None:
    records = read_records(write("a.tsv", "text\tlabel\ngood\t1\nbad\n"), TEXT_LABEL)
    assert next(records).fields == ("good", "1")  # read lazily, up to the error
    with pytest.raises(DataError) as caught:
        next(records)
    assert str(caught.value) == (
        "a.tsv, line 3: 1 cell, and the header has 2 (text is 'text', label is 'label'): 'bad'; is a cell missing, or "
        "a line broken in two? Complete the row or remove it"
    )
    assert (caught.value.file, caught.value.line) == ("a.tsv", 3)


def test_blank_lines_and_rows_without_text_are_left_out(write: Write) -> None:
    spec = write("a.tsv", "\n \ntext\tlabel\n\ngood\t1\n\t0\n\u00a0\t0\n \t \n\u00a0bad\u00a0 \t 0 \n")
    assert list(read_records(spec, TEXT_LABEL)) == [Record(("good", "1"), spec, 5), Record(("bad", "0"), spec, 9)]


@pytest.mark.parametrize(("name", "content"), [("a.tsv", ""), ("a.csv", "\n\n"), ("a.tsv.gz", "text\tlabel\n")])
def test_no_records(write: Write, name: str, content: str) -> None:
    assert error_of(write(name, content)).startswith(f"{name}: this has no records: it is empty")


def test_a_txt_of_one_text_a_line_keeps_its_tabs(write: Write) -> None:
    assert fields(write("a.txt", "\ufeffone\ttwo\r\n\r\nthree\n"), ("text",)) == [("one\ttwo",), ("three",)]
    assert fields(write("b.txt", "one\ttwo\nthree\tfour\n"), ("text",), option="-,text") == [("two",), ("four",)]


# --- CSV ----------------------------------------------------------------------------------------------------------


def test_csv_with_quotes_and_fields_of_several_lines(write: Write) -> None:
    spec = write("a.csv", 'label,text\r\n1,"so ""good"", really"\r\n\r\n0,"two\r\nlines"\r\n1, "a, b"\r\n')
    assert list(read_records(spec, TEXT_LABEL)) == [
        Record(('so "good", really', "1"), spec, 2),
        Record(("two\nlines", "0"), spec, 4),
        Record(("a, b", "1"), spec, 6),
    ]


@pytest.mark.parametrize(
    ("content", "columns", "expected"),
    [
        ("text;label\ngood, really;1\n", TEXT_LABEL, [("good, really", "1")]),
        ("text,label\ngood; really,1\n", TEXT_LABEL, [("good; really", "1")]),
        ("text;x,y;label\ngood;,;1\n", TEXT_LABEL, [("good", "1")]),
        ('"text","label"\n"good; really","1"\n', TEXT_LABEL, [("good; really", "1")]),
        ('"text";"label"\n"good, really";"1"\n', TEXT_LABEL, [("good, really", "1")]),
        ("good film;1\nbad film;0\n", TEXT_LABEL, [("good film", "1"), ("bad film", "0")]),
        ("good; film,1\nbad; film,0\n", TEXT_LABEL, [("good; film", "1"), ("bad; film", "0")]),
        ("this; that\nnext\n", ("text",), [("this; that",), ("next",)]),
    ],
)
def test_csv_delimiters(write: Write, content: str, columns: tuple[str, ...], expected: list[tuple[str, ...]]) -> None:
    assert fields(write("a.csv", content), columns) == expected


def test_csv_with_an_open_quote(write: Write) -> None:
    message = error_of(write("a.csv", 'text,label\ngood,1\n"bad,0\nfine,1\n'))
    assert message.startswith("a.csv, line 3: not valid CSV (unexpected end of data): close every quote")


def test_csv_with_a_quote_closed_too_early(write: Write) -> None:
    assert error_of(write("a.csv", 'text,label\n"so" good,1\n')).startswith("a.csv, line 2: not valid CSV")


# --- JSON lines ---------------------------------------------------------------------------------------------------


def test_jsonl_and_its_types(write: Write) -> None:
    lines = [
        '{"label": 1, "sentence": "a\\tb", "id": [3]}',
        "",
        '{"sentence": " b ", "label": 1.0}',
        '{"sentence": null, "label": 0}',
        '{"sentence": 42, "label": true}',
    ]
    spec = write("a.jsonl", "\n".join(lines))
    assert list(read_records(spec, TEXT_LABEL)) == [
        Record(("a\tb", "1"), spec, 1),
        Record(("b", "1.0"), spec, 3),
        Record(("42", "true"), spec, 5),
    ]


def test_jsonl_by_languages_and_by_columns(write: Write) -> None:
    spec = write("a.jsonl", '{"id": 1, "en": "Hi", "fr": "Salut"}\n{"fr": "Cours", "en": "Run"}\n')
    assert fields(spec, PAIR) == [("Hi", "Salut"), ("Run", "Cours")]
    assert fields(spec, PAIR, option="source=fr,target=en") == [("Salut", "Hi"), ("Cours", "Run")]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": "a" "label": 1}', "a.jsonl, line 2: not valid JSON at column 14 (Expecting ',' delimiter)"),
        ('["a", 1]', "a.jsonl, line 2: write one JSON object a line, not a list"),
        ('{"text": "a", "mark": 1}', "a.jsonl, line 2: no key 'label'; the keys are 'text' | 'mark'"),
        ('{"text": ["a"], "label": 1}', "a.jsonl, line 2: 'text' must be text or a number, not list"),
        ('{"text": "a\\ud800", "label": 1}', "a.jsonl, line 2: JSON that cannot be used"),
        ('{"text": "a\\u0000", "label": 1}', "a.jsonl, line 2: 'text' holds a NUL character"),
        ("[" * 60_000, "a.jsonl, line 2: "),
    ],
)
def test_jsonl_errors(write: Write, line: str, message: str) -> None:
    assert error_of(write("a.jsonl", '{"text": "a", "label": 1}\n' + line + "\n")).startswith(message)


def test_jsonl_whose_first_object_lacks_a_column(write: Write) -> None:
    assert error_of(write("a.jsonl", '{"text": "a", "mark": 1}\n')) == (
        "a.jsonl, line 1: no key stands for 'label'; use --columns text=NAME,label=NAME. The keys are 'text' | 'mark'"
    )


def test_jsonl_with_columns_in_order(write: Write) -> None:
    assert "use --columns text=NAME,label=NAME" in error_of(write("a.jsonl", "{}\n"), option="text,label")


# --- parallel files -----------------------------------------------------------------------------------------------


def test_parallel_files(write: Write) -> None:
    spec = pair_of(
        write, ("train.en", "one\ttab\n\nthree\nfour\r\nfive\n"), ("train.fr.gz", "un\ndeux\ntrois\n \ncinq")
    )
    assert list(read_records(spec, PAIR)) == [
        Record(("one\ttab", "un"), spec, 1),
        Record(("three", "trois"), spec, 3),
        Record(("five", "cinq"), spec, 5),
    ]


@pytest.mark.parametrize(("left", "right"), [(5, 3), (3, 5)])
def test_unequal_parallel_files(write: Write, left: int, right: int) -> None:
    spec = pair_of(write, ("a.en", "x\n" * left), ("a.fr", "y\n" * right))
    records = read_records(spec, PAIR)
    assert [next(records).line for _ in range(3)] == [1, 2, 3]
    with pytest.raises(DataError, match=f"^a.en,a.fr: a.en has {left} lines and a.fr has {right}: parallel files must"):
        next(records)


def test_blank_lines_at_the_end_of_one_parallel_file_do_no_harm(write: Write) -> None:
    assert fields(pair_of(write, ("a.en", "x\ny\n"), ("a.fr", "u\nv\n\n \n")), PAIR) == [("x", "u"), ("y", "v")]


def test_an_error_in_one_parallel_file_names_that_file(write: Write) -> None:
    assert error_of(pair_of(write, ("a.en", "x\ny\n"), ("a.fr", b"u\n\xe9\n")), PAIR).startswith(
        "a.fr, line 2: byte 1 of"
    )


def test_commas_in_names(write: Write) -> None:
    assert fields(write("a,b.tsv", "text\tlabel\ngood\t1\n")) == [("good", "1")]
    assert fields(pair_of(write, ("x,y.en", "one\n"), ("x,y.fr", "un\n")), PAIR) == [("one", "un")]


def test_parallel_files_where_they_do_not_fit(write: Write) -> None:
    spec = pair_of(write, ("a.en", "x\n"), ("a.fr", "y\n"))
    assert "are two parallel files, but this task reads text and label" in error_of(spec)
    with pytest.raises(UserError, match="give one file of running text"):
        read_text(spec)


# --- bytes --------------------------------------------------------------------------------------------------------


def test_only_a_line_feed_ends_a_line(write: Write) -> None:
    odd = "a\x0bb\x0cc\x1cd\x85e\u2028f\u2029g\rh"
    assert fields(write("a.tsv", f"text\tlabel\r\n{odd}\t1\r\n")) == [(odd, "1")]


@pytest.mark.parametrize("name", ["a.tsv", "a.tsv.gz", "A.TSV"])
def test_byte_order_mark(write: Write, name: str) -> None:
    assert fields(write(name, b"\xef\xbb\xbftext\tlabel\nsch\xc3\xb6n\t1\n")) == [("schön", "1")]


def test_latin_1_is_refused_with_its_place(write: Write) -> None:
    message = error_of(write("a.tsv", b"text\tlabel\ngood\t1\nna\xefve\t1\n"))
    assert message == (
        "a.tsv, line 3: byte 3 of the line (0xEF) is not UTF-8: convert it with "
        "`iconv -f windows-1252 -t utf-8 a.tsv > NEW`, with the file's own encoding"
    )
    zipped = error_of(write("a.tsv.gz", b"text\tlabel\nna\xefve\t1\n"))
    assert "`zcat a.tsv.gz | iconv -f windows-1252 -t utf-8 | gzip > NEW.gz`" in zipped


@pytest.mark.parametrize("name", ["a.tsv", "a.tsv.gz"])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_utf_16_and_utf_32_with_a_byte_order_mark(write: Write, name: str, encoding: str) -> None:
    rows = "text\tlabel\n" + "schön 😀\t1\r\n" * 20_000
    assert fields(write(name, f"\ufeff{rows}".encode(encoding))) == [("schön 😀", "1")] * 20_000
    assert Reader(TEXT_LABEL).look(name)[0].form.endswith(f"{encoding[:6].upper()} with a byte order mark")
    assert next(iter(read_text(name))) == "schön 😀\n" * (65_536 // 8)


@pytest.mark.parametrize("cut", [1, 3])
def test_utf_16_that_is_cut_off(write: Write, cut: int) -> None:
    message = error_of(write("a.tsv", "\ufefftext\tlabel\ngood 😀".encode("utf-16-le")[:-cut]))
    assert message.startswith("a.tsv: this is no whole utf-16")


@pytest.mark.parametrize("name", ["a.tsv", "a.tsv.gz"])
def test_carriage_returns_alone_end_lines_where_no_line_feed_does(write: Write, name: str) -> None:
    spec = write(name, "text\tlabel\r" + "good\t1\r" * 30_000)
    records = list(read_records(spec, TEXT_LABEL))
    assert [record.fields for record in records] == [("good", "1")] * 30_000
    assert records[-1].line == 30_001


def test_nul_is_refused(write: Write) -> None:
    assert error_of(write("a.tsv", b"text\tlabel\nab\0\t1\n")).startswith("a.tsv, line 2: byte 3 of the line is NUL")
    assert error_of(write("b.tsv", "good\t1\n".encode("utf-16le"))).startswith(
        "b.tsv, line 1: byte 2 of the line is NUL"
    )


@pytest.mark.parametrize("cut", [0.5, 0.99])
def test_a_gz_file_that_is_cut_off(write: Write, cut: float) -> None:
    whole = gzip.compress(b"".join(b"text %d\t%d\n" % (i, i % 2) for i in range(1000)))
    Path("a.tsv.gz").write_bytes(whole[: int(len(whole) * cut)])
    assert error_of("a.tsv.gz").startswith("a.tsv.gz: this is no whole .gz file (")


def test_a_gz_file_with_a_damaged_middle(write: Write) -> None:
    whole = bytearray(gzip.compress(b"".join(b"text %d\t%d\n" % (i, i % 2) for i in range(1000))))
    whole[len(whole) // 2] ^= 0xFF
    Path("a.tsv.gz").write_bytes(whole)
    assert "a.tsv.gz" in error_of("a.tsv.gz")


def test_a_gz_name_without_gzip_inside_and_the_reverse(write: Write) -> None:
    Path("a.tsv.gz").write_bytes(b"text\tlabel\ngood\t1\n")
    assert error_of("a.tsv.gz").startswith("a.tsv.gz: this is no whole .gz file (Not a gzipped file")
    assert error_of(write("b.tsv", gzip.compress(b"text"))) == (
        "b.tsv: this is compressed by gzip: give it a name that ends in .gz"
    )
    assert "Excel" in error_of(write("c.csv", b"PK\x03\x04..."))


@pytest.mark.parametrize(("length", "said"), [(100_001, "100,001 characters"), (400_002, "more than 400,002 bytes")])
def test_a_line_that_is_too_long(write: Write, length: int, said: str) -> None:
    assert error_of(write("a.tsv", "text\tlabel\n" + "x" * length + "\n")) == (
        f"a.tsv, line 2: the line has {said}, the limit is 100,000: is this a running text? The task char-lm takes it, "
        "as .txt"
    )


def test_the_longest_line(write: Write) -> None:
    for end in ("\n", "\r\n", ""):
        assert fields(write("a.txt", "😀" * 100_000 + end), ("text",)) == [("😀" * 100_000,)]


# --- which source -------------------------------------------------------------------------------------------------


def test_sample() -> None:
    records = read_records("sample", PAIR, sample=lambda: [("Hi", "Salut"), ("Run", "Cours")])
    assert list(records) == [Record(("Hi", "Salut"), "sample", 1), Record(("Run", "Cours"), "sample", 2)]
    with pytest.raises(UserError, match="no bundled sample"):
        read_records("sample", PAIR)


def test_a_missing_file_names_those_that_come_near(write: Write) -> None:
    write("train.en-fr.tsv", "")
    with pytest.raises(UserError) as caught:  # at the call, before anything is read
        read_records("train.enfr.tsv", PAIR)
    assert str(caught.value).startswith(
        "no such file: 'train.enfr.tsv' (similar names there: train.en-fr.tsv); data is 'sample', 'tfds:NAME', a file"
    )


@pytest.mark.parametrize("spec", ["nowhere/a.tsv", "", "a\0b", "x" * 5000, "a.tsv,b.tsv,c.tsv", "a.en,a.fr"])
def test_no_such_file(write: Write, spec: str) -> None:
    message = error_of(spec, PAIR)
    assert message.startswith("no such file: '")
    assert len(message) < 2500


def test_a_folder_and_an_unknown_extension(write: Write) -> None:
    Path("folder.tsv").mkdir()
    assert error_of("folder.tsv").startswith("'folder.tsv' is a folder: data is 'sample', 'tfds:NAME'")
    assert error_of(write("a.conllu.gz", "x")).startswith("'a.conllu.gz' has the extension '.conllu', which")
    assert error_of(write("a", "x")).startswith("'a' has the extension '', which")


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="a file of Linux that cannot be read")
def test_a_file_that_cannot_be_read() -> None:
    for read in (lambda spec: list(read_text(spec)), fingerprint):
        with pytest.raises(UserError, match=r"^cannot read '/proc/self/mem': Input/output error$"):
            read("/proc/self/mem")


def test_home_folder(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write("a.tsv", "text\tlabel\ngood\t1\n")
    assert list(read_records("~/a.tsv", TEXT_LABEL)) == [Record(("good", "1"), "~/a.tsv", 2)]


def test_files_and_the_sample_have_no_splits_and_are_read_whole(write: Write) -> None:
    spec = write("a.tsv", "text\tlabel\ngood\t1\n")
    for whole in (spec, "sample", f"{spec} + sample"):
        assert [has_part(whole, part, TEXT_LABEL) for part in ("train", "valid", "test")] == [True, False, False]
    assert fields(spec, part="valid") == [("good", "1")]
    assert list(read_text("sample", part="test", sample=lambda: [("x",)])) == ["x"]
    with pytest.raises(UserError, match="no such file"):
        has_part("b.tsv", "train", TEXT_LABEL)


def test_words_for_what_is_read(write: Write) -> None:
    pair = pair_of(write, ("a.en", "x\n"), ("a.fr", "y\n"))
    assert described(f"sample + {pair}", "train") == "the bundled sample + a.en,a.fr"
    with pytest.raises(UserError, match="no such file"):
        described("b.tsv", "train")


def test_fingerprint(write: Write) -> None:
    one, same, other = write("a.tsv", "x\ty\n"), write("b.tsv", "x\ty\n"), write("c.tsv", "x\tz\n")
    assert re.fullmatch("[0-9a-f]{32}", fingerprint(one))
    assert fingerprint(one) == fingerprint(same)
    text = write("a.txt", "x\ty\n")  # the same bytes, read otherwise
    assert len({fingerprint(spec) for spec in (one, text, other, f"{one},{other}", f"{other},{one}")}) == 5
    rows = [fingerprint("sample", sample=lambda row=row: [row]) for row in (("x", "y"), ("x", "z"))]
    assert len({*rows, fingerprint("sample + a.tsv", sample=lambda: [("x", "y")])}) == 3
    with pytest.raises(UserError, match="no such file"):
        fingerprint("d.tsv")


# --- running text -------------------------------------------------------------------------------------------------


def test_text_is_whole_and_in_chunks(write: Write) -> None:
    text = "".join(f"line {i} é😀\u2028\n\n" for i in range(20_000))
    spec = write("a.txt", "\ufeff" + text.replace("\n", "\r\n"))
    chunks = list(read_text(spec))
    assert "".join(chunks) == text
    longest_line = len("line 19999 é😀\u2028\n\n")
    assert all(chunk.endswith("\n") for chunk in chunks)
    assert all(65_536 - longest_line < len(chunk) <= 65_536 for chunk in chunks[:-1])


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    texts=st.lists(st.lists(st.text("ab\n", min_size=1, max_size=30), max_size=6), max_size=3),
    most=st.integers(1, 12),
)
def test_chunks_of_any_texts(texts: list[list[str]], most: int) -> None:
    """They are all of the text, no longer than allowed, and cut a line only where it is too long."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(reader, "CHUNK_CHARACTERS", most)
        chunks = list(reader.chunks(texts))
    whole = ""
    for text in map("".join, texts):
        whole += ("\n" if whole and not whole.endswith("\n") and text else "") + text
    assert "".join(chunks) == whole
    assert all(0 < len(chunk) <= most for chunk in chunks)
    for chunk in chunks[:-1]:
        assert chunk.endswith("\n") or ("\n" not in chunk and len(chunk) == most)


def test_text_of_any_extension_and_without_line_ends(write: Write) -> None:
    assert "".join(read_text(write("a.conllu.gz", "x" * 200_000))) == "x" * 200_000
    assert list(read_text(write("a", " one\ttwo\rthree"))) == [" one\ttwo\nthree"]


def test_text_of_records(write: Write) -> None:
    assert list(read_text(write("a.csv", 'id,text\n1,"one\r\ntwo"\n2,\n3,three\n'))) == ["one\ntwo\nthree\n"]
    assert list(read_text(write("a.tsv", "one\ntwo\n"))) == ["one\ntwo\n"]
    assert "".join(read_text(write("a.jsonl", json.dumps({"text": "x" * 200_000})))) == "x" * 200_000 + "\n"
    assert list(read_text(write("a.txt", "1\tone\n2\ttwo\n"), option="-,text")) == ["one\ntwo\n"]


def test_text_of_the_sample() -> None:
    assert list(read_text("sample", sample=lambda: [("one\r\ntwo",)])) == ["one\ntwo"]


@pytest.mark.parametrize(("name", "content"), [("a.txt", b""), ("a.txt", b"\xef\xbb\xbf"), ("a.txt.gz", b"")])
def test_text_that_is_empty(write: Write, name: str, content: bytes) -> None:
    with pytest.raises(DataError, match=f"^{name}: this is empty$"):
        list(read_text(write(name, content)))


@pytest.mark.parametrize("before", [0, 1, 65_530, 65_534, 65_535, 65_536, 70_000])
@pytest.mark.parametrize("bad", [b"\xe9 ", b"\xe2\x82 ", b"\xf0\x9f\x98", b"\0"])
def test_text_that_is_not_utf_8(write: Write, before: int, bad: bytes) -> None:
    """The place is right wherever the blocks of the file end."""
    with pytest.raises(DataError) as caught:
        list(read_text(write("a.txt", b"one\ntwo\n" + b"x" * before + bad)))
    assert str(caught.value).startswith(f"a.txt, line 3: byte {before + 1} of the line ")


# --- everything that can be written reads back --------------------------------------------------------------------

# Cs: surrogates are no text. Cf: what is invisible is cut off at the ends. TAB and line ends would need quotes.
TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cf"], exclude_characters="\n\r\t\0"), min_size=1, max_size=30)
STRIPPED = TEXTS.map(str.strip).filter(lambda text: text not in ("", "NaN", "nan", "#N/A", "<NA>"))
PAIRS = st.lists(st.tuples(STRIPPED, STRIPPED), min_size=1, max_size=8)


def as_tsv(rows: list[tuple[str, str]]) -> str:
    """Without quotes of its own. A text that is in quotes and has quotes inside is not told from a quoted cell."""
    return "".join(f"{source}\t{target}\n".replace('"', "'") for source, target in rows)


def as_quoted_tsv(rows: list[tuple[str, str]]) -> str:
    out = io.StringIO()
    csv.writer(out, delimiter="\t", lineterminator="\n").writerows(rows)
    return out.getvalue()


def as_csv(rows: list[tuple[str, str]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()


def as_jsonl(rows: list[tuple[str, str]]) -> str:
    keys = rows[0]
    return "".join(json.dumps(dict(zip(keys, row, strict=True)), ensure_ascii=False) + "\n" for row in rows[1:])


@pytest.mark.parametrize(
    ("extension", "form"), [(".tsv", as_tsv), (".tsv", as_quoted_tsv), (".csv", as_csv), (".jsonl", as_jsonl)]
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(rows=PAIRS, gz=st.booleans(), bom=st.booleans(), crlf=st.booleans())
def test_records_read_back_as_written(
    tmp_path: Path,
    extension: str,
    form: Callable[[list[tuple[str, str]]], str],
    rows: list[tuple[str, str]],
    gz: bool,
    bom: bool,
    crlf: bool,
) -> None:
    text = ("\ufeff" if bom else "") + form([("source", "target"), *rows])
    data = (text.replace("\n", "\r\n") if crlf else text).encode()
    path = tmp_path / f"a{extension}{'.gz' if gz else ''}"
    path.write_bytes(gzip.compress(data) if gz else data)
    without = form is as_tsv
    expected = [tuple(cell.replace('"', "'") if without else cell for cell in row) for row in rows]
    assert fields(str(path), PAIR) == expected


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(rows=PAIRS)
def test_parallel_files_read_back_as_written(tmp_path: Path, rows: list[tuple[str, str]]) -> None:
    for at, name in enumerate(("a.x", "a.y")):
        (tmp_path / name).write_bytes("".join(row[at] + "\n" for row in rows).encode())
    assert fields(f"{tmp_path / 'a.x'},{tmp_path / 'a.y'}", PAIR) == rows


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
def test_text_reads_back_as_written(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert "".join(read_text(str(tmp_path / "a.txt"))) == text.replace("\r\n", "\n").replace("\r", "\n")


def test_several_specs_are_read_one_after_the_other(tmp_path: Path) -> None:
    for name, rows in (("a.tsv", ["text\tlabel", "one\t1", "two\t0"]), ("b.csv", ["label,text", "1,three"])):
        (tmp_path / name).write_text("\n".join(rows) + "\n", encoding="utf-8")
    spec = f"{tmp_path / 'a.tsv'} + {tmp_path / 'b.csv'}"
    records = list(read_records(spec, ("text", "label")))
    assert [(record.fields, Path(record.file).name, record.line) for record in records] == [
        (("one", "1"), "a.tsv", 2),
        (("two", "0"), "a.tsv", 3),
        (("three", "1"), "b.csv", 2),
    ]
    assert not has_part(spec, "valid", TEXT_LABEL)
    before = fingerprint(spec)
    assert before != fingerprint(str(tmp_path / "a.tsv"))
    (tmp_path / "b.csv").write_text("label,text\n1,four\n", encoding="utf-8")
    assert fingerprint(spec) != before
    with pytest.raises(UserError, match="no such file"):
        read_records(f"{tmp_path / 'a.tsv'} + none.tsv", ("text", "label"))
    chunks = read_text(f"{tmp_path / 'a.tsv'} + {tmp_path / 'b.csv'}")
    assert "".join(chunks) == "one\ntwo\nfour\n"
