"""A dataset that TFDS's own builder wrote, read back; and no network, which must be said within seconds."""

import errno
import http.server
import re
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nlpseq.config import DataConfig
from nlpseq.data import tfds as tfds_source
from nlpseq.data.columns import ColumnOption
from nlpseq.data.dataset import Dataset
from nlpseq.data.sources import Part, Record, described, fingerprint, has_part
from nlpseq.errors import DataError, MachineError, MissingExtraError, UserError
from tests.data.reading import read_records, read_text

tfds = pytest.importorskip("tensorflow_datasets")

TEXT_LABEL = ("text", "label")
PAIR = ("source", "target")


class NlpseqDirection(tfds.core.GeneratorBasedBuilder):
    """A pair of languages that says which is the source, as TFDS's own translation datasets do."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> Any:
        return self.dataset_info_from_configs(
            features=tfds.features.Translation(languages=["en", "fr"]), supervised_keys=("fr", "en")
        )

    def _split_generators(self, dl_manager: Any) -> Any:
        return {"train": self._generate_examples()}

    def _generate_examples(self) -> Any:
        print("noise that must not reach stdout")
        yield 0, {"en": "Hi", "fr": "Salut"}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A TFDS_DATA_DIR with a small dataset: the labels of its test split are withheld, and a text of it is no UTF-8."""
    import tensorflow as tf

    folder = tmp_path_factory.mktemp("tfds")
    f = tfds.features
    columns: dict[str, list[tuple[Any, ...]]] = {
        "train": [(0, " bad ", 0, [1, 2]), (1, "", 1, [3, 4]), (2, "so naïve\u2028", 1, [5, 6])],
        "validation": [(0, "fine", 1, [1, 2]), (4, "To be\r\n" * 20_000, 1, [1, 2])],
        "test": [(0, "who knows", -1, [1, 2]), (1, b"na\xefve", -1, [1, 2])],
    }
    names = ("idx", "sentence", "label", "shape")
    tfds.dataset_builders.store_as_tfds_dataset(
        name="moods",
        version="1.0.0",
        features=f.FeaturesDict(
            {
                "idx": np.int32,
                "sentence": f.Text(),
                "label": f.ClassLabel(names=["neg", "pos"]),
                "shape": f.Tensor(shape=(2,), dtype=np.int32),
            }
        ),
        split_datasets={
            split: tf.data.Dataset.from_tensor_slices(
                {name: list(values) for name, values in zip(names, zip(*rows, strict=True), strict=True)}
            )
            for split, rows in columns.items()
        },
        data_dir=folder,
        disable_shuffling=True,
    )
    return folder


@pytest.fixture(autouse=True)
def data_dir(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TFDS_DATA_DIR", str(prepared))
    return prepared


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tfds_source, "any_reachable", lambda urls: False)


def fields(spec: str, columns: tuple[str, ...], **options: Any) -> list[tuple[str, ...]]:
    return [record.fields for record in read_records(spec, columns, **options)]


def test_text_and_class() -> None:
    assert list(read_records("tfds:moods", TEXT_LABEL)) == [
        Record(("bad", "neg"), "tfds:moods", 1),
        Record(("so naïve", "pos"), "tfds:moods", 3),
    ]
    assert fields("tfds:moods:1.0.0", TEXT_LABEL, part="valid")[0] == ("fine", "pos")
    # A number may be the label.
    assert fields("tfds:moods", TEXT_LABEL, option="text=sentence,label=idx") == [("bad", "0"), ("so naïve", "2")]


def test_withheld_labels() -> None:
    parts: tuple[Part, ...] = ("train", "valid", "test")
    assert [has_part("tfds:moods", part, TEXT_LABEL) for part in parts] == [True, True, False]
    assert [has_part("tfds:moods", part, ("text",)) for part in parts] == [True, True, True]
    message = (
        r"^tfds:moods, line 1: in the split 'test', the labels are withheld \(they are -1\): choose data with labels "
        r"\(its splits are train, validation, test\)$"
    )
    with pytest.raises(DataError, match=message):
        fields("tfds:moods", TEXT_LABEL, part="test")
    # A model is measured on the split that has labels, and this is said.
    words, examples = Dataset(DataConfig(train="gone.tsv"), TEXT_LABEL).measured("tfds:moods")
    assert (words, next(examples).fields) == ("the split 'validation' of tfds:moods", ("fine", "pos"))


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("text,label", "use --columns text=NAME,label=NAME instead of names in order"),
        ("text=body,label=idx", "cannot tell which features are text and label"),
        ("text=sentence,label=shape", "a feature is neither text nor a number but ndarray"),
    ],
)
def test_columns_that_do_not_fit(option: str, message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        fields("tfds:moods", TEXT_LABEL, option=option)


def features_read(config: str | None, option: ColumnOption) -> tuple[str, ...]:
    """What is read of a pair of languages that does not say which one is the source."""
    languages = tfds.features.Translation(languages=["en", "pt_br"])
    info = SimpleNamespace(features=languages, supervised_keys=None, config_name=config)
    return tfds_source._feature_names("tfds:talks", info, PAIR, option)


def test_direction_by_the_config_and_by_columns() -> None:
    assert features_read("pt_br_to_en", ColumnOption()) == ("pt_br", "en")
    assert features_read("en-pt_br", ColumnOption()) == ("en", "pt_br")
    assert features_read(None, ColumnOption(by_name={"source": "en", "target": "pt_br"})) == ("en", "pt_br")


def test_features_by_what_the_dataset_says_of_itself() -> None:
    f = tfds.features
    texts = f.FeaturesDict({"words": f.Text(), "kind": f.ClassLabel(num_classes=2)})
    info = SimpleNamespace(features=texts, supervised_keys=("words", "kind"), config_name=None)
    assert tfds_source._feature_names("tfds:x", info, TEXT_LABEL, ColumnOption()) == ("words", "kind")
    pair = f.FeaturesDict({"answer": f.Text(), "id": f.Text(), "question": f.Text()})
    info = SimpleNamespace(features=pair, supervised_keys=None, config_name=None)
    assert tfds_source._feature_names("tfds:x", info, PAIR, ColumnOption()) == ("question", "answer")


@pytest.mark.parametrize(("value", "text"), [(np.bool_(True), "true"), (np.int64(4), "4"), ("é".encode(), "é")])
def test_values_as_text(value: Any, text: str) -> None:
    assert tfds_source._as_text(value, tfds.features.Text()) == text


def test_a_direction_that_nothing_tells() -> None:
    with pytest.raises(UserError, match=r"for example --columns source=en,target=pt_br\. Its features are en, pt_br$"):
        features_read(None, ColumnOption())


def test_preparing_keeps_stdout_clean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    asked: list[list[str]] = []

    def any_reachable(urls: list[str]) -> bool:
        asked.append(list(urls))
        return True

    monkeypatch.setattr(tfds_source, "any_reachable", any_reachable)
    assert fields("tfds:nlpseq_direction", PAIR) == [("Salut", "Hi")]  # the direction is the dataset's own
    assert capsys.readouterr().out == ""
    assert asked == [["https://storage.googleapis.com/tfds-data"]]
    assert fields("tfds:nlpseq_direction", PAIR) == [("Salut", "Hi")]
    assert len(asked) == 1  # what is prepared needs no network
    assert not has_part("tfds:nlpseq_direction", "valid", PAIR)
    for read in (fingerprint, described, lambda spec, part: read_records(spec, PAIR, part=part)):
        with pytest.raises(UserError, match=r"^tfds:nlpseq_direction has no split for 'test' \(its splits are train\)"):
            read("tfds:nlpseq_direction", "test")


def test_text_of_one_giant_example() -> None:
    chunks = list(read_text("tfds:moods", part="valid"))
    assert "".join(chunks) == "fine\n" + "To be\n" * 20_000
    assert [len(chunk) for chunk in chunks] == [65_531, 120_005 - 65_531]


def test_text_that_is_not_utf_8() -> None:
    records = read_records("tfds:moods", ("text",), part="test")
    assert next(records).fields == ("who knows",)
    with pytest.raises(DataError, match=r"^tfds:moods, line 2: in the split 'test', 'utf-8' codec can't decode"):
        next(records)


def test_fingerprint() -> None:
    prints = [fingerprint("tfds:moods", part) for part in ("train", "valid", "test")]
    assert len(set(prints)) == 3
    assert fingerprint("tfds:moods:1.0.0") == prints[0]
    assert re.fullmatch("[0-9a-f]{32}", prints[0])


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("tfds:imbd_reviews", r"^there is no dataset 'tfds:imbd_reviews' \(similar: imdb_reviews[,)]"),
        ("tfds:glue/sst3", r"^'tfds:glue' has no config 'sst3' \(similar: sst2"),
        ("tfds:imdb_reviews:9.9.9", "^'tfds:imdb_reviews:9.9.9' cannot be had: .*only: 1.0.0"),
        ("tfds:", r"is not understood: write tfds:NAME\[/CONFIG\]\[:VERSION\]"),
        ("tfds:huggingface:x", "not understood"),
        ("tfds:a/b/c", "not understood"),
        ("tfds:../x", "not understood"),
    ],
)
@pytest.mark.usefixtures("offline")
def test_datasets_that_do_not_exist(spec: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_records(spec, TEXT_LABEL)


@pytest.mark.usefixtures("offline")
def test_no_network(data_dir: Path) -> None:
    with pytest.raises(UserError) as caught:
        read_records("tfds:imdb_reviews", TEXT_LABEL)
    message = str(caught.value)
    assert message.startswith(
        f"tfds:imdb_reviews is not on this machine (looked in {data_dir}/imdb_reviews/plain_text/1.0.0)"
    )
    assert "'--data sample', or a file, or copy the prepared folder" in message


@pytest.mark.parametrize(
    ("raised", "expected", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), MachineError, "no room on the disk for tfds:x"),
        (OSError("Not enough disk space. Needed: 9 GiB"), MachineError, "no room on the disk for tfds:x"),
        (ConnectionResetError("reset"), MachineError, "tfds:x could not be downloaded: reset"),
        (AssertionError("Manual directory is missing"), UserError, "tfds:x cannot be fetched: Manual directory"),
        (ModuleNotFoundError(name="apache_beam"), UserError, "pip install apache_beam"),
        (RuntimeError("bad checksum"), MachineError, r"tfds:x could not be prepared \(RuntimeError\): bad checksum"),
    ],
)
def test_preparing_fails(
    monkeypatch: pytest.MonkeyPatch, raised: Exception, expected: type[Exception], message: str
) -> None:
    def fail() -> None:
        raise raised

    monkeypatch.setattr(tfds_source, "any_reachable", lambda urls: True)
    with pytest.raises(expected, match=message):
        tfds_source._prepare("tfds:x", SimpleNamespace(url_infos=None, data_dir="here", download_and_prepare=fail))


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(MissingExtraError, match=re.escape("'tensorflow-datasets': pip install 'nlpseq[tfds]'")):
        read_records("tfds:moods", TEXT_LABEL)


# --- the network --------------------------------------------------------------------------------------------------


class Answer(http.server.BaseHTTPRequestHandler):
    """Answers HEAD /404 with 404 and so on."""

    def do_HEAD(self) -> None:
        self.send_response(int(self.path[1:]))
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("no_proxy", "*")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as running:
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


@pytest.mark.parametrize(("status", "reachable"), [(200, True), (404, True), (405, True), (500, False), (503, False)])
def test_a_server_that_answers(server: str, status: int, reachable: bool) -> None:
    assert tfds_source.any_reachable([f"{server}/{status}"]) is reachable


def test_servers_that_do_not_answer(server: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes the connection and says nothing
        mute = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        assert not tfds_source.any_reachable([mute], timeout_s=0.2)
        assert tfds_source.any_reachable([mute, f"{server}/200"], timeout_s=2)
    assert not tfds_source.any_reachable([mute, "no url at all", "http://name.invalid/"], timeout_s=0.5)


def test_a_name_lookup_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket's timeout does not bound the lookup of its host's name."""
    release = threading.Event()
    monkeypatch.setattr(tfds_source, "_answers", lambda url, timeout_s: release.wait(30) or True)
    assert not tfds_source.any_reachable(["http://a.invalid/", "http://b.invalid/"], timeout_s=0.1)
    release.set()
