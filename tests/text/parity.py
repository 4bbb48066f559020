"""Counts the texts on which the tokenisers' graphs differ from the tokenisers; not collected by pytest.

    python -m tests.text.parity --texts 50000

A third each of sentences (those of ``--data``, files of text or tab-separated columns, plain or .gz; by default the
bundled samples; and always one in seven other scripts), of random Unicode and of random bytes; one in sixteen is
repeated until it fills the buffer to the last byte. Ids back to text likewise, half of them random ids. The reference
is the SentencePiece library on the very bytes; for characters, Python's own UTF-8.
"""

from __future__ import annotations

import argparse
import codecs
import gzip
import random
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from nlpseq.data.samples import phrasebook
from nlpseq.text.graph import GraphTokenizer, in_graph
from nlpseq.text.tokenizers import UNKNOWN, Characters, SentencePiece, Tokenizer

BUFFER = 640  # bytes of a text, in and out: several windows
IDS = 4 * BUFFER  # no text has more, so that nothing is left out but what is not read
_LONGEST = 480  # bytes of most texts: decoded, a piece may be longer than what it came from
_EXPANSION = 18  # code points that a rule may write for one

# Latin, Greek, Cyrillic, Hebrew, Arabic, Devanagari, Thai, Kana, Han, Hangul, and what rules are about: letters in
# parts, compatibility forms, marks, spaces, invisible characters, emoji
_RANGES = (
    (0x20, 0x7E), (0xA0, 0x17F), (0x370, 0x3FF), (0x400, 0x45F), (0x5D0, 0x5EA), (0x620, 0x652), (0x904, 0x94D),
    (0xE01, 0xE4E), (0x3041, 0x30FE), (0x4E00, 0x4FFF), (0xAC00, 0xAFFF), (0x1100, 0x11FF), (0x300, 0x345),
    (0x1E00, 0x1FFF), (0x2000, 0x206F), (0x2150, 0x2190), (0x2460, 0x24FF), (0x2F00, 0x2FD5), (0x3200, 0x33FF),
    (0xF900, 0xFAFF), (0xFB00, 0xFDFF), (0xFE70, 0xFFEF), (0xFFF9, 0xFFFD), (0x1D400, 0x1D7FF), (0x1F100, 0x1F1FF),
    (0x1F300, 0x1FAFF), (0x2F800, 0x2FA1F), (0xE0001, 0xE007F), (0x10FFF0, 0x10FFFF), (0, 0x1F), (0x7F, 0x9F),
)  # fmt: skip


_OTHER_SCRIPTS = (
    "Ο ηλικιωμένος άντρας που μένει δίπλα στον σταθμό πούλησε σήμερα το κόκκινο αυτοκίνητό του.",
    "Старик, который живёт рядом с вокзалом, сегодня продал свою красную машину.",
    "الرجل العجوز الذي يعيش بجانب محطة القطار باع سيارته الحمراء اليوم.",
    "האיש הזקן שגר ליד תחנת הרכבת מכר היום את המכונית האדומה שלו.",
    "रेलवे स्टेशन के पास रहने वाले बूढ़े आदमी ने आज अपनी लाल कार बेच दी।",
    "駅の隣に住んでいる老人は、今日、赤い車を売りました。",
    "기차역 옆에 사는 노인이 오늘 빨간 자동차를 팔았습니다.",
)
_SENTENCE = "The old man who lives next to the railway station sold his red car today..."
_PARTS_OF_CHARACTERS = b" ae\x80\x8f\x90\x9f\xa0\xbf\xc0\xc2\xcc\xdf\xe0\xe1\xe2\xed\xef\xf0\xf1\xf4\xf5\xff"


def random_text(random_source: random.Random) -> bytes:
    """Unicode from a few ranges, so that neighbours have to do with each other."""
    ranges = random_source.sample(_RANGES, random_source.randint(1, 4))
    if random_source.random() < 0.1:
        ranges.append((0, 0x10FFFF))
    alphabet = [random_source.randint(*random_source.choice(ranges)) for _ in range(random_source.randint(1, 12))]
    points = random_source.choices([*alphabet, 0x20], k=_length(random_source))
    return "".join(chr(point) for point in points if not 0xD800 <= point <= 0xDFFF).encode()


def random_bytes(random_source: random.Random) -> bytes:
    """Bytes, most of them lead and trail bytes, or a text with a few bytes changed, dropped or cut off."""
    kind = random_source.random()
    size = _length(random_source)
    if kind < 0.3:
        return random_source.randbytes(size)
    if kind < 0.6:
        return bytes(random_source.choices(_PARTS_OF_CHARACTERS, k=size))
    text = bytearray(random_text(random_source))
    for _ in range(random_source.randint(1, 3)):
        if text:
            at = random_source.randrange(len(text))
            text[at : at + random_source.randint(0, 2)] = random_source.randbytes(random_source.randint(0, 2))
    return bytes(text)


def _length(random_source: random.Random) -> int:
    return random_source.randint(0, random_source.choice((40, 40, 40, 250)))


def sentences(files: Sequence[Path], random_source: random.Random) -> Iterator[bytes]:
    """Lines of the files, or the bundled phrases; then as they are, without end, cut and joined anew."""
    lines = [pair for phrase in phrasebook.pairs() for pair in phrase] if not files else []
    for file in files:
        with (gzip.open if file.suffix == ".gz" else open)(file, "rt", encoding="utf-8") as stream:
            lines += [max(line.rstrip("\n").split("\t")[:4], key=len) for line in stream]
    lines += _OTHER_SCRIPTS
    random_source.shuffle(lines)
    yield from (line.encode() for line in lines)
    while True:
        first = random_source.choice(lines)
        second = random_source.choice(_OTHER_SCRIPTS if random_source.random() < 0.3 else lines)
        yield (first[random_source.randint(0, len(first)) :] + " " + second).encode()


def prepared(text: bytes, random_source: random.Random) -> bytes:
    """Short enough for the buffer, or as long as it; without zeros at the end, which are padding to the graph."""
    if text and random_source.random() < 1 / 16:
        text = (text * BUFFER)[: BUFFER - random_source.choice((0, 0, 1))]
    else:
        text = text[:_LONGEST]
    return text.rstrip(b"\0")


def library_ids(tokenizer: Tokenizer, text: bytes) -> list[int]:
    """Ids by the library itself, or by Python's reading of the bytes."""
    if isinstance(tokenizer, SentencePiece):
        return tokenizer._processor.encode(text)
    return tokenizer.encode(text.decode("utf-8", errors="replace"))


class TensorFlowRuntime:
    """The graph in TensorFlow, many texts at once."""

    name = "TensorFlow"

    def __init__(self, graph: GraphTokenizer) -> None:
        text, ids, lengths = ((tf.uint8, (None, BUFFER)), (tf.int32, (None, IDS)), (tf.int32, (None,)))
        self._encode = _traced(lambda text: graph.encode(text, IDS), text)
        self._decode = _traced(lambda ids, lengths: graph.decode(ids, lengths, BUFFER), ids, lengths)

    def encode(self, text: np.ndarray) -> tuple[np.ndarray, ...]:
        return tuple(result.numpy() for result in self._encode(tf.constant(text)))

    def decode(self, ids: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, ...]:
        return tuple(result.numpy() for result in self._decode(tf.constant(ids), tf.constant(lengths)))


class LiteRuntime:
    """The graph in a TensorFlow Lite file, one text at a time, in the interpreter."""

    name = "TensorFlow Lite"

    def __init__(self, graph: GraphTokenizer) -> None:
        self.encode_file, self.decode_file = lite_files(graph, BUFFER, IDS)
        self._encode, self._decode = runner(self.encode_file), runner(self.decode_file)

    def encode(self, text: np.ndarray) -> tuple[np.ndarray, ...]:
        rows = [self._encode(row) for row in text]
        return tuple(np.stack(column) for column in zip(*rows, strict=True))

    def decode(self, ids: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, ...]:
        rows = [self._decode(row, length) for row, length in zip(ids, lengths, strict=True)]
        return tuple(np.stack(column) for column in zip(*rows, strict=True))


def lite_files(
    graph: GraphTokenizer, text_size: int, ids_size: int, optimizations: Sequence[tf.lite.Optimize] = ()
) -> tuple[bytes, bytes]:
    """Two files: ``text: uint8[text_size]`` to ids, length and left out; ids and length to text, length, left out."""
    encode = _traced(lambda text: _first_row(graph.encode(text[None], ids_size)), (tf.uint8, (text_size,)))
    decode = _traced(
        lambda ids, length: _first_row(graph.decode(ids[None], tf.reshape(length, [1]), text_size)),
        (tf.int32, (ids_size,)),
        (tf.int32, ()),
    )
    return _converted(encode, optimizations), _converted(decode, optimizations)


def runner(file: bytes) -> Callable[..., list[np.ndarray]]:
    """Calls a file in the interpreter: arrays in, arrays out, in the order of its function."""
    interpreter = Interpreter(model_content=file, num_threads=1)
    interpreter.allocate_tensors()
    inputs = [detail["index"] for detail in interpreter.get_input_details()]
    outputs = [detail["index"] for detail in interpreter.get_output_details()]

    def run(*arrays: Any) -> list[np.ndarray]:
        for index, array in zip(inputs, arrays, strict=True):
            interpreter.set_tensor(index, array)
        interpreter.invoke()
        return [interpreter.get_tensor(index) for index in outputs]

    return run


def padded(rows: Sequence[bytes] | Sequence[Sequence[int]], size: int, kind: type) -> np.ndarray:
    """A row each, cut and padded with zeros."""
    result = np.zeros((len(rows), size), kind)
    for row, values in zip(result, rows, strict=True):
        row[: len(values)] = list(values[:size])
    return result


def encoding_differences(
    runtime: TensorFlowRuntime | LiteRuntime, tokenizer: Tokenizer, texts: Sequence[bytes]
) -> tuple[list[bytes], int]:
    """The texts whose ids differ, and how many texts were too long for the buffers and are right so far as they go."""
    ids, lengths, left_out = runtime.encode(padded(texts, BUFFER, np.uint8))
    wrong, cut = [], 0
    for row, length, missing, text in zip(ids, lengths, left_out, texts, strict=True):
        cut += bool(missing)
        read = text[: len(text) - missing]
        right = missing == cut_off(text) or (missing > 0 and _is_long(tokenizer, text))
        if not right or row[:length].tolist() != library_ids(tokenizer, read) or row[length:].any():
            wrong.append(text)
    return wrong, cut


def cut_off(text: bytes) -> int:
    """Bytes of a character that the end of the buffer cuts."""
    if len(text) < BUFFER:
        return 0
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    decoder.decode(text)
    begun = decoder.getstate()[0]
    return 0 if re.match(rb"\xed[\xa0-\xbf]", begun) else len(begun)  # Python waits for the rest of a surrogate


def _is_long(tokenizer: Tokenizer, text: bytes) -> bool:
    """Whether the normal form may be too long for the buffer."""
    if not isinstance(tokenizer, SentencePiece):
        return False
    return len(tokenizer._processor.normalize(text).decode()) + _EXPANSION > BUFFER


def decoding_differences(
    runtime: TensorFlowRuntime | LiteRuntime, tokenizer: Tokenizer, ids: Sequence[Sequence[int]]
) -> tuple[list[Sequence[int]], int]:
    """The ids whose text differs, and how many texts were too long for the buffer and are right so far as they go."""
    lengths = np.array([len(row) for row in ids], np.int32)
    texts, sizes, left_out = runtime.decode(padded(ids, IDS, np.int32), lengths)
    wrong, cut = [], 0
    for text, size, missing, row in zip(texts, sizes, left_out, ids, strict=True):
        expected = tokenizer.decode(row).encode()
        cut += bool(missing)
        if missing:  # only what ends within four bytes of the end may be left out
            expected = expected[:size] if size > BUFFER - 4 else expected
        if text[:size].tobytes() != expected or text[size:].any():
            wrong.append(row)
    return wrong, cut


def _traced(function: Callable[..., Any], *arguments: tuple[tf.DType, tuple[int | None, ...]]) -> Any:
    signature = [tf.TensorSpec(shape, kind) for kind, shape in arguments]
    return tf.function(function, input_signature=signature, autograph=False)


def _first_row(results: Any) -> tuple[tf.Tensor, ...]:
    # identities, because the converter merges outputs that are one tensor
    return tuple(tf.identity(result[0]) for result in results)


def _converted(function: Any, optimizations: Sequence[tf.lite.Optimize]) -> bytes:
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    converter.optimizations = list(optimizations)
    return converter.convert()


def _tokenizers(arguments: argparse.Namespace, lines: list[str]) -> Iterator[tuple[str, Tokenizer]]:
    if arguments.model:
        yield arguments.model.name, SentencePiece(arguments.model.read_bytes())
    else:
        for normalization in (kind for kind in arguments.kinds if kind not in ("source", "characters")):
            yield normalization, SentencePiece.train(lines, arguments.vocabulary_size, normalization)
        if "source" in arguments.kinds:  # it shares the pieces of targets that are written as they are
            target = SentencePiece.train(lines, arguments.vocabulary_size, "identity")
            yield "source", target.with_normalization("nmt_nfkc")
    if "characters" in arguments.kinds:
        yield "characters", Characters.train(lines, 300, either_case=True)


def _cost(graph: GraphTokenizer, tokenizer: Tokenizer, buffer: int) -> str:
    """Bytes of the two files, and microseconds of a sentence, where the buffer of ids is a quarter of that of text."""
    files = lite_files(graph, buffer, buffer // 4)
    ids = tokenizer.encode(_SENTENCE)[: buffer // 4]
    text, row = padded([_SENTENCE.encode()], buffer, np.uint8)[0], padded([ids], buffer // 4, np.int32)[0]
    costs = []
    for file, inputs in zip(files, ((text,), (row, np.int32(len(ids)))), strict=True):
        run = runner(file)
        times = []
        for _ in range(1000):
            begin = time.perf_counter()
            run(*inputs)
            times.append(time.perf_counter() - begin)
        costs.append(f"{len(file)} bytes, {1e6 * min(times):.0f} µs at best, {1e6 * np.median(times):.0f} µs as a rule")
    return f"uint8[{buffer}] to ids {costs[0]}; to text {costs[1]} ({len(_SENTENCE)} bytes, {len(ids)} ids)"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=50_000, help="for each kind, runtime and direction")
    parser.add_argument("--data", type=Path, nargs="*", default=[])
    parser.add_argument("--model", type=Path, help="a SentencePiece model; by default they are trained on the data")
    parser.add_argument("--kinds", nargs="*", default=["nmt_nfkc", "nmt_nfkc_cf", "identity", "source", "characters"])
    parser.add_argument("--vocabulary-size", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    source = random.Random(arguments.seed)
    real = sentences(arguments.data, source)
    lines = [next(real).decode() for _ in range(20_000)]
    failed = False
    for name, tokenizer in _tokenizers(arguments, lines):
        graph = in_graph(tokenizer)
        for buffer in (512, 4096):
            print(f"{name}: {_cost(graph, tokenizer, buffer)}", flush=True)
        for runtime in (LiteRuntime(graph), TensorFlowRuntime(graph)):
            wrong_texts = wrong_ids = cut = done = 0
            begin = time.perf_counter()
            while done < arguments.texts:
                kinds = (lambda: next(real), lambda: random_text(source), lambda: random_bytes(source))
                texts = [prepared(kinds[index % 3](), source) for index in range(min(300, arguments.texts - done))]
                wrong, cut_here = encoding_differences(runtime, tokenizer, texts)
                for text in wrong[: 3 if wrong_texts < 3 else 0]:
                    print(f"  differs: {text!r}", flush=True)
                wrong_texts, cut, done = wrong_texts + len(wrong), cut + cut_here, done + len(texts)
                ids: list[Sequence[int]] = [random_ids(tokenizer, source) for _ in texts[::2]]
                ids += [tokenizer.encode(text.decode("utf-8", "replace"))[:IDS] for text in texts[1::2]]
                wrong_rows, cut_here = decoding_differences(runtime, tokenizer, ids)
                for row in wrong_rows[: 3 if wrong_ids < 3 else 0]:
                    print(f"  differs: {row!r}", flush=True)
                wrong_ids, cut = wrong_ids + len(wrong_rows), cut + cut_here
            failed |= bool(wrong_texts or wrong_ids)
            print(
                f"{name}, {runtime.name}: {done} texts to ids, {wrong_texts} differ; {done} ids to text, {wrong_ids} "
                f"differ; {cut} did not fit; {time.perf_counter() - begin:.0f} s",
                flush=True,
            )
    return int(failed)


def random_ids(tokenizer: Tokenizer, source: random.Random) -> list[int]:
    """Any ids, with many reserved ones, bytes and neighbours of each other."""
    last = tokenizer.vocabulary_size - 1
    some = [source.randint(0, last) for _ in range(4)] + [source.randint(0, 3), source.randint(4, 259), UNKNOWN]
    parts = (some, range(4, 260), (4 + 0xE2, 4 + 0x96, 4 + 0x81, 4 + 0xC3, 4 + 0xA9, 0, 2), range(last + 1))
    return source.choices(source.choice(parts), k=source.randint(0, 30))


if __name__ == "__main__":
    sys.exit(main())
