"""Batches: every example once an epoch, the same again for a seed, and no difference after a resume."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nlpseq.data import batches
from nlpseq.data.batches import Batch, bucketed_batches, padded_batches, padded_length, stream_batches
from nlpseq.data.cache import Corpus, Encoded, cached_corpus, encoded

Build = Callable[[Sequence[Sequence[Sequence[int]]]], Corpus]


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Build:
    monkeypatch.setenv("NLPSEQ_CACHE", str(tmp_path))

    def make(examples: Sequence[Sequence[Sequence[int]]]) -> Corpus:
        def encode(notes: dict[str, int]) -> Iterator[Encoded]:
            yield encoded(examples, len(names))

        names = ("source", "target")[: len(examples[0])] if examples else ("source",)
        return cached_corpus((len(examples), str(examples)), names, encode)

    return make


@pytest.fixture
def text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Corpus]:
    """A running text whose ids are their own positions, from 4 on."""
    monkeypatch.setenv("NLPSEQ_CACHE", str(tmp_path))

    def make(total: int) -> Corpus:
        return cached_corpus((total,), ("text",), lambda notes: iter([encoded([([*range(4, 4 + total)],)], 1)]))

    return make


def pairs(count: int, seed: int = 0, longest: int = 40) -> list[list[list[int]]]:
    """Examples that can be told apart: the first id of the source is a number of its own."""
    generator = np.random.default_rng(seed)
    return [
        [
            [1000 + index, *generator.integers(4, 100, generator.integers(0, longest)).tolist()],
            generator.integers(4, 100, generator.integers(0, longest)).tolist(),
        ]
        for index in range(count)
    ]


def examples_of(batch: Batch) -> list[tuple[tuple[int, ...], ...]]:
    """What stands in a batch, without padding."""
    return [
        tuple(tuple(field[row][field[row] != 0].tolist()) for field in batch.fields) for row in range(batch.examples)
    ]


def in_order(all_batches: list[Batch]) -> list[tuple[tuple[int, ...], ...]]:
    return [example for batch in all_batches for example in examples_of(batch)]


def assert_equal(ones: list[Batch], others: list[Batch]) -> None:
    assert [(batch.index, batch.examples) for batch in ones] == [(batch.index, batch.examples) for batch in others]
    for one, other in zip(ones, others, strict=True):
        for field, other_field in zip(one.fields, other.fields, strict=True):
            np.testing.assert_array_equal(field, other_field)


# Padded lengths


def test_padded_lengths_by_hand() -> None:
    assert [padded_length(length) for length in (0, 1, 4, 5, 8, 9, 20, 21, 25, 29)] == [
        4,
        4,
        4,
        8,
        8,
        12,
        20,
        24,
        28,
        32,
    ]


def test_padded_lengths_hold_the_length_waste_little_and_are_few() -> None:
    sizes = [padded_length(length) for length in range(2000)]
    assert all(size >= length for length, size in enumerate(sizes))
    assert all(size % 4 == 0 for size in sizes)
    assert all(size < length + 4 or size <= 1.2 * length for length, size in enumerate(sizes) if length)
    assert len(set(sizes[:65])) == 13
    assert len(set(sizes)) <= 33


# Bucketed batches


@pytest.mark.parametrize("seed", [None, 3])
@pytest.mark.parametrize(("block", "window"), [(4096, 64), (16, 3), (1, 1), (7, 100)])
def test_every_example_stands_in_an_epoch_once(
    seed: int | None, block: int, window: int, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "_BLOCK", block)
    monkeypatch.setattr(batches, "_WINDOW_BLOCKS", window)
    examples = pairs(200)
    made = list(bucketed_batches(build(examples), batch_tokens=128, seed=seed, epoch=2))
    assert [batch.index for batch in made] == list(range(len(made)))
    assert sorted(in_order(made)) == sorted((tuple(source), tuple(target)) for source, target in examples)


@settings(deadline=None, max_examples=40, derandomize=True)
@given(
    lengths=st.lists(st.tuples(st.integers(0, 70), st.integers(0, 70)), min_size=1, max_size=60),
    batch_tokens=st.integers(1, 400),
    rows_multiple=st.integers(1, 5),
    seed=st.one_of(st.none(), st.integers(0, 9)),
)
def test_shapes_of_any_corpus(
    lengths: list[tuple[int, int]],
    batch_tokens: int,
    rows_multiple: int,
    seed: int | None,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("NLPSEQ_CACHE", str(tmp_path_factory.mktemp("cache")))
        monkeypatch.setattr(batches, "_BLOCK", 8)
        monkeypatch.setattr(batches, "_WINDOW_BLOCKS", 3)
        corpus = cached_corpus(
            (), ("a", "b"), lambda notes: iter([encoded([[[9] * first, [9] * second] for first, second in lengths], 2)])
        )
        made = list(
            bucketed_batches(corpus, batch_tokens=batch_tokens, seed=seed, rows_multiple=rows_multiple, epoch=1)
        )
    seen = []
    for batch in made:
        height = len(batch.fields[0])
        longest = max(field.shape[1] for field in batch.fields)
        assert all(field.dtype == np.int32 for field in batch.fields)
        assert {len(field) for field in batch.fields} == {height}
        # Rows are a multiple, filled up with fewer than one multiple of padding.
        assert height % rows_multiple == 0
        assert 0 <= height - batch.examples < rows_multiple
        assert not any(field[batch.examples :].any() for field in batch.fields)
        # Within the budget, unless not even the smallest batch is.
        assert height * longest <= batch_tokens or height == rows_multiple
        for field in batch.fields:
            true = (field != 0).sum(axis=1)
            assert field.shape[1] == padded_length(int(true.max()))
            assert all((row[:length] == 9).all() for row, length in zip(field, true, strict=True))
        seen += zip(*((field != 0).sum(axis=1)[: batch.examples].tolist() for field in batch.fields), strict=True)
    assert sorted(seen) == sorted(lengths)


def test_batches_are_nearly_full_and_their_shapes_few(build: Build) -> None:
    made = list(bucketed_batches(build(pairs(2000)), batch_tokens=512, seed=1))
    padded = [len(batch.fields[0]) * max(field.shape[1] for field in batch.fields) for batch in made]
    assert sorted(padded)[1] > 512 * 0.7  # all but the last one of a window
    assert len({max(field.shape[1] for field in batch.fields) for batch in made}) <= 10
    longer = [max(len(source), len(target)) for source, target in in_order(made)]
    assert sum(longer) > 0.85 * sum(padded)


def test_same_seed_same_batches_and_another_epoch_another_order(build: Build) -> None:
    corpus = build(pairs(150))
    first = list(bucketed_batches(corpus, batch_tokens=128, seed=5, epoch=1))
    assert_equal(first, list(bucketed_batches(corpus, batch_tokens=128, seed=5, epoch=1)))
    for other in (
        bucketed_batches(corpus, batch_tokens=128, seed=5, epoch=2),
        bucketed_batches(corpus, batch_tokens=128, seed=6, epoch=1),
        bucketed_batches(corpus, batch_tokens=128, seed=None),
    ):
        order = in_order(list(other))
        assert order != in_order(first)
        assert sorted(order) == sorted(in_order(first))


def test_an_epoch_mixes_more_than_the_order_of_its_batches(build: Build) -> None:
    corpus = build([[[1000 + index, 9]] for index in range(64)])
    epochs = [
        {frozenset(examples_of(batch)) for batch in bucketed_batches(corpus, batch_tokens=32, seed=1, epoch=epoch)}
        for epoch in range(2)
    ]
    assert len(epochs[0]) == len(epochs[1]) == 8
    assert not epochs[0] & epochs[1]


def test_blocks_are_shuffled_too(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "_BLOCK", 8)
    monkeypatch.setattr(batches, "_WINDOW_BLOCKS", 1)
    corpus = build([[[1000 + index]] for index in range(80)])
    order = [source[0] - 1000 for (source,) in in_order(list(bucketed_batches(corpus, batch_tokens=16, seed=1)))]
    windows = [sorted(order[start : start + 8]) for start in range(0, 80, 8)]
    assert sorted(windows) == [list(range(start, start + 8)) for start in range(0, 80, 8)]
    assert windows != sorted(windows)


def test_without_a_seed_batches_stand_in_order_of_length(build: Build) -> None:
    made = list(bucketed_batches(build(pairs(100)), batch_tokens=128, seed=None))
    widths = [max(field.shape[1] for field in batch.fields) for batch in made]
    assert widths == sorted(widths)
    assert_equal(made, list(bucketed_batches(build(pairs(100)), batch_tokens=128, seed=None, epoch=7)))


def test_with_a_seed_long_and_short_batches_are_mixed(build: Build) -> None:
    made = list(bucketed_batches(build(pairs(300)), batch_tokens=128, seed=1))
    widths = np.array([max(field.shape[1] for field in batch.fields) for batch in made])
    assert len(made) > 40
    assert abs(np.corrcoef(np.arange(len(made)), widths)[0, 1]) < 0.5


@pytest.mark.parametrize("seed", [None, 11])
@pytest.mark.parametrize(("block", "window"), [(4096, 64), (8, 3)])
def test_first_gives_the_tail_of_the_full_run(
    seed: int | None, block: int, window: int, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "_BLOCK", block)
    monkeypatch.setattr(batches, "_WINDOW_BLOCKS", window)
    corpus = build(pairs(100))
    full = list(bucketed_batches(corpus, batch_tokens=160, seed=seed, epoch=3, rows_multiple=2))
    assert len(full) > 10
    for first in range(len(full) + 2):
        rest = bucketed_batches(corpus, batch_tokens=160, seed=seed, epoch=3, rows_multiple=2, first=first)
        assert_equal(list(rest), full[first:])


def test_going_on_reads_nothing_of_what_came_before(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "_BLOCK", 8)
    monkeypatch.setattr(batches, "_WINDOW_BLOCKS", 1)
    corpus = build(pairs(80))
    full = list(bucketed_batches(corpus, batch_tokens=160, seed=1))
    read: list[int] = []
    whole_read = Corpus.read

    def counted(self: Corpus, field: str, start: int, stop: int) -> np.ndarray:
        read.append(stop - start)
        return whole_read(self, field, start, stop)

    monkeypatch.setattr(Corpus, "read", counted)
    list(bucketed_batches(corpus, batch_tokens=160, seed=1, first=len(full) - 1))
    assert 0 < sum(read) < sum(corpus.ids) / 4


def test_an_empty_corpus_has_no_batches(build: Build) -> None:
    assert list(bucketed_batches(build([]), batch_tokens=64, seed=1)) == []


# Streams


@pytest.mark.parametrize("seed", [None, 1, 2])
@pytest.mark.parametrize(("total", "rows", "length"), [(1000, 4, 16), (1001, 3, 7), (97, 5, 64), (64, 1, 8)])
def test_each_row_goes_on_where_it_ended(
    seed: int | None, total: int, rows: int, length: int, text: Callable[[int], Corpus]
) -> None:
    made = list(stream_batches(text(total), rows=rows, length=length, seed=seed, epoch=4))
    assert [batch.index for batch in made] == list(range(len(made)))
    for batch in made:
        (ids,) = batch.fields
        assert ids.dtype == np.int32
        assert len(ids) == rows
        assert batch.examples == rows * (ids.shape[1] - 1)  # ids that are predicted
        assert 2 <= ids.shape[1] <= length + 1
        np.testing.assert_array_equal(np.diff(ids, axis=1), 1)  # ids are their own positions
    for one, following in itertools.pairwise(made):
        assert one.fields[0].shape == (rows, length + 1)
        # The last id is predicted in one batch and read in the next.
        np.testing.assert_array_equal(following.fields[0][:, 0], one.fields[0][:, -1])


def test_streams_by_hand(text: Callable[[int], Corpus]) -> None:
    made = list(stream_batches(text(12), rows=2, length=3, seed=None))
    assert [batch.fields[0].tolist() for batch in made] == [
        [[4, 5, 6, 7], [9, 10, 11, 12]],
        [[7, 8, 9], [12, 13, 14]],
    ]


@pytest.mark.parametrize(("total", "rows", "length"), [(1000, 4, 16), (1001, 3, 7), (97, 5, 64), (13, 4, 5)])
def test_without_a_seed_each_id_is_predicted_once(
    total: int, rows: int, length: int, text: Callable[[int], Corpus]
) -> None:
    made = stream_batches(text(total), rows=rows, length=length, seed=None)
    predicted = sorted(np.concatenate([batch.fields[0][:, 1:].ravel() for batch in made]).tolist())
    # Positions 1, 2, ...; at the end fewer than one a row are left over.
    assert predicted == list(range(5, 5 + len(predicted)))
    assert total - 1 - rows < len(predicted) <= total - 1


def test_with_a_seed_nearly_everything_is_predicted_at_most_once(text: Callable[[int], Corpus]) -> None:
    made = list(stream_batches(text(5000), rows=4, length=32, seed=1))
    assert {batch.fields[0].shape for batch in made} == {(4, 33)}
    predicted = np.concatenate([batch.fields[0][:, 1:].ravel() for batch in made]).tolist()
    assert len(set(predicted)) == len(predicted) >= 5000 - 32 - 4 * 32 - 4


@pytest.mark.parametrize("seed", [None, 9])
def test_first_gives_the_tail_of_the_stream(seed: int | None, text: Callable[[int], Corpus]) -> None:
    corpus = text(500)
    full = list(stream_batches(corpus, rows=3, length=16, seed=seed, epoch=1))
    assert len(full) >= 10
    for first in range(len(full) + 2):
        assert_equal(list(stream_batches(corpus, rows=3, length=16, seed=seed, epoch=1, first=first)), full[first:])


def test_epochs_cut_the_text_at_other_places(text: Callable[[int], Corpus]) -> None:
    corpus = text(5000)
    starts = [
        int(next(stream_batches(corpus, rows=2, length=64, seed=1, epoch=epoch)).fields[0][0, 0]) for epoch in range(8)
    ]
    assert len(set(starts)) > 4
    assert all(4 <= start < 4 + 64 for start in starts)
    again = next(stream_batches(corpus, rows=2, length=64, seed=1, epoch=3))
    assert int(again.fields[0][0, 0]) == starts[3]


@pytest.mark.parametrize("total", [0, 1, 2, 3, 5])
@pytest.mark.parametrize("seed", [None, 1])
def test_short_texts(total: int, seed: int | None, text: Callable[[int], Corpus]) -> None:
    made = list(stream_batches(text(total), rows=2, length=4, seed=seed))
    assert all(batch.fields[0].shape[0] == 2 and batch.fields[0].shape[1] >= 2 for batch in made)
    assert bool(made) == (total >= 3)


@pytest.mark.parametrize("batch_tokens", [1, 7, 20, 1000])
def test_sequences_in_memory_are_batched_by_length(batch_tokens: int) -> None:
    order = np.random.default_rng(3)
    sequences = [order.integers(1, 9, size).astype(np.int32) for size in order.integers(1, 12, 40)]
    seen = []
    for indices, matrix in padded_batches(sequences, batch_tokens):
        assert matrix.size <= batch_tokens or len(indices) == 1
        for index, row in zip(indices, matrix, strict=True):
            np.testing.assert_array_equal(row[row != 0], sequences[index])
        seen += indices
    assert sorted(seen) == list(range(40))
    assert padded_batches([], batch_tokens) == []
