"""Tokenisers against Unicode at large and against the SentencePiece library."""

import io
import itertools
import json
from pathlib import Path
from random import Random

import pytest
import sentencepiece
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nlpseq.errors import UserError
from nlpseq.text import tokenizers
from nlpseq.text.tokenizers import Characters, SentencePiece, load, normalized, save

_SUBJECTS = ("The old man", "A small bird", "My sister", "Nobody", "Le petit garçon")
_VERBS = ("sees", "followed", "will not find", "remembers")
_OBJECTS = ("the river.", "a red house!", "seven ships?", "nothing at all.", "la mer…")
SENTENCES = [" ".join(parts) for parts in itertools.product(_SUBJECTS, _VERBS, _OBJECTS)]

AWKWARD = [
    "",
    " ",
    "\x00",
    "a\x00b",
    "\ufeff",
    "e\u0301",
    "👩‍👩‍👧",
    "\U0010ffff",
    "\ufffd",
    "\t\n\r\x0b\x85\u2028",
    "▁",
    "ﬁ",
]

TEXT = st.one_of(st.text(), st.text(alphabet="the rivÉé😀\n\x00▁\u00a0"), st.sampled_from(AWKWARD))


@pytest.fixture(scope="module")
def characters() -> Characters:
    return Characters.train(SENTENCES, 100)


@pytest.fixture(scope="module")
def pieces() -> SentencePiece:
    return SentencePiece.train(SENTENCES, 320)


@pytest.fixture(scope="module")
def identity() -> SentencePiece:
    return SentencePiece.train(SENTENCES, 320, normalization="identity")


# Any text


@settings(deadline=None, max_examples=300, derandomize=True)
@given(text=TEXT)
def test_characters_give_any_text_back(text: str, characters: Characters) -> None:
    ids = characters.encode(text)
    assert all(4 <= index < characters.vocabulary_size for index in ids)
    assert characters.decode(ids) == text


@settings(deadline=None, max_examples=100, derandomize=True)
@given(text=st.text(alphabet=st.characters(categories=None, exclude_categories=())))
@example(text="\ud800 lone")
def test_lone_surrogates_cost_only_themselves(text: str, characters: Characters) -> None:
    ids = characters.encode(text)
    assert all(4 <= index < characters.vocabulary_size for index in ids)
    assert characters.decode(ids) == "".join("\ufffd" if "\ud800" <= part <= "\udfff" else part for part in text)


@settings(deadline=None, max_examples=300, derandomize=True)
@given(text=st.one_of(TEXT, st.just("\ud83d alone")))
def test_pieces_of_any_text_are_never_reserved(text: str, pieces: SentencePiece) -> None:
    ids = pieces.encode(text)
    assert all(4 <= index < pieces.vocabulary_size for index in ids)


def test_a_lone_surrogate_is_the_replacement_character(characters: Characters, identity: SentencePiece) -> None:
    for tokenizer in (characters, identity):
        ids = tokenizer.encode("the \ud83d river")
        assert ids == tokenizer.encode("the \ufffd river")
        assert tokenizer.decode(ids) == "the \ufffd river"


@settings(deadline=None, max_examples=300, derandomize=True)
@given(text=st.text(alphabet=st.sampled_from("the rivÉé😀好\u0301\U0010ffffﬁ,.!"), max_size=40))
def test_pieces_without_normalisation_give_text_back(text: str, identity: SentencePiece) -> None:
    # SentencePiece itself drops spaces at the ends and keeps one of several.
    text = " ".join(text.split(" ")).strip(" ")
    while "  " in text:
        text = text.replace("  ", " ")
    assert identity.decode(identity.encode(text)) == text


@settings(deadline=None, max_examples=200, derandomize=True)
@given(data=st.data())
def test_any_ids_are_decoded(data: st.DataObject, characters: Characters, pieces: SentencePiece) -> None:
    for tokenizer in (characters, pieces):
        ids = data.draw(st.lists(st.integers(0, tokenizer.vocabulary_size - 1), max_size=30))
        text = tokenizer.decode(ids)
        assert text.encode("utf-8").decode("utf-8") == text
        assert len(tokenizer.pieces(ids)) == len(ids)
        assert all(tokenizer.pieces(ids))


# Characters


def test_characters_by_hand() -> None:
    tokenizer = Characters(["a", "b", "é"])
    assert tokenizer.vocabulary_size == 4 + 256 + 3
    assert tokenizer.encode("aéb") == [260, 262, 261]
    assert tokenizer.encode("c") == [4 + 0x63]
    assert tokenizer.encode("ß") == [4 + 0xC3, 4 + 0x9F]
    assert tokenizer.encode("😀") == [4 + 0xF0, 4 + 0x9F, 4 + 0x98, 4 + 0x80]
    assert tokenizer.pieces([0, 1, 2, 3, 4, 259, 260, 262]) == [
        "<pad>",
        "<unk>",
        "<s>",
        "</s>",
        "<0x00>",
        "<0xFF>",
        "a",
        "é",
    ]


def test_characters_decode_bytes_that_are_no_utf8() -> None:
    tokenizer = Characters(["a"])
    assert tokenizer.decode([260, 4 + 0xC3, 260]) == "a\ufffda"
    assert tokenizer.decode([4 + 0xFF]) == "\ufffd"
    assert tokenizer.decode([4 + 0xC3, 0, 3, 4 + 0x9F]) == "ß"


def test_characters_learn_the_most_frequent_in_code_point_order() -> None:
    assert Characters.train(["bbbccdaaaa", "d"], 3).characters == ["a", "b", "c"]
    assert Characters.train(iter(["zzyx"]), 10).characters == ["x", "y", "z"]
    assert Characters.train([], 10).vocabulary_size == 260


def test_a_lone_surrogate_is_learnt_as_the_replacement_character() -> None:
    tokenizer = Characters.train(["\ud800\ud801\udfffa"], 10)
    assert tokenizer.characters == ["a", "\ufffd"]
    assert tokenizer.encode("\ud802a") == [261, 260]
    assert tokenizer.to_bytes().decode("utf-8")


def test_a_letter_of_one_case_is_read_in_both() -> None:
    """DNA is written in capitals and in small letters; names have both, and there the case says something."""
    tokenizer = Characters.train(["ACGT", "aßİ"], 10, either_case=True)
    assert tokenizer.encode("acgt")[1:] == tokenizer.encode("ACGT")[1:]
    assert tokenizer.encode("a") != tokenizer.encode("A")
    assert tokenizer.encode("T") != Characters.train(["t"], 10).encode("T") == [4 + ord("T")]
    assert tokenizer.decode(tokenizer.encode("İß")) == "İß"


def test_ids_that_no_learnt_text_has() -> None:
    tokenizer = Characters.train(["aaab", "é"], 2)
    assert set(range(tokenizer.vocabulary_size)) - set(tokenizer.never_learnt()) == {
        *tokenizer.encode("ab"),
        4 + 0xC3,
        4 + 0xA9,
    }
    assert Characters(["a"]).never_learnt() == [0, 1, 2, 3]  # of a file that does not know


@pytest.mark.parametrize("characters", [["ab"], [""], ["a", "b", "a"], ["\ud800"], [5]])
def test_what_is_no_vocabulary_of_characters_is_refused(characters: list[str]) -> None:
    with pytest.raises(ValueError, match="each character once"):
        Characters(characters)


@pytest.mark.parametrize("index", range(4))
def test_reserved_ids_are_left_out_of_the_text(index: int, characters: Characters, pieces: SentencePiece) -> None:
    assert characters.decode([*characters.encode("the"), index]) == "the"
    assert pieces.decode([*pieces.encode("the"), index]) == "the"


# SentencePiece


def test_training_is_deterministic() -> None:
    first, second = (SentencePiece.train(iter(SENTENCES), 320) for _ in range(2))
    assert first.to_bytes() == second.to_bytes()
    assert first.digest() == second.digest()
    assert first.digest() != SentencePiece.train(SENTENCES[1:], 320).digest()


def test_reserved_ids_are_the_librarys_too(pieces: SentencePiece) -> None:
    library = sentencepiece.SentencePieceProcessor(model_proto=pieces.to_bytes())
    assert (library.pad_id(), library.unk_id(), library.bos_id(), library.eos_id()) == (0, 1, 2, 3)
    assert (tokenizers.PAD, tokenizers.UNKNOWN, tokenizers.BOS, tokenizers.EOS) == (0, 1, 2, 3)
    assert library.vocab_size() == pieces.vocabulary_size


def test_ids_are_the_librarys(pieces: SentencePiece) -> None:
    library = sentencepiece.SentencePieceProcessor(model_proto=pieces.to_bytes())
    for text in [*SENTENCES, *AWKWARD]:
        assert pieces.encode(text) == library.encode(text)
        assert pieces.pieces(pieces.encode(text)) == library.encode(text, out_type=str)
    assert pieces.decode(pieces.encode(SENTENCES[0])) == SENTENCES[0]


def test_vocabulary_size_is_a_limit_not_a_demand() -> None:
    few = SentencePiece.train(SENTENCES, 6000)
    assert 260 < few.vocabulary_size < 6000
    assert SentencePiece.train(SENTENCES, 320).vocabulary_size == 320


@pytest.mark.parametrize("rule", ["nmt_nfkc", "nmt_nfkc_cf", "identity"])
def test_normalisation(rule: str) -> None:
    tokenizer = SentencePiece.train(SENTENCES, 320, normalization=rule)
    expected = {"nmt_nfkc": "The fine sea", "nmt_nfkc_cf": "the fine sea", "identity": "The ﬁne sea"}
    assert tokenizer.decode(tokenizer.encode("The ﬁne sea")) == expected[rule]


@pytest.mark.parametrize("rule", ["nmt_nfkc", "nmt_nfkc_cf", "identity"])
def test_the_same_pieces_after_another_rule(rule: str, identity: SentencePiece) -> None:
    source, alone = identity.with_normalization(rule), SentencePiece.train(SENTENCES, 320, rule)
    assert source.has_pieces_of(identity)
    assert source.has_pieces_of(alone) == (rule == "identity")
    for text in [*SENTENCES[:5], *AWKWARD, "The ﬁne RIVER, ½ m²"]:
        assert source._processor.normalize(text) == alone._processor.normalize(text)
        assert source.encode(text) == identity.encode(next(normalized([text], rule)))


def test_targets_are_written_as_they_are() -> None:
    texts = [
        "½ Tasse, 3 m² … gut™",
        "Ｌｅｉｐｚｉｇ，ｊａ！",
        "می\u200cخواهم",
        "10\u202f% ﬁn\u00adal",
        "a ▅ b",
        "a\tb\nc",
    ]
    learnt = SentencePiece.train(texts * 5, 400, normalization="identity")
    assert [learnt.decode(learnt.encode(text)) for text in texts] == texts


def test_figures_are_read_digit_by_digit_and_no_digit_is_missing() -> None:
    for texts in (SENTENCES, [f"{year} dogs" for year in [1234] * 50]):
        tokenizer = SentencePiece.train(texts, 320)
        pieces = tokenizer.pieces(tokenizer.encode("1234 and 9056780"))
        assert [piece for piece in pieces if piece.isdigit()] == list("12349056780")
        assert "".join(pieces).count("▁") == 3


def test_texts_with_the_trainers_own_mark_are_learnt_from() -> None:
    """SentencePiece leaves out every text with U+2585."""
    tokenizer = SentencePiece.train([f"{sentence} ▅" for sentence in SENTENCES], 320)
    assert tokenizer.pieces(range(320)) == SentencePiece.train(SENTENCES, 320).pieces(range(320))
    assert tokenizer.decode(tokenizer.encode("the river ▅ a")) == "the river ▅ a"


@pytest.mark.parametrize("texts", [[], [""], ["\n \n"]])
def test_no_text_to_learn_from(texts: list[str]) -> None:
    with pytest.raises(UserError, match="no tokeniser can be learnt from this text"):
        SentencePiece.train(texts, 300)


def test_vocabulary_too_small_for_the_characters() -> None:
    text = " ".join(chr(0x4E00 + index) for index in range(200))
    with pytest.raises(
        UserError, match=r"tokenizer\.vocabulary_size 300 \(it needs at least all characters and 260 more\)"
    ):
        SentencePiece.train([text], 300)


def test_dirty_text_can_be_learnt_from() -> None:
    texts = [
        *SENTENCES,
        "",
        "\x00",
        "tab\there",
        "▁▁",
        "<s> </s> <unk> <pad>",
        "x" * 30_000,
        " " * 9_000,
    ]
    tokenizer = SentencePiece.train(texts, 350, normalization="identity")
    assert tokenizer.decode(tokenizer.encode("the river")) == "the river"
    assert all(index >= 4 for index in tokenizer.encode("<s> </s> <unk> <pad> <0x00>"))


def test_a_lone_surrogate_does_not_stop_the_training() -> None:
    tokenizer = SentencePiece.train([*SENTENCES, "\ud83d half an emoji"], 320)
    assert tokenizer.decode(tokenizer.encode("the river")) == "the river"


# Files


@pytest.mark.parametrize("kind", ["characters", "pieces"])
def test_saved_tokenisers_are_loaded(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    tokenizer = request.getfixturevalue(kind)
    save(tokenizer, tmp_path, "source")
    assert [path.name for path in tmp_path.iterdir()] == ["source.json" if kind == "characters" else "source.model"]
    again = load(tmp_path, "source")
    assert type(again) is type(tokenizer)
    assert again.digest() == tokenizer.digest()
    assert again.vocabulary_size == tokenizer.vocabulary_size
    for text in [*SENTENCES[:5], *AWKWARD, "ÉcRIT"]:
        assert again.encode(text) == tokenizer.encode(text)


@settings(deadline=None, max_examples=50, derandomize=True)
@given(alphabet=st.lists(st.characters(exclude_categories=["Cs"]), unique=True, max_size=20))
def test_any_characters_are_stored(alphabet: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("tokenizer")
    save(Characters(alphabet), folder, "text")
    again = load(folder, "text")
    assert isinstance(again, Characters)
    assert again.characters == alphabet


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "text.model").mkdir()
    with pytest.raises(UserError, match=r"text\.model: cannot be read: Is a directory"):
        load(tmp_path, "text")


def test_missing_tokeniser(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the tokeniser 'source' is missing"):
        load(tmp_path, "source")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b'{"characters": 5}',
        b'{"characters": "ab"}',
        b'{"characters": {"a": 1}}',
        b'{"characters": ["a", 5]}',
        b'{"characters": ["a", "a"]}',
        b'{"characters": ["a", "\\ud800"]}',
        b'{"characters": ["a", null]}',
        b'{"characters": ["a", "a"], "either_case": true, "spelt": []}',
        b'{"characters": ["a"], "either_case": true, "spelt": [[]]}',
        b'{"characters": [' + b"9" * 5_000 + b"]}",
        b"[" * 100_000,
        b"\xff\xfe",
        json.dumps({"characters": ["a", "b"]}).encode()[:-3],
    ],
)
def test_damaged_character_file(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "text.json").write_bytes(content)
    with pytest.raises(UserError, match=r"text\.json: damaged"):
        load(tmp_path, "text")


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x00" * 100, b"{}"])
def test_damaged_sentencepiece_file(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "text.model").write_bytes(content)
    with pytest.raises(UserError, match=r"text\.model: .*damaged"):
        load(tmp_path, "text")


def test_a_sentencepiece_model_with_other_reserved_ids(tmp_path: Path) -> None:
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES), model_writer=model, vocab_size=60, hard_vocab_limit=False, minloglevel=2
    )
    (tmp_path / "text.model").write_bytes(model.getvalue())
    with pytest.raises(UserError, match=r"text\.model: .* has the ids \[-1, 0, 1, 2\] for padding.*\[0, 1, 2, 3\]"):
        load(tmp_path, "text")


def test_a_sentencepiece_model_with_a_piece_that_is_not_utf8(pieces: SentencePiece, tmp_path: Path) -> None:
    model = pieces.to_bytes()
    at = model.index("▁".encode())
    (tmp_path / "text.model").write_bytes(model[:at] + b"\xff" + model[at + 1 :])
    with pytest.raises(UserError, match=r"text\.model: .*damaged"):
        load(tmp_path, "text")


@pytest.mark.parametrize("part", [0.001, 0.1, 0.3, 0.5, 0.9, 0.999])
def test_truncated_sentencepiece_file(part: float, pieces: SentencePiece, tmp_path: Path) -> None:
    model = pieces.to_bytes()
    (tmp_path / "text.model").write_bytes(model[: int(len(model) * part)])
    with pytest.raises(UserError, match=r"text\.model: .*damaged"):
        load(tmp_path, "text")


def test_sampled_pieces_spell_the_same_text(pieces: SentencePiece) -> None:
    plain = pieces.encode_all(SENTENCES)
    assert pieces.encode_sampled(SENTENCES, 0.0, Random(1)) == plain
    sampled = pieces.encode_sampled(SENTENCES, 0.5, Random(1))
    assert pieces.encode_sampled(SENTENCES, 0.5, Random(1)) == sampled
    assert pieces.encode_sampled(SENTENCES, 0.5, Random(2)) != sampled
    assert [pieces.decode(ids) for ids in sampled] == [pieces.decode(ids) for ids in plain]
    others = sum(one != other for one, other in zip(plain, sampled, strict=True))
    assert 0.3 * len(SENTENCES) < others < 0.7 * len(SENTENCES)
