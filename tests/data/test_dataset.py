"""The parts of a task's data: where they come from, that they are fair, and what is said about them."""

import dataclasses
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from nlpseq.config import DataConfig
from nlpseq.data import reader, tfds
from nlpseq.data.dataset import Dataset, RunningText
from nlpseq.data.lessons import write_lessons
from nlpseq.data.sources import Part, Record
from nlpseq.errors import UserError

TEXT_LABEL = ("text", "label")
SAMPLE = [(f"sample {number}", "ab"[number % 2]) for number in range(300)]
STORY = "".join(f"line {number}\n" for number in range(1000))
Write = Callable[[str, str], str]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    monkeypatch.chdir(tmp_path)

    def write(name: str, content: str) -> str:
        Path(name).write_text(content, encoding="utf-8")
        return name

    return write


def table(count: int, word: str = "text") -> str:
    """Texts with labels, sorted by label."""
    rows = [f"{word} {number}\t{'pos' if number < count // 2 else 'neg'}\n" for number in range(count)]
    return "text\tlabel\n" + "".join(rows)


def labelled(**settings: object) -> Dataset:
    return Dataset(DataConfig(**settings), TEXT_LABEL, sample=lambda: SAMPLE)  # type: ignore[arg-type]


def running(**settings: object) -> RunningText:
    return RunningText(DataConfig(**settings), ("text",), sample=lambda: [(STORY,)])  # type: ignore[arg-type]


def texts(dataset: Dataset, part: Part) -> list[str]:
    return [record.fields[0] for record in dataset.examples(part)]


@pytest.fixture
def splits(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, list[tuple[str, str]]]]:
    """Datasets of TFDS by their SPEC, in memory: each a dictionary of splits. A label of "-1" is withheld."""
    datasets: dict[str, dict[str, list[tuple[str, str]]]] = {}

    class Info:
        def __init__(self, spec: str) -> None:
            self.splits, self.features, self.supervised_keys = datasets[spec], {}, ()

    class Builder:
        def __init__(self, spec: str) -> None:
            self.info = Info(spec)

    def read_split(spec: str, builder: Builder, split: str, names: tuple[str, ...]) -> object:
        return ((number, row[: len(names)]) for number, row in enumerate(builder.info.splits[split], start=1))

    monkeypatch.setattr(tfds, "_open", Builder)
    monkeypatch.setattr(tfds, "_feature_names", lambda spec, info, columns, option: columns)
    monkeypatch.setattr(tfds, "_read_split", read_split)
    monkeypatch.setattr(tfds, "_hides_labels", lambda builder, split: builder.info.splits[split][0][1] == "-1")
    datasets["tfds:whole"] = {
        "train": [("one", "a"), ("two", "b")],
        "validation": [("three", "a")],
        "test": [("four", "b")],
    }
    datasets["tfds:glue"] = {**datasets["tfds:whole"], "test": [("who knows", "-1")]}
    datasets["tfds:train"] = {"train": [(f"row {number}", "a") for number in range(200)]}
    return datasets


# Parts


def test_a_part_is_split_off_by_the_text(write: Write) -> None:
    dataset = labelled(train=write("a.tsv", table(500) + table(500).partition("\n")[2]), valid_fraction=0.2)
    train, valid = texts(dataset, "train"), texts(dataset, "valid")
    assert not set(train) & set(valid)
    assert sorted(train + valid) == sorted([f"text {number}" for number in range(500)] * 2)
    assert 0.12 < len(valid) / 1000 < 0.28
    # The split of another order is the same: it goes by the text alone.
    rows = table(500).splitlines(keepends=True)
    backwards = labelled(train=write("b.tsv", "".join((rows[0], *reversed(rows[1:])))), valid_fraction=0.2)
    assert set(texts(backwards, "valid")) == set(valid)
    assert set(texts(labelled(train="a.tsv", valid_fraction=0.4), "valid")) > set(valid)


def test_the_split_is_that_of_the_models_that_are_shipped(write: Write) -> None:
    """Their validation parts must not come to hold texts that they were trained on."""
    dataset = labelled(train=write("a.tsv", table(60)), valid_fraction=0.1)
    assert texts(dataset, "valid") == [
        "text 12",
        "text 15",
        "text 18",
        "text 32",
        "text 33",
        "text 38",
        "text 44",
        "text 46",
        "text 53",
    ]


def test_parts_of_their_own(write: Write) -> None:
    names = [write(f"{word}.tsv", table(4, word)) for word in ("train", "valid", "test")]
    dataset = labelled(train=names[0], valid=names[1], test=names[2])
    for part in ("train", "valid", "test"):
        assert texts(dataset, part) == [f"{part} {number}" for number in range(4)]
        assert dataset.described(part) == f"{part}.tsv"
        assert dataset.has_part(part)


def test_no_test_part(write: Write) -> None:
    dataset = labelled(train=write("a.tsv", table(4)))
    assert not dataset.has_part("test")
    assert list(dataset.examples("test")) == dataset.even_sample("test", 3) == []
    assert dataset.described("test") == "none"


def test_records_are_cleaned_before_they_are_split(write: Write) -> None:
    def clean(record: Record) -> Record:
        return dataclasses.replace(record, fields=(record.fields[0].replace("<br>", ""), record.fields[1]))

    write("a.tsv", table(200))
    write("b.tsv", table(200, "<br>text"))
    config = DataConfig(train="a.tsv")
    plain = Dataset(config, TEXT_LABEL)
    cleaned = Dataset(dataclasses.replace(config, train="b.tsv"), TEXT_LABEL, clean=clean)
    assert texts(cleaned, "valid") == texts(plain, "valid") != []
    assert [record.line for record in cleaned.examples("train")] == [r.line for r in plain.examples("train")]


def test_splits_of_a_dataset(splits: dict[str, object]) -> None:
    dataset = labelled(train="tfds:whole")
    assert [texts(dataset, part) for part in ("train", "valid", "test")] == [["one", "two"], ["three"], ["four"]]
    assert dataset.described("valid") == "the split 'validation' of tfds:whole"
    assert dataset.has_part("test")
    # Where labels are withheld, there is no test part, except for those who need no labels.
    assert not labelled(train="tfds:glue").has_part("test")
    assert texts(running(train="tfds:glue"), "test") == ["who knows\n"]
    assert labelled(train="tfds:train").described("valid") == "a tenth split off tfds:train by a hash"
    assert labelled(train="tfds:train", valid_fraction=0.25).described("valid").startswith("25 % split off tfds:train")


def test_a_part_that_the_named_data_lacks_is_not_the_training_split(splits: dict[str, object]) -> None:
    dataset = labelled(train="sample", valid="tfds:train", test="tfds:train")
    for part in ("valid", "test"):
        message = f"^tfds:train has no split for '{part}' .its splits are train.: leave --{part} out, or give other"
        with pytest.raises(UserError, match=message):
            dataset.examples(part)  # type: ignore[arg-type]
    mixed = labelled(train="sample", valid="tfds:whole + sample")  # what has splits gives its split, a sample is whole
    assert texts(mixed, "valid") == ["three", *(text for text, _ in SAMPLE)]


# Samples


def test_a_sample_of_sorted_data_is_fair(write: Write) -> None:
    dataset = labelled(train="sample", valid=write("a.tsv", table(2000)))
    records = dataset.even_sample("valid", 200)
    assert len(records) == 200
    assert records == dataset.even_sample("valid", 200)
    assert [record.line for record in records] == sorted({record.line for record in records})
    assert 70 <= Counter(record.fields[1] for record in records)["pos"] <= 130
    assert dataset.even_sample("valid", 5000) == list(dataset.examples("valid"))


def test_a_sample_of_what_was_held_out_is_fair_too(write: Write) -> None:
    """Being held out and being in the sample have nothing to do with each other."""
    dataset = labelled(train=write("a.tsv", table(4000)), valid_fraction=0.5)
    held_out = set(texts(labelled(train="a.tsv", valid_fraction=0.25), "valid"))  # those of the smaller hashes
    sample = dataset.even_sample("valid", 400)
    assert 0.4 < sum(record.fields[0] in held_out for record in sample) / 400 < 0.6


def test_a_sample_keeps_all_translations_of_a_source(write: Write) -> None:
    """They stand far apart in the data. Only those of the last source may be cut off by the count."""
    rows = "".join(f"source {number % 300}\ttranslation {number}\n" for number in range(900))
    dataset = Dataset(DataConfig(valid=write("a.tsv", "source\ttarget\n" + rows)), ("source", "target"))
    counts = Counter(record.fields[0] for record in dataset.even_sample("valid", 100))
    assert sorted(counts.values()) == [1] + [3] * 33


def test_a_sample_of_running_text_is_whole_chunks(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "CHUNK_CHARACTERS", 100)
    dataset = running(train=write("a.txt", STORY), valid=write("b.txt", STORY.upper()))
    chunks = [record.fields[0] for record in dataset.even_sample("valid", 20)]
    every = texts(dataset, "valid")
    places = [every.index(chunk) for chunk in chunks]
    assert places == sorted(places)
    assert 0.3 < sum(places) / 20 / len(every) < 0.7
    assert all(chunk.endswith("\n") for chunk in chunks)


# What the ids depend on


def test_content_key(write: Write) -> None:
    write("a.tsv", table(50))
    write("b.tsv", table(51))
    config = DataConfig(train="a.tsv")

    def key(part: Part = "train", **changes: object) -> tuple[object, ...]:
        return Dataset(dataclasses.replace(config, **changes), TEXT_LABEL).content_key(part)  # type: ignore[arg-type]

    os.link("a.tsv", "c.tsv")
    assert key() == key(train="c.tsv") == key(licence="CC0", credit="somebody") == key(test="b.tsv")
    others = [
        key(),
        key("valid"),
        key("test"),
        key(train="b.tsv"),
        key(valid="b.tsv"),
        key("valid", valid="a.tsv"),
        key(valid_fraction=0.2),
        key(columns="text,label"),
    ]
    assert len(set(others)) == len(others)
    Path("a.tsv").write_text(table(49), encoding="utf-8")
    assert key() != others[0]


# What a model is measured on


def test_measured_on_a_file_without_any_training_data(write: Write) -> None:
    words, examples = running(train="tinyshakespeare.txt").measured(write("my.txt", "one\ntwo\n"))
    assert (words, [record.fields[0] for record in examples]) == ("my.txt", ["one\ntwo\n"])
    words, records = labelled(train="gone.tsv", valid="gone too.tsv").measured(write("my.tsv", table(9)))
    assert (words, len(list(records))) == ("my.tsv", 9)
    only_test = labelled(train="gone.tsv", test="my.tsv")
    assert len(texts(only_test, "test")) == 9
    assert only_test.content_key("test") == labelled(test="my.tsv").content_key("test")


def test_measured_on_the_sample_is_what_was_held_out() -> None:
    dataset = labelled()
    words, examples = dataset.measured("sample")
    assert words == "a tenth split off the bundled sample by a hash"
    assert list(examples) == list(dataset.examples("valid")) != []
    words, chunks = running(valid_fraction=0.15).measured("sample")
    assert words == "15 % split off the end of the bundled sample"
    assert "".join(record.fields[0] for record in chunks) == STORY[len(STORY) - int(0.15 * len(STORY)) :]


@pytest.mark.parametrize(
    ("spec", "expected", "read"),
    [
        ("tfds:whole", "the split 'test' of tfds:whole", ["four"]),
        ("tfds:glue", "the split 'validation' of tfds:glue", ["three"]),
        ("tfds:whole + tfds:glue", "the split 'test' of tfds:whole + the split 'validation' of tfds:glue",
         ["four", "three"]),
    ],
)  # fmt: skip
def test_measured_on_a_split(spec: str, expected: str, read: list[str], splits: dict[str, object]) -> None:
    words, examples = labelled(train="gone.tsv").measured(spec)
    assert (words, [record.fields[0] for record in examples]) == (expected, read)


def test_measured_on_a_dataset_with_a_training_split_alone(splits: dict[str, object]) -> None:
    words, examples = labelled(train="gone.tsv").measured("tfds:train")
    assert words == "a tenth split off tfds:train by a hash"
    assert list(examples) == list(labelled(train="tfds:train").examples("valid"))


# Running text


@pytest.mark.parametrize("fraction", [0.1, 0.33, 0.5])
@pytest.mark.parametrize("chunk", [7, 100, 1 << 16])
def test_the_end_of_a_text_is_held_out(fraction: float, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "CHUNK_CHARACTERS", chunk)
    dataset = running(valid_fraction=fraction)
    train, valid = ("".join(texts(dataset, part)) for part in ("train", "valid"))
    assert train + valid == STORY
    assert len(valid) == int(len(STORY) * fraction)
    assert dataset.described("train") == "the bundled sample"
    assert dataset.described("valid").endswith("split off the end of the bundled sample")


def test_texts_are_joined_by_a_line_end(write: Write) -> None:
    spec = f"{write('a.txt', 'one')} + {write('b.txt', 'two' + chr(10))} + {write('c.txt', 'three')}"
    whole = ["one\ntwo\nthree"]
    dataset = running(train="gone.txt", valid=spec)
    assert texts(dataset, "valid") == whole
    words, examples = dataset.measured(spec)
    assert words == "a.txt + b.txt + c.txt"
    assert [record.fields[0] for record in examples] == whole


# Messages


def test_nothing_left(write: Write) -> None:
    dataset = labelled(train=write("a.tsv", table(2)), test=write("b.tsv", table(2)))
    assert dataset.nothing_left("valid", {"texts are too long": 2}) == (
        "a.tsv: too few examples to split off a validation part; 2 texts are too long: give more, or a validation "
        "file with --valid"
    )
    assert dataset.nothing_left("test", {}) == "b.tsv: no example is left for the test part"
    assert labelled(train="a.tsv").nothing_left("test", {}) == "the data: no example is left for the test part"


@pytest.mark.parametrize("extension", [".tsv", ".csv", ".jsonl", ".txt", ".odd", "", ".tsv.gz", ".d"])
def test_a_file_name_that_is_not_utf_8(extension: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is said about such a file can be printed and written."""
    monkeypatch.chdir(tmp_path)
    spec = os.fsdecode(b"caf\xe9" + extension.encode())
    said: list[str] = []

    def tried(action: Callable[[], object]) -> None:
        try:
            said.append(str(action()))
        except UserError as error:
            said.append(str(error))

    for content in (None, b"", b"text\tlabel\ngood\t1\nbad\t0\n", b"text\tlabel\nna\xefve\t1\n", b"x\n"):
        if content is not None:
            Path(spec).write_bytes(content)
        for dataset in (labelled(train=spec), running(train=spec), labelled(valid=f"{spec},{spec}")):
            for part in ("train", "valid", "test"):
                tried(lambda dataset=dataset, part=part: list(dataset.examples(part)))
                tried(lambda dataset=dataset, part=part: dataset.described(part))
                tried(lambda dataset=dataset, part=part: repr(dataset.content_key(part)))
                tried(lambda dataset=dataset, part=part: dataset.nothing_left(part, {}))
            tried(lambda dataset=dataset: dataset.measured(spec)[0])
            tried(lambda dataset=dataset: dataset.measured(spec.replace("f", "p"))[0])  # the name that comes near
    assert "caf\\udce9" in "".join(said)
    "".join(said).encode("utf-8")


def test_a_file_name_that_is_not_utf_8_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    spec = os.fsdecode(b"caf\xe9.tsv")
    Path(spec).write_text(table(30), encoding="utf-8")
    words, examples = labelled(train="gone.tsv").measured(spec)
    assert (words, len(list(examples))) == ("caf\\udce9.tsv", 30)
    assert labelled(train=spec).content_key("train")


# Weights and lessons


def test_a_weight_says_how_often_training_reads_the_examples(write: Write) -> None:
    one, other = write("one.tsv", table(200, "one")), write("other.tsv", table(200, "other"))
    plain, weighted = labelled(train=f"{one} + {other}"), labelled(train=f"{one}@2 + {other}@0.5")
    assert texts(weighted, "valid") == texts(plain, "valid")
    read = Counter(texts(weighted, "train"))
    ones = {text: count for text, count in read.items() if text.startswith("one")}
    others = {text: count for text, count in read.items() if text.startswith("other")}
    assert set(ones.values()) == {2}
    assert set(ones) == {text for text in texts(plain, "train") if text.startswith("one")}
    assert set(others.values()) == {1}
    assert 70 < len(others) < 110  # of about 180
    assert texts(weighted, "train") == texts(weighted, "train")
    assert weighted.content_key("train") != plain.content_key("train")
    assert "(each 2 times)" in weighted.described("train")


def test_weights_that_mean_nothing_are_refused(write: Write) -> None:
    name, text = write("one.tsv", table(9)), write("text.txt", STORY)
    for weight in ("0", "0.0", "1000"):
        with pytest.raises(UserError, match=r"the weight .* is not above 0 and at most 100"):
            texts(labelled(train=f"{name}@{weight}"), "train")
    with pytest.raises(UserError, match="a running text is read once: leave the weight out"):
        texts(running(train=f"{text}@2"), "train")
    write("odd.tsv@2.tsv", table(9))
    assert len(texts(labelled(train="odd.tsv@2.tsv", valid_fraction=0.01), "train")) == 8


def test_lessons_come_after_the_training_part_alone(write: Write, tmp_path: Path) -> None:
    dataset = labelled(train=write("one.tsv", table(20)))
    before, key = texts(dataset, "train"), dataset.content_key("train")
    held_out, valid_key = texts(dataset, "valid"), dataset.content_key("valid")
    dataset.lessons = tmp_path / "lessons.jsonl.gz"
    write_lessons(dataset.lessons, [Record(("taught", "pos"), "a teacher", 1)])
    assert texts(dataset, "train") == [*before, "taught"]
    assert texts(dataset, "valid") == held_out
    assert dataset.content_key("train") != key
    assert dataset.content_key("valid") == valid_key
    other = labelled(train="one.tsv")
    other.take_over(dataset)
    assert texts(other, "train") == [*before, "taught"]
