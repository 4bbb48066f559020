"""Datasets that TFDS's own builders wrote, read back; and no network, which must be said within seconds."""

import errno
import http.server
import re
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nlpseq.data import tfds as tfds_source
from nlpseq.data.sources import Record, fingerprint, has_part, read_records, read_text
from nlpseq.errors import DataError, MachineError, MissingExtraError, UserError

tfds = pytest.importorskip("tensorflow_datasets")

TEXT_LABEL = ("text", "label")
PAIR = ("source", "target")


def store(
    folder: Path, name: str, features: Any, splits: dict[str, dict[str, list[Any]]], config: str | None = None
) -> None:
    import tensorflow as tf

    tfds.dataset_builders.store_as_tfds_dataset(
        name=name,
        version="1.0.0",
        config=config,
        features=features,
        split_datasets={split: tf.data.Dataset.from_tensor_slices(columns) for split, columns in splits.items()},
        data_dir=folder,
        disable_shuffling=True,
    )


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
    """A TFDS_DATA_DIR with small datasets."""
    folder = tmp_path_factory.mktemp("tfds")
    f = tfds.features
    mood = f.ClassLabel(names=["neg", "pos"])
    store(
        folder,
        "moods",
        f.FeaturesDict({"idx": np.int32, "sentence": f.Text(), "label": mood}),
        {
            "train": {"idx": [0, 1, 2], "sentence": [" bad ", "", "so naïve\u2028"], "label": [0, 1, 1]},
            "validation": {"idx": [0], "sentence": ["fine"], "label": [1]},
            "test": {"idx": [0], "sentence": ["who knows"], "label": [-1]},
        },
    )
    store(
        folder,
        "tweets",
        f.FeaturesDict(
            {"polarity": np.int32, "text": f.Text(), "user": f.Text(), "shape": f.Tensor(shape=(2,), dtype=np.int32)}
        ),
        {"train": {"polarity": [0, 4], "text": ["bad", "good"], "user": ["u", "v"], "shape": [[1, 2], [3, 4]]}},
    )
    languages = f.Translation(languages=["en", "pt_br"])
    pair = {"train": {"en": ["Hi"], "pt_br": ["Oi"]}, "dev": {"en": ["Run"], "pt_br": ["Corra"]}}
    store(folder, "talks", languages, pair, config="pt_br_to_en")
    store(folder, "pairs", languages, pair)
    store(folder, "plays", f.FeaturesDict({"text": f.Text()}), {"train": {"text": ["To be\r\n" * 20_000]}})
    store(folder, "latin", f.FeaturesDict({"text": f.Text()}), {"train": {"text": [b"good", b"na\xefve"]}})
    return folder


@pytest.fixture(autouse=True)
def data_dir(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TFDS_DATA_DIR", str(prepared))
    return prepared


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tfds_source, "any_reachable", lambda urls: False)


def fields(spec: str, roles: tuple[str, ...], **options: Any) -> list[tuple[str, ...]]:
    return [record.fields for record in read_records(spec, roles, **options)]


def test_text_and_class() -> None:
    assert list(read_records("tfds:moods", TEXT_LABEL)) == [
        Record(("bad", "neg"), "tfds:moods", 1),
        Record(("so naïve", "pos"), "tfds:moods", 3),
    ]
    assert fields("tfds:moods:1.0.0", TEXT_LABEL, part="valid") == [("fine", "pos")]
    assert fields("tfds:moods", TEXT_LABEL, columns="text=sentence,label=idx")[0] == ("bad", "0")


def test_withheld_labels() -> None:
    assert [has_part("tfds:moods", part) for part in ("train", "valid", "test")] == [True, True, False]
    with pytest.raises(DataError, match=r"^tfds:moods, line 1: in the split 'test', the labels are withheld"):
        fields("tfds:moods", TEXT_LABEL, part="test")
    assert fields("tfds:moods", ("text",), part="test") == [("who knows",)]


def test_a_number_as_label() -> None:
    assert fields("tfds:tweets", TEXT_LABEL) == [("bad", "0"), ("good", "4")]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ("text,label", "use --columns text=NAME,label=NAME instead of names in order"),
        ("text=body,label=polarity", "cannot tell which features are text and label"),
        ("text=text,label=shape", "a feature is neither text nor a number but ndarray"),
    ],
)
def test_columns_that_do_not_fit(columns: str, message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        fields("tfds:tweets", TEXT_LABEL, columns=columns)


def test_direction_by_the_config_and_by_columns() -> None:
    assert fields("tfds:talks/pt_br_to_en", PAIR) == [("Oi", "Hi")]
    assert fields("tfds:talks/pt_br_to_en", PAIR, part="valid") == [("Corra", "Run")]
    assert fields("tfds:pairs", PAIR, columns="source=en,target=pt_br") == [("Hi", "Oi")]


def test_a_direction_that_nothing_tells() -> None:
    with pytest.raises(UserError, match=r"for example --columns source=en,target=pt_br\. Its features are en, pt_br$"):
        read_records("tfds:pairs", PAIR)


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


def test_text_of_one_giant_example() -> None:
    chunks = list(read_text("tfds:plays"))
    assert "".join(chunks) == ("To be\n" * 20_000)
    assert [len(chunk) for chunk in chunks] == [65_536, 120_000 - 65_536]


def test_text_that_is_not_utf_8() -> None:
    records = read_records("tfds:latin", ("text",))
    assert next(records).fields == ("good",)
    with pytest.raises(DataError, match=r"^tfds:latin, line 2: in the split 'train', 'utf-8' codec can't decode"):
        next(records)


def test_splits_that_are_not_there() -> None:
    assert not has_part("tfds:tweets", "valid")
    assert not has_part("tfds:talks/pt_br_to_en", "test")
    with pytest.raises(UserError, match=r"^tfds:tweets has no split for 'valid'; its splits are train$"):
        read_records("tfds:tweets", TEXT_LABEL, part="valid")
    with pytest.raises(UserError, match="has no split for 'test'"):
        fingerprint("tfds:tweets", "test")


def test_fingerprint() -> None:
    prints = [fingerprint("tfds:moods", part) for part in ("train", "valid", "test")]
    assert len({*prints, fingerprint("tfds:tweets")}) == 4
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
    start = time.monotonic()
    with pytest.raises(UserError) as caught:
        read_records("tfds:imdb_reviews", TEXT_LABEL)
    assert time.monotonic() - start < 20
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
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


@pytest.mark.parametrize(("status", "reachable"), [(200, True), (404, True), (405, True), (500, False), (503, False)])
def test_a_server_that_answers(server: str, status: int, reachable: bool) -> None:
    assert tfds_source.any_reachable([f"{server}/{status}"]) is reachable


def test_servers_that_do_not_answer(server: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes the connection and says nothing
        mute = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        start = time.monotonic()
        assert not tfds_source.any_reachable([mute], timeout_s=0.2)
        assert tfds_source.any_reachable([mute, f"{server}/200"], timeout_s=0.2)
        assert time.monotonic() - start < 5
    assert not tfds_source.any_reachable([mute, "no url at all", "http://name.invalid/"], timeout_s=0.5)


def test_a_name_lookup_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket's timeout does not bound the lookup of its host's name."""
    release = threading.Event()
    monkeypatch.setattr(tfds_source, "_answers", lambda url, timeout_s: release.wait(30))
    start = time.monotonic()
    assert not tfds_source.any_reachable(["http://a.invalid/", "http://b.invalid/"], timeout_s=0.1)
    assert time.monotonic() - start < 5
    release.set()
