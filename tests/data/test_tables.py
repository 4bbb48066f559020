"""Tables as people have them: read as they are meant, or refused with file, line and what to do."""

import csv
import io
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from nlpseq.data.findings import Findings
from nlpseq.data.reader import Reader
from nlpseq.errors import DataError, UserError
from tests.data.reading import read_records

TEXT_LABEL = ("text", "label")
PAIR = ("source", "target")
Write = Callable[[str, str], str]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes a file into the current folder and returns its name."""
    monkeypatch.chdir(tmp_path)

    def write(name: str, content: str) -> str:
        Path(name).write_bytes(content.encode())
        return name

    return write


def fields(spec: str, columns: tuple[str, ...] = TEXT_LABEL, option: str = "") -> list[tuple[str, ...]]:
    return [record.fields for record in read_records(spec, columns, option=option)]


def error_of(spec: str, columns: tuple[str, ...] = TEXT_LABEL, option: str = "") -> str:
    with pytest.raises(UserError) as caught:
        fields(spec, columns, option)
    return str(caught.value)


# --- delimiters ---------------------------------------------------------------------------------------------------

ROWS = [("Nice, really nice", "pos"), ("Bad; or worse", "neg"), ("So | so", "pos"), ("No, no; no", "neg")] * 3


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_any_delimiter_in_any_file(write: Write, delimiter: str, header: bool, name: str) -> None:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows([("text", "label")] * header + ROWS)
    assert fields(write(name, out.getvalue())) == ROWS


def test_the_delimiter_that_fits_every_row(write: Write) -> None:
    texts = [f"{'Nice' if i % 2 else 'Bad'}, number {i};{'pos' if i % 2 else 'neg'}" for i in range(40)]
    assert fields(write("a.csv", "\n".join(texts)))[:2] == [("Bad, number 0", "neg"), ("Nice, number 1", "pos")]


@pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "SEP=;\r"])
def test_a_line_that_states_the_delimiter(write: Write, first: str) -> None:
    spec = write("a.csv", f"{first}\ntext;label\ngood, really;pos\nbad, really;neg\n")
    assert fields(spec) == [("good, really", "pos"), ("bad, really", "neg")]
    assert [record.line for record in read_records(spec, TEXT_LABEL)] == [3, 4]


# --- a row that does not fit --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("a.csv", "label,text\npos,kind, and clever\nneg,dull\n", 2),
        ("a.csv", "text,label\nfine,pos\nkind, and clever,pos\n", 3),
        ("a.tsv", "text\tlabel\ngood\tpos\nbad\tthing\tneg\n", 3),
        ("a.tsv", "text\tlabel\ngood\tpos\nbad\n", 3),
        ("a.csv", "My survey of 2024\ntext,label\ngood,pos\nbad,neg\n", 1),
        ("a.csv", "so good,pos\nso bad,neg\n" * 1500 + "fine, I think,pos\n", 3001),
        ("a.csv", "text,label,note\ngood,pos,\nbad, and dull,neg,\n", 3),
    ],
)
def test_a_row_of_another_width_is_named(write: Write, name: str, content: str, line: int) -> None:
    with pytest.raises(DataError) as caught:
        fields(write(name, content))
    assert caught.value.line == line
    assert "cell" in str(caught.value)


def test_empty_cells_at_the_end_of_a_row_do_no_harm(write: Write) -> None:
    assert fields(write("a.csv", "text,label,,\ngood,pos,,\nbad,neg,,\n")) == [("good", "pos"), ("bad", "neg")]
    assert fields(write("b.csv", "so good,pos,,\nso bad,neg,,\n")) == [("so good", "pos"), ("so bad", "neg")]
    assert "4 cells" in error_of(write("d.csv", "text,label\ngood,pos\nbad, and dull,neg,\n"))
    assert "5 cells" in error_of(write("c.csv", "text,label,,\ngood,pos,,\nbad, and dull, too,neg,\n"))


def test_an_unnamed_column_of_row_numbers(write: Write) -> None:
    assert fields(write("a.csv", ",text,label\n0,good,pos\n1,bad,neg\n")) == [("good", "pos"), ("bad", "neg")]


# --- quotes -------------------------------------------------------------------------------------------------------


def test_a_quote_too_many_is_named_where_it_opens(write: Write) -> None:
    rows = [f"this is review {i},{'pos' if i % 2 else 'neg'}" for i in range(200)]
    rows[20], rows[150] = '"Great, I thought,pos', 'about size 5",neg'
    message = error_of(write("a.csv", "text,label\n" + "\n".join(rows) + "\n"))
    assert message.startswith("a.csv, line 22: a quote opens here and closes in line 152, the lines between look like")


def test_a_quote_that_never_closes_does_not_swallow_the_file(write: Write) -> None:
    rows = "a text that is good enough,pos\n" * 10_000
    message = error_of(write("a.csv", 'text,label\nfine,pos\n"open,neg\n' + rows))
    assert message.startswith("a.csv, line 3: a quote opens here and is not closed in 100,000 characters")


def test_a_text_of_several_lines_and_paragraphs(write: Write) -> None:
    poem = 'Roses are red,\nviolets are blue,\n\nsugar is "sweet"\nand so are you.'
    out = io.StringIO()
    csv.writer(out).writerows([("text", "label"), (poem, "poem"), ("prose", "prose"), (poem, "poem")])
    assert fields(write("a.csv", out.getvalue())) == [(poem, "poem"), ("prose", "prose"), (poem, "poem")]


def test_tsv_quoted_by_a_spreadsheet(write: Write) -> None:
    rows = [(f'He said "hello {i}"', f'Il a dit "bonjour {i}"') for i in range(10)]
    out = io.StringIO()
    csv.writer(out, delimiter="\t").writerows([PAIR, *rows, ("one\ttab", "two\nlines"), ("plain", "simple")])
    expected = [*rows, ("one\ttab", "two\nlines"), ("plain", "simple")]
    assert fields(write("a.tsv", out.getvalue()), PAIR) == expected


@pytest.mark.parametrize("quoting", [csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
def test_tsv_with_quotes_around_every_cell(write: Write, quoting: int) -> None:
    out = io.StringIO()
    csv.writer(out, delimiter="\t", quoting=quoting).writerows([("text", "label"), ("good", 1), ("bad", 0)])  # type: ignore[arg-type]
    assert fields(write("a.tsv", out.getvalue())) == [("good", "1"), ("bad", "0")]


@pytest.mark.parametrize(
    "rows",
    [
        [('"Come here!"', '"Viens ici !"'), ("Run!", "Cours !")],
        [('"Hello," he said.', "« Bonjour », dit-il."), ('"No, no."', '"Non, non."'), ("Yes, no.", "Oui, non.")],
        [('He said "no".', "Il a dit non."), ('"No, no, no."', "Non, non, non.")],
    ],
)
def test_quotes_in_tsv_that_are_the_text_s_own(write: Write, rows: list[tuple[str, str]]) -> None:
    assert fields(write("a.tsv", "".join("\t".join(row) + "\n" for row in rows)), PAIR) == rows


def test_quotes_that_come_late_decide_then(write: Write) -> None:
    plain = [(f"Hello {i}.", f"Bonjour {i}.") for i in range(3000)]
    quoted = [('He said "so".', 'Il a dit "oui".'), ("Yes.", "Oui.")]
    out = io.StringIO()
    csv.writer(out, delimiter="\t").writerows([*plain, *quoted])
    assert fields(write("a.tsv", out.getvalue()), PAIR) == [*plain, *quoted]
    speech = [("Yes.", "Oui."), ('"Come!"', '"Viens !"')]
    raw = "".join("\t".join(row) + "\n" for row in [*plain, *speech])
    assert fields(write("b.tsv", raw), PAIR) == [*plain, *speech]
    late = '"He said ""so""."\t"Il a dit ""oui""."\n'
    assert fields(write("a.tsv", raw + late), PAIR)[-1][0] == '"He said ""so""."'
    findings = Findings()
    assert list(Reader(PAIR).records("a.tsv", findings=findings))
    assert findings.mended["cells in quotes that were taken for text"].first == "a.tsv, line 3003"


def test_a_space_that_is_missing_between_two_quotes_is_the_text_s_own(write: Write) -> None:
    """Tatoeba has such a pair, and was refused for it."""
    rows = [('He said "no".', "Il a dit non."), ('"Why?" "So."', '"Pourquoi ?""Parce que."')]
    assert fields(write("a.tsv", "".join("\t".join(row) + "\n" for row in rows)), PAIR) == rows


# --- headers and roles --------------------------------------------------------------------------------------------


def test_of_two_columns_one_name_is_enough(write: Write) -> None:
    rows = "".join(f"please do {i},intent_{i % 3}\n" for i in range(12))
    assert fields(write("a.csv", "text,intent\n" + rows))[0] == ("please do 0", "intent_0")
    assert fields(write("b.csv", "utterance_text,label\n" + rows))[0] == ("please do 0", "intent_0")
    sentences = "".join(f"I see {i} cats here.\tIch sehe hier {i} Katzen.\n" for i in range(5))
    assert fields(write("a.tsv", "source\tgerman_text\n" + sentences), PAIR)[0][0] == "I see 0 cats here."
    assert fields(write("b.tsv", "translation\toriginal_text\n" + sentences), PAIR)[0][1] == "I see 0 cats here."


def test_in_a_list_of_words_a_name_may_be_a_word(write: Write) -> None:
    message = error_of(write("a.tsv", "question\tquestions\nbook\tbooks\ncat\tcats\n"), PAIR)
    assert "cannot tell which column is 'source' and 'target'" in message


def test_the_columns_of_a_wider_file_are_asked_for(write: Write) -> None:
    generator = random.Random(1)
    sizes = [generator.randrange(2, 12) for _ in range(30)]
    rows = [
        (f"{1200 + i}", "word " * n + f"{i}", f"{8800 + i}", "mot " * n + f"{i}", f"CC-BY (user{i * 7919 % 1000})")
        for i, n in enumerate(sizes)
    ]
    spec = write("a.tsv", "".join("\t".join(row) + "\n" for row in rows))
    assert "--columns -,source,-,target,- ('-' = ignored)" in error_of(spec, PAIR)
    expected = [(row[1], row[3]) for row in rows]
    assert fields(spec, PAIR, "-,source,-,target,-") == expected
    assert "names 2 columns, and the file has 5" in error_of(spec, PAIR, "source,target")
    labelled = write("b.tsv", "".join(f"{i}\tuser{i}\t{'good text' * 3}\t{i % 2}\n" for i in range(30)))
    assert "--columns -,-,text,label" in error_of(labelled)


def test_a_number_is_no_side_of_a_pair(write: Write) -> None:
    assert "--columns" in error_of(write("a.tsv", "1\tHello.\n2\tGood day.\n"), PAIR)


def test_three_languages_are_asked_for(write: Write) -> None:
    assert "--columns" in error_of(write("a.tsv", "en\tfr\tde\nHi\tSalut\tHallo\n"), PAIR)
    assert "--columns" in error_of(write("a.jsonl", '{"en": "Hi", "fr": "Salut", "de": "Hallo"}\n'), PAIR)


def test_two_columns_of_one_name(write: Write) -> None:
    assert "two columns are named 'text'" in error_of(write("a.csv", "text,label,Text\ngood,1,fine\n"))


def test_a_header_again_is_left_out_and_told(write: Write) -> None:
    spec = write("a.csv", "text,label\ngood,pos\n\ufeffText,Label\nbad,neg\n")
    assert fields(spec) == [("good", "pos"), ("bad", "neg")]
    assert "another order" in error_of(write("b.csv", "text,label\ngood,pos\nlabel,text\nneg,bad\n"))


# --- labels and values --------------------------------------------------------------------------------------------


def test_labels_are_what_is_seen_of_them(write: Write) -> None:
    labels = ["pos", "pos\u00a0", "\u200bpos", "po\u00ads", "pos\ufeff", "gut\u00a0so", "gut so", "e\u0301", "é"]
    spec = write("a.jsonl", "".join(f'{{"text": "t{i}", "label": "{label}"}}\n' for i, label in enumerate(labels)))
    assert {label for _, label in fields(spec)} == {"pos", "gut so", "é"}


@pytest.mark.parametrize("nothing", ["null", "NaN", '"NaN"', '"None"', '"\u200b"', '" "'])
def test_what_is_no_label_is_left_out(write: Write, nothing: str) -> None:
    spec = write("a.jsonl", f'{{"text": "a", "label": 1}}\n{{"text": "b", "label": {nothing}}}\n')
    assert fields(spec) == [("a", "1")]


def test_none_is_a_class_and_a_text(write: Write) -> None:
    assert fields(write("a.csv", "text,label\nNone,none\nNo.,NA\n")) == [("None", "none"), ("No.", "NA")]


# --- other forms --------------------------------------------------------------------------------------------------


def test_pairs_inside_of_an_object(write: Write) -> None:
    spec = write("a.json", '{"id": 3, "translation": {"en": "Hi", "fr": "Salut"}}\n')
    assert fields(spec, PAIR) == [("Hi", "Salut")]
    assert fields(spec, PAIR, "source=translation.fr,target=translation.en") == [("Salut", "Hi")]
    dotted = write("b.ndjson", '{"data.text": "x", "a": {"b": {"c": 1}}}\n{"data.text": "y", "a": null}\n')
    assert fields(dotted, TEXT_LABEL, "text=data.text,label=a.b.c") == [("x", "1")]


def test_a_json_array_is_refused_with_the_way_out(write: Write) -> None:
    for content in ('[{"text": "a", "label": 1}]', '[\n{"text": "a", "label": 1}\n]\n'):
        assert "jq -c '.[]' 'my data.json' > NEW.jsonl" in error_of(write("my data.json", content))


@pytest.mark.parametrize("name", ["a.txt", "a.csv"])
def test_labels_at_the_beginning_of_lines(write: Write, name: str) -> None:
    spec = write(name, "__label__pos Nice, really nice\n\n  __label__neg  bad \n")
    assert fields(spec) == [("Nice, really nice", "pos"), ("bad", "neg")]
    assert Reader(TEXT_LABEL).look(spec)[0].form.startswith("text, each line begins with __label__")


@pytest.mark.parametrize("line", ["no label here", "__label__a __label__b two of them"])
def test_lines_with_no_label_or_two(write: Write, line: str) -> None:
    assert error_of(write("a.txt", f"__label__pos fine\n{line}\n")).startswith("a.txt, line 2: ")


def test_parquet(write: Write, tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = arrow.table({"text": ["good", None, "bad"], "label": [1.0, 0.0, float("nan")]})
    parquet.write_table(table, tmp_path / "a.parquet")
    assert fields("a.parquet") == [("good", "1.0")]
    nested = arrow.table({"translation": [{"en": "Hi", "fr": "Salut"}] * 3000})
    parquet.write_table(nested, tmp_path / "b.parquet")
    assert fields("b.parquet", PAIR) == [("Hi", "Salut")] * 3000
    assert error_of(write("c.parquet", "text,label\n")).startswith("c.parquet: this is no whole Parquet file")


@pytest.mark.parametrize(("name", "said"), [("a.xlsx", "is a workbook"), ("corpus.fr", "give both: 'corpus.fr,…'")])
def test_files_of_other_kinds(write: Write, name: str, said: str) -> None:
    assert said in error_of(write(name, "x"), PAIR)
