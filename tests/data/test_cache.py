"""The cache of encoded corpora: right, made once, and never half-made, whatever ends or interrupts a process."""

import errno
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from nlpseq.data.cache import Corpus, Encoded, cache_folder, cached_corpus, encoded
from nlpseq.errors import MachineError, UserError

Example = Sequence[Sequence[int]]
EXAMPLES: list[Example] = [([5, 6, 7], [8]), ([], [9, 10]), ([2_000_000_000], []), ([], []), ([4], [4, 4, 4])]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NLPSEQ_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def encoding(examples: Sequence[Example]) -> Callable[[dict[str, int]], Iterator[Encoded]]:
    def encode(notes: dict[str, int]) -> Iterator[Encoded]:
        for example in examples:
            yield encoded([example], len(example))

    return encode


def never(notes: dict[str, int]) -> Iterator[Encoded]:
    raise AssertionError("encoded a second time")


def contents(corpus: Corpus) -> list[tuple[list[int], ...]]:
    """Every example, read through the offsets."""
    by_field = []
    for field, total in zip(corpus.fields, corpus.ids, strict=True):
        offsets = corpus.offsets(field, 0, corpus.examples)
        assert (offsets[0], offsets[-1]) == (0, total)
        by_field.append([corpus.read(field, start, stop).tolist() for start, stop in itertools.pairwise(offsets)])
    return list(zip(*by_field, strict=True))


def as_lists(examples: Sequence[Example]) -> list[tuple[list[int], ...]]:
    return [tuple(list(field) for field in example) for example in examples]


# Where it is


def test_folder_is_the_users_choice(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_folder() == folder
    monkeypatch.delenv("NLPSEQ_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere/cache")
    assert cache_folder() == Path("/somewhere/cache/nlpseq")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert cache_folder() == Path("/home/somebody/.cache/nlpseq")
    monkeypatch.setenv("NLPSEQ_CACHE", "")
    assert cache_folder() == Path("/home/somebody/.cache/nlpseq")


def test_everything_lies_in_that_folder(folder: Path) -> None:
    corpus = cached_corpus(("key",), ("source", "target"), encoding(EXAMPLES))
    assert corpus.folder.parent == folder
    assert sorted(path.name for path in corpus.folder.iterdir()) == [
        "corpus.json",
        "source.ids",
        "source.offsets",
        "target.ids",
        "target.offsets",
    ]
    assert list(folder.iterdir()) == [corpus.folder]


# Round trip


def test_round_trip() -> None:
    corpus = cached_corpus(("key",), ("source", "target"), encoding(EXAMPLES))
    assert corpus.fields == ("source", "target")
    assert corpus.examples == 5
    assert corpus.ids == (5, 6)
    assert contents(corpus) == as_lists(EXAMPLES)
    assert corpus.lengths("source", 0, 5).tolist() == [3, 0, 1, 0, 1]
    assert corpus.lengths("target", 1, 4).tolist() == [2, 0, 0]
    assert corpus.offsets("target", 2, 3).tolist() == [3, 3]
    assert corpus.read("source", 1, 4).tolist() == [6, 7, 2_000_000_000]
    assert corpus.read("source", 1, 4).dtype == np.int32


@pytest.mark.parametrize("at_once", [1, 2, 5, 7, 1000])
def test_round_trip_whatever_is_written_at_once(at_once: int) -> None:
    generator = np.random.default_rng(at_once)
    examples = [[generator.integers(4, 99, generator.integers(0, 6)).tolist() for _ in range(2)] for _ in range(50)]

    def encode(notes: dict[str, int]) -> Iterator[Encoded]:
        for start in range(0, 50, at_once):
            yield encoded(examples[start : start + at_once], 2)

    assert contents(cached_corpus(("key",), ("a", "b"), encode)) == as_lists(examples)


def test_a_corpus_may_be_empty() -> None:
    corpus = cached_corpus(("key",), ("text",), encoding([]))
    assert (corpus.examples, corpus.ids) == (0, (0,))
    assert corpus.offsets("text", 0, 0).tolist() == [0]


def test_second_call_does_not_encode_again() -> None:
    first = cached_corpus(("key", 3), ("source", "target"), encoding(EXAMPLES))
    again = cached_corpus(("key", 3), ("source", "target"), never)
    assert again == first
    assert contents(again) == as_lists(EXAMPLES)


def test_notes_are_kept() -> None:
    def encode(notes: dict[str, int]) -> Iterator[Encoded]:
        yield encoded([([4],)], 1)
        notes["texts were cut"] = 2
        yield encoded([([5],)], 1)

    assert cached_corpus(("key",), ("text",), encode).notes == {"texts were cut": 2}
    assert cached_corpus(("key",), ("text",), never).notes == {"texts were cut": 2}


def test_every_part_of_the_key_counts() -> None:
    keys = [(("a", 1), ("text",)), (("a", "1"), ("text",)), (("a1",), ("text",)), (("a", 1), ("source",))]
    corpora = [cached_corpus(key, fields, encoding([([place],)])) for place, (key, fields) in enumerate(keys, start=4)]
    assert len({corpus.folder.name for corpus in corpora}) == 4
    assert [contents(corpus) for corpus in corpora] == [[([4],)], [([5],)], [([6],)], [([7],)]]


# Interruptions


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_interrupted_encoder_leaves_nothing(error: type[BaseException], folder: Path) -> None:
    def encode(notes: dict[str, int]) -> Iterator[Encoded]:
        yield encoded([([4, 5],)], 1)
        raise error

    with pytest.raises(error):
        cached_corpus(("key",), ("text",), encode)
    assert list(folder.iterdir()) == []
    assert contents(cached_corpus(("key",), ("text",), encoding([([6],)]))) == [([6],)]


SLOW_BUILDER = textwrap.dedent(
    """
    import sys, time
    from nlpseq.data import cache

    def encode(notes):
        for index in range(200):
            if index == 100:
                print("half", flush=True)
                sys.stdin.readline()
            yield cache.encoded([[[4 + index] * 7]], 1)

    corpus = cache.cached_corpus(("key",), ("text",), encode)
    ids = corpus.read("text", 0, corpus.ids[0])
    print(corpus.folder.name, corpus.examples, int(ids.sum()), flush=True)
    """
)
SLOW_EXAMPLES = [([4 + index] * 7,) for index in range(200)]


def start_builder() -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW_BUILDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "half\n"
    return process


def test_kill_leaves_nothing_under_the_key(folder: Path) -> None:
    process = start_builder()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    left = list(folder.iterdir())
    assert [path.suffix for path in left] == [".part"]
    corpus = cached_corpus(("key",), ("text",), encoding(SLOW_EXAMPLES))
    assert contents(corpus) == as_lists(SLOW_EXAMPLES)
    assert sorted(folder.iterdir()) == sorted([corpus.folder, *left])


def test_two_processes_at_once_both_get_the_right_data(folder: Path) -> None:
    processes = [start_builder() for _ in range(2)]
    assert [path.suffix for path in folder.iterdir()] == [".part", ".part"]
    answers = [process.communicate("\n")[0] for process in processes]
    corpus = cached_corpus(("key",), ("text",), never)
    total = 7 * sum(range(4, 204))
    assert answers == [f"{corpus.folder.name} 200 {total}\n"] * 2
    assert contents(corpus) == as_lists(SLOW_EXAMPLES)
    assert list(folder.iterdir()) == [corpus.folder]


def test_who_comes_second_takes_what_is_there() -> None:
    def encode(notes: dict[str, int]) -> Iterator[Encoded]:
        cached_corpus(("key",), ("text",), encoding([([4],)]))  # another one is done before this one
        yield encoded([([5],)], 1)

    assert contents(cached_corpus(("key",), ("text",), encode)) == [([4],)]


def test_folder_without_its_facts_is_built_again() -> None:
    # A kill while an old corpus is being removed leaves this.
    corpus = cached_corpus(("key",), ("text",), encoding([([4],)]))
    (corpus.folder / "corpus.json").unlink()
    assert contents(cached_corpus(("key",), ("text",), encoding([([4],)]))) == [([4],)]


# Entries that are damaged, or that somebody else put there


def facts(**changes: object) -> Callable[[Path], object]:
    """Writes other facts than those of the corpus, or bytes that are no facts."""

    def damage(entry: Path) -> None:
        whole = json.loads((entry / "corpus.json").read_text())
        (entry / "corpus.json").write_text(json.dumps({**whole, **changes}))

    return damage


def written(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda entry: (entry / name).write_bytes(content)


def linked(name: str, target: str) -> Callable[[Path], object]:
    def damage(entry: Path) -> None:
        (entry / name).rename(entry.parent / "moved") if target == "moved" else (entry / name).unlink()
        (entry / name).symlink_to(entry.parent / target)

    return damage


def piped(entry: Path) -> None:
    (entry / "corpus.json").unlink()
    os.mkfifo(entry / "corpus.json")  # who opens it waits for ever


def replaced_by_a_file(entry: Path) -> None:
    shutil.rmtree(entry)
    entry.write_bytes(b"nothing")


def replaced_by_a_link(entry: Path) -> None:
    entry.rename(entry.parent / "elsewhere")
    entry.symlink_to(entry.parent / "elsewhere")


PICKLE = b"\x93NUMPY\x01\x00" + b"cos\nsystem\n(S'touch hacked'\ntR."  # what runs code where pickles are read


@pytest.mark.parametrize(
    "damage",
    [
        facts(examples="5"),
        facts(examples=True),
        facts(examples=-1),
        facts(examples=10**12),
        facts(examples=4),
        facts(examples=5.0),
        facts(ids=[5]),
        facts(ids=[5, 6, 6]),
        facts(ids=[5, 5]),
        facts(ids={"source": 5}),
        facts(ids=None),
        facts(ids=[[5], 6]),
        facts(notes=["texts"]),
        facts(notes={"texts": "many"}),
        facts(notes={"\x1b[2Jtexts": 1}),
        facts(notes=None),
        written("corpus.json", b""),
        written("corpus.json", b"[]"),
        written("corpus.json", b"[" * 100_000),
        written("corpus.json", b'{"examples": 1' + b"0" * 10_000 + b"}"),
        written("corpus.json", b"\xff\xfe"),
        written("corpus.json", b" " * 2_000_000),
        written("corpus.json", PICKLE),
        written("source.ids", PICKLE),
        written("source.ids", np.array([5, 6, 7, 100, 4], "<u2").tobytes()),  # outside of the vocabulary
        written("source.ids", np.array([5, 6, 7, 4], "<u2").tobytes()),
        written("target.offsets", np.array([0, 1, 3, 3, 3], np.int64).tobytes()),
        written("target.offsets", np.array([0, 1, 9, 3, 3, 6], np.int64).tobytes()),
        written("target.offsets", np.array([0, 2**63 - 1, -(2**63), 3, 3, 6], np.int64).tobytes()),
        written("target.offsets", np.array([1, 1, 3, 3, 3, 6], np.int64).tobytes()),
        lambda entry: (entry / "target.ids").unlink(),
        linked("source.ids", "moved"),
        linked("corpus.json", "moved"),
        linked("source.ids", "nowhere"),
        piped,
        replaced_by_a_file,
        replaced_by_a_link,
    ],
)
def test_a_damaged_entry_is_built_again(
    damage: Callable[[Path], object], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    examples: list[Example] = [([5, 6, 7], [8]), ([], [9, 10]), ([99], []), ([], []), ([4], [4, 4, 4])]

    def corpus(encode: Callable[[dict[str, int]], Iterator[Encoded]]) -> Corpus:
        return cached_corpus(("key",), ("source", "target"), encode, largest_id=99)

    entry = corpus(encoding(examples)).folder
    damage(entry)
    assert contents(corpus(encoding(examples))) == as_lists(examples)
    assert contents(corpus(never)) == as_lists(examples)
    assert not entry.is_symlink()
    assert {path.name for path in folder.iterdir()} <= {entry.name, "moved", "elsewhere"}
    assert not Path("hacked").exists()


def test_what_a_link_points_to_is_not_touched(folder: Path, tmp_path: Path) -> None:
    thesis = tmp_path / "thesis"
    thesis.mkdir()
    (thesis / "chapter-1.txt").write_text("years of work")
    entry = cached_corpus(("key",), ("text",), encoding([([4],)])).folder
    shutil.rmtree(entry)
    entry.symlink_to(thesis)
    (folder / ("0" * 40)).symlink_to(thesis)
    age(thesis, 400)
    assert contents(cached_corpus(("key",), ("text",), encoding([([4],)]))) == [([4],)]
    assert [path.name for path in thesis.iterdir()] == ["chapter-1.txt"]


@pytest.mark.parametrize("place", ["file", "file/below", "/proc/nlpseq"])
def test_a_place_where_no_cache_can_be(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NLPSEQ_CACHE", str(tmp_path / place))
    with pytest.raises(UserError, match=r"^the cache cannot be in .*: let the environment variable NLPSEQ_CACHE name"):
        cached_corpus(("key",), ("text",), never)


def test_a_full_disk_is_no_matter_of_the_place(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**options: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "mkdtemp", full)
    with pytest.raises(OSError, match="No space left"):
        cached_corpus(("key",), ("text",), never)


def test_a_disk_that_gives_back_something_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: os.truncate(descriptor, 1))
    with pytest.raises(MachineError, match="does not read back: check the disk"):
        cached_corpus(("key",), ("text",), encoding([([4],)]))


# What is removed


def age(path: Path, days: float) -> None:
    then = time.time() - days * 86_400
    os.utime(path, (then, then))


def test_what_nobody_used_for_a_month_is_removed(folder: Path) -> None:
    old, used = (cached_corpus((name,), ("text",), encoding([([4],)])) for name in ("old", "used"))
    age(old.folder, 31)
    age(used.folder, 29)
    cached_corpus(("new",), ("text",), encoding([([4],)]))
    assert not old.folder.exists()
    assert used.folder.exists()


def test_use_keeps_a_corpus_young() -> None:
    corpus = cached_corpus(("used",), ("text",), encoding([([4],)]))
    age(corpus.folder, 31)
    cached_corpus(("used",), ("text",), never)
    cached_corpus(("new",), ("text",), encoding([([4],)]))
    assert contents(corpus) == [([4],)]


def test_abandoned_parts_are_removed_after_a_day(folder: Path) -> None:
    old, young = folder / f"{'0' * 40}.old.part", folder / f"{'0' * 40}.young.part"
    for path in (old, young):
        path.mkdir(parents=True)
        (path / "text.ids").write_bytes(b"1234")
    age(old, 1.1)
    age(young, 0.9)
    cached_corpus(("new",), ("text",), encoding([([4],)]))
    assert not old.exists()
    assert young.exists()


def test_what_is_not_ours_is_never_removed(folder: Path) -> None:
    # NLPSEQ_CACHE may name a folder that other things live in.
    thesis = folder / "thesis"
    thesis.mkdir(parents=True)
    (thesis / "chapter-1.txt").write_text("years of work")
    age(thesis, 400)
    cached_corpus(("new",), ("text",), encoding([([4],)]))
    assert (thesis / "chapter-1.txt").read_text() == "years of work"
