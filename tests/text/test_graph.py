"""The tokenisers' graphs against the tokenisers, the SentencePiece library and Python's UTF-8."""

import io
import itertools
import random
import struct

import numpy as np
import pytest
import sentencepiece
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sentencepiece.sentencepiece_model_pb2 import ModelProto

from nlpseq.data.samples import phrasebook
from nlpseq.errors import UserError
from nlpseq.text.graph import in_graph
from nlpseq.text.graph.lookup_tables import PAGE, DoubleArray, Pages
from nlpseq.text.graph.sentencepiece_file import read
from nlpseq.text.graph.sentencepiece_tables import FIRST_STRING, rule_tables
from nlpseq.text.graph.utf8 import bytes_to_strings, strings_to_bytes
from nlpseq.text.tokenizers import Characters, SentencePiece, Tokenizer
from tests.text import parity

SENTENCES = [text for pair in itertools.islice(phrasebook.pairs(), 0, None, 7) for text in pair]

AWKWARD = [
    b"",
    b" ",
    b"\x00a",
    b"a\x00b",
    "e\u0301 \u1112\u1161\u11ab\u1100\u1161 o\u0308\u0304".encode(),  # letters in parts: rules of several characters
    "\ufeff\u00ad\u200b".encode(),
    "▁ ▁▁ a▁".encode(),
    "\ufffd \ufffd".encode(),
    "ﬁ … ½ ㍿ ﷺ ½…".encode(),  # rules with a string
    "👩‍👩‍👧 \U0010ffff".encode(),
    "\t\n\r\x0b\x85\u2028\u3000".encode(),
    b"hahahaha aaaaaaaaaa ........ ------",  # equally good ways
    b"\xff\xfe",
    b"\xc3",
    b"\xc3 \xa9",
    b"\xe2\x82 \xf0\x9f\x98",
    b"\xed\xa0\x80\xf4\x90\x80\x80\xc0\xaf\xe0\x80\xaf",  # surrogate, too high, too long
    ("The whole buffer is full of this text, to the very last byte: é. ".encode() * 9 + b"!!")[: parity.BUFFER],
]

BYTES = st.one_of(
    st.binary(max_size=40),
    st.text(max_size=30).map(str.encode),
    st.text(alphabet="the rivÉé😀\n\x00▁\u00a0\u0301ﬁ½\u1100\u1161\u11a8", max_size=30).map(str.encode),
    st.lists(st.sampled_from([bytes([value]) for value in b" a\xe2\x96\x81\xf0\x9f\xed\xc2"]), max_size=20).map(
        b"".join
    ),
    st.sampled_from(AWKWARD),
    st.builds(lambda part, times, rest: part * times + rest, st.binary(max_size=8), st.integers(0, 90), st.binary()),
)


@pytest.fixture(scope="module")
def tokenizers() -> dict[str, Tokenizer]:
    return {
        # As a source shares its pieces with a target that is written as it is.
        "nmt_nfkc": SentencePiece.train(SENTENCES, 450, "identity").with_normalization("nmt_nfkc"),
        "identity": SentencePiece.train(SENTENCES, 350, normalization="identity"),
        "characters": Characters.train(SENTENCES, 60),
    }


@pytest.fixture(scope="module")
def graphs(tokenizers: dict[str, Tokenizer]) -> dict:
    return {name: in_graph(tokenizer) for name, tokenizer in tokenizers.items()}


@pytest.fixture(scope="module")
def lite(graphs: dict) -> dict[str, parity.LiteRuntime]:
    return {name: parity.LiteRuntime(graph) for name, graph in graphs.items()}


def trained(**options: object) -> SentencePiece:
    """A model that nlpseq itself does not train."""
    model = io.BytesIO()
    settings = {
        "byte_fallback": True,
        "pad_id": 0,
        "unk_id": 1,
        "bos_id": 2,
        "eos_id": 3,
        "hard_vocab_limit": False,
        "normalization_rule_name": "identity",
        "minloglevel": 2,
    }
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES), model_writer=model, vocab_size=450, **(settings | options)
    )
    return SentencePiece(model.getvalue())


NAMES = ("nmt_nfkc", "identity", "characters")


# In the TensorFlow Lite interpreter


@settings(deadline=None, max_examples=150, derandomize=True)
@given(text=BYTES, name=st.sampled_from(NAMES))
@example(text=AWKWARD[-1], name="nmt_nfkc")
def test_any_bytes_have_the_ids_of_the_library(text: bytes, name: str, tokenizers: dict, lite: dict) -> None:
    wrong, _ = parity.encoding_differences(lite[name], tokenizers[name], [text[: parity.BUFFER].rstrip(b"\0")])
    assert not wrong


@settings(deadline=None, max_examples=100, derandomize=True)
@given(data=st.data(), name=st.sampled_from(NAMES))
def test_any_ids_have_the_text_of_the_tokeniser(data: st.DataObject, name: str, tokenizers: dict, lite: dict) -> None:
    last = tokenizers[name].vocabulary_size - 1
    some = st.one_of(st.integers(0, last), st.integers(0, 259), st.sampled_from([0, 1, 2, 4 + 0xC3, 4 + 0xA9]))
    ids = data.draw(st.lists(some, max_size=40))
    wrong, _ = parity.decoding_differences(lite[name], tokenizers[name], [ids])
    assert not wrong


@pytest.mark.parametrize("name", NAMES)
def test_sentences_and_awkward_texts_in_both_runtimes(name: str, tokenizers: dict, graphs: dict, lite: dict) -> None:
    source = random.Random(1)
    texts = [text.encode() for text in SENTENCES[:60]] + [text.rstrip(b"\0") for text in AWKWARD]
    texts += [parity.prepared(parity.random_text(source), source) for _ in range(60)]
    texts += [parity.prepared(parity.random_bytes(source), source) for _ in range(60)]
    ids = [parity.library_ids(tokenizers[name], text)[: parity.IDS] for text in texts]
    ids += [parity.random_ids(tokenizers[name], source) for _ in range(120)]
    for runtime in (lite[name], parity.TensorFlowRuntime(graphs[name])):
        assert parity.encoding_differences(runtime, tokenizers[name], texts)[0] == []
        assert parity.decoding_differences(runtime, tokenizers[name], ids)[0] == []


@pytest.mark.parametrize("name", NAMES)
def test_only_builtin_operators(name: str, lite: dict) -> None:
    for file in (lite[name].encode_file, lite[name].decode_file):
        model = schema.ModelT.InitFromPackedBuf(file, 0)
        codes = {max(code.builtinCode, code.deprecatedBuiltinCode) for code in model.operatorCodes}
        assert schema.BuiltinOperator.CUSTOM not in codes
        assert all(code.customCode is None for code in model.operatorCodes)
        for graph in model.subgraphs:
            assert all(
                tensor.shapeSignature is None or (np.array(tensor.shapeSignature) >= 0).all()
                for tensor in graph.tensors
            )


def test_the_tables_of_an_nfkc_model_are_smaller_than_its_file(tokenizers: dict, lite: dict) -> None:
    assert len(lite["nmt_nfkc"].encode_file) < len(tokenizers["nmt_nfkc"].to_bytes())


def test_quantisation_leaves_the_tables_alone(tokenizers: dict, graphs: dict) -> None:
    tokenizer = tokenizers["nmt_nfkc"]
    encode_file, decode_file = parity.lite_files(graphs["nmt_nfkc"], 192, 192, [tf.lite.Optimize.DEFAULT])
    encode, decode = parity.runner(encode_file), parity.runner(decode_file)
    for sentence in SENTENCES[:100]:
        ids, length, _ = encode(parity.padded([sentence.encode()], 192, np.uint8)[0])
        assert ids[:length].tolist() == tokenizer.encode(sentence)
        text, size, _ = decode(ids, length)
        assert text[:size].tobytes().decode() == tokenizer.decode(ids[:length].tolist())


# Models that others train


@pytest.mark.parametrize(
    "options",
    [
        {"add_dummy_prefix": False},
        {"remove_extra_whitespaces": False},
        {"remove_extra_whitespaces": False, "user_defined_symbols": ["  ", "    ", "<a b>", "é"]},
        {"user_defined_symbols": ["<foo>", "▁the", "station", "e\u0301"], "control_symbols": ["<bar>"]},
    ],
    ids=["no prefix", "all spaces", "spaces as pieces", "user-defined"],
)
def test_settings_of_the_model_file(options: dict) -> None:
    tokenizer = trained(**options)
    runtime = parity.TensorFlowRuntime(in_graph(tokenizer))
    source = random.Random(2)
    parts = [
        "<foo>",
        "▁the",
        "the",
        " station",
        "stations",
        " ",
        "  ",
        "   ",
        "<a b>",
        "é",
        "e\u0301",
        "<bar>",
        "<s>",
        "x\u00ad",
        "…",
    ]
    texts = ["".join(source.choices(parts, k=source.randint(0, 90))).encode() for _ in range(120)]
    assert parity.encoding_differences(runtime, tokenizer, texts)[0] == []
    ids = [parity.random_ids(tokenizer, source) for _ in range(120)]
    assert parity.decoding_differences(runtime, tokenizer, ids)[0] == []


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"model_type": "bpe"}, "unigram"),
        ({"byte_fallback": False}, "byte fallback"),
        ({"treat_whitespace_as_suffix": True}, "suffix"),
        ({"user_defined_symbols": ["  "]}, "two spaces"),
    ],
)
def test_what_has_no_graph_is_refused_with_the_reason(options: dict, reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        in_graph(trained(**options))


# Buffers


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [1, 3])
def test_small_buffers_hold_whole_characters(name: str, size: int, tokenizers: dict, graphs: dict) -> None:
    graph, tokenizer = graphs[name], tokenizers[name]
    texts = ["", "a", "é", "😀", "aé", "é€", "the", "a😀b", "été", "日本", "\x01\x02"]
    encoded = graph.encode(strings_to_bytes(tf.constant([text.encode() for text in texts]), size), 3 * size + 4)
    ids = [tokenizer.encode(text) for text in texts]
    padded = tf.constant(parity.padded(ids, max(map(len, ids)), np.int32))
    decoded = graph.decode(padded, tf.constant([len(row) for row in ids]), size)
    for row, text in enumerate(texts):
        fitting = text.encode()[:size].decode(errors="ignore")
        assert encoded.ids[row, : encoded.lengths[row]].numpy().tolist() == tokenizer.encode(fitting)
        assert encoded.left_out[row] == len(text.encode()[:size]) - len(fitting.encode())
        whole = tokenizer.decode(ids[row]).encode()
        written = decoded.text[row, : decoded.lengths[row]].numpy().tobytes()
        assert written == whole[:size].decode(errors="ignore").encode()
        assert (decoded.left_out[row] > 0) == (len(whole) > size)


@pytest.mark.parametrize("name", NAMES)
def test_few_ids_are_those_of_the_text_up_to_there(name: str, tokenizers: dict, graphs: dict) -> None:
    text = "Where is the 日本 station? Où est la gare 😀?".encode()
    whole = parity.library_ids(tokenizers[name], text)
    for size in (1, 2, 3, 5, 12, 14, 15, len(whole) - 1, len(whole), len(whole) + 1):
        encoded = graphs[name].encode(strings_to_bytes(tf.constant([text]), 64), size)
        length = int(encoded.lengths[0])
        assert encoded.ids[0].numpy().tolist() == whole[:length] + [0] * (size - length)
        assert (encoded.left_out[0] > 0) == (length < len(whole))
        assert size - length < 4  # bytes of a character stay together
        assert tokenizers[name].decode(whole[:length]).encode() in text + b" "


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_of_strings_there_and_back(name: str, tokenizers: dict, graphs: dict) -> None:
    graph = graphs[name]

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
    def there_and_back(strings: tf.Tensor) -> tf.Tensor:
        encoded = graph.encode(strings_to_bytes(strings, 64), 96)
        decoded = graph.decode(encoded.ids, encoded.lengths, 64)
        return bytes_to_strings(decoded.text, decoded.lengths)

    texts = ["Where is the station?", "", "Où est la gare ?", "日本 😀"]
    assert [text.decode() for text in there_and_back(texts).numpy()] == texts


def test_letters_of_the_other_case() -> None:
    tokenizer = Characters(["A", "c", "G", "g", "É", "ß", "Σ"], either_case=True)
    texts = ["AcGg", "aCgG", "éÉ ß ẞ", "Σσς", "x"]
    buffers = tf.constant(parity.padded([text.encode() for text in texts], 64, np.uint8))
    encoded = in_graph(tokenizer).encode(buffers, 32)
    for text, ids, length in zip(texts, encoded.ids.numpy(), encoded.lengths.numpy(), strict=True):
        assert ids[:length].tolist() == tokenizer.encode(text)


# Tables


def property_of(pages: Pages, character: str) -> int:
    page, place = divmod(ord(character), PAGE)
    volume, page = divmod(page, PAGE)
    return int(pages.cells[pages.pages[pages.volumes[min(volume, len(pages.volumes) - 1)] + page] + place])


def test_a_transducer_adds_up_to_the_value_of_each_key() -> None:
    rules = {"a": "b", "ab": "xyz", "abc": "c", "bc": "", "bbc": "q", "가": "각", "c": "  x"}
    result = rule_tables(rules)

    def value(key: str) -> int:
        kind = [property_of(result.classes, character) for character in key]
        if len(key) == 1:
            return ord(key) + int(result.added[kind[0]])
        state, total, cell = int(result.firsts[kind[0]]), int(result.first_added[kind[0]]), 0
        for follower in kind[1:]:
            cell = state + int(result.symbols[follower])
            assert result.longer.symbols[cell] == result.symbols[min(follower, len(result.symbols) - 1)]
            total, state = total + int(result.edge_added[cell]), int(result.longer.following[cell])
        return total + int(result.final_added[cell])

    def text(number: int) -> str:
        if number < FIRST_STRING:
            return chr(number)
        string = number - FIRST_STRING + 1
        start, length = int(result.string_starts[string]), int(result.string_lengths[string])
        return "".join(map(chr, result.strings[start : start + length]))

    assert {key: text(value(key)) for key in rules} == rules


def test_the_rules_of_the_library_are_read(tokenizers: dict) -> None:
    rules = read(tokenizers["nmt_nfkc"].to_bytes()).rules
    assert len(rules) > 200_000
    assert rules["ﬁ"] == "fi"
    assert rules["e\u0301"] == "é"
    assert rules["\u00a0"] == " "
    assert rules["\u200b"] in ("", " ")


@pytest.mark.parametrize(
    "charsmap",
    [
        b"\x01",
        b"\x08\0\0\0\0",
        struct.pack("<5I", 16, 2 << 10, 0, 0, 1 | 1 << 10),  # the edge by byte 1 leads to its own state
        struct.pack("<6I", 20, 2 << 10, 0, 1 << 31, 1 | 1 << 8 | 1 << 10, 0) + b"no zero at the end",
    ],
    ids=["no size", "cut", "a circle", "a string without end"],
)
def test_damaged_rules_are_refused(charsmap: bytes, tokenizers: dict) -> None:
    model = ModelProto.FromString(tokenizers["identity"].to_bytes())
    model.normalizer_spec.precompiled_charsmap = charsmap
    with pytest.raises(UserError, match="cannot be read: is it damaged"):
        read(model.SerializeToString())


@settings(deadline=None, max_examples=50, derandomize=True)
@given(states=st.lists(st.dictionaries(st.integers(0, 9), st.just(0), max_size=6), min_size=1, max_size=30))
def test_a_double_array_has_exactly_its_edges(states: list[dict[int, int]]) -> None:
    array = DoubleArray.of(states)
    for number, state in enumerate(states):
        offset = array.offsets[number]
        assert (offset == 0) == (not state)
        for symbol in range(1 + max((symbol for state in states for symbol in state), default=0)):
            assert (array.symbols[offset + symbol] == symbol) == (symbol in state)
    used = [offset for offset in array.offsets if offset]
    assert len(set(used)) == len(used)
