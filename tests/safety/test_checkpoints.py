"""A checkpoint from anybody: it runs no code, allocates no more than it holds, and is refused in one clear line."""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nlpseq.training.checkpoints import Progress, load, save
from tests.safety.refusals import refusal


class Payload:
    """What creates a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.marker), "w")


def array(value: Any) -> bytes:
    """A member of an ``.npz``."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, value, allow_pickle=True)
    return buffer.getvalue()


def claimed(shape: tuple[int, ...]) -> bytes:
    """A member that says to be of a shape, and holds nothing."""
    header = repr({"descr": "<f4", "fortran_order": False, "shape": shape}).encode()
    header += b" " * (63 - (len(header) + 10) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header


def progress(content: bytes) -> bytes:
    return array(np.frombuffer(content, np.uint8))


def checkpoint(folder: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    file = folder / "last.npz"
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in ({"progress.npy": progress(b"{}"), "model/0.npy": array(np.zeros(3))} | members).items():
            archive.writestr(name, content)
    return file


def test_a_good_file_is_loaded(tmp_path: Path) -> None:
    save(
        tmp_path / "last.npz", {"model": [np.ones(3, np.float32)]}, Progress(step=3, best=0.5, losses={"a": [1.0, 2.0]})
    )
    groups, loaded = load(tmp_path / "last.npz")
    assert (groups["model"][0].tolist(), loaded.step, loaded.best) == ([1, 1, 1], 3, 0.5)
    assert load(checkpoint(tmp_path, {}))[1] == Progress()


@pytest.mark.parametrize("place", ["model/0.npy", "progress.npy", "model/0", "model/1.npy", "evil.npy", "whole file"])
def test_nothing_is_unpickled(place: str, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    hidden = array(np.array([Payload(marker)], object))
    pickle.loads(pickle.dumps(Payload(marker))).close()
    assert marker.exists()  # the payload works
    marker.unlink()
    for content in (hidden, pickle.dumps(Payload(marker))):
        file = checkpoint(tmp_path, {place: content})
        if place == "whole file":
            file.write_bytes(content)
        assert "damaged" in refusal(file, load)
    assert not marker.exists()


@pytest.mark.parametrize("shape", [(1 << 40,), (1 << 62, 1 << 62), (-1,), (4,), (1 << 200,), ("a",), (1.5,)])
def test_shapes_are_those_of_what_is_there(shape: tuple[Any, ...], tmp_path: Path) -> None:
    assert "damaged" in refusal(checkpoint(tmp_path, {"model/0.npy": claimed(shape)}), load)


def test_an_array_does_not_grow_when_it_is_read(tmp_path: Path) -> None:
    file = checkpoint(tmp_path, {"model/0.npy": array(np.zeros(1 << 22))}, zipfile.ZIP_DEFLATED)
    assert file.stat().st_size < 1 << 17
    assert "damaged" in refusal(file, load)


@pytest.mark.parametrize(
    "value", [np.array(["text"]), np.array([b"bytes"]), np.zeros(2, "M8[s]"), np.zeros(2, "i4,f4")]
)
def test_weights_are_numbers(value: np.ndarray, tmp_path: Path) -> None:
    assert "damaged" in refusal(checkpoint(tmp_path, {"model/0.npy": array(value)}), load)


def test_a_group_has_no_gap(tmp_path: Path) -> None:
    assert "damaged" in refusal(checkpoint(tmp_path, {"model/2.npy": array(np.zeros(1))}), load)


@pytest.mark.parametrize(
    "content",
    [
        b"", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"step": ' + b"9" * 5000 + b"}",
        *(json.dumps(facts).encode() for facts in (
            {"step": "one"}, {"step": 1.5}, {"step": True}, {"step": -1}, {"step": None}, {"epoch": -1}, {"batch": []},
            {"seconds": float("nan")}, {"seconds": float("inf")}, {"seconds": -1.0}, {"tokens": {}},
            {"best": float("nan")}, {"best": "good"}, {"finished": "no"}, {"finished": 1},
            {"losses": []}, {"losses": {"a": 1}}, {"losses": {"a": ["b", "c"]}}, {"losses": {"a": [float("nan"), 1.0]}},
            {"unknown": 1}, {"__class__": "x"},
        )),
    ],
)  # fmt: skip
def test_progress_is_of_its_kind(content: bytes, tmp_path: Path) -> None:
    assert "damaged" in refusal(checkpoint(tmp_path, {"progress.npy": progress(content)}), load)
