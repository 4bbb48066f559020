"""A ``.keras`` file from anybody: it runs no code, reads no other file, and is refused in one clear line."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import marshal
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest

from nlpseq import layers
from nlpseq.pipeline import keras_files
from nlpseq.pipeline.keras_files import load_network
from tests.safety.refusals import refusal


def model() -> keras.Model:
    """Made of all that a model of ours may be made of: a functional model, layers of Keras, layers of our own."""
    ids = keras.Input((None,), dtype="int32")
    hidden = keras.layers.Embedding(5, 4, mask_zero=True, embeddings_regularizer="l2")(ids)
    hidden = layers.LSTM(3, return_sequences=True)(hidden)
    hidden = keras.layers.Bidirectional(keras.layers.GRU(3, return_sequences=True))(hidden)
    hidden = keras.layers.Dropout(0.5)(keras.layers.GlobalMaxPooling1D()(hidden))
    return keras.Model(ids, keras.layers.Dense(2, activation="softmax", bias_constraint="max_norm")(hidden))


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("good") / "model.keras"
    model().save(file)
    return file


def members_of(file: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def written(file: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file


def assert_refused(file: Path, why: str) -> None:
    assert re.search(why, refusal(file, load_network))


def test_a_good_file_is_loaded(good: Path) -> None:
    ids = np.array([[1, 2, 3, 0]], np.int32)
    loaded = load_network(good)
    again = load_network(good)
    assert np.ptp(loaded(ids)) > 0
    np.testing.assert_array_equal(loaded(ids), again(ids))


def test_all_that_is_allowed_exists_and_is_a_class() -> None:
    for module, names in keras_files._KERAS.items():
        if module.startswith("keras.src"):
            continue
        parent = keras if module == "keras" else getattr(keras, module.removeprefix("keras."))
        assert all(isinstance(getattr(parent, name), type) for name in names)


# --- code in the configuration ---


def function(module: str | None, name: str) -> dict[str, Any]:
    return {"module": module, "class_name": "function", "config": name, "registered_name": "function"}


def layer(module: str | None, name: str, registered: str | None = None, /, **config: Any) -> dict[str, Any]:
    return {"module": module, "class_name": name, "config": {"name": "bad", **config}, "registered_name": registered}


def payload(marker: Path) -> dict[str, Any]:
    """A Python lambda as Keras stores it, which would create the marker."""
    planted = eval(f"lambda inputs: open({str(marker)!r}, 'w')")
    stored = base64.b64encode(marshal.dumps(planted.__code__)).decode()
    return {"class_name": "__lambda__", "config": {"code": stored, "defaults": None, "closure": None}}


def gadget(called: dict[str, Any], **arguments: Any) -> dict[str, Any]:
    """A Lambda layer that calls a function of a library by its name."""
    return layer("keras.layers", "Lambda", function=called, arguments=arguments)


ATTACKS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "lambda": lambda marker: layer("keras.layers", "Lambda", function=payload(marker)),
    "lambda of another module": lambda marker: layer(
        "keras.src.layers.core.lambda_layer", "Lambda", function=payload(marker)
    ),
    "lambda without a module": lambda marker: {
        "class_name": "Lambda", "name": "bad", "config": {"name": "bad", "function": payload(marker)},
    },
    "os.system": lambda marker: gadget(function("os", "system"), command=f"touch {marker}"),
    "builtins.exec": lambda marker: gadget(function("builtins", "exec"), source=f"open({str(marker)!r}, 'w')"),
    "class of another package": lambda marker: layer("subprocess", "Popen", args=f"touch {marker}", shell=True),
    "registered under a name of ours": lambda marker: layer("os", "system", "nlpseq>system", command=f"touch {marker}"),
    "registered by somebody else": lambda marker: layer("tests.safety", "Foreign", "foreign>Foreign"),
    "CVE-2025-8747, get_file": lambda marker: gadget(
        function("keras.utils", "get_file"), fname="evil", origin=f"file://{marker.parent / 'secret.txt'}",
        cache_dir=str(marker.parent / "planted"),
    ),
    "CVE-2025-9906, unsafe mode": lambda marker: gadget(function("keras.config", "enable_unsafe_deserialization")),
    "load_model": lambda marker: gadget(function("keras.models", "load_model"), safe_mode=False),
    "CVE-2026-1462, TFSMLayer": lambda marker: layer(
        "keras.layers", "TFSMLayer", filepath=str(marker.parent / "saved_model"), call_endpoint="serving_default"
    ),
    "keras#23654, TFSMLayer by a Lambda": lambda marker: gadget(
        function("keras.layers", "TFSMLayer"), filepath=str(marker.parent / "saved_model")
    ),
    "CVE-2025-49655, torch": lambda marker: layer("keras.layers", "TorchModuleWrapper", module="cGlja2xl"),
    "CVE-2025-12058, a file as vocabulary": lambda marker: layer(
        "keras.layers", "StringLookup", vocabulary=str(marker.parent / "secret.txt")
    ),
    "type specification": lambda marker: {
        "class_name": "__typespec__", "spec_name": "system", "module": "os", "registered_name": "system",
        "config": [f"touch {marker}"],
    },
}  # fmt: skip


def hostile_places(good: Path, bad: dict[str, Any]) -> list[dict[str, Any]]:
    """Configurations with the bad part as the model, as a layer, within a layer, and where no class is expected."""
    config = members_of(good)["config.json"]
    as_layer, within, elsewhere = json.loads(config), json.loads(config), json.loads(config)
    as_layer["config"]["layers"].append({"name": "bad", "inbound_nodes": [{"args": [], "kwargs": {}}], **bad})
    within["config"]["layers"][1]["config"]["embeddings_initializer"] = bad
    elsewhere["compile_config"] = {"optimizer": [bad]}
    return [bad, as_layer, within, elsewhere]


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_configuration_runs_no_code(attack: str, good: Path, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    (tmp_path / "secret.txt").write_text("secret\n")
    before = set(tmp_path.rglob("*"))
    for config in hostile_places(good, ATTACKS[attack](marker)):
        file = written(tmp_path / "model.keras", members_of(good) | {"config.json": json.dumps(config).encode()})
        assert_refused(file, "refused, since it names")
    assert set(tmp_path.rglob("*")) == before | {file}


def test_the_payload_of_these_tests_works_where_nothing_guards(good: Path, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    model = {"module": "keras", "class_name": "Sequential", "registered_name": "Sequential"}
    inputs = {**layer("keras.layers", "InputLayer"), "config": {"name": "input", "batch_shape": [None, 2]}}
    config = {**model, "config": {"name": "model", "layers": [inputs, ATTACKS["lambda"](marker)]}}
    file = written(tmp_path / "model.keras", members_of(good) | {"config.json": json.dumps(config).encode()})
    with contextlib.suppress(Exception):  # the weights are of another model; the code has run by then
        keras.saving.load_model(file, compile=False, safe_mode=False)
    assert marker.exists()
    marker.unlink()
    assert_refused(file, r"it names 'keras\.layers\.Lambda'")
    assert not marker.exists()


@keras.saving.register_keras_serializable(package="foreign")
class Foreign(keras.layers.Layer):
    """A class that somebody else has registered in this process."""


def test_classes_of_the_package_of_a_task_are_allowed_by_its_name(tmp_path: Path) -> None:
    file = tmp_path / "model.keras"
    keras.Sequential([keras.Input((2,)), Foreign()]).save(file)
    assert_refused(file, "it names 'foreign>Foreign'")
    assert isinstance(load_network(file, ("nlpseq", "tests")).layers[0], Foreign)


# --- the archive ---


@pytest.mark.parametrize(
    "name", ["../planted", "/tmp/planted", "assets/../../planted", "assets/a.txt", "model.weights.npz"]
)
def test_an_archive_has_no_other_members(name: str, good: Path, tmp_path: Path) -> None:
    assert_refused(written(tmp_path / "model.keras", members_of(good) | {name: b"planted"}), "other members")
    assert [file.name for file in tmp_path.rglob("*")] == ["model.keras"]


def test_a_member_stands_once(good: Path, tmp_path: Path) -> None:
    file = written(tmp_path / "model.keras", members_of(good))
    with zipfile.ZipFile(file, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("config.json", b"{}")
    assert_refused(file, "other members")


@pytest.mark.parametrize("name", ["config.json", "model.weights.h5"])
def test_an_archive_does_not_grow_when_it_is_read(name: str, good: Path, tmp_path: Path) -> None:
    members = members_of(good) | {name: b" " * (1 << 26)}
    file = written(tmp_path / "model.keras", members, zipfile.ZIP_DEFLATED)
    assert file.stat().st_size < 1 << 18
    assert_refused(file, "compressed member")


def test_a_configuration_is_short(good: Path, tmp_path: Path) -> None:
    assert_refused(written(tmp_path / "model.keras", members_of(good) | {"config.json": b" " * (1 << 23)}), "too long")


@pytest.mark.parametrize(
    "config",
    [b"", b"\xff", b"null", b"[]", b'"text"', b"{}", b"[" * 100_000, b'{"class_name": 1}', b'{"class_name": ["a"]}',
     b'{"class_name": "Functional", "module": {}, "config": {}}', b'{"config": NaN}'],
)  # fmt: skip
def test_a_configuration_that_is_none(config: bytes, good: Path, tmp_path: Path) -> None:
    assert_refused(written(tmp_path / "model.keras", members_of(good) | {"config.json": config}), "damaged|refused")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x89HDF\r\n\x1a\n" + bytes(500), b"\x80\x05cos\nsystem\n."])
def test_what_is_no_archive(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "model.keras"
    file.write_bytes(content)
    assert_refused(file, "damaged")


def test_a_folder_is_no_model(good: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model.keras"
    folder.mkdir()
    for name, content in members_of(good).items():
        (folder / name).write_bytes(content)
    assert_refused(folder, "damaged")


def test_every_cut_is_noticed(good: Path, tmp_path: Path) -> None:
    content = good.read_bytes()
    for size in np.linspace(1, len(content) - 1, 20, dtype=int):
        (tmp_path / "model.keras").write_bytes(content[:size])
        assert_refused(tmp_path / "model.keras", "damaged")


# --- the weights ---


def with_weights(good: Path, folder: Path, change: Callable[[h5py.File], None]) -> Path:
    buffer = io.BytesIO(members_of(good)["model.weights.h5"])
    with h5py.File(buffer, "r+") as weights:
        change(weights)
    return written(folder / "model.keras", members_of(good) | {"model.weights.h5": buffer.getvalue()})


EMBEDDING = "layers/embedding/vars"


def external_link(weights: h5py.File, secret: Path) -> None:
    del weights[EMBEDDING]
    weights[EMBEDDING] = h5py.ExternalLink(str(secret), "/vars")


def soft_link(weights: h5py.File, secret: Path) -> None:
    weights[f"{EMBEDDING}/1"] = weights[f"{EMBEDDING}/0"][:]
    del weights[f"{EMBEDDING}/0"]
    weights[f"{EMBEDDING}/0"] = h5py.SoftLink(f"/{EMBEDDING}/1")


def external_dataset(weights: h5py.File, secret: Path) -> None:
    del weights[f"{EMBEDDING}/0"]
    weights[EMBEDDING].create_dataset("0", (5, 4), "float32", external=[(str(secret), 0, 80)])


def virtual_dataset(weights: h5py.File, secret: Path) -> None:
    layout = h5py.VirtualLayout((5, 4), "float32")
    layout[:] = h5py.VirtualSource(str(secret), "/vars/0", (5, 4))
    del weights[f"{EMBEDDING}/0"]
    weights[EMBEDDING].create_virtual_dataset("0", layout)


def huge_shape(weights: h5py.File, secret: Path) -> None:
    del weights[f"{EMBEDDING}/0"]
    weights[EMBEDDING].create_dataset("0", (1 << 20, 1 << 20), "float32", chunks=(1024, 1024), compression="gzip")


def other_shape(weights: h5py.File, secret: Path) -> None:
    del weights[f"{EMBEDDING}/0"]
    weights[f"{EMBEDDING}/0"] = np.zeros((5, 5), np.float32)


def nothing(weights: h5py.File, secret: Path) -> None:
    weights.clear()


@pytest.mark.parametrize(
    "change", [external_link, soft_link, external_dataset, virtual_dataset, huge_shape, other_shape, nothing]
)
def test_weights_stand_in_the_file_itself(
    change: Callable[[h5py.File, Path], None], good: Path, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["vars/0"] = np.ones((5, 4), np.float32)
    assert_refused(with_weights(good, tmp_path, lambda weights: change(weights, secret)), "damaged")
