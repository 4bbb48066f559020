"""Checkpoints: what is saved is loaded, a damaged file is said to be, and a write that fails leaves the old one."""

import re
from pathlib import Path

import numpy as np
import pytest

from nlpseq.errors import UserError
from nlpseq.training import checkpoints
from nlpseq.training.checkpoints import Progress, load, save

PROGRESS = Progress(
    epoch=3,
    batch=17,
    step=4321,
    examples=999,
    seconds=12.5,
    losses={"loss": [123.456, 78.0], "language_model": [0.1, 1.0]},
    tokens=10**12,
    best=0.1 + 0.2,
    best_epoch=2,
    unimproved=1,
    finished=True,
)


def groups(seed: int = 0) -> dict[str, list[np.ndarray]]:
    generator = np.random.default_rng(seed)
    return {
        # More than ten, so that the order of names is not the order of places.
        "model": [generator.normal(size=(index, 3)).astype(np.float32) for index in range(12)],
        "optimizer": [np.array(4321, np.int64), generator.normal(size=5), np.array([True, False])],
        "state/carried": [np.array([[np.nan, np.inf, -0.0]], np.float32)],
    }


def assert_equal(ones: dict[str, list[np.ndarray]], others: dict[str, list[np.ndarray]]) -> None:
    assert sorted(ones) == sorted(others)
    for group in ones:
        for one, other in zip(ones[group], others[group], strict=True):
            np.testing.assert_array_equal(one, other)
            assert (one.dtype, one.shape) == (other.dtype, other.shape)


def test_round_trip(tmp_path: Path) -> None:
    save(tmp_path / "last.npz", groups(), PROGRESS)
    loaded, progress = load(tmp_path / "last.npz")
    assert_equal(loaded, groups())
    assert progress == PROGRESS


def test_round_trip_of_the_first_moment(tmp_path: Path) -> None:
    save(tmp_path / "last.npz", {"model": [np.zeros(2)]}, Progress())
    assert load(tmp_path / "last.npz")[1] == Progress(
        epoch=0, batch=0, step=0, examples=0, seconds=0.0, losses={}, tokens=0, best=None, best_epoch=0
    )


def test_a_group_may_be_empty(tmp_path: Path) -> None:
    save(tmp_path / "last.npz", {"model": [np.zeros(2)], "state": []}, Progress())
    assert load(tmp_path / "last.npz")[0].get("state", []) == []


def test_a_checkpoint_replaces_the_one_before_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "checkpoints" / "last.npz"  # the folder is made
    save(path, groups(1), Progress(step=1))
    save(path, groups(2), Progress(step=2))
    loaded, progress = load(path)
    assert_equal(loaded, groups(2))
    assert progress.step == 2
    assert [file.name for file in path.parent.iterdir()] == ["last.npz"]


@pytest.mark.parametrize("error", [OSError("No space left on device"), KeyboardInterrupt()])
def test_a_write_that_fails_leaves_the_old_checkpoint(
    error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "last.npz"
    save(path, groups(1), Progress(step=1))

    def half(file: object, **arrays: np.ndarray) -> None:
        file.write(b"PK half of it")  # type: ignore[attr-defined]
        raise error

    monkeypatch.setattr(checkpoints.np, "savez", half)
    with pytest.raises(type(error)):
        save(path, groups(2), Progress(step=2))
    loaded, progress = load(path)
    assert_equal(loaded, groups(1))
    assert progress.step == 1
    assert [file.name for file in tmp_path.iterdir()] == ["last.npz"]


def test_the_file_is_never_there_in_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "last.npz"
    seen: list[bool] = []
    whole = np.savez

    def watched(file: object, **arrays: np.ndarray) -> None:
        whole(file, **arrays)
        seen.append(path.exists())

    monkeypatch.setattr(checkpoints.np, "savez", watched)
    save(path, groups(), PROGRESS)
    assert seen == [False]
    assert path.exists()


@pytest.mark.parametrize("part", [0.0, 0.01, 0.3, 0.5, 0.9, 0.99])
def test_truncated_file(part: float, tmp_path: Path) -> None:
    path = tmp_path / "last.npz"
    save(path, groups(), PROGRESS)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])
    with pytest.raises(UserError, match=re.escape(f"{path}: this checkpoint is damaged") + ".*--resume"):
        load(path)


@pytest.mark.parametrize("content", [b"something else", b"PK\x03\x04", b"\x93NUMPY", b"\x80\x04K\x01."])
def test_file_of_another_kind(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "last.npz"
    path.write_bytes(content)
    with pytest.raises(UserError, match="damaged"):
        load(path)


def test_single_array_instead_of_a_checkpoint(tmp_path: Path) -> None:
    with open(tmp_path / "last.npz", "wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(UserError, match="damaged"):
        load(tmp_path / "last.npz")


def test_arrays_without_progress(tmp_path: Path) -> None:
    np.savez(tmp_path / "last.npz", **{"model/0": np.zeros(3)})
    with pytest.raises(UserError, match="damaged"):
        load(tmp_path / "last.npz")


def test_progress_of_a_later_version(tmp_path: Path) -> None:
    np.savez(tmp_path / "last.npz", progress=np.frombuffer(b'{"epoch": 1, "phase": 2}', np.uint8))
    with pytest.raises(UserError, match="damaged"):
        load(tmp_path / "last.npz")


def test_a_missing_array_is_noticed(tmp_path: Path) -> None:
    arrays = {"model/0": np.zeros(3), "model/2": np.ones(3), "progress": np.frombuffer(b"{}", np.uint8)}
    np.savez(tmp_path / "last.npz", **arrays)
    with pytest.raises(UserError, match="damaged"):
        load(tmp_path / "last.npz")


def test_objects_are_not_unpickled(tmp_path: Path) -> None:
    progress = np.frombuffer(b"{}", np.uint8)
    np.savez(tmp_path / "last.npz", progress=progress, **{"model/0": np.array([{"code": 1}], object)})
    with pytest.raises(UserError, match="damaged"):
        load(tmp_path / "last.npz")


def test_any_flipped_byte_is_noticed_or_harmless(tmp_path: Path) -> None:
    path = tmp_path / "last.npz"
    stored = {"model": [np.arange(4, dtype=np.float32)], "optimizer": [np.array(7)]}
    save(path, stored, Progress(step=5))
    content = path.read_bytes()
    refused, odd = 0, {}
    for place in range(0, len(content), 3):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :])
        try:
            loaded, progress = load(path)
        except UserError:
            refused += 1
        except Exception as error:
            odd[place] = f"{type(error).__name__}: {error}"
        else:
            assert progress.step == 5
            assert_equal(loaded, stored)
    assert odd == {}
    assert refused > 100
