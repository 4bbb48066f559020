"""Batches of ids: shuffled with a seed, grouped by length, padded to few shapes, and the same again after a resume.

An epoch is planned on lengths alone, window by window. Ids are read when a batch is made. So a corpus may be larger
than memory, and a run that goes on in the middle of an epoch reads nothing of what came before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from nlpseq.data.cache import Corpus

_BLOCK = 4096  # examples that are read together, in their order on the disk
_WINDOW_BLOCKS = 64  # blocks shuffled together: 262,144 examples
_LONGEST_STEP = 1.2  # a padded length is at most this many times the one before


@dataclass(frozen=True)
class Batch:
    """Padded ids of some examples.

    Attributes:
        fields: for each field int32 [rows, length], padded with 0.
        examples: how many rows are examples; further rows are padding. Of a stream, the number of predicted ids.
        index: the number of the batch in its epoch, from 0.
    """

    fields: tuple[np.ndarray, ...]
    examples: int
    index: int


def padded_length(length: int) -> int:
    """The smallest padded length that holds a length. There are few of them, so that batches have few shapes."""
    size = 4
    while size < length:
        size = max(size + 4, int(size * _LONGEST_STEP) // 4 * 4)
    return size


def bucketed_batches(
    corpus: Corpus,
    *,
    batch_tokens: int,
    seed: int | None,
    epoch: int = 0,
    rows_multiple: int = 1,
    first: int = 0,
) -> Iterator[Batch]:
    """Yields the batches of one epoch. The longest field of each has about ``batch_tokens`` padded ids.

    Args:
        corpus: the examples.
        batch_tokens: rows x padded length of a batch.
        seed: decides the order; None keeps the batches of a window in order of length.
        epoch: its number; every epoch has its own order.
        rows_multiple: rows are a multiple of this (one shard per replica), filled up with rows of padding.
        first: the index of the first batch that is wanted.
    """
    order = np.random.default_rng((seed, epoch)) if seed is not None else None
    blocks = np.arange(-(-corpus.examples // _BLOCK))
    if order is not None:
        order.shuffle(blocks)
    index = 0
    for window_start in range(0, len(blocks), _WINDOW_BLOCKS):
        window = blocks[window_start : window_start + _WINDOW_BLOCKS]
        lengths = np.concatenate([_lengths(corpus, block) for block in window])
        plan = _plan(lengths.max(axis=1), batch_tokens, rows_multiple, order)
        if index + len(plan) > first:
            reader = _WindowReader(corpus, window)
            for offset, rows in enumerate(plan):
                if index + offset >= first:
                    height = -(-len(rows) // rows_multiple) * rows_multiple
                    yield Batch(reader.padded(rows, height), len(rows), index + offset)
        index += len(plan)


def stream_batches(
    corpus: Corpus, *, rows: int, length: int, seed: int | None, epoch: int = 0, first: int = 0
) -> Iterator[Batch]:
    """Yields batches of contiguous streams, for truncated BPTT: a row goes on where it ended in the batch before.

    Each batch has one field, int32 [rows, length + 1]. All but the last id of a row are inputs, and each of them
    predicts the next id. With a seed, every epoch cuts the text at other places.
    """
    total = corpus.ids[0]
    shift = int(np.random.default_rng((seed, epoch)).integers(min(length, total // 4 + 1))) if seed is not None else 0
    per_row = (total - 1 - shift) // rows
    for index in range(first, -(-per_row // length)):
        steps = min(length, per_row - index * length)
        if seed is not None and steps < length and index > 0:
            return  # a rest of a few characters is no batch to learn from
        starts = [shift + row * per_row + index * length for row in range(rows)]
        ids = np.stack([corpus.read(corpus.fields[0], start, start + steps + 1) for start in starts])
        yield Batch((ids,), rows * steps, index)


def padded_batches(sequences: Sequence[np.ndarray], batch_tokens: int) -> list[tuple[list[int], np.ndarray]]:
    """Groups sequences in memory, shortest first, into batches of at most ``batch_tokens`` padded ids.

    A longer sequence is a batch of its own.

    Returns:
        For each batch the indices of its sequences, and int32 [rows, length] padded with 0.
    """
    order = sorted(range(len(sequences)), key=lambda index: len(sequences[index]))
    groups: list[list[int]] = []
    for index in order:
        if not groups or (len(groups[-1]) + 1) * len(sequences[index]) > batch_tokens:
            groups.append([])
        groups[-1].append(index)
    batches = []
    for group in groups:
        matrix = np.zeros((len(group), len(sequences[group[-1]])), np.int32)
        for row, index in enumerate(group):
            matrix[row, : len(sequences[index])] = sequences[index]
        batches.append((group, matrix))
    return batches


def _lengths(corpus: Corpus, block: int) -> np.ndarray:
    """int64 [examples, fields]: the lengths of the examples of a block."""
    start, stop = block * _BLOCK, min((block + 1) * _BLOCK, corpus.examples)
    return np.stack([corpus.lengths(field, start, stop) for field in corpus.fields], axis=1)


def _plan(
    lengths: np.ndarray, batch_tokens: int, rows_multiple: int, order: np.random.Generator | None
) -> list[np.ndarray]:
    """The examples of each batch of a window. They have like lengths, and all batches but the last are full."""
    permutation = order.permutation(len(lengths)) if order is not None else np.arange(len(lengths))
    sizes = np.array([padded_length(length) for length in range(int(lengths.max()) + 1)])
    by_size = permutation[np.argsort(sizes[lengths[permutation]], kind="stable")]
    batches, start = [], 0
    for size in np.unique(sizes[lengths]):
        stop = int(np.searchsorted(sizes[lengths[by_size]], size, side="right"))
        rows = max(1, batch_tokens // size // rows_multiple) * rows_multiple
        while stop - start >= rows:
            batches.append(by_size[start : start + rows])
            start += rows
    if start < len(by_size):  # the rest of every size went along with the next size
        batches.append(by_size[start:])
    if order is not None:
        order.shuffle(batches)
    return batches


class _WindowReader:
    """Holds the ids of a window's blocks in memory while the window lasts."""

    def __init__(self, corpus: Corpus, blocks: np.ndarray) -> None:
        self._fields: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        for field in corpus.fields:
            ids, starts, ends, base = [], [], [], 0
            for block in blocks:
                offsets = corpus.offsets(field, block * _BLOCK, min((block + 1) * _BLOCK, corpus.examples))
                ids.append(corpus.read(field, offsets[0], offsets[-1]))
                starts.append(offsets[:-1] - offsets[0] + base)
                ends.append(offsets[1:] - offsets[0] + base)
                base += offsets[-1] - offsets[0]
            self._fields.append((np.concatenate(ids), np.concatenate(starts), np.concatenate(ends)))

    def padded(self, rows: np.ndarray, height: int) -> tuple[np.ndarray, ...]:
        """Each field of some examples of the window: int32 [height, padded length]."""
        result = []
        for ids, starts, ends in self._fields:
            width = padded_length(int((ends[rows] - starts[rows]).max()))
            matrix = np.zeros((height, width), np.int32)
            for row, example in enumerate(rows):
                start, end = starts[example], ends[example]
                matrix[row, : end - start] = ids[start:end]
            result.append(matrix)
        return tuple(result)
